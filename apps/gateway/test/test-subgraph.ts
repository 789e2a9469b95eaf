import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { type Caller, verifyCaller } from '@holdfast/service';
import { readAtSocketPace } from '@holdfast/service/read-receipts';
import { type ExecutionResult, graphql, GraphQLError, type GraphQLSchema, parse } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import type { AlarmClock } from '../src/alarm-clock.ts';
import { signingKey } from './identity.ts';

export type Fault = 'hang' | 'half an answer' | number | undefined;
export type SubgraphContext = { readonly caller: Caller };
type Params = { query: string; variables?: Record<string, unknown>; extensions?: { holdfast?: unknown } };

export type TestSubgraph = {
  readonly url: string;
  /** What each request brought in `extensions`, over both transports. */
  readonly seen: {
    readonly transport: 'http' | 'ws';
    readonly query: string;
    readonly extensions: Record<string, unknown>;
  }[];
  readonly requestIds: (string | undefined)[];
  /** Of each request, over both transports. */
  readonly traceparents: (string | undefined)[];
  fault: Fault;
  /** False: it answers nothing but 503, as a replica does that waits for the lead. */
  leads: boolean;
  /** From now on nothing that arrives over its WebSockets is read, as if the process stood still. */
  freeze(): void;
  /** Lets hanging requests go on. */
  release(): void;
  stop(): Promise<void>;
};

/** A subgraph over TCP that believes only signed requests and can be told to fail. */
export async function startTestSubgraph(
  name: string,
  typeDefs: string,
  resolvers: object,
  clock: AlarmClock,
  { port = 0, leads = true }: { readonly port?: number; readonly leads?: boolean } = {},
): Promise<TestSubgraph> {
  const schema = buildSubgraphSchema([{ typeDefs: parse(typeDefs), resolvers: resolvers as never }]);
  const hanging = new Set<() => void>();
  const verify = (params: Params): SubgraphContext => callerOf(name, params, clock);
  const server = createServer((request, response) => {
    void answer(request, response, schema, subgraph, hanging, verify);
  });
  const webSocketServer = new WebSocketServer({
    server,
    path: '/graphql',
    verifyClient: (_info: unknown, answer: (isFine: boolean, status?: number) => void) => answer(subgraph.leads, 503),
  });
  useServer(
    {
      schema,
      context: (_context, _id, payload) => verify(payload as Params),
      onSubscribe({ extra }, _id, payload) {
        const params = payload as Params;
        subgraph.traceparents.push(extra.request.headers['traceparent'] as string | undefined);
        subgraph.seen.push({ transport: 'ws', query: params.query, extensions: params.extensions ?? {} });
        try {
          verify(params);
          return undefined;
        } catch (error) {
          return [error as GraphQLError];
        }
      },
      onOperation: ({ extra }, _id, _payload, _args, result) =>
        Symbol.asyncIterator in result
          ? readAtSocketPace(result as AsyncIterator<ExecutionResult, undefined>, extra.socket)
          : undefined,
    },
    webSocketServer,
  );
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
  const subgraph: TestSubgraph = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    seen: [],
    requestIds: [],
    traceparents: [],
    fault: undefined,
    leads,
    freeze() {
      for (const socket of webSocketServer.clients) socket.pause();
    },
    release() {
      for (const go of hanging) go();
      hanging.clear();
    },
    async stop() {
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      for (const socket of webSocketServer.clients) socket.terminate();
      server.closeAllConnections();
      await closed;
    },
  };
  return subgraph;
}

function callerOf(name: string, { query, variables, extensions }: Params, clock: AlarmClock): SubgraphContext {
  const verified = verifyCaller(signingKey, extensions?.holdfast, name, { query, variables }, clock.now());
  if ('caller' in verified) return verified;
  const details = { code: 'UNAUTHENTICATED', problem: verified.problem };
  throw new GraphQLError(`The signature is ${verified.problem}.`, { extensions: details });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  schema: GraphQLSchema,
  subgraph: TestSubgraph,
  hanging: Set<() => void>,
  verify: (params: Params) => SubgraphContext,
): Promise<void> {
  if (request.url === '/readyz') {
    const body = JSON.stringify({ checks: [{ name: 'leader', ok: subgraph.leads }] });
    return void response.writeHead(subgraph.leads ? 200 : 503).end(body);
  }
  let text = '';
  for await (const chunk of request) text += String(chunk);
  const params = JSON.parse(text) as Params;
  subgraph.seen.push({ transport: 'http', query: params.query, extensions: params.extensions ?? {} });
  subgraph.requestIds.push(request.headers['x-request-id'] as string | undefined);
  subgraph.traceparents.push(request.headers['traceparent'] as string | undefined);
  if (!subgraph.leads) {
    const errors = [{ message: 'waits', extensions: { code: 'NOT_LEADER', retryable: true } }];
    return void response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify({ errors }));
  }
  if (subgraph.fault === 'hang') await new Promise<void>(resolve => hanging.add(resolve));
  if (subgraph.fault === 'half an answer')
    return void response.writeHead(200, { 'content-type': 'application/json' }).write('{"data":');
  if (typeof subgraph.fault === 'number') return void response.writeHead(subgraph.fault).end('<h1>secret insides</h1>');
  const { query, variables } = params;
  let result: unknown;
  try {
    const contextValue = verify(params);
    result = await graphql({
      schema,
      source: query,
      contextValue,
      ...(variables === undefined ? {} : { variableValues: variables }),
    });
  } catch (error) {
    result = { errors: [error] };
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
}
