import { backOffMs, pause } from '../back-off.ts';
import type { BusStats } from '../bus.ts';
import { Wake } from '../wake.ts';
import { type FetchedMessage, protocolError } from './internals.ts';
import type { Settings } from './options.ts';
import { KafkaError, type KafkaProblem, problemOf, renderProblem } from './problem.ts';
import { type Session, Sessions } from './session.ts';
import { changedUnderUs, createTopic, type PartitionState, shapeProblems, type TopicState } from './topics.ts';

/** Topics that are there are looked at this often, missing ones more often. */
const watchMs = 2_000;
const missingMs = 250;
const shapeCheckMs = 60_000;

const toBeLookedAt: KafkaProblem = {
  name: 'KAFKA_UNREACHABLE',
  seen: 'a connection broke, the log is looked at before it is used again',
  fix: 'Tried again at once',
};

/**
 * One bus's own line to the cluster, beside those of its producer and consumers: it knows whether the cluster answers and since when, makes
 * and watches the topics, and reads single records. It tries for ever, at growing distances. Whatever may mean that a log is not the one
 * it was (a connection that broke, a topic that came or shrank) raises the epoch: whoever relies on a log looks again.
 */
export class Connection {
  readonly #settings: Settings;
  readonly #sessions: Sessions;
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
    this.#sessions = new Sessions(settings, () => this.suspect());
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
      const answer = await session.metadata([topic]);
      const states = await session.statesOf(answer);
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
  recordAt(topic: string, state: PartitionState, offset: string): Promise<FetchedMessage | undefined> {
    return this.#ask(session => session.recordAt(topic, state, offset));
  }

  /**
   * On behalf of a member that cannot say so itself any more, or of `all`: until its session ends it would keep its partitions from the next
   * one.
   */
  leaveGroup(groupId: string, member: string): Promise<void> {
    return this.#ask(session => session.leaveGroup(groupId, member));
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
    const session = (this.#session ??= await this.#sessions.open());
    const asked = [...this.#watched];
    let answer = await session.metadata(asked);
    const absent = answer.topicMetadata.filter(
      ({ topic, topicErrorCode }) => topicErrorCode === 3 && this.#own.has(topic),
    );
    if (absent.length > 0) {
      for (const { topic } of absent) await createTopic(await session.controller(answer), topic, this.#settings);
      answer = await session.metadata(asked);
    }
    const unauthorised = answer.topicMetadata.find(({ topicErrorCode }) => topicErrorCode === 29);
    if (unauthorised !== undefined) throw protocolError(unauthorised.topicErrorCode);
    const states = await session.statesOf(answer);
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
    this.#session = undefined;
    this.#sessions.end();
  }
}

// Asked through a function: the compiler does not know that a signal changes while one waits.
function isSet(signal: AbortSignal): boolean {
  return signal.aborted;
}
