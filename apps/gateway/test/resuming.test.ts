import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CounterEstate, type CounterWishes, startCounterEstate } from './counters.ts';
import { until } from './estate.ts';
import { serverSent } from './server-sent.ts';
import { openSocket, type Received } from './socket-client.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

const planners = [
  ['rust', {}],
  ['js', { loadPlanner: () => Promise.reject(new Error('no addon for this platform')) }],
] as const;

const query = 'subscription { counter(id: "c1") { version note } }';

let estate: CounterEstate;
afterEach(() => estate.stop());
afterAll(removeTemporaryFolders);

async function subscribe(text = query) {
  const socket = openSocket(estate.url, await estate.token());
  const subscription = socket.subscribe(text);
  return { ...subscription, socket, versions: () => subscription.received.map(versionOf) };
}

function versionOf({ data }: Received): unknown {
  return (data?.['counter'] as { version?: number } | null | undefined)?.version;
}

describe.each(planners)('a live subscription, with the %s planner', (_planner, overrides) => {
  const start = async (wishes: CounterWishes = {}): Promise<void> => {
    estate = await startCounterEstate({ ...wishes, overrides: { ...overrides, ...wishes.overrides } });
  };

  it('goes on where it was when its service was killed and came back', async () => {
    await start();
    const { socket, received, versions } = await subscribe();
    await until('the current state', () => received.length === 1);
    estate.counter.raise();
    await until('the next state', () => received.length === 2);
    await estate.replicas[0]?.stop();
    estate.counter.raise();
    estate.counter.raise();
    await estate.startAgain(0);
    await until('the newest state', () => received.length === 3);
    estate.counter.raise();
    await until('the state after it', () => received.length === 4);
    expect(versions()).toEqual([1, 2, 4, 5]);
    expect(estate.counter.begun).toMatchObject([{ id: 'c1' }, { id: 'c1', afterVersion: 2 }]);
    expect(received[3]).toEqual({ data: { counter: { version: 5, note: 'noted' } } });
    await socket.close();
    await until('unsubscribed', () => estate.counter.open === 0);
  });

  it('ends with the reason and the way to go on when its service stays away, and says no state twice', async () => {
    await start({ limits: { resumeWithinMs: 300 } });
    const { socket, received, finished } = await subscribe();
    await until('the current state', () => received.length === 1);
    await estate.replicas[0]?.stop();
    await finished;
    expect(received.slice(1)).toEqual([
      {
        data: null,
        errors: [
          {
            message: 'The service "counters" did not answer.',
            path: ['counter'],
            extensions: {
              code: 'SUBGRAPH_UNAVAILABLE',
              service: 'counters',
              retryable: true,
              fix: 'Subscribe again with afterVersion: 1.',
              traceId: expect.any(String),
            },
          },
        ],
      },
    ]);
    await socket.close();
  });

  it('shows what was wrong with one state only with that state', async () => {
    await start();
    const { socket, received } = await subscribe();
    await until('the current state', () => received.length === 1);
    estate.notes.fault = 500;
    estate.counter.raise();
    await until('a state without its note', () => received.length === 2);
    estate.notes.fault = undefined;
    estate.counter.raise();
    await until('a whole state', () => received.length === 3);
    expect(received[1]).toMatchObject({
      data: { counter: { version: 2, note: null } },
      errors: [{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: 'notes' } }],
    });
    expect(received[2]).toEqual({ data: { counter: { version: 3, note: 'noted' } } });
    await socket.close();
  });

  it('costs nothing while its reader does not read, and then goes on with the newest state', async () => {
    await start();
    // Far more than any buffer on the way takes.
    estate.counter.text = 'x'.repeat(200_000);
    const socket = openSocket(estate.url, await estate.token());
    const { received } = socket.subscribe('subscription { counter(id: "c1") { version text } }');
    await until('the current state', () => received.length === 1);
    socket.pause();
    const before = estate.counter.taken;
    // A state every time the one before had the time to go all the way, if anything on the way took it.
    for (let n = 0; n < 300; n += 1) {
      estate.counter.raise();
      await new Promise(resolve => setTimeout(resolve, 2));
    }
    expect(estate.counter.taken - before).toBeLessThanOrEqual(3);
    socket.resume();
    await until('the newest state', () => versionOf(received.at(-1) ?? {}) === 301);
    expect(received.length).toBeLessThanOrEqual(5);
    const versions = received.map(each => Number(versionOf(each)));
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    await socket.close();
  });
});

describe('a service with two replicas', () => {
  beforeEach(async () => {
    estate = await startCounterEstate({ leading: [true, false], overrides: { lifeSignEveryMs: 200 } });
  });

  const readiness = async (): Promise<unknown> => (await fetch(new URL('/readyz', estate.url))).json();

  it('is asked where it leads, and after a take-over nothing is missing, double or old', async () => {
    const { socket, received, versions } = await subscribe();
    await until('the current state', () => received.length === 1);
    expect(await readiness()).toMatchObject({
      status: 'ready',
      checks: expect.arrayContaining([
        expect.objectContaining({ name: 'subgraph:counters', detail: 'replica 1 leads, replica 2 waits to lead' }),
      ]),
    });
    const [first, second] = estate.replicas;
    await first?.stop();
    // Neither a subscription nor a mutation fails while nobody leads for a moment.
    const raising = estate.ask('mutation { raise }');
    const fresh = await subscribe('subscription { counter(id: "c1", afterVersion: 1) { version } }');
    await until('both were refused', () => (second?.seen.length ?? 0) > 0);
    if (second) second.leads = true;
    expect(await raising).toEqual({ data: { raise: 2 } });
    expect(estate.counter.raised).toBe(1);
    await until('the new state', () => received.length === 2 && fresh.received.length === 1);
    expect([versions(), fresh.versions()]).toEqual([[1, 2], [2]]);
    expect(await readiness()).toMatchObject({
      status: 'ready',
      checks: expect.arrayContaining([
        expect.objectContaining({ name: 'subgraph:counters', detail: 'replica 1 is not reachable, replica 2 leads' }),
      ]),
    });
    // From now on the one that answered last is asked first.
    const asked = second?.seen.length ?? 0;
    expect(await estate.ask('{ counter { version } }')).toEqual({ data: { counter: { version: 2 } } });
    expect(second?.seen.length).toBe(asked + 1);
    await Promise.all([socket.close(), fresh.socket.close()]);
  });

  it('is left by a subscription whose replica stands still', async () => {
    const { socket, received, versions } = await subscribe();
    await until('the current state', () => received.length === 1);
    const [first, second] = estate.replicas;
    first?.freeze();
    if (first && second) [first.leads, second.leads] = [false, true];
    // The frozen one still holds what it would say, and says it when it wakes: to nobody.
    await until('begun again', () => estate.counter.begun.length === 2);
    estate.counter.raise();
    await until('the new state', () => received.length === 2);
    expect(versions()).toEqual([1, 2]);
    await socket.close();
  });

  it('does not get a mutation a second time that may have run', async () => {
    const [first, second] = estate.replicas;
    if (first && second) {
      first.fault = 500;
      second.leads = true;
    }
    const { errors } = await estate.ask('mutation { raise }');
    expect(errors).toMatchObject([{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', service: 'counters' } }]);
    expect([first?.seen.length, second?.seen.length, estate.counter.raised]).toEqual([1, 0, 0]);
    // The next one goes to the other.
    expect(await estate.ask('mutation { raise }')).toEqual({ data: { raise: 2 } });
  });

  it('answers a query by whoever can', async () => {
    const [first, second] = estate.replicas;
    if (first && second) {
      first.fault = 500;
      second.leads = true;
    }
    expect(await estate.ask('{ counter { version note } }')).toEqual({
      data: { counter: { version: 1, note: 'noted' } },
    });
  });
});

describe('over Server-Sent Events', () => {
  beforeEach(async () => {
    estate = await startCounterEstate();
  });

  const named = 'subscription ($after: Int) { counter(id: "c1", afterVersion: $after) { at: version note } }';
  const state = (version: number) => ({
    id: String(version),
    data: { data: { counter: { at: version, note: 'noted' } } },
  });

  it('each event has its version as its id, and Last-Event-ID goes on after it', async () => {
    const first = await serverSent(estate.url, await estate.token(), { query: named });
    await until('the current state', () => first.events.length === 1);
    first.leave();
    await until('unsubscribed', () => estate.counter.open === 0);
    const headers = { 'last-event-id': '1' };
    for (const body of [
      { query: named, variables: { after: null } },
      { query: named.replaceAll(/\$after: Int|, afterVersion: \$after/g, '').replace('()', '') },
    ]) {
      const again = await serverSent(estate.url, await estate.token(), body, headers);
      await until('subscribed', () => estate.counter.open === 1);
      const version = estate.counter.version === 1 ? estate.counter.raise() : estate.counter.version;
      await until('what is newer', () => again.events.length === 1);
      expect(again.events).toEqual([state(version)]);
      expect(estate.counter.begun.at(-1)).toMatchObject({ afterVersion: 1 });
      again.leave();
      await until('unsubscribed', () => estate.counter.open === 0);
    }
    expect(first.events).toEqual([state(1)]);
  });

  it('a cursor is as good as a version, and survives the service', async () => {
    const query = 'subscription { marks(after: "at 0") { cursor name } }';
    const stream = await serverSent(estate.url, await estate.token(), { query });
    await until('the first', () => stream.events.length === 1);
    await estate.startAgain(0);
    estate.counter.raise();
    await until('the next', () => stream.events.length === 2);
    expect(stream.events.map(({ id }) => id)).toEqual(['at 1', 'at 2']);
    expect(estate.counter.begun).toMatchObject([{ after: 'at 0' }, { after: 'at 1' }]);
    stream.leave();
    await until('unsubscribed', () => estate.counter.open === 0);
  });

  it('refuses what cannot be the id of an event', async () => {
    const { status } = await serverSent(estate.url, await estate.token(), { query }, { 'last-event-id': 'x7' });
    expect(status).toBe(400);
  });

  it('a reader that does not read holds up a few states at most', async () => {
    estate.counter.text = 'x'.repeat(1_000_000);
    const body = JSON.stringify({ query: 'subscription { counter(id: "c1") { version text } }' });
    const headers = {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      authorization: await estate.token(),
    };
    const reader = request(estate.url, { method: 'POST', headers });
    reader.end(body);
    const [response] = (await once(reader, 'response')) as [IncomingMessage];
    response.pause();
    for (let n = 0; n < 300; n += 1) {
      estate.counter.raise();
      await new Promise(resolve => setTimeout(resolve, 2));
    }
    // As many as the buffers of the connection hold.
    expect(estate.counter.taken).toBeLessThanOrEqual(20);
    reader.destroy();
    await until('unsubscribed', () => estate.counter.open === 0);
  });
});
