import { createHash, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { migrate, type Migration, openStore, StoreError, type Store, type Transactor } from '@holdfast/store';
import { createConsumer } from '../../src/consumer.ts';
import { createKafkaBus } from '../../src/kafka/bus.ts';
import { createOutbox } from '../../src/outbox.ts';
import { on } from '../../src/reaction.ts';
import { createRelay } from '../../src/relay.ts';
import { messagingMigrations, type MessagingTables } from '../../src/tables.ts';
import { type Counted, countedOn, plainCodec } from '../../src/testing/counted.ts';

// One service of the chaos test, as a process: `node service.ts JSON`. It answers a line on standard input with a line of JSON, and ends
// with its input.

export type ServiceSettings = {
  readonly name: string;
  /** All of them; it hears the others. */
  readonly names: readonly string[];
  readonly storeFile: string;
  readonly brokers: readonly string[];
  readonly keys: number;
  /** Of each key. Undefined: only consumes, in the group of the service of this name; its store may be that one's or its own. */
  readonly everyMs: number | undefined;
  readonly requestTimeoutMs: number;
};

export type Projected = {
  readonly key: string;
  readonly n: number;
  readonly applied: number;
  readonly out_of_order: number;
  readonly digest: string;
};
export type Contents = { readonly counters: readonly Counted[]; readonly projection: readonly Projected[] };
export type Flow = {
  readonly depth: number;
  readonly lag: number | null;
  readonly deadLetters: readonly string[];
  readonly applied: number;
  readonly duplicates: number;
  readonly refused: number;
  /** What is wrong, for the one who reads why this test failed. */
  readonly detail: string;
};
/** `applied`: effects committed, by key; told when they changed. */
export type Said =
  | { readonly at: 'started' }
  | { readonly at: 'progress'; readonly time: number; readonly applied: Readonly<Record<string, number>> }
  | { readonly at: 'contents'; readonly contents: Contents }
  | { readonly at: 'flow'; readonly flow: Flow }
  | { readonly at: 'done' };
export type Asked = 'quiet' | 'contents' | 'flow' | 'rebuild' | 'end';

type Tables = MessagingTables & { counter: { key: string; n: number }; projection: Projected };

const topicOf = (name: string): string => `chaos.${name}.v1`;
const contractOf = (name: string) => countedOn(topicOf(name), `chaos.${name}.counted.v1`);
const groupOf = (name: string): string => `${name}.projection`;
const lookEveryMs = 50;

export async function openServiceStore(file: string): Promise<Store<Tables>> {
  const store = openStore<Tables>({ file });
  const own: Migration = {
    number: 1,
    name: 'chaos',
    phase: 'expand',
    text: `-- expand
create table counter (key text primary key, n integer not null) strict;
create table projection (
  key text primary key, n integer not null, applied integer not null, out_of_order integer not null, digest text not null
) strict;
`,
    sha256: 'chaos',
  };
  await migrate(store, [messagingMigrations, { source: 'chaos', migrations: [own] }]);
  return store;
}

/** Everything of this service's group is delivered again from so many records earlier. While no process has the store. */
export async function moveBack(file: string, records: number): Promise<void> {
  const store = openStore<Tables>({ file });
  try {
    await store.transaction(async tx => {
      for (const { topic, partition_name, record_offset } of await tx
        .selectFrom('consumer_position')
        .selectAll()
        .execute())
        await tx
          .updateTable('consumer_position')
          .set({ record_offset: String(Math.max(0, Number(record_offset) - records)), event_id: null })
          .where('topic', '=', topic)
          .where('partition_name', '=', partition_name)
          .execute();
    });
  } finally {
    await store.close();
  }
}

export function contentsOf(store: Store<Tables>): Promise<Contents> {
  return store.read(async db => ({
    counters: await db.selectFrom('counter').selectAll().orderBy('key').execute(),
    projection: await db.selectFrom('projection').selectAll().orderBy('key').execute(),
  }));
}

/** Not idempotent on purpose: a second application shows in `applied`, another order in `out_of_order` and `digest`. */
async function project(tx: Transactor<Tables>, { key, n }: Counted, eventId: string): Promise<void> {
  const before = await tx.selectFrom('projection').selectAll().where('key', '=', key).executeTakeFirst();
  const { applied = 0, out_of_order: disorder = 0, digest = '' } = before ?? {};
  const next = {
    key,
    n,
    applied: applied + 1,
    out_of_order: disorder + (n === (before?.n ?? 0) + 1 ? 0 : 1),
    digest: createHash('sha256').update(`${digest} ${eventId} ${n}`).digest('hex'),
  };
  await tx.dialect
    .upsert(tx.insertInto('projection').values(next), {
      key: ['key'],
      columns: ['n', 'applied', 'out_of_order', 'digest'],
    })
    .execute();
}

async function run(settings: ServiceSettings): Promise<void> {
  const { name, names, brokers, requestTimeoutMs, everyMs } = settings;
  const store = await openServiceStore(settings.storeFile);
  const backOff = { firstMs: 50, capMs: 1_000 };
  const bus = createKafkaBus({ brokers, clientId: name, requestTimeoutMs, backOff });
  const outbox = createOutbox({ service: name, codec: plainCodec, clock: Date.now, newId: randomUUID });
  const relay = createRelay({ store, bus, service: name, publishes: [contractOf(name)], clock: Date.now, backOff });
  const consumer = createConsumer({
    store,
    bus,
    name: groupOf(name),
    codec: plainCodec,
    subscriptions: names
      .filter(other => other !== name)
      .map(other => on(contractOf(other), (tx: Transactor<Tables>, counted, { id }) => project(tx, counted, id))),
    clock: Date.now,
  });
  if (everyMs !== undefined) await relay.start();
  await consumer.start();
  say({ at: 'started' });

  const ending = new AbortController();
  const quiet = new AbortController();
  let refused = 0;
  const raise = (key: string) =>
    store.transaction(async tx => {
      const row = await tx.selectFrom('counter').select('n').where('key', '=', key).executeTakeFirst();
      const n = (row?.n ?? 0) + 1;
      await tx.dialect.upsert(tx.insertInto('counter').values({ key, n }), { key: ['key'], columns: ['n'] }).execute();
      await outbox.append(tx, contractOf(name), { key, n });
    });
  const load = async (): Promise<void> => {
    if (everyMs === undefined) return;
    for (let i = 0; !quiet.signal.aborted; i = (i + 1) % settings.keys) {
      try {
        await raise(`${name}-${i}`);
      } catch (error) {
        // A caller would be told to try again.
        if (!(error instanceof StoreError) || error.kind !== 'busy') throw error;
        refused += 1;
      }
      await setTimeout(everyMs / settings.keys);
    }
  };
  const watch = async (): Promise<void> => {
    for (let told = ''; !ending.signal.aborted;) {
      await setTimeout(lookEveryMs);
      const rows = await store.read(db => db.selectFrom('projection').select(['key', 'applied']).execute());
      const applied = Object.fromEntries(rows.map(row => [row.key, row.applied]));
      if (JSON.stringify(applied) === told) continue;
      told = JSON.stringify(applied);
      say({ at: 'progress', time: Date.now(), applied });
    }
  };
  const answers: Record<Exclude<Asked, 'end'>, () => Promise<Said>> = {
    quiet: async () => {
      quiet.abort();
      await loading;
      return { at: 'done' };
    },
    contents: async () => ({ at: 'contents', contents: await contentsOf(store) }),
    flow: async () => {
      const { depth } = await relay.stats();
      const { lag, appliedTotal: applied, duplicatesTotal: duplicates } = await consumer.stats();
      const deadLetters = (await consumer.deadLetters()).map(({ reason }) => reason);
      const detail = `${relay.check().detail} · ${(await consumer.check()).detail}`;
      return { at: 'flow', flow: { depth, lag: lag ?? null, deadLetters, applied, duplicates, refused, detail } };
    },
    rebuild: async () => {
      await consumer.rebuild(async tx => {
        await tx.deleteFrom('projection').execute();
      });
      return { at: 'done' };
    },
  };
  const watching = watch();
  const loading = load();
  // What fails there ends the process, and so the test.
  for await (const line of createInterface(process.stdin)) {
    if (line === 'end') break;
    say(await answers[line as Exclude<Asked, 'end'>]());
  }
  quiet.abort();
  ending.abort();
  await Promise.all([loading, watching]);
  await consumer.stop();
  if (everyMs !== undefined) await relay.stop();
  await bus.close();
  await store.close();
  process.stdin.destroy();
  // As the services' main does: a kafkajs client that was cut off goes on with its retries for a while.
  globalThis.setTimeout(() => process.exit(), 1_000).unref();
}

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

const [, script, settings] = process.argv;
if (script === import.meta.filename && settings !== undefined) await run(JSON.parse(settings) as ServiceSettings);

export const storeFileIn = (folder: string, name: string): string => join(folder, `${name}.db`);
