import { type BackOff, backOffMs, pause, reasonOf } from './back-off.ts';
import type { Bus, BusRecord, LogPlace, Producer, SubscribeOptions, Subscription } from './bus.ts';
import { Wake } from './wake.ts';

export type EmbeddedBusOptions = {
  /** Records handed over at a time; 200 when left out. */
  readonly batchSize?: number;
  /** Between attempts at a subscriber or a log that cannot work just now. */
  readonly backOff?: BackOff;
};

/**
 * The bus of services that share one process. It stores nothing: the log of a topic is the outboxes of the services that publish on it,
 * and what a subscriber has had is in the subscriber's own store. So there is nothing that kill -9 could lose here. Each producer's log
 * is one partition of its topics; the log's identity is part of the partition's name, so that a log that starts anew is read anew.
 */
export function createEmbeddedBus({
  batchSize = 200,
  backOff = { firstMs: 50, capMs: 2_000 },
}: EmbeddedBusOptions = {}): Bus {
  const producers = new Map<string, Producer>();
  const subscribers = new Map<string, Subscriber>();
  let closed = false;
  let lostLogs = 0;
  const startedAt = new Date().toISOString();

  const refuseWhenClosed = (): void => {
    if (closed) throw new Error('The embedded bus is closed.');
  };

  return {
    name: 'embedded',
    async register(producer) {
      refuseWhenClosed();
      producers.set(producer.name, producer);
      for (const subscriber of subscribers.values()) subscriber.follow(producer);
    },
    /** The records are in the log already, that is where they come from: the acknowledgement only needs somebody who can find them. */
    async publish(topic: string, _records: readonly BusRecord[]): Promise<readonly LogPlace[]> {
      refuseWhenClosed();
      if (![...producers.values()].some(({ topics }) => topics.includes(topic)))
        throw new Error(`No service registered ${topic}: list its contract among those the service publishes.`);
      for (const subscriber of subscribers.values()) subscriber.wake(topic);
      return [];
    },
    /** There is no log but the outbox. */
    lost: async () => undefined,
    epoch: () => 0,
    onEpoch: () => () => undefined,
    check: () => ({ ok: !closed, detail: closed ? 'closed' : 'ok' }),
    stats: () => ({
      connectedSince: startedAt,
      attempts: 0,
      reconnectsTotal: 0,
      lostLogsTotal: lostLogs,
      heldBytes: 0,
    }),
    async subscribe(options) {
      refuseWhenClosed();
      const { group } = options;
      if (subscribers.has(group))
        throw new Error(`${group} is subscribed already; the embedded bus does not share a group among members.`);
      const subscriber = new Subscriber(options, batchSize, backOff, () => (lostLogs += 1));
      subscribers.set(group, subscriber);
      for (const producer of producers.values()) subscriber.follow(producer);
      return {
        lag: () => subscriber.lag(),
        problem: () => subscriber.problem(),
        stop: async () => {
          await subscriber.stop();
          if (subscribers.get(group) === subscriber) subscribers.delete(group);
        },
      } satisfies Subscription;
    },
    async close() {
      closed = true;
      await Promise.all([...subscribers.values()].map(subscriber => subscriber.stop()));
      subscribers.clear();
    },
  };
}

class Subscriber {
  readonly #options: SubscribeOptions;
  readonly #batchSize: number;
  readonly #backOff: BackOff;
  readonly #partitions = new Map<string, PartitionReader>();
  readonly #stopping = new AbortController();

  readonly #lost: () => void;

  constructor(options: SubscribeOptions, batchSize: number, backOff: BackOff, lost: () => void) {
    this.#lost = lost;
    this.#options = options;
    this.#batchSize = batchSize;
    this.#backOff = backOff;
  }

  follow(producer: Producer): void {
    for (const topic of this.#options.topics) {
      if (!producer.topics.includes(topic)) continue;
      const name = JSON.stringify([topic, producer.name]);
      const before = this.#partitions.get(name);
      if (before !== undefined) {
        before.follow(producer);
        continue;
      }
      const reader = new PartitionReader(
        producer,
        topic,
        { ...this.#options, batchSize: this.#batchSize, lost: this.#lost },
        this.#stopping.signal,
      );
      this.#partitions.set(name, reader);
      reader.start(this.#backOff);
    }
  }

  wake(topic: string): void {
    for (const reader of this.#partitions.values()) if (reader.topic === topic) reader.wake();
  }

  async lag(): Promise<number> {
    const lags = await Promise.all([...this.#partitions.values()].map(reader => reader.lag()));
    return lags.reduce((sum, lag) => sum + lag, 0);
  }

  problem(): string | undefined {
    return [...this.#partitions.values()].find(reader => reader.problem !== undefined)?.problem;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#partitions.values()].map(reader => reader.ended()));
  }
}

type ReaderOptions = SubscribeOptions & { readonly batchSize: number; readonly lost: () => void };

/** One topic of one producer's log, for one subscriber. */
class PartitionReader {
  readonly topic: string;
  problem: string | undefined;
  #source: Producer;
  readonly #options: ReaderOptions;
  readonly #stopping: AbortSignal;
  readonly #wake = new Wake();
  #running: Promise<void> = Promise.resolve();

  /** The log that was compared with the stored position. */
  #checked: string | undefined;

  constructor(source: Producer, topic: string, options: ReaderOptions, stopping: AbortSignal) {
    this.#source = source;
    this.topic = topic;
    this.#options = options;
    this.#stopping = stopping;
    stopping.addEventListener('abort', () => this.#wake.ring(), { once: true });
  }

  start(backOff: BackOff): void {
    this.#running = this.#run(backOff);
  }

  wake(): void {
    this.#wake.ring();
  }

  follow(source: Producer): void {
    this.#source = source;
    this.#checked = undefined;
    this.wake();
  }

  ended(): Promise<void> {
    return this.#running;
  }

  async lag(): Promise<number> {
    const { after } = await this.#position();
    return this.#source.log.count(this.topic, after);
  }

  async #run(backOff: BackOff): Promise<void> {
    for (let failures = 0; !this.#stopping.aborted;) {
      try {
        const isMore = await this.#deliverNext();
        failures = 0;
        this.problem = undefined;
        if (!isMore) await this.#wake.next();
      } catch (error) {
        failures += 1;
        this.problem = reasonOf(error);
        await pause(backOffMs(backOff, failures), this.#stopping);
      }
    }
  }

  /** Whether more may be there. Behind a batch that was not full, who publishes more rings: looking at once would take events one by one. */
  async #deliverNext(): Promise<boolean> {
    const { partition, after, follows } = await this.#position();
    const records = await this.#source.log.read(this.topic, after, this.#options.batchSize);
    if (records.length === 0 || this.#stopping.aborted) return false;
    await this.#options.deliver({ topic: this.topic, partition, follows, records }, this.#stopping);
    return records.length === this.#options.batchSize;
  }

  /** Asked of the subscriber's store each time: only there is it known what was committed. */
  async #position(): Promise<{ partition: string; after: string; follows: string | undefined }> {
    const { name, log } = this.#source;
    const partition = `${name}@${await log.identity()}`;
    const stored = await this.#options.position(this.topic, partition);
    if (stored === undefined) return { partition, after: '0', follows: undefined };
    const { offset: follows, eventId } = stored;
    // The producer's store was restored from a backup: its events come again, the inbox knows those it has seen.
    let lost = BigInt(follows) > BigInt(await log.head());
    if (!lost && eventId !== undefined && this.#checked !== partition)
      lost = (await log.eventIdAt(follows)) !== eventId;
    if (lost) this.#options.lost();
    else this.#checked = partition;
    return { partition, after: lost ? '0' : follows, follows };
  }
}
