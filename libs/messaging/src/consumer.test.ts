import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Migration, StoreError, type Transactor } from '@holdfast/store';
import { type Kind, kinds, openPlace, type Place, temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import type { Batch, Bus, SubscribeOptions } from './bus.ts';
import { type Consumer, createConsumer } from './consumer.ts';
import { createEmbeddedBus } from './embedded.ts';
import type { ParkedEvent } from './parked.ts';
import { on, type Reaction } from './reaction.ts';
import { createRelay } from './relay.ts';
import { messagingMigrations, type MessagingTables } from './tables.ts';
import { type Counted, countedOn, plainCodec, testPublisher, type TestPublisher, until } from './testing/counted.ts';

type Tables = MessagingTables & { effect: { nr: number; name: string; n: number } };
const table = {
  sqlite: 'create table effect (nr integer primary key, name text not null, n integer not null) strict',
  mssql:
    'create table effect (nr bigint identity(1,1) not null primary key, name nvarchar(100) not null, n bigint not null)',
};
const effects = (kind: Kind): Migration => ({
  number: 1,
  name: 'effect',
  phase: 'expand',
  text: `-- expand\n${table[kind]};\n`,
  sha256: 'a',
});

let place: Place;
let bus: Bus;
let publisher: TestPublisher;
let temporary: TemporaryStore<Tables>;
const consumers: Consumer<Tables>[] = [];
async function record(tx: Transactor<Tables>, { key, n }: Counted): Promise<void> {
  await tx
    .insertInto('effect')
    .values({ name: key, n } as never)
    .execute();
}

async function start(subscriptions: readonly Reaction<Tables>[], name = 'test.consumer'): Promise<Consumer<Tables>> {
  const consumer = createConsumer({
    store: temporary.store,
    bus,
    name,
    codec: plainCodec,
    subscriptions,
    clock: Date.now,
    retry: { attempts: 3, firstMs: 1, capMs: 2 },
  });
  consumers.push(consumer);
  await consumer.start();
  return consumer;
}

const seen = () =>
  temporary.store.read(async db =>
    (await db.selectFrom('effect').select(['name', 'n']).orderBy('nr').execute()).map(({ name, n }) => `${name}${n}`),
  );
const inOrder = (count: number): Counted[] => Array.from({ length: count }, (_, n) => ({ key: 'a', n }));
const caughtUp = (consumer: Consumer<Tables>) => until(async () => (await consumer.stats()).lag === 0, seen);

describe.each(kinds)('a consumer, on %s', kind => {
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    bus = createEmbeddedBus({ backOff: { firstMs: 1, capMs: 5 } });
    publisher = await testPublisher(bus, 't', { place });
    const own = { source: 'test', migrations: [effects(kind)] };
    temporary = await temporaryStore<Tables>([messagingMigrations, own], place);
  });
  afterEach(async () => {
    for (const consumer of consumers.splice(0)) await consumer.stop();
    await bus.close();
    await publisher.remove();
    await temporary.remove();
  });

  it('applies every event once, in order, and goes on there after a restart', async () => {
    const first = await start([on(countedOn('t'), record)]);
    await publisher.publish(...inOrder(20));
    await until(async () => (await seen()).length === 20);
    await first.stop();
    await publisher.publish({ key: 'a', n: 20 });
    await start([on(countedOn('t'), record)]);
    await until(async () => (await seen()).length === 21);
    expect(await seen()).toEqual(Array.from({ length: 21 }, (_, n) => `a${n}`));
  });

  it('applies an event once though the bus delivers it again', async () => {
    const first = await start([on(countedOn('t'), record)]);
    await publisher.publish(...inOrder(5));
    await until(async () => (await seen()).length === 5);
    await first.stop();
    // What Kafka does when a relay dies between the send and its mark: the same events at new offsets.
    await temporary.store.transaction(tx => tx.deleteFrom('consumer_position').execute());
    const again = await start([on(countedOn('t'), record)]);
    await publisher.publish({ key: 'a', n: 5 });
    await caughtUp(again);
    expect(await seen()).toEqual(['a0', 'a1', 'a2', 'a3', 'a4', 'a5']);
  });

  it('hands over the payload with its envelope', async () => {
    const got: unknown[] = [];
    await start([
      on(countedOn('t'), async (_tx, payload, { partitionkey, sequence, type }) => {
        got.push([payload, partitionkey, sequence, type]);
      }),
    ]);
    await publisher.publish({ key: 'a', n: 1 });
    await until(() => got.length === 1);
    expect(got).toEqual([[{ key: 'a', n: 1 }, 'a', '000000000001', 'test.thing.counted.v1']]);
  });

  it('repeats an apply that throws and undoes what it had written', async () => {
    let failures = 2;
    const consumer = await start([
      on(countedOn('t'), async (tx: Transactor<Tables>, payload) => {
        await record(tx, payload);
        if (payload.n === 1 && failures > 0) {
          failures -= 1;
          throw new Error('not yet');
        }
      }),
    ]);
    await publisher.publish(...inOrder(3));
    await until(async () => (await seen()).length === 3);
    expect(await seen()).toEqual(['a0', 'a1', 'a2']);
    expect(await consumer.check()).toEqual({ ok: true, detail: 'ok' });
  });

  it('parks what it cannot apply with the reason, says so, and goes on', async () => {
    let attempts = 0;
    const consumer = await start([
      on(countedOn('t'), async (tx: Transactor<Tables>, payload) => {
        if (payload.n !== 1) return record(tx, payload);
        attempts += 1;
        throw new Error('cannot', { cause: new Error('the deeper reason') });
      }),
    ]);
    await publisher.publish(...inOrder(3));
    await until(async () => (await seen()).length === 2);
    expect(attempts).toBe(3);
    const [letter, ...others] = await consumer.deadLetters();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ topic: 't', key: 'a', attempts: 3 });
    expect(letter?.reason).toBe('Error: cannot; because Error: the deeper reason');
    expect(JSON.parse(letter?.body ?? '')).toMatchObject({ data: { key: 'a', n: 1 } });
    expect(await consumer.stats()).toMatchObject({ lag: 0, deadLetters: 1, appliedTotal: 2, failing: 0 });
    const { ok, detail } = await consumer.check();
    expect({ ok, detail }).toMatchObject({ ok: false, detail: expect.stringContaining('the deeper reason') });
  });

  it('shows an event that keeps failing while it is being repeated', async () => {
    const consumer = createConsumer<Tables>({
      store: temporary.store,
      bus,
      name: 'test.failing',
      codec: plainCodec,
      subscriptions: [on(countedOn('t'), () => Promise.reject(new Error('no luck')))],
      clock: Date.now,
      retry: { attempts: 5, firstMs: 60_000, capMs: 60_000 },
    });
    consumers.push(consumer);
    await consumer.start();
    await publisher.publish({ key: 'a', n: 0 });
    await until(async () => !(await consumer.check()).ok);
    expect((await consumer.check()).detail).toMatch(/^test\.thing\.counted\.v1 \S+ failed 1 times: Error: no luck$/);
    expect(await consumer.stats()).toMatchObject({ lag: 1, deadLetters: 0, failing: 1 });
  });

  it('parks nothing while its store fails: the event waits', async () => {
    let failures = 10;
    const consumer = await start([
      on(countedOn('t'), async (tx: Transactor<Tables>, payload) => {
        failures -= 1;
        if (failures > 0) throw new StoreError('full', 'disk full');
        await record(tx, payload);
      }),
    ]);
    await publisher.publish({ key: 'a', n: 0 });
    await until(async () => (await seen()).length === 1);
    expect(await consumer.deadLetters()).toEqual([]);
  });

  it('parks at once what breaks its contract', async () => {
    const loose = { ...countedOn('t'), schema: { safeParse: (data: unknown) => ({ success: true, data }) as never } };
    const consumer = await start([on(countedOn('t'), record)]);
    const { outbox, temporary: source } = publisher;
    await source.store.transaction(tx => outbox.append(tx, loose, { key: 'a', n: 'many' } as never));
    await publisher.publish({ key: 'a', n: 1 });
    await until(async () => (await seen()).length === 1);
    expect(await consumer.deadLetters()).toMatchObject([{ attempts: 1, reason: 'no Counted' }]);
  });

  it('passes over types it does not know and keeps its position behind them', async () => {
    const consumer = await start([on(countedOn('t', 'another.type.v1'), record)]);
    await publisher.publish(...inOrder(3));
    await caughtUp(consumer);
    expect(await seen()).toEqual([]);
    expect(await consumer.check()).toEqual({ ok: true, detail: 'ok' });
  });

  it('does once, whatever is rebuilt, what is no projection; what was parked is done by the rebuild', async () => {
    const done: string[] = [];
    let isBroken = true;
    const consumer = await start([
      on(
        countedOn('t'),
        async (tx: Transactor<Tables>, payload) => {
          if (payload.n === 2 && isBroken) throw new Error('broken');
          done.push(`a${payload.n}`);
          await record(tx, payload);
        },
        record,
      ),
    ]);
    await publisher.publish(...inOrder(4));
    await until(async () => (await consumer.deadLetters()).length === 1 && (await seen()).length === 3, seen);
    done.length = 0;
    isBroken = false;
    for (const expected of [['a2'], []]) {
      await consumer.rebuild(async tx => {
        await tx.deleteFrom('effect').execute();
      });
      await caughtUp(consumer);
      expect(await seen()).toEqual(['a0', 'a1', 'a2', 'a3']);
      expect(done.splice(0)).toEqual(expected);
    }
    expect(await consumer.deadLetters()).toEqual([]);
  });

  it('rebuilds a projection from the first event', async () => {
    const consumer = await start([on(countedOn('t'), record)]);
    await publisher.publish(...inOrder(3));
    await caughtUp(consumer);
    await temporary.store.transaction(tx => tx.updateTable('effect').set({ name: 'spoilt' }).execute());
    const rebuilt = consumer.rebuild(async tx => {
      await tx.deleteFrom('effect').execute();
    });
    await publisher.publish({ key: 'a', n: 3 });
    await rebuilt;
    await until(async () => (await seen()).length === 4);
    expect(await seen()).toEqual(['a0', 'a1', 'a2', 'a3']);
  });

  it('leaves the projection as it was when clearing it fails, and goes on', async () => {
    const consumer = await start([on(countedOn('t'), record)]);
    await publisher.publish(...inOrder(2));
    await caughtUp(consumer);
    await expect(consumer.rebuild(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await publisher.publish({ key: 'a', n: 2 });
    await until(async () => (await seen()).length === 3);
    expect(await seen()).toEqual(['a0', 'a1', 'a2']);
  });

  it('does not slow others down, and stops in the middle of what it has', async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    const other = await temporaryStore<MessagingTables>([messagingMigrations], place);
    let quick = 0;
    const fast = createConsumer({
      store: other.store,
      bus,
      name: 'test.fast',
      codec: plainCodec,
      subscriptions: [on(countedOn('t'), async (_tx: Transactor<MessagingTables>) => void (quick += 1))],
      clock: Date.now,
    });
    await fast.start();
    const slow = await start([
      on(countedOn('t'), async (tx: Transactor<Tables>, payload) => {
        await gate;
        await record(tx, payload);
      }),
    ]);
    await publisher.publish(...inOrder(50));
    await until(() => quick === 50);
    const stopped = slow.stop();
    open(undefined);
    await stopped;
    expect(await seen()).toEqual(['a0']);
    await fast.stop();
    await other.remove();
  });

  it('parks what fails before it promises anything', async () => {
    const throwing = (): Promise<void> => {
      throw new Error('at once');
    };
    const consumer = await start([on(countedOn('t'), throwing)]);
    await publisher.publish({ key: 'a', n: 0 });
    await until(async () => (await consumer.stats()).deadLetters === 1);
    expect(await consumer.deadLetters()).toMatchObject([{ attempts: 3, reason: 'Error: at once' }]);
  });

  it('names events of a newer version until it knows them and was rebuilt, and goes on meanwhile', async () => {
    const newer = countedOn('t', 'test.thing.counted.v2');
    const consumer = await start([on(countedOn('t'), record)]);
    const { outbox, temporary: source } = publisher;
    for (const n of [0, 1]) await source.store.transaction(tx => outbox.append(tx, newer, { key: 'a', n }));
    await publisher.publish({ key: 'a', n: 2 });
    await until(async () => (await seen()).length === 1);
    expect(await consumer.check()).toMatchObject({
      ok: false,
      detail: expect.stringMatching(
        /^2 of test\.thing\.counted\.v2 were passed over, first \S+: a newer version: upgrade/,
      ),
    });
    await consumer.stop();
    const upgraded = await start([on(countedOn('t'), record), on(newer, record)]);
    expect((await upgraded.check()).detail).toContain('it is known now: rebuild this consumer');
    await upgraded.rebuild(async tx => {
      await tx.deleteFrom('effect').execute();
    });
    await until(async () => (await seen()).length === 3);
    expect(await upgraded.check()).toEqual({ ok: true, detail: 'ok' });
  });

  it('takes the events around one that fails, each once and in order', async () => {
    const attempts = new Map<number, number>();
    const consumer = await start([
      on(countedOn('t'), async (tx: Transactor<Tables>, payload) => {
        attempts.set(payload.n, (attempts.get(payload.n) ?? 0) + 1);
        await record(tx, payload);
        if (payload.n === 5) throw new Error('cannot');
      }),
    ]);
    await publisher.temporary.store.transaction(async tx => {
      for (const event of inOrder(10)) await publisher.outbox.append(tx, countedOn('t'), event);
    });
    await caughtUp(consumer);
    expect(await seen()).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9].map(n => `a${n}`));
    expect(attempts.get(5)).toBe(3);
    expect(await consumer.stats()).toMatchObject({ appliedTotal: 9, deadLetters: 1 });
  });

  it('tells others what it parked, cut to a size that fits, and never tells a dead letter of a dead letter', async () => {
    const any = { safeParse: (data: unknown) => ({ success: true as const, data: data as never }) };
    const contract = {
      type: 'test.event.parked.v1',
      topic: 'dead',
      schema: any,
      key: ({ key }: ParkedEvent) => key,
      subject: ({ eventId }: ParkedEvent) => eventId,
    };
    const deadLetters = { outbox: publisher.outbox, contract };
    const wild = { ...countedOn('t'), schema: any };
    const consumer = createConsumer<Tables>({
      store: temporary.store,
      bus,
      name: 'test.parking',
      codec: plainCodec,
      subscriptions: [on(countedOn('t'), record), on(countedOn('dead', 'test.event.parked.v1'), record)],
      clock: () => Date.parse('2026-11-21T00:00:00Z'),
      deadLetters,
    });
    consumers.push(consumer);
    const own = createRelay({ store: temporary.store, bus, service: 'own', publishes: [contract], clock: Date.now });
    await own.start();
    await consumer.start();
    const { outbox, temporary: source } = publisher;
    const bodies = ['short', '\u0001'.repeat(150_000), 'é'.repeat(200_000)];
    for (const body of bodies)
      await source.store.transaction(tx => outbox.append(tx, wild, { key: 'a', body } as never));
    // Three events, and the three dead letters, which this consumer cannot read either.
    await until(async () => (await consumer.stats()).deadLetters === 6);
    const told = await temporary.store.read(db => db.selectFrom('outbox').selectAll().orderBy('seq').execute());
    expect(told.map(({ topic }) => topic)).toEqual(['dead', 'dead', 'dead']);
    const parked = told.map(({ body }) => (JSON.parse(body) as { data: ParkedEvent }).data);
    expect(parked[0]).toMatchObject({
      consumer: 'test.parking',
      topic: 't',
      key: 'a',
      reason: 'no Counted',
      attempts: 1,
      parkedAt: '2026-11-21T00:00:00.000Z',
      bodyCut: false,
    });
    expect(JSON.parse(parked[0]?.body ?? '')).toMatchObject({ data: { body: 'short' } });
    expect(parked.map(({ bodyCut }) => bodyCut)).toEqual([false, true, true]);
    expect(parked[2]?.bodyBytes).toBeGreaterThan(400_000);
    expect(Buffer.byteLength(parked[2]?.body ?? '')).toBeLessThanOrEqual(262_144);
    expect(parked[2]?.body).not.toContain('\ufffd');
    for (const { body } of told) expect(Buffer.byteLength(body)).toBeLessThan(600_000);
    await own.stop();
  });

  it('refuses a batch of somebody who was overtaken, and one that would leave a gap', async () => {
    let deliver: SubscribeOptions['deliver'] | undefined;
    const hearing: Bus = {
      ...bus,
      subscribe: async options => {
        ({ deliver } = options);
        return { lag: async () => 0, problem: () => undefined, stop: async () => undefined };
      },
    };
    const consumer = createConsumer<Tables>({
      store: temporary.store,
      bus: hearing,
      name: 'test.fighting',
      codec: plainCodec,
      subscriptions: [on(countedOn('t'), record)],
      clock: Date.now,
    });
    consumers.push(consumer);
    await consumer.start();
    const batch = (follows: string | undefined, ...ns: number[]): Batch => ({
      topic: 't',
      partition: '0@x',
      follows,
      records: ns.map(n => {
        const id = `id-${n}`;
        const event = { id, type: 'test.thing.counted.v1', partitionkey: 'a', data: { key: 'a', n } };
        return { key: 'a', eventId: id, offset: String(n), value: JSON.stringify(event) };
      }),
    });
    const { signal } = new AbortController();
    const give = (given: Batch) => deliver!(given, signal);
    await give(batch(undefined, 0, 1));
    await give(batch('1', 2, 3));
    await expect(give(batch(undefined, 0, 1))).rejects.toThrow('these events follow the start, the store is at 3');
    await expect(give(batch('1', 2, 3, 4))).rejects.toThrow('these events follow 1, the store is at 3');
    await expect(give(batch('5', 6))).rejects.toThrow('these events follow 5, the store is at 3');
    // Two at once: one of them is taken.
    const both = await Promise.allSettled([give(batch('3', 4)), give(batch('3', 4, 5))]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(await seen()).toEqual(['a0', 'a1', 'a2', 'a3', 'a4']);
  });

  it('refuses two subscriptions to one type', () => {
    const twice = [on(countedOn('t'), record), on(countedOn('t'), record)];
    return expect(start(twice)).rejects.toThrow('subscribed to twice');
  });
});
