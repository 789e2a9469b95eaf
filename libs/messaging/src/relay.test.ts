import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { openStore } from '@holdfast/store';
import { temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import type { Bus, BusRecord } from './bus.ts';
import { createOutbox } from './outbox.ts';
import { createRelay, type Relay } from './relay.ts';
import { messagingMigrations, type MessagingTables } from './tables.ts';
import { type Counted, countedOn, plainCodec, until } from './testing/counted.ts';

const outbox = createOutbox({ service: 's', codec: plainCodec, clock: Date.now, newId: randomUUID });
let temporary: TemporaryStore<MessagingTables>;
let relay: Relay | undefined;
beforeEach(async () => {
  temporary = await temporaryStore([await messagingMigrations()]);
});
afterEach(async () => {
  await relay?.stop();
  relay = undefined;
  await temporary.remove();
});

const append = (n: number, topic = 't', store = temporary.store) =>
  store.transaction(tx => outbox.append(tx, countedOn(topic), { key: 'k', n }));

/** A bus that does what the test says with each send. */
function scriptedBus(name = 'scripted') {
  const sends: { topic: string; ns: number[] }[] = [];
  let inFlight = 0;
  const state = { mostInFlight: 0, registered: 0, onSend: async (): Promise<void> => undefined };
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
      } finally {
        inFlight -= 1;
      }
    },
    subscribe: () => Promise.reject(new Error('not of this test')),
    close: async () => undefined,
  };
  return { bus, sends, state, sent: () => sends.flatMap(({ ns }) => ns) };
}

function start(
  bus: Bus,
  options: { pollMs?: number; drainLimitMs?: number; clock?: () => number } = {},
): Promise<void> {
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

describe('the relay', () => {
  it('sends oldest first, one send at a time, topic by topic, and wakes on commit', async () => {
    const { bus, sent, sends, state } = scriptedBus();
    await start(bus);
    await until(() => state.registered === 1);
    await Promise.all(numbers(300).map(n => append(n, n % 3 === 0 ? 'u' : 't')));
    await until(() => sent().length === 300);
    expect(sent()).toEqual(numbers(300));
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
    const elsewhere = openStore<MessagingTables>({ file: temporary.file });
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
});
