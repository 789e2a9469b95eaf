import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { migrate, type Migration, openStore, type StoreLocation, type Transactor } from '@holdfast/store';
import { createConsumer } from '../src/consumer.ts';
import { createEmbeddedBus } from '../src/embedded.ts';
import { createOutbox } from '../src/outbox.ts';
import { on } from '../src/reaction.ts';
import { createRelay } from '../src/relay.ts';
import { messagingMigrations, type MessagingTables } from '../src/tables.ts';
import { type Counted, countedOn, plainCodec } from '../src/testing/counted.ts';

// The process that kill.test.ts kills: a publishing service, the bus and a consuming service, each with its store where it is told.
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

const keyOf = (location: StoreLocation): string =>
  'file' in location ? 'text not null primary key' : 'nvarchar(100) not null primary key';

/** Where the two services keep their stores. */
export type Places = { readonly publisher: StoreLocation; readonly consumer: StoreLocation };

export async function openPublisher(location: StoreLocation) {
  const store = openStore<PublisherTables>(location);
  const counter = migration('counter', `create table counter ("key" ${keyOf(location)}, n bigint not null)`);
  await migrate(store, [messagingMigrations, { source: 'publisher', migrations: [counter] }]);
  return store;
}

export async function openConsumer(location: StoreLocation) {
  const store = openStore<ConsumerTables>(location);
  const projection = migration(
    'projection',
    `create table projection ("key" ${keyOf(location)}, n bigint not null, applied bigint not null, out_of_order bigint not null)`,
  );
  await migrate(store, [messagingMigrations, { source: 'consumer', migrations: [projection] }]);
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

async function run(places: Places): Promise<void> {
  const [publisher, consumerStore] = [await openPublisher(places.publisher), await openConsumer(places.consumer)];
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
  await Promise.all([publisher.close(), consumerStore.close()]);
  process.stdin.destroy();
}

const [, script, places] = process.argv;
if (script === import.meta.filename && places !== undefined) await run(JSON.parse(places) as Places);
