import { join } from 'node:path';
import { migrate, type Migration, openStore, type Store, type Transactor } from '@holdfast/store';
import type { Bus } from '../src/bus.ts';
import { createConsumer } from '../src/consumer.ts';
import { createOutbox } from '../src/outbox.ts';
import { on } from '../src/reaction.ts';
import { createRelay } from '../src/relay.ts';
import { messagingMigrations, type MessagingTables } from '../src/tables.ts';
import { plainCodec } from '../src/testing/counted.ts';
import { keys, newId, notedOn, text } from './event.ts';

type SenderTables = MessagingTables & { counter: { key: string; n: number } };
type ReceiverTables = MessagingTables & { projection: { key: string; n: number } };

const sqlite = (name: string, table: string): Migration => ({
  number: 1,
  name,
  phase: 'expand',
  text: `-- expand\n${table};\n`,
  sha256: name,
});

async function open<Tables>(folder: string, name: string, table: string): Promise<Store<Tables>> {
  const store = openStore<Tables>({ file: join(folder, `${name}.db`) });
  const made = `create table ${table} (key text primary key, n integer not null) strict`;
  await migrate(store, [messagingMigrations, { source: name, migrations: [sqlite(table, made)] }]);
  return store;
}

export type Buses = { readonly sender: Bus; readonly receiver: Bus };

export type Services = {
  /** One transaction with the events `from` to `to`: state and outbox. */
  raise(from: number, to: number): Promise<void>;
  /** @throws Error unless that many events are in the receiver's inbox. */
  assertReceived(events: number): Promise<void>;
  stop(): Promise<void>;
};

/** Two services with a store each, and what is between them; `onApplied` is told after each commit of the receiver what is applied by then. */
export async function startServices(
  { sender, receiver }: Buses,
  { folder, topic }: { readonly folder: string; readonly topic: string },
  onApplied: (events: readonly number[]) => void,
): Promise<Services> {
  const from = await open<SenderTables>(folder, 'sender', 'counter');
  const to = await open<ReceiverTables>(folder, 'receiver', 'projection');
  const noted = notedOn(topic);
  const outbox = createOutbox({ service: 'sender', codec: plainCodec, clock: Date.now, newId });
  const relay = createRelay({ store: from, bus: sender, service: 'sender', publishes: [noted], clock: Date.now });
  let applying: number[] = [];
  to.afterCommit(() => {
    const applied = applying;
    applying = [];
    if (applied.length > 0) onApplied(applied);
  });
  const consumer = createConsumer<ReceiverTables>({
    store: to,
    bus: receiver,
    // What a shared broker keeps of an earlier round belongs to another consumer.
    name: `receiver.${topic}`,
    codec: plainCodec,
    subscriptions: [
      on(noted, async (tx, { key, n }) => {
        await tx.dialect
          .upsert(tx.insertInto('projection').values({ key, n }), { key: ['key'], columns: ['n'] })
          .execute();
        applying.push(n);
      }),
    ],
    clock: Date.now,
  });
  await relay.start();
  await consumer.start();

  const raiseOne = async (tx: Transactor<SenderTables>, n: number): Promise<void> => {
    const key = keys[n % keys.length] ?? 'a';
    await tx.dialect.upsert(tx.insertInto('counter').values({ key, n }), { key: ['key'], columns: ['n'] }).execute();
    await outbox.append(tx, noted, { key, n, text });
  };
  return {
    raise: (first, last) =>
      from.transaction(async tx => {
        for (let n = first; n <= last; n += 1) await raiseOne(tx, n);
      }),
    async assertReceived(events) {
      const { seen } = await to.read(db =>
        db
          .selectFrom('inbox')
          .select(eb => eb.fn.countAll<number>().as('seen'))
          .executeTakeFirstOrThrow(),
      );
      if (seen !== events) throw new Error(`${seen} events are in the inbox, ${events} were sent`);
    },
    async stop() {
      await relay.stop();
      await consumer.stop();
      await from.close();
      await to.close();
    },
  };
}
