import { prepared, type Reader, type Store, type Transactor } from '@holdfast/store';
import type { Bus, BusRecord, LogPlace } from './bus.ts';
import { type MessagingTables, ownTables } from './tables.ts';

/** Of the outbox, sent together. */
export const pageRows = 200;

export type SentLog = ReturnType<typeof sentLogOf>;
export type OutboxRow = { readonly seq: number; readonly topic: string } & BusRecord;

/** Up to `seq`: so many events, and the places of the last ones. */
export type Acknowledged = {
  readonly seq: number;
  readonly count: number;
  readonly places: readonly (LogPlace & { readonly topic: string })[];
};

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
  const position = async (db: Reader<MessagingTables>) => {
    const [row] = (await positionRow(db, { bus: bus.name })).rows;
    return row ?? { seq: 0, resend_until: 0, resent_total: 0 };
  };
  const now = (): string => new Date(clock()).toISOString();

  return {
    /** A page of what follows `after`; left out: what was marked. */
    unsent: (after?: number): Promise<OutboxRow[]> =>
      own.read(async db => (await rowsAfter(db, { after: after ?? (await position(db)).seq })).rows),
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
    /** True while a repetition of everything is not through. */
    markSent: ({ seq, count, places }: Acknowledged): Promise<boolean> =>
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
        await savePosition(tx, row);
        for (const place of places) await savePlace(tx, { ...place, bus: bus.name });
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

const positionRow = prepared((db: Reader<MessagingTables>, { bus }: { bus: string }) =>
  db.selectFrom('relay_position').select(['seq', 'resend_until', 'resent_total']).where('bus', '=', bus),
);

const rowsAfter = prepared((db: Reader<MessagingTables>, { after }: { after: number }) =>
  db.dialect.page(
    db
      .selectFrom('outbox')
      .select(['seq', 'topic', 'message_key as key', 'event_id as eventId', 'body as value'])
      .where('seq', '>', after)
      .orderBy('seq'),
    pageRows,
  ),
);

const savePosition = prepared((tx: Transactor<MessagingTables>, row: MessagingTables['relay_position']) =>
  tx.dialect.upsert(
    tx.insertInto('relay_position').values({
      bus: row.bus,
      seq: row.seq,
      sent_at: row.sent_at,
      resend_until: row.resend_until,
      resent_total: row.resent_total,
    }),
    { key: ['bus'], columns: ['seq', 'sent_at', 'resend_until', 'resent_total'] },
  ),
);

/** The first offset stays that of this publication's first record. */
const savePlace = prepared((tx: Transactor<MessagingTables>, place: LogPlace & { bus: string; topic: string }) =>
  tx.dialect.upsert(
    tx.insertInto('relay_place').values({
      bus: place.bus,
      topic: place.topic,
      partition_name: place.partition,
      first_offset: place.firstOffset,
      record_offset: place.offset,
      event_id: place.eventId,
    }),
    { key: ['bus', 'topic', 'partition_name'], columns: ['record_offset', 'event_id'] },
  ),
);
