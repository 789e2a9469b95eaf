import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { type Kind, openPlace, type Place, temporaryStore } from '@holdfast/store/testing';
import type { Batch, Bus, StoredPosition, Subscription } from './bus.ts';
import { createConsumer } from './consumer.ts';
import { eventLogOf } from './outbox.ts';
import { on } from './reaction.ts';
import { messagingMigrations, type MessagingTables } from './tables.ts';
import { type Counted, countedOn, plainCodec, testPublisher, type TestPublisher, until } from './testing/counted.ts';

/** The rules of the port (bus.ts), for every bus that stands behind it, and for stores of either kind. */
export function busContract(name: string, makeBus: () => Promise<Bus>, kind: Kind = 'sqlite'): void {
  describe(`the bus contract: ${name}, stores on ${kind}`, () => {
    let place: Place;
    let bus: Bus;
    let topic: string;
    const removals: (() => Promise<void>)[] = [];
    beforeAll(async () => {
      place = await openPlace(kind);
    });
    afterAll(() => place.close());
    beforeEach(async () => {
      bus = await makeBus();
      topic = `test.${randomUUID()}`;
    });
    afterEach(async () => {
      await bus.close();
      for (const remove of removals.splice(0)) await remove();
    });

    const publisher = async (service = 'publisher'): Promise<TestPublisher> => {
      const made = await testPublisher(bus, topic, { service, place });
      removals.push(() => made.remove());
      return made;
    };
    const events = (count: number, keys = 3, from = 0): Counted[] =>
      Array.from({ length: count }, (_, i) => ({ key: `k${(from + i) % keys}`, n: Math.floor((from + i) / keys) }));

    it('delivers everything to every group, in order per key', async () => {
      const [first, second] = [memoryOf(), memoryOf()];
      await bus.subscribe({ group: `${topic}.first`, topics: [topic], ...first.options });
      await bus.subscribe({ group: `${topic}.second`, topics: [topic], ...second.options });
      const { publish } = await publisher();
      await publish(...events(250));
      for (const memory of [first, second]) {
        await until(
          () => memory.distinct().size === 250,
          () => memory.seen.length,
        );
        expect(memory.disorder()).toEqual([]);
        expect(memory.unfollowed).toEqual([]);
      }
    });

    it('delivers what two services publish on one topic', async () => {
      const memory = memoryOf();
      await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      const [one, two] = [await publisher('one'), await publisher('two')];
      await Promise.all([one.publish(...events(20, 1)), two.publish(...events(20, 2).slice(1))]);
      await until(() => memory.seen.length >= 39, memory.distinct);
    });

    it('gives a late subscriber everything from the start', async () => {
      const { publish, relay } = await publisher();
      await publish(...events(30));
      await until(async () => (await relay.stats()).depth === 0);
      const memory = memoryOf();
      await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      await until(() => memory.distinct().size === 30);
      expect(memory.disorder()).toEqual([]);
    });

    it('goes on behind the stored position after a restart of the subscriber', async () => {
      const { publish } = await publisher();
      const memory = memoryOf();
      await publish(...events(12));
      const first = await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      await until(() => memory.distinct().size === 12);
      await first.stop();
      await publish(...events(12, 3, 12));
      const before = memory.seen.length;
      const second = await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      await until(() => memory.distinct().size === 24);
      expect(memory.seen.length - before).toBe(12);
      await until(async () => (await second.lag()) === 0);
    });

    it('delivers again from the stored position when the subscriber could not work', async () => {
      const memory = memoryOf();
      memory.refuse(3);
      const { publish } = await publisher();
      const subscription = await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      await publish(...events(10));
      await until(
        () => memory.distinct().size === 10,
        () => subscription.problem(),
      );
      expect(memory.disorder()).toEqual([]);
      expect(memory.unfollowed).toEqual([]);
      await until(() => subscription.problem() === undefined);
    });

    it('starts over when it does not have the stored position', async () => {
      const { publish, relay } = await publisher();
      await publish(...events(6));
      await until(async () => (await relay.stats()).depth === 0);
      const memory = memoryOf('999999');
      await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      await until(() => memory.distinct().size === 6);
      expect(memory.disorder()).toEqual([]);
      expect(memory.unfollowed).toEqual([]);
    });

    it('says that it is well, that nothing acknowledged is lost, and takes nothing more once it is closed', async () => {
      const { publish, relay } = await publisher();
      await publish(...events(3));
      await until(async () => (await relay.stats()).depth === 0);
      await until(() => bus.check().ok, bus.check);
      expect(await bus.lost(topic, [])).toBeUndefined();
      expect(bus.stats()).toMatchObject({ attempts: 0, lostLogsTotal: 0, heldBytes: 0 });
      expect(relay.check()).toEqual({ ok: true, detail: 'ok' });
      expect(await relay.stats()).toMatchObject({ sentTotal: 3, resentTotal: 0 });
      await relay.stop();
      await bus.close();
      await expect(bus.publish(topic, [])).rejects.toThrow('closed');
    });

    it('carries an event into the effect of a consumer once, and everything again at a rebuild', async () => {
      const { publish, relay, temporary: source } = await publisher();
      const temporary = await temporaryStore<MessagingTables>([messagingMigrations], place);
      removals.push(() => temporary.remove());
      const applied: string[] = [];
      const consumer = createConsumer<MessagingTables>({
        store: temporary.store,
        bus,
        name: `${topic}.consumer`,
        codec: plainCodec,
        subscriptions: [on(countedOn(topic), async (_tx, { key, n }) => void applied.push(`${key}${n}`))],
        clock: Date.now,
      });
      await consumer.start();
      await publish(...events(20));
      await until(() => applied.length === 20, consumer.check);
      // As a relay does that was killed between the acknowledgement and its mark.
      await relay.stop();
      await bus.lost(topic, []);
      await bus.publish(topic, await eventLogOf(source.store).read(topic, '0', 20));
      await until(async () => (await consumer.stats()).lag === 0, consumer.check);
      expect(new Set(applied).size).toBe(20);
      expect(applied).toHaveLength(20);
      await consumer.rebuild(async () => undefined);
      await until(() => applied.length === 40, consumer.check);
      await consumer.stop();
    });

    it('says how far behind a subscriber is, and delivers nothing after stop', async () => {
      const memory = memoryOf();
      const release = memory.hold();
      const { publish, relay } = await publisher();
      const subscription: Subscription = await bus.subscribe({ group: topic, topics: [topic], ...memory.options });
      await publish(...events(5));
      await until(async () => (await relay.stats()).depth === 0 && (await subscription.lag()) === 5);
      await until(() => memory.delivering() > 0);
      const stopped = subscription.stop();
      await until(() => memory.aborted() > 0);
      release();
      await stopped;
      const seen = memory.seen.length;
      await publish(...events(5, 3, 5));
      await until(async () => (await relay.stats()).depth === 0);
      expect(memory.seen.length).toBe(seen);
    });
  });
}

/** A subscriber's store in memory. */
function memoryOf(unknownPosition?: string) {
  const seen: (Counted & { partition: string })[] = [];
  const positions = new Map<string, StoredPosition>();
  const unfollowed: Batch[] = [];
  let refusals = 0;
  let aborted = 0;
  let delivering = 0;
  let held: Promise<undefined> = Promise.resolve(undefined);
  return {
    seen,
    /** Deliveries that were told to give up. */
    aborted: () => aborted,
    /** Deliveries that have begun. */
    delivering: () => delivering,
    /** Batches that did not follow the stored position. */
    unfollowed,
    distinct: () => new Set(seen.map(({ partition, key, n }) => JSON.stringify([partition, key, n]))),
    /** First deliveries of a key that did not come one after the other. */
    disorder: () => {
      const next = new Map<string, number>();
      return seen.filter(({ partition, key, n }) => {
        const place = JSON.stringify([partition, key]);
        const expected = next.get(place) ?? 0;
        if (n >= expected) next.set(place, n + 1);
        return n > expected;
      });
    },
    refuse: (times: number) => {
      refusals = times;
    },
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      held = promise;
      return () => resolve(undefined);
    },
    options: {
      position: async (topic: string, partition: string) =>
        positions.get(`${topic} ${partition}`) ??
        (unknownPosition === undefined ? undefined : { offset: unknownPosition, eventId: 'unknown' }),
      deliver: async (batch: Batch, signal: AbortSignal) => {
        delivering += 1;
        signal.addEventListener('abort', () => (aborted += 1), { once: true });
        await held;
        const { topic, partition, follows, records } = batch;
        if (follows !== (positions.get(`${topic} ${partition}`)?.offset ?? unknownPosition)) unfollowed.push(batch);
        // Half of the batch gets through before the subscriber fails, as after a kill.
        const through = refusals > 0 ? records.slice(0, Math.floor(records.length / 2)) : records;
        for (const { value, offset, eventId } of through) {
          seen.push({ ...(JSON.parse(value) as { data: Counted }).data, partition });
          positions.set(`${topic} ${partition}`, { offset, eventId });
        }
        if (refusals > 0) {
          refusals -= 1;
          throw new Error('refused by the test');
        }
      },
    },
  };
}
