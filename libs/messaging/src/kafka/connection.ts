import { backOffMs, pause } from '../back-off.ts';
import type { BusStats } from '../bus.ts';
import { Wake } from '../wake.ts';
import {
  type Broker,
  brokerOpener,
  type FetchedMessage,
  metadataOf,
  type MetadataAnswer,
  protocolError,
} from './internals.ts';
import { connectionTimeoutMs, type Settings } from './options.ts';
import { KafkaError, type KafkaProblem, problemOf, renderProblem } from './problem.ts';
import { Sockets } from './sockets.ts';
import { changedUnderUs, createTopic, type PartitionState, shapeProblems, type TopicState } from './topics.ts';

/** Topics that are there are looked at this often, missing ones more often. */
const watchMs = 2_000;
const missingMs = 250;
const shapeCheckMs = 60_000;
const earliest = -2;
const latest = -1;

const toBeLookedAt: KafkaProblem = {
  name: 'KAFKA_UNREACHABLE',
  seen: 'a connection broke, the log is looked at before it is used again',
  fix: 'Tried again at once',
};

type Session = {
  readonly sockets: Sockets;
  readonly open: (at?: { host: string; port: number }) => Promise<Broker>;
  readonly seed: Broker;
  readonly leaders: Map<string, Broker>;
};

/**
 * One bus's own line to the cluster, beside those of its producer and consumers: it knows whether the cluster answers and since when, makes
 * and watches the topics, and reads single records. It tries for ever, at growing distances. Whatever may mean that a log is not the one
 * it was (a connection that broke, a topic that came or shrank) raises the epoch: whoever relies on a log looks again.
 */
export class Connection {
  readonly #settings: Settings;
  readonly #wake = new Wake();
  readonly #closing = new AbortController();
  readonly #watched = new Set<string>();
  readonly #own = new Set<string>();
  readonly #listeners = new Set<() => void>();
  #session: Session | undefined;
  #topics = new Map<string, TopicState>();
  #shape: KafkaProblem[] = [];
  #shapeCheckedAt = -Infinity;
  #problem: KafkaProblem | undefined = {
    name: 'KAFKA_UNREACHABLE',
    seen: 'the broker was not reached yet',
    fix: 'Wait for the first answer',
  };
  #clusterId = '';
  #epoch = 0;
  #suspicious = true;
  #attempts = 0;
  #reconnects = 0;
  #connectedSince: string | undefined;
  #running: Promise<void> | undefined;
  lostLogs = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Starts at the first topic. `own`: to be made when they are missing. */
  watch(topics: readonly string[], own: boolean): void {
    for (const topic of topics) {
      this.#watched.add(topic);
      if (own) this.#own.add(topic);
    }
    this.#shapeCheckedAt = -Infinity;
    this.#wake.ring();
    this.#running ??= this.#run();
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Another epoch, or topics came or went. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Something may be wrong with the log: looked at now, and everybody looks again. */
  suspect(): void {
    this.#suspicious = true;
    this.#wake.ring();
  }

  problem(): KafkaProblem | undefined {
    return this.#problem;
  }

  /** @throws KafkaError unless the log was looked at since the last sign that it may be another one, and in this epoch. */
  requireSeen(epoch: number | undefined): void {
    if (this.#problem !== undefined) throw new KafkaError(this.#problem);
    if (this.#suspicious || epoch !== this.#epoch) throw new KafkaError(toBeLookedAt);
  }

  /** Of what is watched and was found wrong. */
  topicProblems(topics?: readonly string[]): KafkaProblem[] {
    const asked = topics ?? [...this.#watched];
    const missing = asked
      .filter(topic => this.#epoch > 0 && !this.#topics.has(topic))
      .map((topic): KafkaProblem => ({
        name: 'TOPIC_MISSING',
        seen: `${topic} is not there`,
        fix: 'Start the service that publishes on it, or give its user the right to make it',
      }));
    return topics === undefined ? [...missing, ...this.#shape] : missing;
  }

  present(topics: readonly string[]): string[] {
    return topics.filter(topic => this.#topics.has(topic));
  }

  partitionsOf(topic: string): number {
    return this.#topics.get(topic)?.length ?? 0;
  }

  check(): { ok: boolean; detail: string } {
    if (this.#running === undefined) return { ok: true, detail: 'not used yet' };
    const problems = this.#problem === undefined ? this.topicProblems() : [this.#problem];
    const attempts = this.#attempts > 1 ? ` (${this.#attempts} attempts)` : '';
    return problems.length === 0
      ? { ok: true, detail: `connected since ${this.#connectedSince ?? 'never'}` }
      : { ok: false, detail: problems.map(renderProblem).join(' · ') + attempts };
  }

  stats(): Omit<BusStats, 'heldBytes'> {
    return {
      connectedSince: this.#connectedSince,
      attempts: this.#attempts,
      reconnectsTotal: this.#reconnects,
      lostLogsTotal: this.lostLogs,
    };
  }

  /** Makes the topic when it is ours to make. @throws KafkaError while the cluster does not answer or the topic is not there. */
  async describe(topic: string): Promise<{ clusterId: string; partitions: TopicState }> {
    return this.#ask(async session => {
      const answer = await metadataOf(session.seed, [topic]);
      const states = await this.#statesOf(session, answer);
      const partitions = states.get(topic);
      if (partitions === undefined) {
        this.#topics.delete(topic);
        this.#wake.ring();
        const [problem] = this.topicProblems([topic]);
        throw new KafkaError(problem ?? { name: 'TOPIC_MISSING', seen: `${topic} is not there`, fix: 'Tried again' });
      }
      return { clusterId: answer.clusterId ?? '', partitions };
    });
  }

  /** Of all partitions as they were when last looked at, without asking. */
  known(topic: string): TopicState | undefined {
    return this.#problem === undefined ? this.#topics.get(topic) : undefined;
  }

  get clusterId(): string {
    return this.#clusterId;
  }

  /** The record at exactly this offset; undefined: not in the log. */
  recordAt(topic: string, { partition, leader }: PartitionState, offset: string): Promise<FetchedMessage | undefined> {
    return this.#ask(async session => {
      const broker = await this.#leader(session, leader);
      const fetched = await broker
        .fetch({
          maxWaitTime: 0,
          minBytes: 0,
          maxBytes: 1,
          isolationLevel: 0,
          topics: [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes: 1 }] }],
        })
        .catch((error: unknown) => {
          if (error instanceof Error && error.name === 'KafkaJSOffsetOutOfRange') return { responses: [] };
          throw error;
        });
      return fetched.responses[0]?.partitions[0]?.messages.find(message => message.offset === offset);
    });
  }

  /**
   * On behalf of a member that cannot say so itself any more, or of all: until its session ends it would keep its partitions from the next
   * one.
   */
  leaveGroup(groupId: string, member: string | 'all'): Promise<void> {
    return this.#ask(async session => {
      const { coordinator } = await session.seed.findGroupCoordinator({ groupId, coordinatorType: 0 });
      const broker = await this.#leader(session, coordinator.nodeId);
      const members =
        member === 'all'
          ? (await broker.describeGroups({ groupIds: [groupId] })).groups.flatMap(group => group.members)
          : [{ memberId: member }];
      for (const { memberId } of members) await broker.leaveGroup({ groupId, memberId });
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#problem = { name: 'KAFKA_CLOSED', seen: 'the bus was closed', fix: 'Start the service again' };
    this.#wake.ring();
    this.#end();
    await this.#running;
  }

  async #ask<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = this.#session;
    if (session === undefined || this.#problem !== undefined || this.#suspicious)
      throw new KafkaError(this.#problem ?? toBeLookedAt);
    try {
      return await work(session);
    } catch (error) {
      this.#wake.ring();
      throw error instanceof KafkaError ? error : new KafkaError(problemOf(error), error);
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!isSet(signal)) {
      try {
        const missing = await this.#look();
        this.#answered();
        await this.#wake.next(missing ? missingMs : watchMs);
      } catch (error) {
        if (isSet(signal)) return;
        this.#failed(error);
        await pause(backOffMs(this.#settings.backOff, this.#attempts), signal);
      }
    }
  }

  /** One look at the cluster and at every watched topic; whether one is missing. */
  async #look(): Promise<boolean> {
    const session = (this.#session ??= await this.#connect());
    const asked = [...this.#watched];
    let answer = await metadataOf(session.seed, asked);
    const absent = answer.topicMetadata.filter(
      ({ topic, topicErrorCode }) => topicErrorCode === 3 && this.#own.has(topic),
    );
    if (absent.length > 0) {
      for (const { topic } of absent) await createTopic(await this.#controller(session, answer), topic, this.#settings);
      answer = await metadataOf(session.seed, asked);
    }
    const unauthorised = answer.topicMetadata.find(({ topicErrorCode }) => topicErrorCode === 29);
    if (unauthorised !== undefined) throw protocolError(unauthorised.topicErrorCode);
    const states = await this.#statesOf(session, answer);
    if (this.#settings.clock() - this.#shapeCheckedAt > shapeCheckMs || absent.length > 0) {
      this.#shape = await shapeProblems(session.seed, states, this.#settings);
      this.#shapeCheckedAt = this.#settings.clock();
    }
    const cameOrWent = states.size !== this.#topics.size || [...states.keys()].some(topic => !this.#topics.has(topic));
    const changed =
      this.#suspicious || changedUnderUs(this.#topics, states) || (answer.clusterId ?? '') !== this.#clusterId;
    this.#clusterId = answer.clusterId ?? '';
    this.#topics = states;
    this.#problem = undefined;
    if (changed) {
      this.#suspicious = false;
      this.#epoch += 1;
    }
    if (changed || cameOrWent) for (const listener of this.#listeners) listener();
    return asked.some(topic => !states.has(topic));
  }

  async #statesOf(session: Session, { brokers, topicMetadata }: MetadataAnswer): Promise<Map<string, TopicState>> {
    for (const { nodeId, host, port } of brokers) this.#addresses.set(nodeId, { host, port });
    const whole = topicMetadata.filter(
      ({ topicErrorCode, partitionMetadata }) =>
        topicErrorCode === 0 && partitionMetadata.every(({ partitionErrorCode }) => partitionErrorCode === 0),
    );
    const states = new Map<string, PartitionState[]>(whole.map(({ topic }) => [topic, []]));
    const leaders = new Set(whole.flatMap(({ partitionMetadata }) => partitionMetadata.map(({ leader }) => leader)));
    for (const leader of leaders) {
      const broker = await this.#leader(session, leader);
      const [low, high] = await Promise.all(
        [earliest, latest].map(timestamp => offsetsOf(broker, leader, whole, timestamp)),
      );
      for (const [place, from] of low ?? []) {
        const [topic, partition] = JSON.parse(place) as [string, number];
        states.get(topic)?.push({ partition, leader, low: from, high: high?.get(place) ?? from });
      }
    }
    for (const partitions of states.values()) partitions.sort((a, b) => a.partition - b.partition);
    return states;
  }

  readonly #addresses = new Map<number, { host: string; port: number }>();

  async #leader(session: Session, nodeId: number): Promise<Broker> {
    const at = this.#addresses.get(nodeId);
    if (at === undefined) throw new Error(`Broker ${nodeId} has no address.`);
    const { host, port } = session.seed.connectionPool;
    if (at.host === host && at.port === port) return session.seed;
    const name = `${at.host}:${at.port}`;
    const known = session.leaders.get(name);
    if (known?.isConnected() === true) return known;
    const broker = await session.open(at);
    session.leaders.set(name, broker);
    return broker;
  }

  #controller(session: Session, { brokers, controllerId }: MetadataAnswer): Promise<Broker> {
    for (const { nodeId, host, port } of brokers) this.#addresses.set(nodeId, { host, port });
    return this.#leader(session, controllerId);
  }

  async #connect(): Promise<Session> {
    const sockets = new Sockets(() => this.suspect());
    const open = (this.#opener ??= brokerOpener({
      brokers: this.#settings.brokers,
      clientId: this.#settings.clientId,
      ssl: this.#settings.ssl,
      sasl: this.#settings.sasl,
      connectionTimeout: connectionTimeoutMs,
      requestTimeout: this.#settings.requestTimeoutMs,
      socketFactory: options => (this.#sockets ?? sockets).factory(options),
    }));
    this.#sockets = sockets;
    const seed = await open();
    refuseOldBroker(seed);
    return { sockets, open, seed, leaders: new Map() };
  }

  /** Kept over attempts: it goes round the configured addresses. */
  #opener: Session['open'] | undefined;
  #sockets: Sockets | undefined;

  #answered(): void {
    if (this.#connectedSince !== undefined) return;
    this.#connectedSince = new Date(this.#settings.clock()).toISOString();
    this.#settings.log.info({ attempts: this.#attempts, cluster: this.#clusterId }, 'Kafka answers');
    if (this.#attempts > 0) this.#reconnects += 1;
    this.#attempts = 0;
  }

  #failed(error: unknown): void {
    this.#end();
    this.#suspicious = true;
    this.#attempts += 1;
    this.#connectedSince = undefined;
    const problem = problemOf(error);
    if (problem.name !== this.#problem?.name || problem.seen !== this.#problem.seen)
      this.#settings.log.warn({ problem: problem.name, attempts: this.#attempts }, renderProblem(problem));
    this.#problem = problem;
  }

  #end(): void {
    const session = this.#session;
    this.#session = undefined;
    this.#sockets?.end();
    session?.sockets.end();
  }
}

// Asked through a function: the compiler does not know that a signal changes while one waits.
function isSet(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Record batches with headers came with Kafka 0.11: Produce 3 and Fetch 4. */
function refuseOldBroker({ versions }: Broker): void {
  const [produce, fetch] = [versions?.['0']?.maxVersion ?? 0, versions?.['1']?.maxVersion ?? 0];
  if (produce < 3 || fetch < 4)
    throw new KafkaError({
      name: 'KAFKA_VERSION',
      seen: `the broker is older than supported (Produce ${produce}, Fetch ${fetch}; 3 and 4 are needed)`,
      fix: 'Use an Apache Kafka from 0.11 to 4.x',
    });
}

async function offsetsOf(
  broker: Broker,
  leader: number,
  topics: MetadataAnswer['topicMetadata'],
  timestamp: number,
): Promise<Map<string, bigint>> {
  const asked = topics
    .map(({ topic, partitionMetadata }) => ({
      topic,
      partitions: partitionMetadata
        .filter(partition => partition.leader === leader)
        .map(({ partitionId }) => ({ partition: partitionId, timestamp })),
    }))
    .filter(({ partitions }) => partitions.length > 0);
  const { responses } = await broker.listOffsets({ replicaId: -1, isolationLevel: 0, topics: asked });
  return new Map(
    responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }): [string, bigint] => [JSON.stringify([topic, partition]), BigInt(offset)]),
    ),
  );
}
