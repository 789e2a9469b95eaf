import type { Consumer as KafkaConsumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { backOffMs, pause, reasonOf } from '../back-off.ts';
import type { DeliveredRecord, StoredPosition, SubscribeOptions } from '../bus.ts';
import { Wake } from '../wake.ts';
import type { Connection } from './connection.ts';
import type { Settings } from './options.ts';
import { eventIdHeader } from './producer.ts';
import type { PartitionState } from './topics.ts';

/** Handed over in one call. */
const deliverRecords = 500;
/** Fetching stops above the first and goes on below the second: what waits in memory is at most this and one fetch. */
const queueFullBytes = 2_097_152;
const queueLowBytes = 524_288;

type Deps = {
  readonly settings: Settings;
  readonly connection: Connection;
  readonly options: SubscribeOptions;
  readonly consumer: KafkaConsumer;
};

export function partitionName(partition: number, clusterId: string): string {
  return `${partition}@${clusterId}`;
}

/**
 * One partition while it is ours: finds the place in its store, checks that the log is still the one of that place, and delivers from there,
 * one call at a time. Fetched records wait here, so that kafkajs goes on fetching the others and keeps the membership alive.
 * Anything unexpected (a failed delivery, a gap, another epoch) has one cure: forget what was fetched and find the place again.
 */
export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  /** Why nothing can be delivered now. */
  problem: string | undefined;
  /** Of the last record committed by us; undefined before. For lag tools of others only. */
  committed: string | undefined;
  /** Fetched and not delivered yet. */
  heldBytes = 0;
  readonly #deps: Deps;
  readonly #ending = new AbortController();
  readonly #wake = new Wake();
  #waiting = new AbortController();
  readonly #ended: Promise<void>;
  #queue: KafkaMessage[] = [];
  #fetching = false;
  /** The offset that the next fetched record must have; undefined while the place is being looked for. */
  #next: bigint | undefined;
  #name = '';
  #follows: string | undefined;
  #acceptedGap: string | undefined;

  /** `after`: the reader that had this partition before, here in this process, must have ended. */
  constructor(topic: string, partition: number, after: Promise<unknown>, deps: Deps) {
    this.topic = topic;
    this.partition = partition;
    this.#deps = deps;
    this.#ended = after.then(() => this.#run());
  }

  /** Resolves when no delivery is under way and none will be. */
  end(): Promise<void> {
    this.#ending.abort(new Error('the partition is no longer ours'));
    this.#wake.ring();
    return this.#ended;
  }

  /** The place is looked for again after the delivery that is under way. */
  lookAgain(): void {
    this.#next = undefined;
    this.#waiting.abort();
    this.#wake.ring();
  }

  /** Called by kafkajs; never waits and never throws. Where fetching goes on is ours alone to say. */
  accept(payload: EachBatchPayload): void {
    const { batch } = payload;
    const first = batch.messages[0]?.offset;
    const last = batch.messages.at(-1)?.offset;
    if (
      this.#ending.signal.aborted ||
      this.#next === undefined ||
      payload.isStale() ||
      first === undefined ||
      last === undefined
    )
      return;
    if (BigInt(first) !== this.#next && this.#acceptedGap !== first) {
      // Before: kafkajs met the end of another log and began anew. Behind: the log lost its beginning, or transactions left a hole.
      if (BigInt(first) > this.#next) this.#acceptedGap = first;
      this.#deps.connection.suspect();
      this.lookAgain();
      return;
    }
    payload.resolveOffset(last);
    this.#next = BigInt(batch.lastOffset()) + 1n;
    for (const message of batch.messages) {
      this.#queue.push(message);
      this.heldBytes += message.value?.length ?? 0;
    }
    if (this.heldBytes > queueFullBytes) this.#fetch(false);
    this.#wake.ring();
  }

  async #run(): Promise<void> {
    const { settings, options } = this.#deps;
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted;) {
      try {
        if (this.#next === undefined) await this.#findPlace();
        const messages = this.#queue.slice(0, deliverRecords);
        if (messages.length === 0 || isSet(signal)) {
          this.problem = undefined;
          await this.#wake.next();
          continue;
        }
        const records = messages.map(message => this.#record(message));
        const [topic, partition, follows] = [this.topic, this.#name, this.#follows];
        await options.deliver({ topic, partition, follows, records }, signal);
        failures = 0;
        this.problem = undefined;
        this.#follows = this.committed = records.at(-1)?.offset;
        if (this.#next !== undefined) this.#dropFirst(messages.length);
      } catch (error) {
        if (isSet(signal)) return;
        failures += 1;
        this.problem = `${this.topic}/${this.partition}: ${reasonOf(error)}`;
        this.#next = undefined;
        this.#fetch(false);
        this.#waiting = new AbortController();
        await pause(backOffMs(settings.backOff, failures), AbortSignal.any([signal, this.#waiting.signal]));
      }
    }
  }

  async #findPlace(): Promise<void> {
    const { connection, options, consumer } = this.#deps;
    this.#fetch(false);
    this.#queue = [];
    this.heldBytes = 0;
    const { clusterId, partitions } = await connection.describe(this.topic);
    const state = partitions.find(({ partition }) => partition === this.partition);
    if (state === undefined) throw new Error(`${this.topic} has no partition ${this.partition}`);
    this.#name = partitionName(this.partition, clusterId);
    const stored = await options.position(this.topic, this.#name);
    const lost = stored && (await this.#lost(stored, state));
    if (lost !== undefined) this.#reportLoss(lost);
    this.#follows = stored?.offset;
    const next = stored === undefined || lost !== undefined ? state.low : BigInt(stored.offset) + 1n;
    if (isSet(this.#ending.signal)) return;
    consumer.seek({ topic: this.topic, partition: this.partition, offset: String(next) });
    this.#next = next;
    this.#fetch(true);
  }

  /** Why the log is not the one of the stored position. */
  async #lost({ offset, eventId }: StoredPosition, state: PartitionState): Promise<string | undefined> {
    if (BigInt(offset) >= state.high) return `it ends at ${state.high}, ${offset} was read before`;
    if (BigInt(offset) + 1n < state.low) return `it begins at ${state.low}, ${offset} was read last`;
    if (eventId === undefined || BigInt(offset) < state.low) return undefined;
    const found = await this.#deps.connection.recordAt(this.topic, state, offset);
    const foundId = found && eventIdOf(found.value, headerOf(found.headers), `${this.topic}/${this.#name}/${offset}`);
    return foundId === eventId ? undefined : `at ${offset} it holds ${foundId ?? 'nothing'}, not ${eventId}`;
  }

  #reportLoss(how: string): void {
    const { connection, settings } = this.#deps;
    connection.lostLogs += 1;
    settings.log.warn(
      { topic: this.topic, partition: this.partition },
      `The log of ${this.topic}/${this.partition} is not the one that was read (${how}): it is read again from its start`,
    );
  }

  #fetch(on: boolean): void {
    this.#fetching = on;
    const what = [{ topic: this.topic, partitions: [this.partition] }];
    try {
      if (on) this.#deps.consumer.resume(what);
      else this.#deps.consumer.pause(what);
    } catch (error) {
      // kafkajs has given up and is not there any more: it fetches nothing, and its readers are about to be ended.
      this.problem = `${this.topic}/${this.partition}: ${reasonOf(error)}`;
    }
  }

  #dropFirst(count: number): void {
    for (const { value } of this.#queue.splice(0, count)) this.heldBytes -= value?.length ?? 0;
    if (!this.#fetching && this.heldBytes < queueLowBytes) this.#fetch(true);
  }

  #record({ key, value, offset, headers }: KafkaMessage): DeliveredRecord {
    const place = `${this.topic}/${this.#name}/${offset}`;
    return {
      key: key?.toString('utf8') ?? '',
      eventId: eventIdOf(value, headerOf(headers), place),
      value: value?.toString('utf8') ?? '',
      offset,
    };
  }
}

function headerOf(headers: KafkaMessage['headers']): string | undefined {
  const header = headers?.[eventIdHeader];
  const one = Array.isArray(header) ? header[0] : header;
  return one?.toString('utf8');
}

/** By the header; of records of others by the body; and by its place when the body is none of ours, so that it can be parked by a name. */
function eventIdOf(value: Buffer | null, header: string | undefined, place: string): string {
  if (header !== undefined && header !== '') return header;
  try {
    const body: unknown = JSON.parse(value?.toString('utf8') ?? '');
    if (typeof body === 'object' && body !== null && 'id' in body && typeof body.id === 'string' && body.id !== '')
      return body.id;
  } catch {
    // Not JSON: the place names it.
  }
  return place;
}

// Asked through a function: the compiler does not know that a signal changes while one waits.
function isSet(signal: AbortSignal): boolean {
  return signal.aborted;
}
