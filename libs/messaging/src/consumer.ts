import type { Store, Transactor } from '@holdfast/store';
import type { Batch, Bus, Subscription } from './bus.ts';
import { Delivery, type Failing, type Retry } from './delivery.ts';
import type { EventCodec } from './event.ts';
import { createInbox, type DeadLetter, type NewerVersion } from './inbox.ts';
import type { DeadLetterOutbox } from './parked.ts';
import type { Reaction } from './reaction.ts';
import type { MessagingTables } from './tables.ts';
import { type EventTracing, traceIdsOnly } from './trace.ts';

export type ConsumerOptions<DB extends MessagingTables> = {
  readonly store: Store<DB>;
  readonly bus: Bus;
  /** `<service>.<purpose>`, unique in the whole system and fixed for ever: inbox and positions belong to it. */
  readonly name: string;
  readonly codec: EventCodec;
  readonly subscriptions: readonly Reaction<DB>[];
  readonly clock: () => number;
  /** How often and at what distance an `apply` that throws is repeated; 8 attempts over some 13 s when left out. */
  readonly retry?: Retry;
  /** Where parked events are told to others, with the contract of this service; left out: they are in the store only. */
  readonly deadLetters?: DeadLetterOutbox;
  /** Where spans are recorded; left out: ids alone travel. */
  readonly tracing?: EventTracing | undefined;
  /** Nobody else consumes by this name: the lease of the store says so. */
  readonly isAlone?: boolean;
};

export type ConsumerStats = {
  /**
   * Events on the bus whose effect is not committed yet; those of unknown types count until they are passed over. Undefined while the bus
   * does not answer.
   */
  readonly lag: number | undefined;
  /** The totals count since the start of the process. */
  readonly appliedTotal: number;
  /** Recognised by the inbox. */
  readonly duplicatesTotal: number;
  /** Of unknown types and of newer versions. */
  readonly passedOverTotal: number;
  /** Of versions that this service does not know: passed over, of all times until a rebuild. */
  readonly newerVersions: number;
  /** Parked, until a rebuild. */
  readonly deadLetters: number;
  /** Events that are being repeated just now. */
  readonly failing: number;
};

/** A part of the service's lifecycle and one of its health checks. */
export type Consumer<DB> = {
  readonly name: string;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly check: () => Promise<{ ok: boolean; detail: string }>;
  readonly stats: () => Promise<ConsumerStats>;
  /** Oldest first. */
  readonly deadLetters: () => Promise<DeadLetter[]>;
  /** Everything again from the first event: `clear` empties the projection, in the transaction that forgets what was seen. */
  readonly rebuild: (clear: (tx: Transactor<DB>) => Promise<void>) => Promise<void>;
};

/**
 * Invariant: inbox, effects and position are committed together, event after event, and only while the position is the one that the events
 * follow, so that killed anywhere it resumes with the first event whose effect is not there, and of two that fight over a partition one is
 * refused. An event that cannot be applied is repeated, then parked as a dead letter and shown as a failed
 * check; the later ones of its key then follow, in order. While the store itself fails nothing is parked: the event waits.
 * @throws at creation when two subscriptions want the same type.
 */
export function createConsumer<DB extends MessagingTables>(options: ConsumerOptions<DB>): Consumer<DB> {
  const { store, bus, name, codec, subscriptions, clock } = options;
  const { retry = { attempts: 8, firstMs: 100, capMs: 5_000 } } = options;
  const topics = [...new Set(subscriptions.map(({ topic }) => topic))];
  const inbox = createInbox(store, name, clock);
  const reactions = byType(subscriptions);
  const { deadLetters, tracing = traceIdsOnly, isAlone = false } = options;
  const handling = { consumer: name, store, inbox, codec, reactions, retry, clock, deadLetters, tracing };
  const delivery = new Delivery(handling);
  let stopping = new AbortController();
  let subscription: Subscription | undefined;
  let rebuilding: Promise<void> = Promise.resolve();

  const subscribe = async (): Promise<void> => {
    stopping = new AbortController();
    const own = stopping.signal;
    const deliver = (batch: Batch, signal: AbortSignal) => delivery.deliver(batch, AbortSignal.any([own, signal]));
    subscription = await bus.subscribe({ group: name, isAlone, topics, position: inbox.position, deliver });
  };
  const unsubscribe = async (): Promise<void> => {
    stopping.abort(new Error(`${name} is stopping`));
    await subscription?.stop();
    subscription = undefined;
  };
  const rebuildNow = async (clear: (tx: Transactor<DB>) => Promise<void>): Promise<void> => {
    if (subscription === undefined) throw new Error(`${name} is not started.`);
    // No event may be under way: its effect would land in the emptied projection, its position after the reset.
    await unsubscribe();
    try {
      await store.transaction(async tx => {
        await clear(tx);
        await inbox.forget(tx);
      });
    } finally {
      await subscribe();
    }
  };

  return {
    name,
    start: async () => {
      if (subscription !== undefined) throw new Error(`${name} is started already.`);
      await subscribe();
    },
    stop: async () => {
      await rebuilding;
      await unsubscribe();
    },
    check: async () => {
      const passed = (await inbox.newerVersions()).map(newer => describeNewer(newer, reactions.has(newer.type)));
      const problem = problemOf(delivery.failing(), await inbox.deadLetters(), passed, subscription);
      return problem === undefined ? { ok: true, detail: 'ok' } : { ok: false, detail: problem };
    },
    stats: async () => {
      const { applied, duplicates, passedOver } = delivery.counts();
      return {
        lag: subscription === undefined ? 0 : await subscription.lag(),
        appliedTotal: applied,
        duplicatesTotal: duplicates,
        passedOverTotal: passedOver,
        newerVersions: (await inbox.newerVersions()).reduce((sum, { events }) => sum + events, 0),
        deadLetters: (await inbox.deadLetters()).length,
        failing: delivery.failing().length,
      };
    },
    deadLetters: inbox.deadLetters,
    rebuild: clear => {
      const rebuild = rebuilding.then(() => rebuildNow(clear));
      rebuilding = rebuild.catch(() => undefined);
      return rebuild;
    },
  };
}

function byType<DB>(subscriptions: readonly Reaction<DB>[]): Map<string, Reaction<DB>> {
  const reactions = new Map<string, Reaction<DB>>();
  for (const reaction of subscriptions) {
    if (reactions.has(reaction.type)) throw new Error(`${reaction.type} is subscribed to twice by one consumer.`);
    reactions.set(reaction.type, reaction);
  }
  return reactions;
}

function describeNewer({ type, events, firstEventId }: NewerVersion, known: boolean): string {
  const cure = known ? 'it is known now: rebuild this consumer' : 'a newer version: upgrade this service, then rebuild';
  return `${events} of ${type} were passed over, first ${firstEventId}: ${cure}`;
}

function problemOf(
  failing: readonly Failing[],
  parked: readonly DeadLetter[],
  newer: readonly string[],
  subscription: Subscription | undefined,
): string | undefined {
  const [now] = failing;
  const [first] = parked;
  const problems = [
    subscription === undefined ? 'not started' : subscription.problem(),
    now && `${now.type} ${now.eventId} failed ${now.attempts} times: ${now.reason}`,
    first && `${parked.length} could not be applied, first ${first.eventId} at ${first.failedAt}: ${first.reason}`,
    ...newer,
  ].filter(problem => problem !== undefined);
  return problems.length === 0 ? undefined : problems.join(' · ');
}
