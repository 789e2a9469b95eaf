import { setImmediate } from 'node:timers/promises';
import type { Store } from '@holdfast/store';
import { type BackOff, backOffMs, pause, reasonOf } from './back-off.ts';
import type { Bus, BusRecord } from './bus.ts';
import { eventLogOf } from './outbox.ts';
import { type MessagingTables, ownTables } from './tables.ts';
import { Wake } from './wake.ts';

export type RelayOptions<DB extends MessagingTables> = {
  readonly store: Store<DB>;
  readonly bus: Bus;
  /** The publishing service. */
  readonly service: string;
  /** Its contracts; of each only the topic is used. */
  readonly publishes: readonly { readonly topic: string }[];
  readonly clock: () => number;
  /** The safety net below the wake on commit; 1,000 when left out. */
  readonly pollMs?: number;
  readonly backOff?: BackOff;
  /** How long `stop` goes on sending what is unsent; 5,000 when left out. */
  readonly drainLimitMs?: number;
};

export type RelayStats = {
  /** Events not yet acknowledged by the bus. */
  readonly depth: number;
  /** 0 when there are none. */
  readonly oldestAgeSeconds: number;
  /** Why the last send failed; undefined when it did not. */
  readonly problem: string | undefined;
};

/** A part of the service's lifecycle and one of its health checks. */
export type Relay = {
  readonly name: string;
  readonly start: () => Promise<void>;
  /** Sends what is left, within the drain limit; what remains is sent after the next start. */
  readonly stop: () => Promise<void>;
  readonly check: () => { ok: boolean; detail: string };
  readonly stats: () => Promise<RelayStats>;
};

const batchSize = 100;
type Row = { seq: number; topic: string } & BusRecord;

/**
 * Carries the outbox to the bus, oldest first. Invariant: ONE send is in flight, and the position moves only after its acknowledgement;
 * with two, kafkajs loses acknowledged messages and order (kafka.md §4). Resumes from the stored position: what was sent but not yet
 * marked is sent again. Needs the service's lease: two relays on one store would break the order.
 */
export function createRelay<DB extends MessagingTables>(options: RelayOptions<DB>): Relay {
  const { service, bus, clock, drainLimitMs = 5_000 } = options;
  const outbox = sentPositionOf(options);
  const wake = new Wake();
  const stopping = new AbortController();
  const abandoned = new AbortController();
  let problem: string | undefined;
  let running: Promise<void> | undefined;
  let stopListening = (): void => undefined;

  const run = async (): Promise<void> => {
    const { pollMs = 1_000, backOff = { firstMs: 100, capMs: 5_000 } } = options;
    let registered = false;
    for (let failures = 0; ;) {
      try {
        if (!registered)
          await bus.register({ name: service, topics: topicsOf(options), log: eventLogOf(options.store) });
        registered = true;
        const rows = await outbox.unsent();
        for (const run of runsOfOneTopic(rows)) {
          await bus.publish(run.topic, run.records);
          if (abandoned.signal.aborted) return;
          await outbox.markSent(run.lastSeq);
          // An embedded bus and store never leave the microtasks: a long backlog would let nothing else in the process happen.
          await setImmediate();
        }
        failures = 0;
        problem = undefined;
        if (rows.length > 0) continue;
        if (stopping.signal.aborted) return;
        await wake.next(pollMs);
      } catch (error) {
        problem = reasonOf(error);
        if (stopping.signal.aborted) return;
        failures += 1;
        await pause(backOffMs(backOff, failures), stopping.signal);
      }
    }
  };

  return {
    name: 'event relay',
    async start() {
      if (running !== undefined) throw new Error('This relay was started before; create a new one.');
      stopListening = options.store.afterCommit(() => wake.ring());
      running = run();
    },
    async stop() {
      stopping.abort();
      wake.ring();
      const limit = new AbortController();
      await Promise.race([running ?? Promise.resolve(), pause(drainLimitMs, limit.signal)]);
      limit.abort();
      // A send that answers after this finds the store closed: its position stays, it is sent again after the next start.
      abandoned.abort();
      stopListening();
    },
    check: () => (problem === undefined ? { ok: true, detail: 'ok' } : { ok: false, detail: problem }),
    stats: async () => ({ ...(await outbox.backlog(clock())), problem }),
  };
}

function topicsOf({ publishes }: { readonly publishes: readonly { readonly topic: string }[] }): string[] {
  return [...new Set(publishes.map(({ topic }) => topic))];
}

function runsOfOneTopic(rows: readonly Row[]): { topic: string; lastSeq: number; records: BusRecord[] }[] {
  const runs: { topic: string; lastSeq: number; records: BusRecord[] }[] = [];
  for (const { seq, topic, key, eventId, value } of rows) {
    let last = runs.at(-1);
    if (last?.topic !== topic) runs.push((last = { topic, lastSeq: seq, records: [] }));
    last.lastSeq = seq;
    last.records.push({ key, eventId, value });
  }
  return runs;
}

function sentPositionOf<DB extends MessagingTables>({ store, bus, clock }: RelayOptions<DB>) {
  const own = ownTables(store);
  // A position belongs to one bus: another one has to be given the whole log.
  const position = (db: Parameters<Parameters<typeof own.read>[0]>[0]) =>
    db.selectFrom('relay_position').select('seq').where('bus', '=', bus.name).executeTakeFirst();
  return {
    unsent: () =>
      own.read(async (db): Promise<Row[]> => {
        const sent = (await position(db))?.seq ?? 0;
        const query = db
          .selectFrom('outbox')
          .select(['seq', 'topic', 'message_key as key', 'event_id as eventId', 'body as value'])
          .where('seq', '>', sent)
          .orderBy('seq');
        return db.dialect.page(query, batchSize).execute();
      }),
    markSent: (seq: number) =>
      own.transaction(tx =>
        tx.dialect
          .upsert(
            tx.insertInto('relay_position').values({ bus: bus.name, seq, sent_at: new Date(clock()).toISOString() }),
            { key: ['bus'], columns: ['seq', 'sent_at'] },
          )
          .execute(),
      ),
    backlog: (now: number) =>
      own.read(async db => {
        const sent = (await position(db))?.seq ?? 0;
        const { depth, oldest } = await db
          .selectFrom('outbox')
          .select(eb => [eb.fn.countAll<number>().as('depth'), eb.fn.min<string | null>('created_at').as('oldest')])
          .where('seq', '>', sent)
          .executeTakeFirstOrThrow();
        return { depth, oldestAgeSeconds: oldest === null ? 0 : Math.max(0, now - Date.parse(oldest)) / 1_000 };
      }),
  };
}
