import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  getOperationAST,
  GraphQLError,
  parse,
  specifiedRules,
  subscribe,
  validate,
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { renderError } from './error-rendering.ts';
import type { ErrorCode } from './errors.ts';
import type { Caller } from './identity.ts';
import type { Logger } from './logger.ts';
import type { OperationsUnderWay } from './operations-under-way.ts';
import { operationTitle } from './operation-title.ts';
import { readAtSocketPace } from './read-receipts.ts';
import { admitOperation, type SignatureGate } from './signed-operation.ts';
import { receivedTrace, runTraced, traceIdOf, type Tracing } from './tracing.ts';

export type SocketOptions = {
  readonly server: Server;
  readonly path: string;
  readonly schema: GraphQLSchema;
  readonly gate: SignatureGate;
  readonly logger: Logger;
  readonly maxMessageBytes: number;
  readonly underWay: OperationsUnderWay;
  readonly tracing: Tracing;
  readonly createContext: (operation: { caller: Caller; traceId: string; signal: AbortSignal }) => Promise<object>;
};

/** As graphql-ws types it, every field may be there and undefined. */
type AnyResult = { readonly [Key in keyof ExecutionResult]: ExecutionResult[Key] | undefined };

type Tracked = { readonly traceparent: string; readonly traceId: string; readonly operation: AbortController };

/** graphql-ws on the subgraph's own server and path. Every operation is checked as over HTTP; `stop` closes the sockets with 1001. */
export function serveSockets(options: SocketOptions): { stop(limitMs: number): Promise<void> } {
  const { server, path, logger, maxMessageBytes, underWay, tracing } = options;
  const sockets = new WebSocketServer({ noServer: true, maxPayload: maxMessageBytes });
  // By payload, which graphql-ws hands to every hook unchanged: a client may use an operation's id again at once.
  const tracked = new WeakMap<SubscribePayload, Tracked>();
  const bySocket = new WeakMap<object, Set<AbortController>>();
  const causes = new WeakMap<ExecutionArgs, string>();

  const served = useServer(
    {
      onSubscribe: async ({ extra }, _id, payload) => {
        const traceparent = receivedTrace(extra.request.headers['traceparent']);
        const entry = { traceparent, traceId: traceIdOf(traceparent), operation: underWay.begin() };
        tracked.set(payload, entry);
        bySocket.set(extra.socket, (bySocket.get(extra.socket) ?? new Set()).add(entry.operation));
        try {
          const admitted = await admit(options, payload, entry);
          if ('document' in admitted) causes.set(admitted, traceparent);
          return admitted;
        } catch (error) {
          return [error instanceof GraphQLError ? error : unexpected(error)];
        }
      },
      // The span is that of its beginning: a subscription may last for days.
      subscribe: async args => {
        const operation = getOperationAST(args.document, args.operationName);
        const title = operation ? operationTitle(operation) : 'subscription';
        return runTraced(tracing, title, { parent: causes.get(args) }, async () => subscribe(args));
      },
      onOperation: ({ extra }, _id, payload, _args, result) =>
        isIterable(result)
          ? readAtSocketPace(
              endable(result, () => end(tracked.get(payload))),
              extra.socket,
            )
          : undefined,
      onNext: (_context, _id, payload, _args, result) => {
        const entry = tracked.get(payload);
        return entry === undefined ? undefined : rendered(result, entry.traceId, logger);
      },
      onError: (_context, _id, payload, errors) => {
        const entry = tracked.get(payload);
        end(entry);
        return errors.map(error => renderError(error, entry?.traceId ?? traceIdOf(undefined), logger));
      },
      onComplete: (_context, _id, payload) => end(tracked.get(payload)),
      onClose: ({ extra }) => {
        for (const operation of bySocket.get(extra.socket) ?? []) underWay.end(operation);
      },
    },
    sockets,
  );

  function end(entry: Tracked | undefined): void {
    if (entry !== undefined) underWay.end(entry.operation);
  }

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (request.url?.split('?')[0] === path) {
      sockets.handleUpgrade(request, socket, head, client => sockets.emit('connection', client, request));
    } else {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    }
  };
  server.on('upgrade', upgrade);

  return {
    stop: async limitMs => {
      server.off('upgrade', upgrade);
      // A client that never answers the close frame must not hold the stop up.
      const cut = setTimeout(() => sockets.clients.forEach(client => client.terminate()), limitMs);
      try {
        await served.dispose();
      } finally {
        clearTimeout(cut);
      }
    },
  };
}

async function admit(
  { schema, gate, createContext }: SocketOptions,
  payload: SubscribePayload,
  { traceId, operation }: Tracked,
): Promise<ExecutionArgs | readonly GraphQLError[]> {
  const caller = admitOperation(payload, gate, traceId);
  const document = parse(payload.query);
  const invalid = validate(schema, document, specifiedRules);
  if (invalid.length > 0) return invalid.map(error => located(error));
  const contextValue = await createContext({ caller, traceId, signal: operation.signal });
  return {
    schema,
    document,
    contextValue,
    ...(payload.variables ? { variableValues: payload.variables } : {}),
    ...(payload.operationName ? { operationName: payload.operationName } : {}),
  };
}

function unexpected(error: unknown): GraphQLError {
  const originalError =
    error instanceof Error ? error : new Error('a value that is no Error was thrown', { cause: error });
  return new GraphQLError(originalError.message, { originalError });
}

function rendered({ data, errors, extensions }: AnyResult, traceId: string, logger: Logger): FormattedExecutionResult {
  return {
    ...(data === undefined ? {} : { data }),
    ...(errors === undefined ? {} : { errors: errors.map(error => renderError(error, traceId, logger)) }),
    ...(extensions === undefined ? {} : { extensions }),
  };
}

function isIterable(result: unknown): result is AsyncGenerator<ExecutionResult, undefined, undefined> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

/**
 * Ends the operation's signal before asking the source to return: a generator that waits for its next event only hears the request to
 * return once that event came, while whatever it waits for can listen to the signal.
 */
function endable(
  source: AsyncGenerator<ExecutionResult, undefined, undefined>,
  end: () => void,
): AsyncGenerator<ExecutionResult, undefined, undefined> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => source.next(),
    return: async value => {
      end();
      return source.return(value);
    },
    throw: async (error: unknown) => {
      end();
      return source.throw(error);
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await source.return(undefined);
    },
  };
}

/** graphql-js gives its refusals no code. */
function located(error: GraphQLError): GraphQLError {
  const { message, nodes = null } = error;
  return new GraphQLError(message, { nodes, extensions: { code: 'GRAPHQL_VALIDATION_FAILED' satisfies ErrorCode } });
}
