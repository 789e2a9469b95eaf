import { prepared, type Reader, type Store, type Transactor } from '@holdfast/store';
import type { DeliveredRecord, EventLog } from './bus.ts';
import type { EventCodec, EventShape } from './event.ts';
import { inOwnTables, type MessagingTables, ownTables } from './tables.ts';
import { type EventTracing, traceIdsOnly } from './trace.ts';

export type Outbox = {
  /**
   * Adds the event to the service's log, inside the transaction that changes the state: both happen or neither.
   * `trace`: the one it belongs to; that of what is under way when left out, else a new one.
   * @throws when the payload breaks its contract, EventTooLargeError when no bus would take the event; the transaction is then undone.
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
  /** Where spans are recorded; left out: ids alone travel. */
  readonly tracing?: EventTracing | undefined;
};

const sequenceDigits = 12;
/** Of key and body. A Kafka topic of ours takes twice as much, so that no relay is ever stopped by an event that got this far. */
const eventLimitBytes = 1_048_576;

export class EventTooLargeError extends Error {
  override readonly name = 'EventTooLargeError';
  readonly type: string;
  readonly bytes: number;
  readonly limitBytes = eventLimitBytes;
  constructor(type: string, bytes: number) {
    super(`${type} has ${bytes} bytes, an event may have ${eventLimitBytes}: publish a part of it or a reference.`);
    this.type = type;
    this.bytes = bytes;
  }
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { tracing = traceIdsOnly } = options;
  return {
    append: (tx, contract, payload, trace) =>
      tracing.append(contract.type, trace?.traceparent, traceparent =>
        insert(inOwnTables(tx), options, contract, payload, traceparent),
      ),
  };
}

const raiseHead = prepared((tx: Transactor<MessagingTables>) =>
  tx
    .updateTable('outbox_head')
    .set(eb => ({ seq: eb('seq', '+', 1) }))
    .where('id', '=', 1),
);
const headRow = prepared((db: Reader<MessagingTables>) => db.selectFrom('outbox_head').selectAll());
const lastOfKey = prepared((tx: Transactor<MessagingTables>, { topic, key }: { topic: string; key: string }) =>
  tx
    .selectFrom('outbox')
    .select(eb => eb.fn.max<number | null>('key_sequence').as('last'))
    .where('topic', '=', topic)
    .where('message_key', '=', key),
);
const addRow = prepared((tx: Transactor<MessagingTables>, row: MessagingTables['outbox']) =>
  tx.insertInto('outbox').values({
    seq: row.seq,
    topic: row.topic,
    message_key: row.message_key,
    key_sequence: row.key_sequence,
    event_id: row.event_id,
    type: row.type,
    body: row.body,
    created_at: row.created_at,
  }),
);
const page = prepared(
  (db: Reader<MessagingTables>, { topic, after, limit }: { topic: string; after: number; limit: number }) =>
    db.dialect.page(
      db
        .selectFrom('outbox')
        .select(['seq', 'message_key', 'event_id', 'body'])
        .where('topic', '=', topic)
        .where('seq', '>', after)
        .orderBy('seq'),
      limit,
    ),
);

async function insert<Payload>(
  tx: Transactor<MessagingTables>,
  { service, codec, clock, newId }: OutboxOptions,
  contract: EventShape<Payload>,
  payload: Payload,
  traceparent: string,
): Promise<void> {
  const { topic, type } = contract;
  const key = contract.key(payload);
  // First of all: from here to the commit nobody else appends, so that both sequences are free of gaps and doubles.
  await raiseHead(tx, {});
  const { seq } = await headOf(tx);
  const keySequence = ((await lastOfKey(tx, { topic, key })).rows[0]?.last ?? 0) + 1;
  const id = newId();
  const time = new Date(clock()).toISOString();
  const event = codec.render(contract, payload, {
    id,
    time,
    source: `/holdfast/${service}`,
    sequence: String(keySequence).padStart(sequenceDigits, '0'),
    traceparent,
  });
  const body = JSON.stringify(event);
  const bytes = Buffer.byteLength(body) + Buffer.byteLength(key);
  if (bytes > eventLimitBytes) throw new EventTooLargeError(type, bytes);
  await addRow(tx, {
    seq,
    topic,
    type,
    message_key: key,
    key_sequence: keySequence,
    event_id: id,
    body,
    created_at: time,
  });
}

async function headOf(db: Reader<MessagingTables>) {
  const [head] = (await headRow(db, {})).rows;
  if (head === undefined) throw new Error('The outbox has lost its head.');
  return head;
}

/** The outbox as the log that it is. */
export function eventLogOf<DB extends MessagingTables>(store: Store<DB>): EventLog {
  const own = ownTables(store);
  const head = () => own.read(headOf);
  return {
    identity: async () => (await head()).log_id,
    head: async () => String((await head()).seq),
    eventIdAt: offset =>
      own.read(async db => {
        const row = await db
          .selectFrom('outbox')
          .select('event_id')
          .where('seq', '=', Number(offset))
          .executeTakeFirst();
        return row?.event_id;
      }),
    read: (topic, after, limit) =>
      own.read(async db => {
        const { rows } = await page(db, { topic, after: Number(after), limit });
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
