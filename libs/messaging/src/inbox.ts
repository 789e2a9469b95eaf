import { prepared, type Reader, type Store, type Transactor } from '@holdfast/store';
import type { Batch, DeliveredRecord, StoredPosition } from './bus.ts';
import { inOwnTables, type MessagingTables, ownTables } from './tables.ts';

export type DeadLetter = {
  readonly topic: string;
  readonly key: string;
  readonly eventId: string;
  /** The event as it came. */
  readonly body: string;
  readonly reason: string;
  readonly attempts: number;
  /** RFC 3339 UTC */
  readonly failedAt: string;
};

/** Events of a version that is newer than those this service knows; they were passed over. */
export type NewerVersion = { readonly type: string; readonly events: number; readonly firstEventId: string };

type Place = Pick<Batch, 'topic' | 'partition'>;

export type Inbox<DB extends MessagingTables> = ReturnType<typeof createInbox<DB>>;

/** Somebody else went on from there: another member of the group, or this one after the bus had looked again. */
export class StalePositionError extends Error {
  override readonly name = 'StalePositionError';
}

/** What one consumer has seen, how far it has got and what it could not apply. */
export function createInbox<DB extends MessagingTables>(store: Store<DB>, consumer: string, clock: () => number) {
  const own = ownTables(store);
  const now = (): string => new Date(clock()).toISOString();

  return {
    ...listsOf<DB>(consumer, now),
    /**
     * First of all in a transaction that takes events. @throws StalePositionError when the position is not the one that they follow: it
     * would go backwards, or leave a gap.
     */
    require: async (
      transactor: Transactor<DB>,
      { topic, partition }: Place,
      follows: string | undefined,
    ): Promise<void> => {
      const [row] = (await positionRow(inOwnTables(transactor), { consumer, topic, partition })).rows;
      if (row?.record_offset !== follows)
        throw new StalePositionError(
          `${topic}/${partition}: these events follow ${follows ?? 'the start'}, the store is at ${row?.record_offset ?? 'the start'}`,
        );
    },
    savePosition: async (
      transactor: Transactor<DB>,
      { topic, partition }: Place,
      { offset, eventId }: Pick<DeliveredRecord, 'offset' | 'eventId'>,
    ): Promise<void> => {
      const row = { consumer, topic, partition_name: partition, record_offset: offset, event_id: eventId };
      await movePosition(inOwnTables(transactor), row);
    },
    position: (topic: string, partition: string): Promise<StoredPosition | undefined> =>
      own.read(async db => {
        const [row] = (await positionRow(db, { consumer, topic, partition })).rows;
        return row && { offset: row.record_offset, eventId: row.event_id ?? undefined };
      }),
    park: async (
      transactor: Transactor<DB>,
      { topic, partition }: Place,
      { offset, key, eventId, value }: DeliveredRecord,
      { reason, attempts }: { reason: string; attempts: number },
    ): Promise<void> => {
      const tx = inOwnTables(transactor);
      const row = {
        consumer,
        topic,
        partition_name: partition,
        record_offset: offset,
        message_key: key,
        event_id: eventId,
        body: value,
        reason,
        attempts,
        failed_at: now(),
      };
      await tx.insertInto('dead_letter').values(row).execute();
    },
    deadLetters: (): Promise<DeadLetter[]> =>
      own.read(db =>
        db
          .selectFrom('dead_letter')
          .select([
            'topic',
            'message_key as key',
            'event_id as eventId',
            'body',
            'reason',
            'attempts',
            'failed_at as failedAt',
          ])
          .where('consumer', '=', consumer)
          .orderBy('failed_at')
          .execute(),
      ),
    ...newerVersionsOf(store, consumer, now),
    /** As if this consumer had never run, but for what is to be done once. */
    forget: async (transactor: Transactor<DB>): Promise<void> => {
      const tx = inOwnTables(transactor);
      await tx.deleteFrom('inbox').where('consumer', '=', consumer).execute();
      await tx.deleteFrom('consumer_position').where('consumer', '=', consumer).execute();
      await tx.deleteFrom('dead_letter').where('consumer', '=', consumer).execute();
      await tx.deleteFrom('newer_version').where('consumer', '=', consumer).execute();
    },
  };
}

function listsOf<DB extends MessagingTables>(consumer: string, now: () => string) {
  const note = async (transactor: Transactor<DB>, list: string, eventId: string): Promise<boolean> => {
    const { numAffectedRows } = await noteIn(inOwnTables(transactor), { list, eventId, receivedAt: now() });
    return numAffectedRows === 1n;
  };
  return {
    /** False when this event was seen before. */
    receive: (transactor: Transactor<DB>, eventId: string): Promise<boolean> => note(transactor, consumer, eventId),
    /** False when this event was applied before, in the time before a rebuild too: that list is never forgotten. */
    applyOnce: (transactor: Transactor<DB>, eventId: string): Promise<boolean> =>
      note(transactor, `${consumer}/once`, eventId),
  };
}

function newerVersionsOf<DB extends MessagingTables>(store: Store<DB>, consumer: string, now: () => string) {
  const own = ownTables(store);
  return {
    /** Counts an event that was passed over because its version is newer. */
    noteNewerVersion: async (transactor: Transactor<DB>, type: string, eventId: string): Promise<void> => {
      const tx = inOwnTables(transactor);
      const row = { consumer, type, events: 0, first_event_id: eventId, first_at: now() };
      await tx.dialect
        .insertIgnore(tx.insertInto('newer_version').values(row), { key: ['consumer', 'type'] })
        .execute();
      await tx
        .updateTable('newer_version')
        .set(eb => ({ events: eb('events', '+', 1) }))
        .where('consumer', '=', consumer)
        .where('type', '=', type)
        .execute();
    },
    newerVersions: (): Promise<NewerVersion[]> =>
      own.read(db =>
        db
          .selectFrom('newer_version')
          .select(['type', 'events', 'first_event_id as firstEventId'])
          .where('consumer', '=', consumer)
          .orderBy('type')
          .execute(),
      ),
  };
}

type NoteValues = { list: string; eventId: string; receivedAt: string };
const noteIn = prepared((tx: Transactor<MessagingTables>, { list, eventId, receivedAt }: NoteValues) =>
  tx.dialect.insertIgnore(
    tx.insertInto('inbox').values({ consumer: list, event_id: eventId, received_at: receivedAt }),
    { key: ['consumer', 'event_id'] },
  ),
);

type PositionOf = { consumer: string; topic: string; partition: string };
const positionRow = prepared((db: Reader<MessagingTables>, { consumer, topic, partition }: PositionOf) =>
  db
    .selectFrom('consumer_position')
    .select(['record_offset', 'event_id'])
    .where('consumer', '=', consumer)
    .where('topic', '=', topic)
    .where('partition_name', '=', partition),
);

const movePosition = prepared((tx: Transactor<MessagingTables>, row: MessagingTables['consumer_position']) =>
  tx.dialect.upsert(
    tx.insertInto('consumer_position').values({
      consumer: row.consumer,
      topic: row.topic,
      partition_name: row.partition_name,
      record_offset: row.record_offset,
      event_id: row.event_id,
    }),
    { key: ['consumer', 'topic', 'partition_name'], columns: ['record_offset', 'event_id'] },
  ),
);
