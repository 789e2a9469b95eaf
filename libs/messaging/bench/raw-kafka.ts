import { setTimeout as pause } from 'node:timers/promises';
import { type EachBatchPayload, Kafka, logLevel, type Producer } from 'kafkajs';
import { keys, newId, text } from './event.ts';

const batch = 100;
const partitions = 3;

type Message = { readonly key: string; readonly value: string };

/** Produces and consumes as many records of the same size, acknowledged by all, one send in flight, and does nothing with them. Seconds. */
export async function produceAndConsume(brokers: readonly string[], topic: string, events: number): Promise<number> {
  const all = Promise.withResolvers<undefined>();
  let seen = 0;
  const onBatch = ({ batch: { messages } }: EachBatchPayload): void => {
    seen += messages.length;
    if (seen >= events) all.resolve(undefined);
  };
  return withTopic(brokers, topic, onBatch, async producer => {
    const startedAt = performance.now();
    for (let n = 1; n <= events; n += batch) {
      const size = Math.min(batch, events - n + 1);
      await producer.send({ topic, acks: -1, messages: Array.from({ length: size }, (_, at) => messageOf(n + at)) });
    }
    await all.promise;
    return (performance.now() - startedAt) / 1_000;
  });
}

/** One record every so many milliseconds; milliseconds from the sending of each until it is received. */
export async function sendAndReceive(
  brokers: readonly string[],
  topic: string,
  events: number,
  everyMs: number,
): Promise<readonly number[]> {
  const sentAt = new Map<number, number>();
  const latenciesMs: number[] = [];
  const all = Promise.withResolvers<undefined>();
  const onBatch = ({ batch: { messages } }: EachBatchPayload): void => {
    const now = performance.now();
    for (const { value } of messages) {
      const { data } = JSON.parse(String(value)) as { data: { n: number } };
      latenciesMs.push(now - (sentAt.get(data.n) ?? now));
    }
    if (latenciesMs.length >= events) all.resolve(undefined);
  };
  return withTopic(brokers, topic, onBatch, async producer => {
    const startedAt = performance.now();
    for (let n = 1; n <= events; n += 1) {
      await pause(Math.max(0, startedAt + n * everyMs - performance.now()));
      sentAt.set(n, performance.now());
      await producer.send({ topic, acks: -1, messages: [messageOf(n)] });
    }
    await all.promise;
    return latenciesMs;
  });
}

/** A topic of its own, a consumer that has joined, a producer; nothing of it stays. */
async function withTopic<Result>(
  brokers: readonly string[],
  topic: string,
  onBatch: (payload: EachBatchPayload) => void,
  work: (producer: Producer) => Promise<Result>,
): Promise<Result> {
  const kafka = new Kafka({ clientId: 'raw', brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: `raw.${topic}`, maxWaitTimeInMs: 100 });
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true });
    await producer.connect();
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const joined = new Promise(resolve => consumer.on(consumer.events.GROUP_JOIN, resolve));
    await consumer.run({ eachBatch: async payload => onBatch(payload) });
    await joined;
    return await work(producer);
  } finally {
    await consumer.disconnect();
    await producer.disconnect();
    await admin.deleteTopics({ topics: [topic] });
    await admin.disconnect();
  }
}

function messageOf(n: number): Message {
  const key = keys[n % keys.length] ?? 'a';
  const envelope = { id: newId(), type: 'bench.thing.noted.v1', time: new Date().toISOString(), subject: key };
  return { key, value: JSON.stringify({ ...envelope, data: { key, n, text } }) };
}
