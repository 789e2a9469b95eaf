import { setImmediate } from 'node:timers/promises';
import { type Store, StoreError, type Transactor } from '@holdfast/store';
import { type BackOff, backOffMs, pause, reasonOf } from './back-off.ts';
import type { Batch, DeliveredRecord } from './bus.ts';
import type { EventCodec } from './event.ts';
import type { Inbox } from './inbox.ts';
import type { Reaction } from './reaction.ts';
import type { MessagingTables } from './tables.ts';

export type Retry = BackOff & { readonly attempts: number };
export type Failing = {
  readonly type: string;
  readonly eventId: string;
  readonly attempts: number;
  readonly reason: string;
};

type Apply<DB> = (tx: Transactor<DB>) => Promise<void>;

type DeliveryOptions<DB extends MessagingTables> = {
  readonly store: Store<DB>;
  readonly inbox: Inbox<DB>;
  readonly codec: EventCodec;
  readonly reactions: ReadonlyMap<string, Reaction<DB>>;
  readonly retry: Retry;
};

/** Keeps the failure of an effect apart from that of the transaction around it. */
class ApplyError extends Error {
  override readonly name = 'ApplyError';
}

/** Takes one batch into the consumer's store, event by event; the consumer says what that guarantees. */
export class Delivery<DB extends MessagingTables> {
  readonly #options: DeliveryOptions<DB>;
  readonly #failing = new Map<string, Failing>();

  constructor(options: DeliveryOptions<DB>) {
    this.#options = options;
  }

  /** Events that are being repeated just now. */
  failing(): Failing[] {
    return [...this.#failing.values()];
  }

  /** @throws when the store fails, and the signal's reason between two events. */
  async deliver(batch: Batch, signal: AbortSignal): Promise<void> {
    let passedOver: string | undefined;
    for (const record of batch.records) {
      // An embedded store answers without ever leaving the microtasks: a long replay would let nothing else in the process happen.
      await setImmediate();
      signal.throwIfAborted();
      passedOver = (await this.#take(batch, record, signal)) ? undefined : record.offset;
    }
    const offset = passedOver;
    if (offset === undefined) return;
    const { store, inbox } = this.#options;
    await store.transaction(tx => inbox.savePosition(tx, { ...batch, offset }));
  }

  /** False when the event is of a type that nobody here wants; its position is then not saved. */
  async #take(batch: Batch, record: DeliveredRecord, signal: AbortSignal): Promise<boolean> {
    const { reactions, codec } = this.#options;
    const read = readJson(record.value);
    if (!read.ok) {
      await this.#park(batch, record, { reason: read.problem, attempts: 1 });
      return true;
    }
    const reaction = reactions.get(typeOf(read.value));
    if (reaction === undefined) return false;
    const parsed = reaction.parse(codec, read.value);
    if (parsed.ok) await this.#applyOrPark(batch, record, { type: reaction.type, apply: parsed.apply }, signal);
    else await this.#park(batch, record, { reason: parsed.problem, attempts: 1 });
    return true;
  }

  async #applyOrPark(
    batch: Batch,
    record: DeliveredRecord,
    { type, apply }: { readonly type: string; readonly apply: Apply<DB> },
    signal: AbortSignal,
  ): Promise<void> {
    const { retry } = this.#options;
    const place = JSON.stringify([batch.topic, batch.partition]);
    try {
      for (let attempts = 1; ; attempts += 1) {
        signal.throwIfAborted();
        const failure = await this.#applyOnce(batch, record, apply);
        if (failure === undefined) return;
        const reason = reasonOf(failure.cause);
        if (attempts >= retry.attempts) {
          await this.#park(batch, record, { reason, attempts });
          return;
        }
        this.#failing.set(place, { type, eventId: record.eventId, attempts, reason });
        await pause(backOffMs(retry, attempts), signal);
      }
    } finally {
      this.#failing.delete(place);
    }
  }

  async #applyOnce(batch: Batch, record: DeliveredRecord, apply: Apply<DB>): Promise<ApplyError | undefined> {
    const { store, inbox } = this.#options;
    try {
      await store.transaction(async tx => {
        if (await inbox.receive(tx, record.eventId))
          await apply(tx).catch((cause: unknown) => {
            throw new ApplyError('apply failed', { cause });
          });
        await inbox.savePosition(tx, { ...batch, offset: record.offset });
      });
      return undefined;
    } catch (error) {
      if (error instanceof ApplyError && !isStoreFailure(error.cause)) return error;
      throw error;
    }
  }

  async #park(batch: Batch, record: DeliveredRecord, why: { reason: string; attempts: number }): Promise<void> {
    const { store, inbox } = this.#options;
    await store.transaction(async tx => {
      // Seen, though not applied: a repeat of it would only be parked again.
      if (await inbox.receive(tx, record.eventId)) await inbox.park(tx, batch, record, why);
      await inbox.savePosition(tx, { ...batch, offset: record.offset });
    });
  }
}

/** Full, busy, corrupt …: no fault of the event. A broken constraint is. */
function isStoreFailure(error: unknown): boolean {
  return error instanceof StoreError && error.kind !== 'constraint' && error.kind !== 'other';
}

function readJson(text: string): { ok: true; value: unknown } | { ok: false; problem: string } {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    return { ok: false, problem: `not JSON: ${reasonOf(error)}` };
  }
}

function typeOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
    ? value.type
    : '';
}
