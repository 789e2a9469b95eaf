import type { Reader, Store, Transactor } from '@holdfast/store';
import type { Bus, BusRecord, LogPlace } from './bus.ts';
import { type MessagingTables, ownTables } from './tables.ts';

const pageRows = 100;

export type SentLog = ReturnType<typeof sentLogOf>;
export type OutboxRow = { readonly seq: number; readonly topic: string } & BusRecord;

/** How far the outbox was given to one bus, and where it lies there. A position belongs to one bus: another one is given everything. */
export function sentLogOf<DB extends MessagingTables>({
  store,
  bus,
  clock,
}: {
  readonly store: Store<DB>;
  readonly bus: Bus;
  readonly clock: () => number;
}) {
  const own = ownTables(store);
  const position = async (db: Pick<Reader<MessagingTables>, 'selectFrom'>) => {
    const row = await db
      .selectFrom('relay_position')
      .select(['seq', 'resend_until', 'resent_total'])
      .where('bus', '=', bus.name)
      .executeTakeFirst();
    return row ?? { seq: 0, resend_until: 0, resent_total: 0 };
  };
  const now = (): string => new Date(clock()).toISOString();

  return {
    unsent: (): Promise<OutboxRow[]> =>
      own.read(async db => {
        const { seq } = await position(db);
        const query = db
          .selectFrom('outbox')
          .select(['seq', 'topic', 'message_key as key', 'event_id as eventId', 'body as value'])
          .where('seq', '>', seq)
          .orderBy('seq');
        return db.dialect.page(query, pageRows).execute();
      }),
    /** By topic. */
    places: (): Promise<ReadonlyMap<string, readonly LogPlace[]>> =>
      own.read(async db => {
        const rows = await db
          .selectFrom('relay_place')
          .select(['topic', 'partition_name as partition', 'first_offset as firstOffset'])
          .select(['record_offset as offset', 'event_id as eventId'])
          .where('bus', '=', bus.name)
          .execute();
        return Map.groupBy(rows, ({ topic }) => topic);
      }),
    /** Everything up to here has been acknowledged, at these places. True while a repetition of everything is not through. */
    markSent: (
      seq: number,
      count: number,
      acknowledged: readonly { readonly topic: string; readonly places: readonly LogPlace[] }[],
    ): Promise<boolean> =>
      own.transaction(async tx => {
        const before = await position(tx);
        const resending = before.resend_until > before.seq;
        const row = {
          bus: bus.name,
          seq,
          sent_at: now(),
          resend_until: seq >= before.resend_until ? 0 : before.resend_until,
          resent_total: before.resent_total + (resending ? Math.min(count, before.resend_until - before.seq) : 0),
        };
        await tx.dialect
          .upsert(tx.insertInto('relay_position').values(row), {
            key: ['bus'],
            columns: ['seq', 'sent_at', 'resend_until', 'resent_total'],
          })
          .execute();
        for (const { topic, places } of acknowledged) await savePlaces(tx, bus.name, topic, places);
        return row.resend_until > 0;
      }),
    /** The bus lost its log: as if nothing had been sent. */
    startOver: (): Promise<void> =>
      own.transaction(async tx => {
        const before = await position(tx);
        await tx.deleteFrom('relay_place').where('bus', '=', bus.name).execute();
        await tx
          .updateTable('relay_position')
          .set({ seq: 0, resend_until: Math.max(before.seq, before.resend_until), sent_at: now() })
          .where('bus', '=', bus.name)
          .execute();
      }),
    backlog: (nowMs: number) =>
      own.read(async db => {
        const { seq, resent_total: resentTotal, resend_until: until } = await position(db);
        const { depth, oldest } = await db
          .selectFrom('outbox')
          .select(eb => [eb.fn.countAll<number>().as('depth'), eb.fn.min<string | null>('created_at').as('oldest')])
          .where('seq', '>', seq)
          .executeTakeFirstOrThrow();
        const oldestAgeSeconds = oldest === null ? 0 : Math.max(0, nowMs - Date.parse(oldest)) / 1_000;
        return { depth, oldestAgeSeconds, resentTotal, resending: Math.max(0, until - seq) };
      }),
  };
}

/** The first offset stays that of this publication's first record. */
async function savePlaces(
  tx: Transactor<MessagingTables>,
  bus: string,
  topic: string,
  places: readonly LogPlace[],
): Promise<void> {
  for (const { partition, firstOffset, offset, eventId } of places) {
    const row = {
      bus,
      topic,
      partition_name: partition,
      first_offset: firstOffset,
      record_offset: offset,
      event_id: eventId,
    };
    await tx.dialect
      .upsert(tx.insertInto('relay_place').values(row), {
        key: ['bus', 'topic', 'partition_name'],
        columns: ['record_offset', 'event_id'],
      })
      .execute();
  }
}
