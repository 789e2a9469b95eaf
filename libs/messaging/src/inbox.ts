import type { Store, Transactor } from '@holdfast/store';
import type { Batch, DeliveredRecord } from './bus.ts';
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

type Place = Pick<Batch, 'topic' | 'partition'> & { readonly offset: string };

export type Inbox<DB extends MessagingTables> = ReturnType<typeof createInbox<DB>>;

/** What one consumer has seen, how far it has got and what it could not apply. */
export function createInbox<DB extends MessagingTables>(store: Store<DB>, consumer: string, clock: () => number) {
  const own = ownTables(store);
  const now = (): string => new Date(clock()).toISOString();

  return {
    /** False when this event was seen before. */
    receive: async (transactor: Transactor<DB>, eventId: string): Promise<boolean> => {
      const tx = inOwnTables(transactor);
      const [result] = await tx.dialect
        .insertIgnore(tx.insertInto('inbox').values({ consumer, event_id: eventId, received_at: now() }))
        .execute();
      return result?.numInsertedOrUpdatedRows === 1n;
    },
    savePosition: async (transactor: Transactor<DB>, { topic, partition, offset }: Place): Promise<void> => {
      const tx = inOwnTables(transactor);
      const row = { consumer, topic, partition_name: partition, record_offset: offset };
      await tx.dialect
        .upsert(tx.insertInto('consumer_position').values(row), {
          key: ['consumer', 'topic', 'partition_name'],
          columns: ['record_offset'],
        })
        .execute();
    },
    position: (topic: string, partition: string): Promise<string | undefined> =>
      own.read(async db => {
        const row = await db
          .selectFrom('consumer_position')
          .select('record_offset')
          .where('consumer', '=', consumer)
          .where('topic', '=', topic)
          .where('partition_name', '=', partition)
          .executeTakeFirst();
        return row?.record_offset;
      }),
    park: async (
      transactor: Transactor<DB>,
      { topic, partition }: Batch,
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
    /** As if this consumer had never run. */
    forget: async (transactor: Transactor<DB>): Promise<void> => {
      const tx = inOwnTables(transactor);
      await tx.deleteFrom('inbox').where('consumer', '=', consumer).execute();
      await tx.deleteFrom('consumer_position').where('consumer', '=', consumer).execute();
      await tx.deleteFrom('dead_letter').where('consumer', '=', consumer).execute();
    },
  };
}
