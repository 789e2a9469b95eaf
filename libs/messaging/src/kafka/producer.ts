import { Kafka, Partitioners, type Producer as KafkaProducer } from 'kafkajs';
import type { BusRecord, LogPlace } from '../bus.ts';
import { clientConfig, type Settings } from './options.ts';
import { KafkaError, problemOf } from './problem.ts';
import { Sockets } from './sockets.ts';

/** One request; a record batch is smaller than its request, so no batch outgrows its topic unless one event does. */
const sendBytes = 786_432;
const contentType = 'application/cloudevents+json; charset=utf-8';
/** The event's id again, in the manner of the CloudEvents binding: read without parsing the body. */
export const eventIdHeader = 'ce_id';

type Client = { readonly producer: KafkaProducer; readonly sockets: Sockets; readonly partitions: Map<object, number> };

/**
 * Invariant: ONE send is in flight, not idempotent, acknowledged by all replicas, and after any rejected send the producer is thrown away.
 * With two in flight, or with a producer that goes on after a rejection, kafkajs acknowledges messages that the log does not hold or lets
 * later ones overtake (kafka.md §4). It does not outlive its connection either: behind a new one may be a broker that has lost what came
 * before. Whoever sends repeats what was rejected, so the log may hold it twice, in order of first appearance.
 */
export class OneByOneProducer {
  readonly #settings: Settings;
  readonly #broken: () => void;
  #client: Promise<Client> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(settings: Settings, broken: () => void) {
    this.#settings = settings;
    this.#broken = broken;
  }

  /** @throws KafkaError when a part of it was not acknowledged. */
  send(
    topic: string,
    records: readonly BusRecord[],
    partitionName: (partition: number) => string,
  ): Promise<LogPlace[]> {
    const sent = this.#last.then(() => this.#sendAll(topic, records, partitionName));
    this.#last = sent.catch(() => undefined);
    return sent;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#throwAway();
    await this.#last;
  }

  async #sendAll(
    topic: string,
    records: readonly BusRecord[],
    partitionName: (partition: number) => string,
  ): Promise<LogPlace[]> {
    const places = new Map<number, LogPlace>();
    for (const part of inSendableParts(records))
      for (const [partition, { first, last, eventId }] of await this.#sendPart(topic, part))
        places.set(partition, {
          partition: partitionName(partition),
          firstOffset: places.get(partition)?.firstOffset ?? first,
          offset: last,
          eventId,
        });
    return [...places.values()];
  }

  async #sendPart(
    topic: string,
    records: readonly BusRecord[],
  ): Promise<Map<number, { first: string; last: string; eventId: string }>> {
    if (this.#closed)
      throw new KafkaError({ name: 'KAFKA_CLOSED', seen: 'the bus is closed', fix: 'Start the service again' });
    try {
      const { producer, partitions } = await (this.#client ??= this.#connect());
      const messages = records.map(({ key, value, eventId }) => ({
        key,
        value,
        headers: { 'content-type': contentType, [eventIdHeader]: eventId },
      }));
      partitions.clear();
      const answers = await producer.send({ topic, messages, acks: -1 });
      const placed = new Map<number, { first: string; last: string; eventId: string }>();
      for (const { partition, baseOffset } of answers) {
        const own = messages.filter(message => partitions.get(message) === partition);
        const last = own.at(-1);
        if (baseOffset === undefined || last === undefined) throw new Error(`No offset was answered for ${topic}.`);
        const lastOffset = BigInt(baseOffset) + BigInt(own.length - 1);
        placed.set(partition, {
          first: baseOffset,
          last: String(lastOffset),
          eventId: last.headers[eventIdHeader],
        });
      }
      return placed;
    } catch (error) {
      await this.#throwAway();
      this.#broken();
      throw new KafkaError(problemOf(error), error);
    }
  }

  async #connect(): Promise<Client> {
    const sockets = new Sockets(
      () => {
        this.#client = undefined;
        sockets.end();
        this.#broken();
      },
      { reopens: false },
    );
    const partitions = new Map<object, number>();
    const kafka = new Kafka(clientConfig(this.#settings, sockets.factory, 0));
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      maxInFlightRequests: 1,
      metadataMaxAge: 30_000,
      // Each repetition is the relay's, with its own eyes on what is acknowledged.
      retry: { retries: 0 },
      createPartitioner: () => {
        const choose = Partitioners.DefaultPartitioner();
        return args => {
          const partition = choose(args);
          partitions.set(args.message, partition);
          return partition;
        };
      },
    });
    try {
      await producer.connect();
    } catch (error) {
      sockets.end();
      throw error;
    }
    return { producer, sockets, partitions };
  }

  /** Its connection too: what lies unsent in it must not arrive after what a new one sends. */
  async #throwAway(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    client?.sockets.end();
    await client?.producer.disconnect().catch(() => undefined);
  }
}

function inSendableParts(records: readonly BusRecord[]): BusRecord[][] {
  const parts: BusRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const size = Buffer.byteLength(record.value) + Buffer.byteLength(record.key) + 200;
    if (bytes + size > sendBytes) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(record);
    bytes += size;
  }
  return parts;
}
