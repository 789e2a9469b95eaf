import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { migrate, type Migration, openStore, type Transactor } from '@holdfast/store';
import { createConsumer } from '../src/consumer.ts';
import { createEmbeddedBus } from '../src/embedded.ts';
import { createOutbox } from '../src/outbox.ts';
import { on } from '../src/reaction.ts';
import { createRelay } from '../src/relay.ts';
import { messagingMigrations, type MessagingTables } from '../src/tables.ts';
import { type Counted, countedOn, plainCodec } from '../src/testing/counted.ts';

// The process that kill.test.ts kills: a publishing service, the bus and a consuming service, each with its store in the folder given.
// Every commit that its caller was told of is printed. A line "drain" ends the traffic; "drained" is printed when all has been applied.

export type PublisherTables = MessagingTables & { counter: { key: string; n: number } };
/** `applied` counts effects; `out_of_order` counts those that did not follow their predecessor. */
export type ConsumerTables = MessagingTables & {
  projection: { key: string; n: number; applied: number; out_of_order: number };
};

const migration = (name: string, table: string): Migration => ({
  number: 1,
  name,
  phase: 'expand',
  text: `-- expand\n${table};\n`,
  sha256: name,
});

export async function openPublisher(folder: string) {
  const store = openStore<PublisherTables>({ file: join(folder, 'publisher.db') });
  const counter = migration('counter', 'create table counter (key text primary key, n integer not null) strict');
  await migrate(store, [await messagingMigrations(), { source: 'publisher', migrations: [counter] }]);
  return store;
}

export async function openConsumer(folder: string) {
  const store = openStore<ConsumerTables>({ file: join(folder, 'consumer.db') });
  const projection = migration(
    'projection',
    'create table projection (key text primary key, n integer not null, applied integer not null, out_of_order integer not null) strict',
  );
  await migrate(store, [await messagingMigrations(), { source: 'consumer', migrations: [projection] }]);
  return store;
}

/** Not idempotent on purpose: a second application would show. */
async function count(tx: Transactor<ConsumerTables>, { key, n }: Counted): Promise<void> {
  const row = await tx.selectFrom('projection').selectAll().where('key', '=', key).executeTakeFirst();
  const { n: before, applied, out_of_order: disorder } = row ?? { n: 0, applied: 0, out_of_order: 0 };
  const next = { key, n, applied: applied + 1, out_of_order: disorder + (n === before + 1 ? 0 : 1) };
  await tx.dialect
    .upsert(tx.insertInto('projection').values(next), { key: ['key'], columns: ['n', 'applied', 'out_of_order'] })
    .execute();
}

async function run(folder: string): Promise<void> {
  const [publisher, consumerStore] = [await openPublisher(folder), await openConsumer(folder)];
  const counted = countedOn('traffic');
  const outbox = createOutbox({ service: 'publisher', codec: plainCodec, clock: Date.now, newId: randomUUID });
  const bus = createEmbeddedBus({ batchSize: 7 });
  const relay = createRelay({ store: publisher, bus, service: 'publisher', publishes: [counted], clock: Date.now });
  const consumer = createConsumer({
    store: consumerStore,
    bus,
    name: 'consumer.projection',
    codec: plainCodec,
    subscriptions: [on(counted, count)],
    clock: Date.now,
  });
  await consumer.start();
  await relay.start();

  const raise = (key: string) =>
    publisher.transaction(async tx => {
      const row = await tx.selectFrom('counter').select('n').where('key', '=', key).executeTakeFirst();
      const n = (row?.n ?? 0) + 1;
      await tx.dialect.upsert(tx.insertInto('counter').values({ key, n }), { key: ['key'], columns: ['n'] }).execute();
      await outbox.append(tx, counted, { key, n });
      return n;
    });

  let draining = false;
  process.stdin.on('data', () => (draining = true));
  const traffic = async (key: string): Promise<void> => {
    while (!draining) {
      process.stdout.write(`${key} ${await raise(key)}\n`);
      // As callers do who come over a socket.
      await setImmediate();
    }
  };
  process.stdout.write('started\n');
  await Promise.all(['a', 'b', 'c'].map(traffic));

  while ((await relay.stats()).depth > 0 || (await consumer.stats()).lag !== 0) await setImmediate();
  const { ok, detail } = await consumer.check();
  process.stdout.write(ok ? 'drained\n' : `${detail}\n`);
  await relay.stop();
  await consumer.stop();
  process.stdin.destroy();
}

const [, script, folder] = process.argv;
if (script === import.meta.filename && folder !== undefined) await run(folder);
