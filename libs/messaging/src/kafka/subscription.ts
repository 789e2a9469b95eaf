import { type Consumer as KafkaConsumer, Kafka, PartitionAssigners, type PartitionAssigner } from 'kafkajs';
import { backOffMs, pause } from '../back-off.ts';
import type { StoredPosition, SubscribeOptions, Subscription } from '../bus.ts';
import { Wake } from '../wake.ts';
import type { Connection } from './connection.ts';
import { clientConfig, type Settings } from './options.ts';
import { type KafkaProblem, problemOf, renderProblem } from './problem.ts';
import { partitionName, PartitionReader } from './reader.ts';
import { Sockets } from './sockets.ts';

const heartbeatMs = 1_000;
const commitMs = 1_000;
/** How long a rebalance waits for the delivery under way; after that the store is the arbiter alone. */
const handOverMs = 4_000;

/**
 * One member of a consumer group, for ever: when kafkajs gives up it is made anew, at growing distances. Positions are those of the
 * subscriber's store; what is committed to Kafka only serves lag tools. Invariant: a partition is delivered by one reader at a time in this
 * process, and its delivery has ended (or `handOverMs` passed) before this member lets go of it.
 */
export class GroupMember implements Subscription {
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #options: SubscribeOptions;
  readonly #stopping = new AbortController();
  readonly #wake = new Wake();
  readonly #stopListening: () => void;
  readonly #running: Promise<void>;
  #readers = new Map<string, PartitionReader>();
  #ended: Promise<unknown> = Promise.resolve();
  #problem: KafkaProblem | undefined;
  /** What the member was made for (`#wanted`). */
  #madeFor = '';
  /** Whom the group still counts in, though it does not take part any more. */
  #gone: string | undefined;
  #epoch = 0;

  constructor(settings: Settings, connection: Connection, options: SubscribeOptions) {
    this.#settings = settings;
    this.#connection = connection;
    this.#options = options;
    this.#gone = options.isAlone === true ? 'all' : undefined;
    this.#stopListening = connection.onChange(() => this.#lookAgain());
    this.#running = this.#run();
  }

  readonly problem = (): string | undefined => {
    const { topics } = this.#options;
    const problem = this.#connection.problem() ?? this.#problem ?? this.#connection.topicProblems(topics)[0];
    if (problem !== undefined) return renderProblem(problem);
    return [...this.#readers.values()].find(reader => reader.problem !== undefined)?.problem;
  };

  /** Of all partitions: the members of a group share one store. */
  readonly lag = async (): Promise<number | undefined> => {
    let lag = 0n;
    for (const topic of this.#connection.present(this.#options.topics)) {
      // Positions first: the log grows, and one that is taken later would seem to lie beyond its end.
      const { clusterId } = this.#connection;
      const positions = await this.#positions(topic, clusterId);
      const described = await this.#connection.describe(topic).catch(() => undefined);
      if (described === undefined) return undefined;
      for (const { partition, low, high } of described.partitions) {
        const stored = described.clusterId === clusterId ? positions[partition] : undefined;
        const next = stored === undefined ? low : BigInt(stored.offset) + 1n;
        lag += high - (next > high || next < low ? low : next);
      }
    }
    return this.#connection.problem() === undefined ? Number(lag) : undefined;
  };

  #positions(topic: string, clusterId: string): Promise<(StoredPosition | undefined)[]> {
    const partitions = Array.from({ length: this.#connection.partitionsOf(topic) }, (_, partition) => partition);
    return Promise.all(partitions.map(each => this.#options.position(topic, partitionName(each, clusterId))));
  }

  heldBytes(): number {
    return [...this.#readers.values()].reduce((sum, reader) => sum + reader.heldBytes, 0);
  }

  readonly stop = async (): Promise<void> => {
    this.#stopping.abort();
    this.#stopListening();
    this.#wake.ring();
    await this.#running;
  };

  /** At another epoch every place is checked; topics that came or went want another subscription. */
  #lookAgain(): void {
    if (this.#epoch !== this.#connection.epoch) for (const reader of this.#readers.values()) reader.lookAgain();
    this.#epoch = this.#connection.epoch;
    if (this.#wanted() !== this.#madeFor) this.#wake.ring();
  }

  /** The topics with their partitions, and the cluster: kafkajs would notice late that one is another. */
  #wanted(): string {
    const present = this.#connection.present(this.#options.topics);
    const partitions = present.map(topic => [topic, this.#connection.partitionsOf(topic)]);
    return JSON.stringify([this.#connection.clusterId, ...partitions]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      this.#madeFor = this.#wanted();
      const topics = this.#connection.present(this.#options.topics);
      if (topics.length === 0 || this.#connection.problem() !== undefined) {
        await this.#wake.next(this.#connection.problem() === undefined ? undefined : 250);
        continue;
      }
      try {
        await this.#forgetMember();
        await this.#takePart(topics, () => (failures = 0));
        this.#problem = undefined;
      } catch (error) {
        failures += 1;
        this.#problem = problemOf(error);
        this.#settings.log.warn(
          { group: this.#options.group, problem: this.#problem.name },
          renderProblem(this.#problem),
        );
        await pause(backOffMs(this.#settings.backOff, failures), signal);
      }
    }
  }

  /** Until told to stop or to subscribe anew. @throws what made kafkajs give up. */
  async #takePart(topics: string[], joined: () => void): Promise<void> {
    const sockets = new Sockets(() => {
      // At once: behind the next connection may be another log.
      for (const reader of this.#readers.values()) reader.lookAgain();
      this.#connection.suspect();
    });
    const consumer = this.#consumer(sockets);
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => undefined);
    // kafkajs would ask on the same connection for ever, though nothing may come through it any more.
    consumer.on('consumer.network.request_timeout', () => sockets.breakOff());
    consumer.on('consumer.crash', ({ payload: { error } }) => crashed.reject(error));
    consumer.on('consumer.group_join', ({ payload: { memberAssignment, memberId } }) => {
      joined();
      this.#gone = memberId;
      this.#problem = undefined;
      this.#assigned(consumer, memberAssignment);
    });
    const commits = setInterval(() => this.#commit(consumer), commitMs);
    try {
      // A stop does not wait for kafkajs to reach or to join anything: while the broker is away that takes as long as its retries.
      await Promise.race([crashed.promise, this.#start(consumer, topics), aborted(this.#stopping.signal)]);
      while (!this.#stopping.signal.aborted && this.#wanted() === this.#madeFor)
        await Promise.race([crashed.promise, this.#wake.next()]);
    } finally {
      clearInterval(commits);
      await this.#letGo();
      sockets.ending();
      await this.#disconnect(consumer, sockets);
    }
  }

  /** A member that left by itself is not known any more, which is what we want. */
  async #forgetMember(): Promise<void> {
    const { group } = this.#options;
    const gone = this.#gone;
    this.#gone = undefined;
    if (gone === undefined) return;
    await this.#connection.leaveGroup(group, gone).catch((error: unknown) => {
      this.#settings.log.info(
        { group, problem: problemOf(error).name },
        'The group does not know the member that is replaced',
      );
    });
  }

  async #start(consumer: KafkaConsumer, topics: string[]): Promise<void> {
    await consumer.connect();
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 8,
      eachBatch: async payload => {
        const { topic, partition } = payload.batch;
        this.#readers.get(`${topic} ${partition}`)?.accept(payload);
      },
    });
  }

  #consumer(sockets: Sockets): KafkaConsumer {
    const { requestTimeoutMs, sessionTimeoutMs } = this.#settings;
    const kafka = new Kafka(clientConfig(this.#settings, sockets.factory, 60));
    const assigner: PartitionAssigner = config =>
      Object.assign(PartitionAssigners.roundRobin(config), { beforeJoin: () => this.#letGo() });
    return kafka.consumer({
      groupId: this.#options.group,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 100,
      minBytes: 1,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: Math.max(sessionTimeoutMs, requestTimeoutMs),
      heartbeatInterval: Math.min(heartbeatMs, sessionTimeoutMs / 3),
      metadataMaxAge: 30_000,
      partitionAssigners: [assigner],
      // Through an outage the member is kept: one that is made anew waits until the old one's session has ended (kafka.md §4, TUNED).
      retry: { retries: 60, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: async () => false },
    });
  }

  #assigned(consumer: KafkaConsumer, assignment: Readonly<Record<string, readonly number[]>>): void {
    const ended = this.#letGo();
    const readers = new Map<string, PartitionReader>();
    const deps = { settings: this.#settings, connection: this.#connection, options: this.#options, consumer };
    for (const [topic, partitions] of Object.entries(assignment)) {
      // Nothing is fetched before its place is known.
      consumer.pause([{ topic, partitions: [...partitions] }]);
      for (const partition of partitions)
        readers.set(`${topic} ${partition}`, new PartitionReader(topic, partition, ended, deps));
    }
    this.#readers = readers;
  }

  async #letGo(): Promise<void> {
    const readers = [...this.#readers.values()];
    this.#readers = new Map();
    this.#ended = Promise.all([this.#ended, ...readers.map(reader => reader.end())]);
    const limit = new AbortController();
    await Promise.race([this.#ended, pause(handOverMs, limit.signal)]);
    limit.abort();
  }

  #commit(consumer: KafkaConsumer): void {
    const offsets = [...this.#readers.values()].flatMap(reader => {
      const { topic, partition, committed } = reader;
      reader.committed = undefined;
      return committed === undefined ? [] : [{ topic, partition, offset: String(BigInt(committed) + 1n) }];
    });
    if (offsets.length === 0) return;
    const { log } = this.#settings;
    consumer.commitOffsets(offsets).catch((error: unknown) => {
      const { group } = this.#options;
      log.info(
        { group, problem: problemOf(error).name },
        'Offsets for lag tools were not committed; ours are in the store',
      );
    });
  }

  /** Leaves the group when the broker answers soon; a kafkajs that retries is cut off. */
  async #disconnect(consumer: KafkaConsumer, sockets: Sockets): Promise<void> {
    const limit = new AbortController();
    const left = consumer.disconnect().catch((error: unknown) => {
      this.#settings.log.info(
        { group: this.#options.group, problem: problemOf(error).name },
        'The group was left by force',
      );
    });
    await Promise.race([left, pause(1_000, limit.signal)]);
    limit.abort();
    sockets.end();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  if (signal.aborted) resolve(undefined);
  else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  return promise;
}
