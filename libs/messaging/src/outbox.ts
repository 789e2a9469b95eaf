import type { Store, Transactor } from '@holdfast/store';
import type { DeliveredRecord, EventLog } from './bus.ts';
import type { EventCodec, EventShape } from './event.ts';
import { inOwnTables, type MessagingTables, ownTables } from './tables.ts';

export type Outbox = {
  /**
   * Adds the event to the service's log, inside the transaction that changes the state: both happen or neither.
   * @throws when the payload breaks its contract; the transaction is then undone.
   */
  append<DB extends MessagingTables, Payload>(
    tx: Transactor<DB>,
    contract: EventShape<Payload>,
    payload: NoInfer<Payload>,
    trace?: { readonly traceparent?: string | undefined },
  ): Promise<void>;
};

export type OutboxOptions = {
  /** The publishing service: CloudEvents source `/holdfast/<service>`. */
  readonly service: string;
  readonly codec: EventCodec;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly newId: () => string;
};

const sequenceDigits = 12;

export function createOutbox({ service, codec, clock, newId }: OutboxOptions): Outbox {
  return {
    async append(transactor, contract, payload, trace) {
      const tx = inOwnTables(transactor);
      const { topic, type } = contract;
      const key = contract.key(payload);
      // First of all: from here to the commit nobody else appends, so that both sequences are free of gaps and doubles.
      await tx
        .updateTable('outbox_head')
        .set(eb => ({ seq: eb('seq', '+', 1) }))
        .where('id', '=', 1)
        .execute();
      const { seq } = await tx.selectFrom('outbox_head').select('seq').where('id', '=', 1).executeTakeFirstOrThrow();
      const { last } = await tx
        .selectFrom('outbox')
        .select(eb => eb.fn.max<number | null>('key_sequence').as('last'))
        .where('topic', '=', topic)
        .where('message_key', '=', key)
        .executeTakeFirstOrThrow();
      const keySequence = (last ?? 0) + 1;
      const id = newId();
      const time = new Date(clock()).toISOString();
      const event = codec.render(contract, payload, {
        id,
        time,
        source: `/holdfast/${service}`,
        sequence: String(keySequence).padStart(sequenceDigits, '0'),
        traceparent: trace?.traceparent,
      });
      await tx
        .insertInto('outbox')
        .values({
          seq,
          topic,
          type,
          message_key: key,
          key_sequence: keySequence,
          event_id: id,
          body: JSON.stringify(event),
          created_at: time,
        })
        .execute();
    },
  };
}

/** The outbox as the log that it is. */
export function eventLogOf<DB extends MessagingTables>(store: Store<DB>): EventLog {
  const own = ownTables(store);
  const headRow = () => own.read(db => db.selectFrom('outbox_head').selectAll().executeTakeFirstOrThrow());
  return {
    identity: async () => (await headRow()).log_id,
    head: async () => String((await headRow()).seq),
    read: (topic, after, limit) =>
      own.read(async db => {
        const query = db
          .selectFrom('outbox')
          .select(['seq', 'message_key', 'event_id', 'body'])
          .where('topic', '=', topic)
          .where('seq', '>', Number(after))
          .orderBy('seq');
        const rows = await db.dialect.page(query, limit).execute();
        return rows.map((row): DeliveredRecord => ({
          key: row.message_key,
          eventId: row.event_id,
          value: row.body,
          offset: String(row.seq),
        }));
      }),
    count: (topic, after) =>
      own.read(async db => {
        const { records } = await db
          .selectFrom('outbox')
          .select(eb => eb.fn.countAll<number>().as('records'))
          .where('topic', '=', topic)
          .where('seq', '>', Number(after))
          .executeTakeFirstOrThrow();
        return records;
      }),
  };
}
