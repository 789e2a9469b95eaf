import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { openStore } from '@holdfast/store';
import { kinds, openPlace, type Place, temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import type { Bus, BusRecord, LogPlace } from './bus.ts';
import { createOutbox } from './outbox.ts';
import { createRelay, type Relay } from './relay.ts';
import { messagingMigrations, type MessagingTables } from './tables.ts';
import { type Counted, countedOn, plainCodec, until } from './testing/counted.ts';

const outbox = createOutbox({ service: 's', codec: plainCodec, clock: Date.now, newId: randomUUID });
let place: Place;
let temporary: TemporaryStore<MessagingTables>;
let relay: Relay | undefined;

const append = (n: number, topic = 't', store = temporary.store) =>
  store.transaction(tx => outbox.append(tx, countedOn(topic), { key: 'k', n }));

/** A bus that does what the test says with each send. */
function scriptedBus(name = 'scripted') {
  const sends: { topic: string; ns: number[] }[] = [];
  let inFlight = 0;
  const state = {
    mostInFlight: 0,
    registered: 0,
    epoch: 0,
    reached: (): void => undefined,
    onSend: async (): Promise<void> => undefined,
    places: (_topic: string, _records: readonly BusRecord[]): LogPlace[] => [],
    lost: (_topic: string, _places: readonly LogPlace[]): string | undefined => undefined,
  };
  const bus: Bus = {
    name,
    async register() {
      state.registered += 1;
      await state.onSend();
    },
    async publish(topic: string, records: readonly BusRecord[]) {
      inFlight += 1;
      state.mostInFlight = Math.max(state.mostInFlight, inFlight);
      try {
        await new Promise(setImmediate);
        await state.onSend();
        sends.push({ topic, ns: records.map(({ value }) => (JSON.parse(value) as { data: Counted }).data.n) });
        return state.places(topic, records);
      } finally {
        inFlight -= 1;
      }
    },
    lost: async (topic, places) => state.lost(topic, places),
    epoch: () => state.epoch,
    onEpoch: listener => {
      state.reached = listener;
      return () => undefined;
    },
    check: () => ({ ok: true, detail: 'ok' }),
    stats: () => ({ connectedSince: undefined, attempts: 0, reconnectsTotal: 0, lostLogsTotal: 0, heldBytes: 0 }),
    subscribe: () => Promise.reject(new Error('not of this test')),
    close: async () => undefined,
  };
  return { bus, sends, state, sent: () => sends.flatMap(({ ns }) => ns) };
}

function start(bus: Bus, options: Partial<Parameters<typeof createRelay>[0]> = {}): Promise<void> {
  relay = createRelay({
    store: temporary.store,
    bus,
    service: 's',
    publishes: [countedOn('t'), countedOn('u')],
    clock: Date.now,
    pollMs: 60_000,
    backOff: { firstMs: 1, capMs: 4 },
    ...options,
  });
  return relay.start();
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe.each(kinds)('the relay, on %s', kind => {
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    temporary = await temporaryStore([messagingMigrations], place);
  });
  afterEach(async () => {
    await relay?.stop();
    relay = undefined;
    await temporary.remove();
  });

  it('sends the oldest of each topic first, one send at a time, and wakes on commit', async () => {
    const { bus, sent, sends, state } = scriptedBus();
    await start(bus);
    await until(() => state.registered === 1);
    await Promise.all(numbers(300).map(n => append(n, n % 3 === 0 ? 'u' : 't')));
    await until(() => sent().length === 300);
    for (const [topic, rest] of [
      ['u', 0],
      ['t', 1],
    ] as const)
      expect(sends.filter(send => send.topic === topic).flatMap(({ ns }) => ns)).toEqual(
        numbers(300).filter(n => Math.min(n % 3, 1) === rest),
      );
    expect(state.mostInFlight).toBe(1);
    expect(sends.every(({ topic, ns }) => ns.every(n => (n % 3 === 0) === (topic === 'u')))).toBe(true);
  });

  it('repeats a rejected send until the bus takes it, overtaking nothing, and says why meanwhile', async () => {
    const { bus, sent, state } = scriptedBus();
    let rejections = 0;
    state.onSend = async () => {
      rejections += 1;
      throw new Error('broker away');
    };
    await append(0);
    await start(bus);
    await append(1);
    await until(() => rejections >= 4);
    expect(relay?.check()).toEqual({ ok: false, detail: 'Error: broker away' });
    expect(await relay?.stats()).toMatchObject({ depth: 2, problem: 'Error: broker away' });
    state.onSend = async () => undefined;
    await until(() => sent().length === 2);
    expect(sent()).toEqual([0, 1]);
    await until(() => relay?.check().ok === true);
  });

  it('goes on behind what was acknowledged, for each bus on its own', async () => {
    const first = scriptedBus();
    await append(0);
    await start(first.bus);
    await until(async () => first.sent().length === 1 && (await relay?.stats())?.depth === 0);
    await relay?.stop();
    await append(1);
    const again = scriptedBus();
    await start(again.bus);
    await until(() => again.sent().length === 1);
    expect(again.sent()).toEqual([1]);
    await relay?.stop();
    const other = scriptedBus('another');
    await start(other.bus);
    await until(() => other.sent().length === 2);
  });

  it('finds by polling what another connection wrote', async () => {
    const { bus, sent, state } = scriptedBus();
    await start(bus, { pollMs: 20 });
    await until(() => state.registered === 1);
    const elsewhere = openStore<MessagingTables>(temporary.location);
    await append(0, 't', elsewhere);
    await elsewhere.close();
    await until(() => sent().length === 1);
  });

  it('sends what is left when stopped, but not beyond its limit', async () => {
    const { bus, sent } = scriptedBus();
    await start(bus);
    await Promise.all(numbers(150).map(n => append(n)));
    await relay?.stop();
    expect(sent()).toEqual(numbers(150));

    const hanging = scriptedBus('hanging');
    hanging.state.onSend = () => new Promise(() => undefined);
    await start(hanging.bus, { drainLimitMs: 30 });
    await until(() => hanging.state.registered === 1);
    await relay?.stop();
    expect(await relay?.stats()).toMatchObject({ depth: 150 });
  });

  it('tells depth and age of what is unsent', async () => {
    const { bus, state } = scriptedBus();
    state.onSend = () => Promise.reject(new Error('no'));
    await append(0);
    const { created_at: at } = await temporary.store.read(db =>
      db.selectFrom('outbox').select('created_at').executeTakeFirstOrThrow(),
    );
    await start(bus, { clock: () => Date.parse(at) + 90_000 });
    expect(await relay?.stats()).toMatchObject({ depth: 1, oldestAgeSeconds: 90 });
  });

  it('sends everything again, oldest first, to a bus that lost its log, and says so until it is through', async () => {
    const { bus, sent, state } = scriptedBus();
    state.places = (_topic, records) => [
      { partition: '0@x', firstOffset: '0', offset: '7', eventId: records.at(-1)?.eventId ?? '' },
    ];
    await Promise.all(numbers(120).map(n => append(n)));
    await start(bus, { pollMs: 5 });
    await until(async () => (await relay?.stats())?.depth === 0);
    const asked: (readonly LogPlace[])[] = [];
    const { promise, resolve: open } = Promise.withResolvers<undefined>();
    state.lost = (topic, places) => {
      if (topic !== 't') return undefined;
      asked.push(places);
      return asked.length === 1 ? 't/0@x: it ends at 0, 7 was acknowledged' : undefined;
    };
    state.onSend = () => promise.then(() => undefined);
    bus.register = async () => undefined;
    state.epoch = 1;
    await append(120);
    await until(() => relay?.check().ok === false);
    expect(relay?.check().detail).toMatch(/^the log was lost \(t\/0@x: it ends at 0.*the 120 events .* are sent again/);
    expect(asked).toMatchObject([[{ partition: '0@x', firstOffset: '0', offset: '7', eventId: expect.any(String) }]]);
    open(undefined);
    await until(async () => (await relay?.stats())?.depth === 0 && relay?.check().ok === true);
    expect(sent()).toEqual([...numbers(120), ...numbers(121)]);
    expect(await relay?.stats()).toMatchObject({ resentTotal: 120, sentTotal: 241, problem: undefined });
  });

  it('does not wait for its turn when the bus is reached again', async () => {
    const { bus, sent, state } = scriptedBus();
    state.onSend = () => Promise.reject(new Error('away'));
    await append(0);
    await start(bus, { backOff: { firstMs: 60_000, capMs: 60_000 } });
    await until(() => relay?.check().ok === false);
    state.onSend = async () => undefined;
    state.epoch = 1;
    state.reached();
    await until(() => sent().length === 1);
  });

  it('goes on sending again after a restart in the middle of it', async () => {
    const first = scriptedBus();
    await Promise.all(numbers(150).map(n => append(n)));
    await start(first.bus);
    await until(async () => (await relay?.stats())?.depth === 0);
    await relay?.stop();
    const lossy = scriptedBus();
    lossy.state.lost = () => 'gone';
    lossy.state.onSend = async () => {
      if (lossy.sends.length > 0) throw new Error('away again');
    };
    // The first page gets through.
    await start(lossy.bus, { drainLimitMs: 10 });
    await until(() => lossy.sends.length === 1);
    await relay?.stop();
    const third = scriptedBus();
    await start(third.bus);
    await until(async () => (await relay?.stats())?.depth === 0);
    expect([...lossy.sent(), ...third.sent()]).toEqual(numbers(150));
    expect(await relay?.stats()).toMatchObject({ resentTotal: 150 });
  });

  it('stops at its checkpoints: what was published and not marked is sent again', async () => {
    const places: string[] = [];
    const { promise: never } = Promise.withResolvers<undefined>();
    const { bus, sent } = scriptedBus();
    await append(0);
    relay = createRelay({
      store: temporary.store,
      bus,
      service: 's',
      publishes: [countedOn('t')],
      clock: Date.now,
      drainLimitMs: 1,
      checkpoint: place => {
        places.push(place);
        return place === 'published' ? never : undefined;
      },
    });
    await relay.start();
    await until(() => places.length === 2);
    await relay.stop();
    expect(places).toEqual(['publishing', 'published']);
    await start(bus);
    await until(() => sent().length === 2);
    expect(sent()).toEqual([0, 0]);
  });

  it('gathers events that come fast, and stores its position less often than it sends', async () => {
    const { bus, sends, sent } = scriptedBus();
    let marks = 0;
    const checkpoint = (place: string): void => {
      if (place === 'marked') marks += 1;
    };
    await start(bus, { checkpoint });
    // Several at once: one after the other, a store across a network takes longer for each than the relay for a send.
    const left = numbers(200);
    const write = async (): Promise<void> => {
      for (let n = left.shift(); n !== undefined; n = left.shift()) {
        await append(n);
        await new Promise(setImmediate);
      }
    };
    await Promise.all(Array.from({ length: 8 }, write));
    await until(async () => (await relay?.stats())?.depth === 0);
    expect(sent().toSorted((a, b) => a - b)).toEqual(numbers(200));
    expect(sends.length).toBeLessThan(100);
    expect(marks).toBeLessThan(100);
  });

  it('asks a bus that was reached anew about what it acknowledged last, marked or not', async () => {
    const { bus, sent, state } = scriptedBus();
    state.places = (_topic, records) => [
      { partition: '0@x', firstOffset: '0', offset: '1', eventId: records.at(-1)?.eventId ?? '' },
    ];
    const asked: LogPlace[] = [];
    state.lost = (topic, places) => {
      if (topic === 't') asked.push(...places);
      return undefined;
    };
    await append(0);
    await start(bus, {
      checkpoint: place => {
        // The bus is reached anew between the acknowledgement and the mark.
        if (place === 'published') state.epoch = 1;
      },
    });
    await until(() => asked.length > 0);
    expect(asked).toMatchObject([{ partition: '0@x', offset: '1' }]);
    expect(sent()).toEqual([0]);
  });

  it('marks what was acknowledged before a send that fails', async () => {
    const { bus, sent, state } = scriptedBus();
    state.onSend = async () => {
      if (sent().length > 0) throw new Error('away');
    };
    await append(0);
    await start(bus, {
      checkpoint: async place => {
        // Found by the next page before anything is marked.
        if (place === 'published' && sent().length === 1) await append(1);
      },
    });
    await until(async () => (await relay?.stats())?.problem === 'Error: away');
    await until(async () => (await relay?.stats())?.depth === 1);
    expect(sent()).toEqual([0]);
  });

  it('tells depth and order by sequence, also when the clock goes backwards', async () => {
    const { bus, sent, state } = scriptedBus();
    let now = Date.parse('2026-11-21T12:00:00Z');
    const backwards = createOutbox({
      service: 's',
      codec: plainCodec,
      clock: () => (now -= 60_000),
      newId: randomUUID,
    });
    for (const n of numbers(5))
      await temporary.store.transaction(tx => backwards.append(tx, countedOn('t'), { key: 'k', n }));
    state.onSend = () => Promise.reject(new Error('no'));
    await start(bus, { clock: () => now - 3_600_000 });
    expect(await relay?.stats()).toMatchObject({ depth: 5, oldestAgeSeconds: 0 });
    state.onSend = async () => undefined;
    await until(() => sent().length === 5);
    expect(sent()).toEqual(numbers(5));
  });
});
