import { type ExecutionResult, GraphQLError, print } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { mapStream, type ResultStream } from './streams.ts';

type Request = Parameters<typeof print>[0] extends infer Node
  ? {
      readonly document: Node;
      readonly variables?: unknown;
      readonly operationName?: string | undefined;
      readonly extensions?: unknown;
    }
  : never;

/**
 * The transport for subscriptions to subgraphs. `@graphql-mesh/transport-ws` fixes graphql-ws's five silent retries: a
 * subgraph that is down would be reported after half a minute, and a retry would send a signature that has run out.
 * Here a lost connection fails its subscriptions at once; who subscribed decides to come back.
 */
export const socketTransport = {
  getSubgraphExecutor({ transportEntry }: { transportEntry: { location?: string } }) {
    const { location } = transportEntry;
    if (location === undefined) throw new Error('a subgraph without an address cannot be subscribed to');
    const client = createClient({
      url: location.replace(/^http/, 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      lazyCloseTimeout: 3_000,
      onNonLazyError: () => undefined,
    });
    const execute = (request: Request): AsyncIterableIterator<ExecutionResult> => subscribe(client, request);
    return Object.assign(execute, { [Symbol.asyncDispose]: async () => client.dispose() });
  },
};

function subscribe(client: Client, request: Request): ResultStream {
  const results = client.iterate({
    query: print(request.document),
    variables: (request.variables ?? null) as Record<string, unknown> | null,
    operationName: request.operationName ?? null,
    extensions: (request.extensions ?? null) as Record<string, unknown> | null,
  }) as ResultStream;
  return mapStream(results, revived, thrown => revived(refusal(thrown)));
}

/** A subgraph that refuses an operation has answered: graphql-ws throws the errors of that message. Anything else is no answer. */
function refusal(thrown: unknown): ExecutionResult {
  if (!Array.isArray(thrown)) throw thrown;
  return { errors: thrown as NonNullable<ExecutionResult['errors']> };
}

/** Errors come off the wire as plain objects; made GraphQL errors again they can be told from a failure of the transport. */
function revived({ errors, ...result }: ExecutionResult): ExecutionResult {
  if (errors === undefined) return result;
  return {
    ...result,
    errors: errors.map(
      ({ message, path, extensions }) => new GraphQLError(message, { path: path ?? null, extensions }),
    ),
  };
}
