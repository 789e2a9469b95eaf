import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Transactor } from '@holdfast/store';
import { kinds, temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import { Kafka, logLevel } from 'kafkajs';
import type { Batch, Bus, StoredPosition } from '../src/bus.ts';
import { createConsumer } from '../src/consumer.ts';
import { createKafkaBus } from '../src/kafka/bus.ts';
import { on } from '../src/reaction.ts';
import { messagingMigrations, type MessagingTables } from '../src/tables.ts';
import { busContract } from '../src/testing.ts';
import { countedOn, plainCodec, testPublisher, until } from '../src/testing/counted.ts';
import { describeWith, openBroker } from './broker.ts';

const opened = await openBroker();
afterAll(() => opened.broker?.end());
const quick = { clientId: 'test', backOff: { firstMs: 20, capMs: 200 } };

describeWith(opened, 'kafka', ({ brokers }) => {
  const kindsOfStores = process.env['HOLDFAST_TESTS'] === 'long' ? kinds : (['sqlite'] as const);
  for (const kind of kindsOfStores) busContract('kafka', async () => createKafkaBus({ brokers, ...quick }), kind);

  const endings: (() => Promise<unknown>)[] = [];
  let topic: string;
  beforeEach(() => {
    topic = `test.${randomUUID()}`;
  });
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });
  const openBus = (options: Partial<Parameters<typeof createKafkaBus>[0]> = {}): Bus => {
    const bus = createKafkaBus({ brokers, ...quick, ...options });
    endings.push(() => bus.close());
    return bus;
  };
  const openAdmin = async () => {
    const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    endings.push(() => admin.disconnect());
    return admin;
  };
  const openProducer = async () => {
    const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer({
      allowAutoTopicCreation: false,
    });
    await producer.connect();
    endings.push(() => producer.disconnect());
    return producer;
  };
  const noLog = { identity: async () => '', head: async () => '0' } as never;

  it('makes topics that keep everything, and names one that would not', async () => {
    const bus = openBus({ topics: { partitions: 2 } });
    const admin = await openAdmin();
    const wrong = `${topic}.wrong`;
    await admin.createTopics({
      topics: [
        {
          topic: wrong,
          numPartitions: 1,
          configEntries: [
            { name: 'retention.ms', value: '3600000' },
            { name: 'max.message.bytes', value: '1000' },
          ],
        },
      ],
    });
    await bus.register({ name: 'a', topics: [topic, wrong], log: noLog });
    await until(
      // One that was just made may have no leader yet.
      () => bus.check().detail.includes(wrong) && !bus.check().detail.includes('TOPIC_MISSING'),
      () => bus.check(),
    );
    const { ok, detail } = bus.check();
    expect(ok).toBe(false);
    expect(detail).toMatch(/TOPIC_PARTITIONS: \S+\.wrong has 1 partitions, 2 are configured/);
    expect(detail).toMatch(/TOPIC_RETENTION: \S+\.wrong does not keep its events for ever .*retention\.ms=3600000/);
    expect(detail).toMatch(/TOPIC_MESSAGE_SIZE: \S+\.wrong takes messages of 1000 bytes/);
    expect(detail).not.toContain(`${topic} `);
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic, wrong] });
    expect(topics.map(({ partitions }) => partitions.length).sort()).toEqual([1, 2]);
  });

  it('does nothing while nothing happens', async () => {
    const bus = openBus();
    await bus.register({ name: 'a', topics: [topic], log: noLog });
    await until(() => bus.check().ok, bus.check);
    await bus.lost(topic, []);
    await bus.publish(topic, [{ key: 'a', eventId: 'a', value: '{}' }]);
    type Queue = { checkPendingRequests: (this: unknown) => void };
    const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: Queue };
    const { checkPendingRequests } = prototype;
    let checks = 0;
    prototype.checkPendingRequests = function () {
      checks += 1;
      checkPendingRequests.call(this);
    };
    const started = performance.now();
    // A measurement over time: polled each millisecond, four connections come to more than a thousand.
    await until(() => performance.now() - started > 400);
    prototype.checkPendingRequests = checkPendingRequests;
    expect(checks).toBeLessThan(50);
  });

  it('names a subscribed topic that is not there, and delivers when it appears', async () => {
    const bus = openBus();
    let delivered = 0;
    const { problem } = await bus.subscribe({
      group: topic,
      topics: [topic],
      position: async () => undefined,
      deliver: async ({ records }) => void (delivered += records.length),
    });
    await until(() => problem()?.startsWith(`TOPIC_MISSING: ${topic} is not there`) === true, problem);
    const { publish, remove } = await testPublisher(openBus(), topic);
    endings.push(remove);
    await publish({ key: 'a', n: 0 });
    await until(() => delivered === 1 && problem() === undefined, problem);
  });

  it('does not wait for the session of a predecessor that is known to be gone', async () => {
    const { publish, relay, remove } = await testPublisher(openBus(), topic);
    endings.push(remove);
    await publish({ key: 'a', n: 0 });
    await until(async () => (await relay.stats()).depth === 0, relay.check);
    await killedMember(topic);
    let delivered = 0;
    await openBus().subscribe({
      group: topic,
      isAlone: true,
      topics: [topic],
      position: async () => undefined,
      deliver: async ({ records }) => void (delivered += records.length),
    });
    // Waits less long than the session of the other, which lasts five minutes.
    await until(() => delivered === 1);
  });

  /** A member that has its partitions when it is killed. */
  async function killedMember(group: string): Promise<void> {
    const script = `
      const { Kafka } = require('kafkajs');
      const kafka = new Kafka({ brokers: ${JSON.stringify(brokers)}, logLevel: 0 });
      const consumer = kafka.consumer({ groupId: '${group}', sessionTimeout: 300_000 });
      consumer.on('consumer.group_join', () => console.log('joined'));
      consumer.connect()
        .then(() => consumer.subscribe({ topics: ['${group}'] }))
        .then(() => consumer.run({ eachBatch: async () => undefined }));`;
    const child = spawn(process.execPath, ['-e', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    await Promise.race([once(child.stdout, 'data'), ended]);
    expect(child.kill('SIGKILL')).toBe(true);
    await ended;
  }

  it('parks what others wrote wrongly with its reason, tells it on the dead-letter topic, and delivers what follows', async () => {
    const bus = openBus();
    const deadLetter = { ...countedOn(`${topic}.dead`, 'test.event.parked.v1'), schema: anything } as never;
    const temporary: TemporaryStore<MessagingTables> = await temporaryStore([messagingMigrations]);
    endings.push(() => temporary.remove());
    const dead = await testPublisher(bus, `${topic}.dead`, { service: 'parking', given: temporary });
    endings.push(dead.remove);
    const publisher = await testPublisher(bus, topic);
    endings.push(publisher.remove);
    const applied: number[] = [];
    const consumer = createConsumer({
      store: temporary.store,
      bus,
      name: `${topic}.consumer`,
      codec: plainCodec,
      subscriptions: [on(countedOn(topic), async (_tx: Transactor<MessagingTables>, { n }) => void applied.push(n))],
      clock: Date.now,
      deadLetters: { outbox: dead.outbox, contract: deadLetter },
    });
    await consumer.start();
    endings.push(() => consumer.stop());
    await until(() => bus.check().ok, bus.check);
    const producer = await openProducer();
    const event = (partitionkey: string, n: unknown, type = 'test.thing.counted.v1') =>
      JSON.stringify({ id: randomUUID(), type, partitionkey, data: { key: partitionkey, n } });
    await producer.send({
      topic,
      messages: [
        { partition: 0, key: 'a', value: 'no JSON' },
        { partition: 0, key: 'b', value: event('a', 1) },
        { partition: 0, key: null, value: event('a', 2) },
        { partition: 0, key: 'a', value: event('a', 'three') },
        { partition: 0, key: 'a', value: event('a', 4, 'test.thing.counted.v2') },
        { partition: 0, key: 'a', value: event('a', 5, 'test.thing.forgotten.v1') },
        { partition: 0, key: 'a', value: event('a', 6) },
      ],
    });
    await until(
      () => applied.includes(6),
      () => applied,
    );
    expect(applied).toEqual([6]);
    expect((await consumer.deadLetters()).map(({ reason }) => reason).sort()).toEqual([
      expect.stringMatching(/^no Counted/),
      expect.stringMatching(/^not JSON/),
      expect.stringMatching(/^the record's key is "b", the event's partitionkey "a"/),
      expect.stringMatching(/^the record's key is empty/),
    ]);
    expect((await consumer.check()).detail).toMatch(
      /1 of test\.thing\.counted\.v2 .* a newer version: upgrade this service/,
    );
    expect(await consumer.stats()).toMatchObject({ deadLetters: 4, passedOverTotal: 2, appliedTotal: 1 });
    const told: string[] = [];
    await bus.subscribe({
      group: `${topic}.reader`,
      topics: [`${topic}.dead`],
      position: async () => undefined,
      deliver: async ({ records }) => void told.push(...records.map(({ value }) => value)),
    });
    await until(
      () => told.length === 4,
      () => told,
    );
    expect(told.map(text => (JSON.parse(text) as { data: object }).data)).toContainEqual(
      expect.objectContaining({ topic, attempts: 1, body: 'no JSON', bodyCut: false }),
    );
  });

  it('holds a bounded part of the log while its subscriber is slow, and goes on', async () => {
    const bus = openBus({ topics: { partitions: 1 } });
    await bus.register({ name: 'a', topics: [topic], log: noLog });
    await until(() => bus.check().ok, bus.check);
    await bus.lost(topic, []);
    const value = 'x'.repeat(50_000);
    for (let i = 0; i < 20; i += 1)
      await bus.publish(
        topic,
        Array.from({ length: 20 }, (_, n) => ({ key: 'k', eventId: `${i}/${n}`, value })),
      );
    const { promise: gate, resolve: open } = Promise.withResolvers<undefined>();
    let delivered = 0;
    let position: StoredPosition | undefined;
    const subscription = await bus.subscribe({
      group: topic,
      topics: [topic],
      position: async () => position,
      deliver: async ({ records }) => {
        await gate;
        delivered += records.length;
        position = records.at(-1);
      },
    });
    // All that is ever held waits here: at the limit fetching stops.
    await until(() => bus.stats().heldBytes > 2_097_152, bus.stats);
    expect(bus.stats().heldBytes).toBeLessThan(2_097_152 + 1_200_000);
    expect(await subscription.lag()).toBe(400);
    open(undefined);
    await until(
      () => delivered === 400,
      () => delivered,
    );
    await until(async () => (await subscription.lag()) === 0);
  });

  it('keeps the order of each key while members come and go, and one partition with one of them', async () => {
    const publisherBus = openBus();
    const { publish, relay, remove } = await testPublisher(publisherBus, topic);
    endings.push(remove);
    const positions = new Map<string, StoredPosition>();
    const seen = new Map<string, number[]>();
    const delivering = new Map<string, number>();
    let together = 0;
    let refused = 0;
    const join = async () => {
      const bus = openBus();
      const subscription = await bus.subscribe({
        group: topic,
        topics: [topic],
        position: async (_topic, partition) => positions.get(partition),
        deliver: async ({ partition, follows, records }: Batch) => {
          const others = delivering.get(partition) ?? 0;
          if (others > 0) together += 1;
          delivering.set(partition, others + 1);
          await new Promise(resolve => setTimeout(resolve, 1));
          delivering.set(partition, (delivering.get(partition) ?? 1) - 1);
          if (positions.get(partition)?.offset !== follows) {
            refused += 1;
            throw new Error('stale');
          }
          for (const { key, value } of records)
            seen.set(key, [...(seen.get(key) ?? []), (JSON.parse(value) as { data: { n: number } }).data.n]);
          positions.set(partition, records.at(-1)!);
        },
      });
      return subscription;
    };
    const total = () => [...seen.values()].reduce((sum, ns) => sum + ns.length, 0);
    const keys = ['a', 'b', 'c', 'd', 'e', 'f'];
    let published = 0;
    const publishing = new AbortController();
    const traffic = (async () => {
      for (let n = 0; !publishing.signal.aborted; n += 1) {
        await publish(...keys.map(key => ({ key, n })));
        published += keys.length;
        await setImmediate();
      }
    })();
    await join();
    await until(() => total() > 30, total);
    const second = await join();
    await until(() => total() > 200, total);
    await second.stop();
    const before = total();
    await until(() => total() > before + 100, total);
    publishing.abort();
    await traffic;
    await until(
      async () => (await relay.stats()).depth === 0 && total() === published,
      () => [total(), published],
    );
    for (const ns of seen.values()) expect(ns).toEqual(ns.map((_, i) => i));
    expect({ together, refused }).toEqual({ together: 0, refused: 0 });
  });
});

const anything = { safeParse: (data: unknown) => ({ success: true, data }) };
