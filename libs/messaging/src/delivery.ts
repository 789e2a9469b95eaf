import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { type Store, StoreError, type Transactor } from '@holdfast/store';
import { type BackOff, backOffMs, pause, reasonOf } from './back-off.ts';
import type { Batch, DeliveredRecord } from './bus.ts';
import type { EventCodec } from './event.ts';
import type { Inbox } from './inbox.ts';
import { announceParked, type DeadLetterOutbox } from './parked.ts';
import { type Reading, readRecord } from './reading.ts';
import type { Reaction } from './reaction.ts';
import type { MessagingTables } from './tables.ts';
import type { EventTracing } from './trace.ts';

export type Retry = BackOff & { readonly attempts: number };
export type Failing = {
  readonly type: string;
  readonly eventId: string;
  readonly attempts: number;
  readonly reason: string;
};

type DeliveryOptions<DB extends MessagingTables> = {
  readonly consumer: string;
  readonly store: Store<DB>;
  readonly inbox: Inbox<DB>;
  readonly codec: EventCodec;
  readonly reactions: ReadonlyMap<string, Reaction<DB>>;
  readonly retry: Retry;
  readonly clock: () => number;
  readonly deadLetters: DeadLetterOutbox | undefined;
  readonly tracing: EventTracing;
};

/** A longer transaction would keep the service's own commands waiting. */
const transactionLimitMs = 50;
const turnLimitMs = 10;

type Read<DB> = { readonly record: DeliveredRecord; readonly reading: Reading<DB> };
type Counts = { applied: number; duplicates: number; passedOver: number };

/** Keeps the failure of an effect apart from that of the transaction around it. */
class ApplyError extends Error {
  override readonly name = 'ApplyError';
  readonly eventId: string;
  constructor(eventId: string, cause: unknown) {
    super(`${eventId} could not be applied`, { cause });
    this.eventId = eventId;
  }
}

/**
 * Takes one batch into the consumer's store: as many events as fit into one short transaction, with their inbox entries and one position.
 * When an event of it fails, all of it is undone and taken again event by event, so that only the one that fails is repeated and parked.
 */
export class Delivery<DB extends MessagingTables> {
  readonly #options: DeliveryOptions<DB>;
  readonly #failing = new Map<string, Failing>();
  readonly #counts: Counts = { applied: 0, duplicates: 0, passedOver: 0 };

  constructor(options: DeliveryOptions<DB>) {
    this.#options = options;
  }

  /** Events that are being repeated just now. */
  failing(): Failing[] {
    return [...this.#failing.values()];
  }

  /** Since the start of the process. */
  counts(): Readonly<Counts> {
    return { ...this.#counts };
  }

  /** @throws when the store fails, when the position is not the one that the batch follows, and the signal's reason between two events. */
  async deliver(batch: Batch, signal: AbortSignal): Promise<void> {
    const { codec, reactions } = this.#options;
    const events = batch.records.map(record => ({ record, reading: readRecord(record, codec, reactions) }));
    let { follows } = batch;
    for (let at = 0; at < events.length;) {
      // An embedded store answers without ever leaving the microtasks: a long replay would let nothing else in the process happen.
      await setImmediate();
      signal.throwIfAborted();
      const rest = events.slice(at);
      const taken = await this.#takeTogether({ ...batch, follows }, rest, signal);
      if (taken instanceof ApplyError) {
        await this.#takeOneByOne({ ...batch, follows }, rest, taken, signal);
        return;
      }
      at += taken;
      follows = events[at - 1]?.record.offset;
    }
  }

  /** How many were committed, or what failed: then nothing was. */
  async #takeTogether(batch: Batch, events: readonly Read<DB>[], signal: AbortSignal): Promise<number | ApplyError> {
    const { store, inbox } = this.#options;
    try {
      const { taken, counts } = await store.transaction(async tx => {
        await inbox.require(tx, batch, batch.follows);
        const limit = performance.now() + transactionLimitMs;
        let turnEnds = performance.now() + turnLimitMs;
        const counts: Counts = { applied: 0, duplicates: 0, passedOver: 0 };
        let taken = 0;
        for (const event of events) {
          await this.#take(tx, batch, event, counts);
          taken += 1;
          if (signal.aborted || performance.now() > limit) break;
          if (performance.now() < turnEnds) continue;
          await setImmediate();
          turnEnds = performance.now() + turnLimitMs;
        }
        const last = events[taken - 1]?.record;
        if (last !== undefined) await inbox.savePosition(tx, batch, last);
        return { taken, counts };
      });
      this.#count(counts);
      return taken;
    } catch (error) {
      if (error instanceof ApplyError && !isStoreFailure(error.cause)) return error;
      throw error;
    }
  }

  async #takeOneByOne(
    batch: Batch,
    events: readonly Read<DB>[],
    failed: ApplyError,
    signal: AbortSignal,
  ): Promise<void> {
    let { follows } = batch;
    for (const event of events) {
      await setImmediate();
      signal.throwIfAborted();
      const failure = event.record.eventId === failed.eventId ? failed : undefined;
      await this.#takeOrPark({ ...batch, follows }, event, failure, signal);
      follows = event.record.offset;
    }
  }

  /** `failed`: of the attempt that was made together with others; it counts. */
  async #takeOrPark(batch: Batch, event: Read<DB>, failed: ApplyError | undefined, signal: AbortSignal): Promise<void> {
    const { retry } = this.#options;
    const { record, reading } = event;
    const place = JSON.stringify([batch.topic, batch.partition]);
    try {
      for (let attempts = 1; ; attempts += 1) {
        signal.throwIfAborted();
        const failure = attempts === 1 && failed !== undefined ? failed : await this.#takeOne(batch, event);
        if (failure === undefined) return;
        const reason = reasonOf(failure.cause);
        if (attempts >= retry.attempts) {
          await this.#takeOne(batch, { record, reading: { kind: 'unreadable', reason, attempts } });
          return;
        }
        this.#failing.set(place, {
          type: reading.kind === 'event' ? reading.type : '',
          eventId: record.eventId,
          attempts,
          reason,
        });
        await pause(backOffMs(retry, attempts), signal);
      }
    } finally {
      this.#failing.delete(place);
    }
  }

  async #takeOne(batch: Batch, event: Read<DB>): Promise<ApplyError | undefined> {
    const { store, inbox } = this.#options;
    const counts: Counts = { applied: 0, duplicates: 0, passedOver: 0 };
    try {
      await store.transaction(async tx => {
        await inbox.require(tx, batch, batch.follows);
        await this.#take(tx, batch, event, counts);
        await inbox.savePosition(tx, batch, event.record);
      });
      this.#count(counts);
      return undefined;
    } catch (error) {
      if (error instanceof ApplyError && !isStoreFailure(error.cause)) return error;
      throw error;
    }
  }

  async #take(tx: Transactor<DB>, batch: Batch, { record, reading }: Read<DB>, counts: Counts): Promise<void> {
    const { inbox, tracing } = this.#options;
    if (reading.kind === 'unknown') {
      counts.passedOver += 1;
      return;
    }
    // A parked event is seen, though not applied: a repeat of it would only be parked again.
    if (!(await inbox.receive(tx, record.eventId))) {
      counts.duplicates += 1;
      return;
    }
    switch (reading.kind) {
      case 'newer':
        counts.passedOver += 1;
        await inbox.noteNewerVersion(tx, reading.type, record.eventId);
        return;
      case 'unreadable':
        await this.#park(tx, batch, record, reading);
        return;
      case 'event': {
        counts.applied += 1;
        const { apply, repeat = apply } = reading;
        const isFirst = reading.repeat === undefined || (await inbox.applyOnce(tx, record.eventId));
        await tracing
          .apply({ ...reading, id: record.eventId }, () => (isFirst ? apply(tx) : repeat(tx)))
          .catch((cause: unknown) => {
            throw new ApplyError(record.eventId, cause);
          });
      }
    }
  }

  async #park(
    tx: Transactor<DB>,
    batch: Batch,
    record: DeliveredRecord,
    why: { readonly reason: string; readonly attempts: number },
  ): Promise<void> {
    const { inbox, deadLetters, consumer, clock } = this.#options;
    await inbox.park(tx, batch, record, why);
    if (deadLetters === undefined) return;
    const { topic, partition } = batch;
    const parkedAt = new Date(clock()).toISOString();
    await announceParked(tx, deadLetters, { consumer, topic, partition, parkedAt }, record, why);
  }

  #count({ applied, duplicates, passedOver }: Counts): void {
    this.#counts.applied += applied;
    this.#counts.duplicates += duplicates;
    this.#counts.passedOver += passedOver;
  }
}

/** Full, busy, corrupt …: no fault of the event. A broken constraint is. */
function isStoreFailure(error: unknown): boolean {
  return error instanceof StoreError && error.kind !== 'constraint' && error.kind !== 'other';
}
