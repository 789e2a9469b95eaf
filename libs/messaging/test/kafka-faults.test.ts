import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Migration, type Transactor } from '@holdfast/store';
import { temporaryStore } from '@holdfast/store/testing';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import type { Bus } from '../src/bus.ts';
import { createConsumer } from '../src/consumer.ts';
import { createKafkaBus } from '../src/kafka/bus.ts';
import { on } from '../src/reaction.ts';
import { messagingMigrations, type MessagingTables } from '../src/tables.ts';
import { type Counted, countedOn, plainCodec, testPublisher, until } from '../src/testing/counted.ts';
import { describeWith, openBroker } from './broker.ts';

type Tables = MessagingTables & { effect: { nr: number; name: string; n: number } };
const effects: Migration = {
  number: 1,
  name: 'effect',
  phase: 'expand',
  text: '-- expand\ncreate table effect (nr integer primary key, name text not null, n integer not null) strict;\n',
  sha256: 'a',
};

const opened = await openBroker();
afterAll(() => opened.broker?.end());

describeWith(opened, 'kafka that fails', broker => {
  const { brokers } = broker;
  const endings: (() => Promise<unknown>)[] = [];
  let topic: string;
  beforeEach(() => {
    topic = `test.${randomUUID()}`;
  });
  afterEach(async () => {
    // Also after a test that failed while it was frozen or dead: the next one has a broker.
    if (broker.isRunning()) broker.thaw();
    else await broker.start();
    for (const end of endings.splice(0).reverse()) await end();
  });
  const openBus = (): Bus => {
    const bus = createKafkaBus({
      brokers,
      clientId: 'test',
      requestTimeoutMs: 1_000,
      topics: { partitions: 1 },
      backOff: { firstMs: 20, capMs: 200 },
    });
    endings.push(() => bus.close());
    return bus;
  };
  const openPublisher = async (bus: Bus) => {
    const publisher = await testPublisher(bus, topic);
    endings.push(publisher.remove);
    return publisher;
  };
  const openConsumer = async (bus: Bus) => {
    const temporary = await temporaryStore<Tables>([messagingMigrations, { source: 'test', migrations: [effects] }]);
    endings.push(() => temporary.remove());
    const start = async () => {
      const consumer = createConsumer({
        store: temporary.store,
        bus,
        name: `${topic}.consumer`,
        codec: plainCodec,
        subscriptions: [
          on(countedOn(topic), async (tx: Transactor<Tables>, { key, n }) => {
            await tx
              .insertInto('effect')
              .values({ name: key, n } as never)
              .execute();
          }),
        ],
        clock: Date.now,
      });
      await consumer.start();
      endings.push(() => consumer.stop());
      return consumer;
    };
    const effectsOf = () =>
      temporary.store.read(async db =>
        (await db.selectFrom('effect').select(['name', 'n']).orderBy('nr').execute()).map(
          ({ name, n }) => `${name}${n}`,
        ),
      );
    return { start, effectsOf };
  };
  const inOrder = (count: number, from = 0): Counted[] =>
    Array.from({ length: count }, (_, i) => ({ key: 'k', n: from + i }));
  const names = (count: number) => inOrder(count).map(({ n }) => `k${n}`);
  /** The values of the log, in its order. */
  const logOf = async (): Promise<string[]> => {
    const bus = openBus();
    const values: string[] = [];
    const subscription = await bus.subscribe({
      group: randomUUID(),
      topics: [topic],
      position: async () => undefined,
      deliver: async ({ records }) => void values.push(...records.map(({ value }) => value)),
    });
    // A member joins only after the topic was seen: until then nothing is behind, because nothing is known.
    await until(
      () => values.length > 0,
      () => subscription.problem(),
    );
    await until(
      async () => values.length >= (await lengthOf()),
      () => values,
    );
    return values;
  };
  const withAdmin = async <T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> => {
    const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  };
  const lengthOf = () => withAdmin(async admin => Number((await admin.fetchTopicOffsets(topic))[0]?.high));

  it('loses nothing that was acknowledged while the broker was frozen, where kafkajs left to itself does', async () => {
    const bus = openBus();
    const { publish, relay } = await openPublisher(bus);
    await publish(...inOrder(3));
    await until(async () => (await relay.stats()).depth === 0);
    broker.freeze();
    await publish(...inOrder(150, 3));
    await until(async () => (await relay.stats()).problem !== undefined && !bus.check().ok, bus.check);
    // The signal may come after the first answers; what is not acknowledged stays.
    expect((await relay.stats()).depth).toBeGreaterThan(0);
    broker.thaw();
    await publish(...inOrder(50, 153));
    await until(async () => (await relay.stats()).depth === 0, relay.check);
    const numbers = (await logOf()).map(value => (JSON.parse(value) as { data: Counted }).data.n);
    expect([...new Set(numbers)]).toEqual(inOrder(203).map(({ n }) => n));

    // The control: two sends in flight, idempotent, as the documentation of kafkajs recommends.
    const producer: Producer = new Kafka({
      brokers: [...brokers],
      requestTimeout: 1_000,
      retry: { retries: 20, initialRetryTime: 100, maxRetryTime: 300 },
      logLevel: logLevel.NOTHING,
    }).producer({ idempotent: true, allowAutoTopicCreation: false });
    await producer.connect();
    endings.push(() => producer.disconnect());
    await producer.send({ topic, messages: [{ key: 'k', value: 'first' }] });
    let timedOut = false;
    producer.on('producer.network.request_timeout', () => (timedOut = true));
    let pair: string[] = [];
    for (let attempt = 0; !isTrue(timedOut) && attempt < 10; attempt += 1) {
      pair = [`A${attempt}`, `B${attempt}`];
      broker.freeze();
      const sent = Promise.all(pair.map(value => producer.send({ topic, messages: [{ key: 'k', value }] })));
      let answered = false;
      const done = sent.then(() => (answered = true));
      // The signal may come after the answer: then once more.
      await until(() => timedOut || answered);
      broker.thaw();
      await done;
    }
    const raw = (await logOf()).filter(value => pair.includes(value));
    expect(new Set(raw).size).toBe(1);
  });

  it('goes on by itself after kill -9, says so meanwhile, and delivers everything once, in order', async () => {
    const bus = openBus();
    const { publish, relay } = await openPublisher(bus);
    const { start, effectsOf } = await openConsumer(bus);
    const consumer = await start();
    await publish(...inOrder(5));
    await until(async () => (await effectsOf()).length === 5, effectsOf);
    await broker.kill();
    await publish(...inOrder(5, 5));
    // What is seen first is the end of the connections that were open.
    await until(
      async () => [bus.check(), await consumer.check()].every(check => isRefused(check)) && !relay.check().ok,
      async () => [bus.check(), relay.check(), await consumer.check()],
    );
    expect((await consumer.stats()).lag).toBeUndefined();
    await broker.start();
    await until(async () => (await effectsOf()).length === 10, consumer.check);
    expect(await effectsOf()).toEqual(names(10));
    await until(async () => bus.check().ok && relay.check().ok && (await consumer.check()).ok, bus.check);
    expect(bus.stats()).toMatchObject({ attempts: 0, lostLogsTotal: 0 });
    expect(bus.stats().reconnectsTotal).toBeGreaterThan(0);
  });

  it('reads a topic again that was made anew, though its new log is longer than what was read', async () => {
    const bus = openBus();
    const { publish, relay } = await openPublisher(bus);
    const { start, effectsOf } = await openConsumer(bus);
    const first = await start();
    await publish(...inOrder(4));
    await until(async () => (await effectsOf()).length === 4, effectsOf);
    await first.stop();
    await publish(...inOrder(4, 4));
    await until(async () => (await relay.stats()).depth === 0);
    await relay.stop();
    // Nobody of us is looking.
    await withAdmin(async admin => {
      await admin.deleteTopics({ topics: [topic] });
      await until(async () => !(await admin.listTopics()).includes(topic));
    });
    await until(async () => (await lengthOf().catch(() => 0)) === 0, undefined);
    const other = await testPublisher(openBus(), topic, { service: 'another' });
    endings.push(other.remove);
    await other.publish(...Array.from({ length: 9 }, (_, n) => ({ key: 'other', n })));
    await until(async () => (await other.relay.stats()).depth === 0, other.relay.check);
    await start();
    await until(async () => (await effectsOf()).length === 13, effectsOf);
    expect((await effectsOf()).slice(4)).toEqual(Array.from({ length: 9 }, (_, n) => `other${n}`));
  });

  it('sends the whole outbox again to a broker that lost everything, and says so; no effect comes twice', async () => {
    const bus = openBus();
    const { publish, relay } = await openPublisher(bus);
    const { start, effectsOf } = await openConsumer(bus);
    const consumer = await start();
    await publish(...inOrder(120));
    await until(
      async () => (await effectsOf()).length === 120,
      () => consumer.check(),
    );
    await broker.kill();
    broker.wipe();
    await publish({ key: 'k', n: 120 });
    await broker.start();
    await until(
      async () => (await effectsOf()).length === 121,
      () => [bus.check(), relay.check()],
    );
    expect(await effectsOf()).toEqual(names(121));
    await until(async () => (await relay.stats()).depth === 0 && relay.check().ok, relay.check);
    const { resentTotal, problem } = await relay.stats();
    expect(problem).toBeUndefined();
    expect(resentTotal).toBe(120);
    await until(
      async () => (await consumer.stats()).duplicatesTotal === 120,
      () => consumer.stats(),
    );
    expect(bus.stats().lostLogsTotal).toBeGreaterThan(0);
    // A consumer that starts now finds all of it.
    const found = (await logOf()).map(value => (JSON.parse(value) as { data: Counted }).data);
    expect(found).toEqual(inOrder(121));
  });
});

function isRefused({ ok, detail }: { ok: boolean; detail: string }): boolean {
  return !ok && /^KAFKA_UNREACHABLE: .*ECONNREFUSED/.test(detail);
}

// Asked through a function: the compiler does not see that a listener sets it.
function isTrue(value: boolean): boolean {
  return value;
}
