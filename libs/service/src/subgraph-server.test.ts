import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { parse } from 'graphql';
import { Registry } from 'prom-client';
import WebSocket from 'ws';
import { apiError } from './errors.ts';
import { signCaller, type Caller } from './identity.ts';
import { createLogger } from './logger.ts';
import {
  openSubgraphPort,
  startSubgraph,
  type OperationContext,
  type RunningSubgraph,
  type SubgraphOptions,
} from './subgraph-server.ts';
import { signedClient, type SignedClient } from './testing.ts';

const key = Buffer.from('the key of the tests');
const caller: Caller = { sub: 'ann', roles: ['viewer'], groups: ['*'] };
const now = 1_790_000_000_000;
const clock = () => now;

const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  type Query { me: String! slow: String refused: String broken: String fatal(n: Int): Int! }
  type Thing @key(fields: "id") { id: ID! owner: String! }
  type Subscription { count(to: Int!): Int! forever: Int! failing: Int! }
`);

/** A server whose resolvers the test can see and hold. */
function fixture() {
  const contexts: OperationContext[] = [];
  const lines: string[] = [];
  const slowCalled = Promise.withResolvers<undefined>();
  const slowAnswer = Promise.withResolvers<string>();
  const foreverStarted = Promise.withResolvers<undefined>();
  const resolvers = {
    Query: {
      me: (_: unknown, _args: unknown, { caller: { sub } }: OperationContext) => sub,
      slow: () => {
        slowCalled.resolve(undefined);
        return slowAnswer.promise;
      },
      refused: () => {
        throw apiError('NOT_FOUND', 'No such thing.', { fix: 'Look again.', cause: new Error('hidden cause') });
      },
      broken: () => {
        throw Object.assign(new Error('password=hunter2'), { extensions: { leak: 'hunter2' } });
      },
      fatal: () => null,
    },
    Thing: {
      __resolveReference: ({ id }: { id: string }) => ({ id }),
      owner: (_: unknown, _args: unknown, { caller: { sub } }: OperationContext) => sub,
    },
    Subscription: {
      count: {
        subscribe: async function* (_: unknown, { to }: { to: number }) {
          for (let count = 1; count <= to; count += 1) yield { count };
        },
      },
      forever: {
        subscribe: async function* (_: unknown, _args: unknown, { signal }: OperationContext) {
          yield { forever: 1 };
          foreverStarted.resolve(undefined);
          await once(signal, 'abort');
        },
      },
      failing: {
        subscribe: async function* () {
          yield { failing: 1 };
          throw new Error('password=hunter2');
        },
      },
    },
  };
  const options: SubgraphOptions<OperationContext> = {
    name: 'inventory',
    typeDefs,
    resolvers: resolvers as SubgraphOptions<OperationContext>['resolvers'],
    port: 0,
    signingKey: key,
    clock,
    logger: createLogger({
      service: 'inventory',
      level: 'info',
      destination: { write: line => void lines.push(line) },
    }),
    registry: new Registry(),
    checks: [{ name: 'store', check: () => ({ ok: true }) }],
    createContext: operation => {
      contexts.push(operation);
      return operation;
    },
  };
  return { options, contexts, lines, slowCalled, slowAnswer, foreverStarted };
}

const running: { stop(): Promise<void> }[] = [];
const clients: SignedClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const server of running.splice(0)) await server.stop();
});

async function start(changes: Partial<SubgraphOptions<OperationContext>> = {}) {
  const fixed = fixture();
  const server = await startSubgraph({ ...fixed.options, ...changes });
  running.push(server);
  return { ...fixed, server, client: clientOf(server) };
}

function clientOf({ url }: RunningSubgraph, changes: Partial<Parameters<typeof signedClient>[0]> = {}): SignedClient {
  const client = signedClient({ url, key, subgraph: 'inventory', caller, clock, ...changes });
  clients.push(client);
  return client;
}

const post = async (url: string, body: unknown, headers: Record<string, string> = {}) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: text,
  });
  const answer = (await response.json()) as {
    data?: unknown;
    errors?: { message: string; extensions?: Record<string, unknown> }[];
  };
  return { status: response.status, answer };
};
const signed = (query: string, variables: Record<string, unknown> = {}) => ({
  query,
  variables,
  extensions: { holdfast: signCaller(key, caller, 'inventory', { query, variables }, now) },
});
const unauthenticated = {
  message: expect.any(String),
  extensions: {
    code: 'UNAUTHENTICATED',
    retryable: false,
    traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
    fix: expect.any(String),
  },
};

describe('a subgraph over HTTP', () => {
  it('answers what the gateway signed, with the caller in the context', async () => {
    const { client, contexts } = await start();
    expect(await client.query('{ me }')).toEqual({ status: 200, data: { me: 'ann' } });
    expect(contexts).toEqual([
      { caller, traceId: expect.stringMatching(/^[0-9a-f]{32}$/), signal: expect.any(AbortSignal) },
    ]);
    const { data } = await client.query('{ _service { sdl } }');
    expect(JSON.stringify(data)).toContain('type Thing');
    const entities = 'query ($r: [_Any!]!) { _entities(representations: $r) { ... on Thing { id owner } } }';
    expect((await client.query(entities, { r: [{ __typename: 'Thing', id: '7' }] })).data).toEqual({
      _entities: [{ id: '7', owner: 'ann' }],
    });
  });

  it.each([
    '{ me }',
    '{ _service { sdl } }',
    '{ _entities(representations: []) { __typename } }',
    '{ __schema { types { name } } }',
    '{ nothing',
    '{ unknown }',
  ])('refuses %s unsigned, before any context or resolver', async query => {
    const { server, contexts } = await start();
    expect(await post(server.url, { query })).toEqual({ status: 401, answer: { errors: [unauthenticated] } });
    expect(contexts).toEqual([]);
  });

  it('refuses forged, expired and malformed signatures, and those for another subgraph or other variables', async () => {
    const { server, contexts } = await start();
    for (const client of [
      clientOf(server, { key: Buffer.from('another') }),
      clientOf(server, { subgraph: 'backup' }),
      clientOf(server, { clock: () => now - 30_001 }),
    ]) {
      expect(await client.query('{ me }')).toEqual({ status: 401, errors: [unauthenticated] });
    }
    for (const body of [
      { ...signed('{ me }'), query: '{ slow }' },
      { ...signed('query ($n: Int) { fatal(n: $n) }', { n: 1 }), variables: { n: 2 } },
      { query: '{ me }', extensions: { holdfast: 'x' } },
      { extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } },
      [signed('{ me }')],
    ]) {
      expect(await post(server.url, body)).toMatchObject({ status: 401, answer: { errors: [unauthenticated] } });
    }
    expect(contexts).toEqual([]);
  });

  it('refuses a signed document with several operations: operationName is not part of the signature', async () => {
    const { server } = await start();
    const body = { ...signed('query A { me } query B { slow }'), operationName: 'B' };
    expect(await post(server.url, body)).toMatchObject({ status: 401, answer: { errors: [unauthenticated] } });
  });

  it('takes no GET and no page asks for it', async () => {
    const { server } = await start();
    expect((await fetch(`${server.url}?query={me}`)).status).toBe(404);
    expect((await fetch(server.url, { headers: { accept: 'text/html' } })).status).toBe(404);
  });

  it('gives errors their code, retryable and trace id and nothing that was not meant for the client', async () => {
    const { server, lines } = await start();
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const { answer } = await post(server.url, signed('{ refused broken me }'), {
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    });
    expect(answer).toEqual({
      data: { refused: null, broken: null, me: 'ann' },
      errors: [
        expect.objectContaining({
          message: 'No such thing.',
          path: ['refused'],
          extensions: { code: 'NOT_FOUND', retryable: false, fix: 'Look again.', traceId },
        }),
        expect.objectContaining({
          message: 'Unexpected error.',
          path: ['broken'],
          extensions: { code: 'INTERNAL_SERVER_ERROR', retryable: false, traceId },
        }),
      ],
    });
    expect(lines.map(line => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({
        traceId,
        path: 'broken',
        err: expect.objectContaining({ message: 'Error: password=[hidden]' }),
      }),
    ]);
  });

  it('answers mistakes in the request with stable codes', async () => {
    const { client, server } = await start();
    const codeOf = async (text: string, variables = {}) =>
      (await client.query(text, variables)).errors?.map(({ extensions }) => extensions?.['code']);
    expect(await codeOf('{ unknown }')).toEqual(['GRAPHQL_VALIDATION_FAILED']);
    expect(await codeOf('query ($n: Int!) { fatal(n: $n) }', { n: 'x' })).toEqual(['BAD_USER_INPUT']);
    expect(await codeOf('{ fatal }')).toEqual(['INTERNAL_SERVER_ERROR']);
    expect(await post(server.url, '{ broken json')).toMatchObject({
      status: 400,
      answer: { errors: [{ extensions: { code: 'BAD_REQUEST' } }] },
    });
    expect(await post(server.url, { query: ' '.repeat(1_100_000) })).toMatchObject({
      status: 413,
      answer: { errors: [{ extensions: { code: 'LIMIT_EXCEEDED', limit: 1_048_576 } }] },
    });
  });

  it('masks what goes wrong while the context is made', async () => {
    const { client, lines } = await start({ createContext: () => Promise.reject(new Error('password=hunter2')) });
    const answer = await client.query('{ me }');
    expect(answer).toMatchObject({
      status: 500,
      errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } }],
    });
    expect(JSON.stringify([answer, lines])).not.toContain('hunter2');
    expect(lines).toHaveLength(1);
  });

  it('ends the signal of an operation whose client has gone', async () => {
    const { server, contexts, slowCalled, slowAnswer } = await start();
    const abort = new AbortController();
    const answer = fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(signed('{ slow }')),
      signal: abort.signal,
    }).catch((error: unknown) => error);
    await slowCalled.promise;
    const ended = once(contexts[0]!.signal, 'abort');
    abort.abort();
    await Promise.all([ended, answer]);
    slowAnswer.resolve('late');
  });

  it('serves the health routes beside it', async () => {
    const { server } = await start();
    expect(await (await fetch(new URL('/readyz', server.url))).json()).toMatchObject({
      ready: true,
      checks: [{ name: 'store' }],
    });
  });

  it('names the port that is taken', async () => {
    const { server, options } = await start();
    await expect(startSubgraph({ ...options, port: server.port })).rejects.toThrow(
      `inventory cannot listen: port ${server.port} is already in use on 127.0.0.1`,
    );
  });
});

describe('a subgraph over graphql-ws', () => {
  const collect = async (answers: AsyncIterable<unknown>) => {
    const seen: unknown[] = [];
    for await (const answer of answers) seen.push(answer);
    return seen;
  };

  it('answers signed subscriptions and queries', async () => {
    const { client, contexts } = await start();
    expect(await collect(client.subscribe('subscription ($to: Int!) { count(to: $to) }', { to: 2 }))).toEqual([
      { data: { count: 1 } },
      { data: { count: 2 } },
    ]);
    expect(await collect(client.subscribe('{ me }'))).toEqual([{ data: { me: 'ann' } }]);
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  });

  it.each(['subscription { count(to: 1) }', '{ me }', '{ _service { sdl } }', '{ __schema { types { name } } }'])(
    'refuses %s when it is not signed for it',
    async query => {
      const { server, contexts } = await start();
      for (const changes of [{ subgraph: 'backup' }, { key: Buffer.from('another') }, { clock: () => now - 30_001 }]) {
        await expect(collect(clientOf(server, changes).subscribe(query))).rejects.toEqual([
          expect.objectContaining(unauthenticated),
        ]);
      }
      expect(await unsignedOverSocket(server, query)).toMatchObject({ type: 'error', payload: [unauthenticated] });
      expect(contexts).toEqual([]);
    },
  );

  it('renders errors as over HTTP', async () => {
    const { client, lines } = await start();
    await expect(collect(client.subscribe('subscription { failing }'))).rejects.toMatchObject([
      { message: 'Unexpected error.', extensions: { code: 'INTERNAL_SERVER_ERROR' } },
    ]);
    await expect(collect(client.subscribe('subscription { unknown }'))).rejects.toMatchObject([
      { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
    ]);
    expect(await collect(client.subscribe('{ refused }'))).toMatchObject([
      { data: { refused: null }, errors: [{ extensions: { code: 'NOT_FOUND', fix: 'Look again.' } }] },
    ]);
    expect(await collect(client.subscribe('query ($n: Int!) { fatal(n: $n) }', { n: 'x' }))).toMatchObject([
      { errors: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
    ]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('hunter2');
  });

  it('ends the signal of a subscription that the client leaves, though its source waits for an event', async () => {
    const { client, contexts, foreverStarted } = await start();
    const answers = client.subscribe('subscription { forever }');
    expect((await answers.next()).value).toEqual({ data: { forever: 1 } });
    await foreverStarted.promise;
    const ended = once(contexts[0]!.signal, 'abort');
    await answers.return();
    await ended;
  });

  it('upgrades nothing but its own path', async () => {
    const { server } = await start();
    const socket = new WebSocket(
      server.url.replace('http', 'ws').replace('/graphql', '/other'),
      'graphql-transport-ws',
    );
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain('404');
  });
});

describe('a port that does not serve', () => {
  const unavailable = {
    status: 503,
    errors: [
      { extensions: expect.objectContaining({ code: 'SUBGRAPH_UNAVAILABLE', retryable: true, service: 'inventory' }) },
    ],
  };

  it('has its health from the start, and refuses operations by name before it serves and after it was told to', async () => {
    const { options, contexts } = fixture();
    const port = await openSubgraphPort(options);
    running.push(port);
    const client = clientOf(port);
    expect((await fetch(new URL('/readyz', port.url))).status).toBe(200);
    expect(await client.query('{ me }')).toMatchObject(unavailable);
    const [early] = (await once(new WebSocket(port.url.replace('http', 'ws')), 'error')) as [Error];
    expect(early.message).toContain('503');

    await port.serve(options);
    expect(await client.query('{ me }')).toEqual({ status: 200, data: { me: 'ann' } });
    const begun = client.subscribe('subscription { forever }');
    expect((await begun.next()).value).toEqual({ data: { forever: 1 } });

    port.refuse('replaced');
    expect(await client.query('{ me }')).toMatchObject({ ...unavailable, errors: [{ message: 'replaced' }] });
    await expect(client.subscribe('subscription { forever }').next()).rejects.toMatchObject([
      { extensions: { code: 'SUBGRAPH_UNAVAILABLE' } },
    ]);
    expect(contexts).toHaveLength(2);
    await begun.return();
  });
});

describe('a stop', () => {
  it('finishes what is under way, closes WebSockets with 1001 and takes nothing new', async () => {
    const { server, client, slowCalled, slowAnswer, contexts } = await start();
    const socket = new WebSocket(server.url.replace('http', 'ws'), 'graphql-transport-ws');
    await once(socket, 'open');
    const closed = once(socket, 'close');
    const answer = post(server.url, signed('{ slow }'));
    await slowCalled.promise;
    const stopped = server.stop();
    expect((await closed)[0]).toBe(1001);
    expect(contexts[0]?.signal.aborted).toBe(false);
    slowAnswer.resolve('done');
    expect(await answer).toEqual({ status: 200, answer: { data: { slow: 'done' } } });
    await stopped;
    await expect(client.query('{ me }')).rejects.toThrow();
    expect(server.stop()).toBe(server.stop());
  });

  it('ends after its limit when an operation never finishes, and that one is told', async () => {
    const { server, slowCalled, contexts } = await start({ drainLimitMs: 30 });
    const answer = post(server.url, signed('{ slow }')).catch((error: unknown) => error);
    await slowCalled.promise;
    await server.stop();
    expect(contexts[0]?.signal.aborted).toBe(true);
    expect(await answer).toMatchObject({ message: 'fetch failed' });
  });
});

async function unsignedOverSocket({ url }: RunningSubgraph, query: string): Promise<unknown> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws');
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init' }));
  await once(socket, 'message');
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
  const [message] = (await once(socket, 'message')) as [Buffer];
  socket.terminate();
  return JSON.parse(message.toString());
}
