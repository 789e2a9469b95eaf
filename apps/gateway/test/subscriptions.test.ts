import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Estate, startEstate, until } from './estate.ts';
import { serverSent } from './server-sent.ts';
import { openSocket } from './socket-client.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

afterAll(removeTemporaryFolders);

const defaultResumeWithinMs = 30_000;
const query = 'subscription { ticks { n group { id plan } } }';

describe.each([
  ['rust', {}],
  ['js', { loadPlanner: () => Promise.reject(new Error('no addon for this platform')) }],
] as const)('with the %s planner', (_planner, overrides) => {
  let estate: Estate;
  beforeAll(async () => {
    estate = await startEstate({ overrides });
  });
  afterAll(() => estate.stop());

  it('carries events over graphql-ws as the very first operation, completed by another subgraph, with the identity', async () => {
    const socket = openSocket(estate.url, await estate.token({ sub: 'cyd' }));
    const subscription = socket.subscribe(query, { holdfast: { sub: 'root', roles: ['admin'], groups: ['*'] } });
    await until('subscribed', () => estate.ticker.open === 1);
    estate.ticker.push(1);
    await until('an event', () => subscription.received.length === 1);
    expect(subscription.received).toEqual([{ data: { ticks: { n: 1, group: { id: 'g1', plan: 'plan of g1' } } } }]);
    const seen = [estate.inventory.seen.at(-1), estate.backup.seen.at(-1)];
    expect(seen).toMatchObject([
      { transport: 'ws', extensions: { holdfast: { sub: 'cyd', roles: ['viewer'] } } },
      { transport: 'http', extensions: { holdfast: { sub: 'cyd', roles: ['viewer'] } } },
    ]);
    subscription.stop();
    await until('unsubscribed at the subgraph', () => estate.ticker.open === 0);
    await socket.close();
  });

  it('answers queries over graphql-ws', async () => {
    const socket = openSocket(estate.url, await estate.token());
    const { received } = await socket.subscribe('{ groups { id plan } }').finished;
    expect(received).toMatchObject([{ data: { groups: [{ plan: 'plan of g1' }, { plan: 'plan of g2' }] } }]);
    await socket.close();
  });

  it('carries events over SSE', async () => {
    const stream = await serverSent(estate.url, await estate.token(), { query });
    await until('subscribed', () => estate.ticker.open === 1);
    estate.ticker.push(7);
    await until('an event', () => stream.events.length === 1);
    expect(stream.events).toEqual([{ data: { data: { ticks: { n: 7, group: { id: 'g1', plan: 'plan of g1' } } } } }]);
    stream.leave();
    await until('unsubscribed at the subgraph', () => estate.ticker.open === 0);
    await stream.finished;
  });

  it('names the service when the other subgraph fails during an event', async () => {
    const socket = openSocket(estate.url, await estate.token());
    const subscription = socket.subscribe(query);
    await until('subscribed', () => estate.ticker.open === 1);
    estate.backup.fault = 500;
    estate.ticker.push(2);
    await until('an event', () => subscription.received.length === 1);
    estate.backup.fault = undefined;
    expect(subscription.received[0]).toMatchObject({
      data: { ticks: { n: 2, group: { id: 'g1', plan: null } } },
      errors: [{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: 'backup' } }],
    });
    await socket.close();
    await until('unsubscribed at the subgraph', () => estate.ticker.open === 0);
  });

  it('ends with the token, and the socket does nothing more', async () => {
    const authorization = await estate.token({ expiresInSeconds: 60 });
    const socket = openSocket(estate.url, authorization);
    const overSocket = socket.subscribe(query);
    const overStream = await serverSent(estate.url, authorization, { query });
    await until('both subscribed', () => estate.ticker.open === 2);
    estate.clock.advance(66_000);
    const expected = { errors: [{ message: 'The token has expired.', extensions: { code: 'UNAUTHENTICATED' } }] };
    const { received } = await overSocket.finished;
    await overStream.finished;
    expect(received).toMatchObject([expected]);
    expect(overStream.events).toMatchObject([{ data: expected }]);
    await until('unsubscribed at the subgraph', () => estate.ticker.open === 0);
    const after = await socket.subscribe('{ me }').finished;
    expect(after.received).toMatchObject([{ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] }]);
    await socket.close();
  });

  it('hands on why a subgraph refuses a subscription: it has answered', async () => {
    const socket = openSocket(estate.url, await estate.token());
    const { received } = await socket.subscribe('subscription { denied }').finished;
    expect(received).toEqual([
      {
        data: null,
        errors: [
          {
            message: 'There is no such thing.',
            path: ['denied'],
            extensions: { code: 'NOT_FOUND', retryable: false, fix: 'Check the id.', traceId: expect.any(String) },
          },
        ],
      },
    ]);
    await socket.close();
  });

  it('reports a subgraph that dies under a subscription, and one that is gone, at once', async () => {
    const socket = openSocket(estate.url, await estate.token());
    const running = socket.subscribe(query);
    await until('subscribed', () => estate.ticker.open === 1);
    await estate.inventory.stop();
    const expected = {
      errors: [{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: 'inventory', retryable: true } }],
    };
    expect((await running.finished).received).toMatchObject([expected]);
    const startedAt = Date.now();
    expect((await socket.subscribe(query).finished).received).toMatchObject([expected]);
    // One that ran is given this long until it can go on: one that never ran waits for nothing.
    expect(Date.now() - startedAt).toBeLessThan(defaultResumeWithinMs);
    await socket.close();
  });
});
