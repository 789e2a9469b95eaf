import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupFileId, BackupSetId, DatabaseId } from '@holdfast/domain';
import { newId } from '@holdfast/service';
import type { StepContext } from '@holdfast/service/runner';
import type { Store } from '@holdfast/store';
import { recordHistory } from '../src/backup-set/backup-set-commands.ts';
import { setRunner } from '../src/backup-set/backup-set-runner.ts';
import { findSets, saveFile, saveSet } from '../src/backup-set/backup-set-store.ts';
import { judgeSets, type LedgerSet } from '../src/backup-set/backup-set.ts';
import { afterCheck } from '../src/backup-file/backup-file.ts';
import { saveGroup } from '../src/estate/estate-store.ts';
import { saveLook } from '../src/backup-set/history-look-store.ts';
import { membersOf } from '../src/recovery-point/recovery-point.ts';
import type { BackupTables } from '../src/tables.ts';
import { folder, group, groupId, header, instanceId, lsnAt, setOf } from './ledger.ts';
import { type LedgerStore, openLedgerStore } from './store.ts';

// Fourteen days of a group: a full set each day, 95 log sets after it, thirteen databases.
const perDay = 96;
const days = 14;
const newest = days * perDay;
const databases = Array.from({ length: 13 }, (_, index) => ({ name: `Db${String(index)}`, id: newId() as DatabaseId }));
const names = databases.map(({ name }) => name);
const rowsOfADay = perDay * (databases.length + 1);

let ledger: LedgerStore;
let rows = 0;
// What the store's query builder takes for a plugin.
type Countable = { withPlugin(plugin: typeof counter): object };
const counter = {
  transformQuery: ({ node }: { readonly node: unknown }) => node,
  transformResult: async ({ result }: { readonly result: { readonly rows: readonly unknown[] } }) => {
    rows += result.rows.length;
    return result;
  },
};
const typeOf = (number: number): LedgerSet['type'] => (number % perDay === 1 ? 'FULL' : 'LOG');
const now = '2026-11-21T10:30:00.000Z';

/** The store, with every row counted that a statement gives. */
function counted(store: Store<BackupTables>): Store<BackupTables> {
  const counting = <Db extends object>(db: Db): Db =>
    Object.assign((db as unknown as Countable).withPlugin(counter), {
      dialect: (db as { readonly dialect?: unknown }).dialect,
    }) as unknown as Db;
  return {
    read: work => store.read(db => work(counting(db))),
    transaction: work => store.transaction(tx => work(counting(tx))),
    afterCommit: listener => store.afterCommit(listener),
    close: () => store.close(),
  };
}

/** Final, with every header read and every mark proven. */
function proven(number: number): LedgerSet {
  const type = typeOf(number);
  const set = setOf(number, type);
  const of = { ...set, setId: newId() as BackupSetId };
  return {
    ...of,
    coveredDatabases: names,
    rows: databases.map(({ name, id }) => {
      return {
        databaseName: name,
        serverName: 'SQLALIAS',
        path: `${folder}\\${name}`,
        setComplete: true,
        databaseId: id,
      };
    }),
    files: databases.map(({ name, id }, rowIndex) => {
      const ids = { fileId: newId() as BackupFileId, setId: of.setId, databaseId: id, databaseName: name, rowIndex };
      const file = { ...set.files[0]!, ...ids };
      const finding = { kind: 'HEADERS' as const, headers: [header(number, type, name)] };
      const read = afterCheck(file, type, finding, { now: Date.parse(now), observeEveryMs: 30_000 });
      return type === 'LOG' ? { ...read, markLsn: lsnAt(number, -10) } : read;
    }),
  };
}

/** What a look finds that reads from the newest set known: that set, and one more. */
function nextHistory() {
  return [newest, newest + 1].flatMap(number =>
    names.map((databaseName, index) => ({
      backupId: String(number * 100 + index),
      setId: String(number),
      type: typeOf(number),
      markName: setOf(number, 'LOG').markName,
      databaseName,
      fileName: databaseName,
      fileLocation: folder,
      startedAt: { recorded: setOf(number, 'LOG').startedAtRecorded, basis: 'UNKNOWN' as const },
      setComplete: true,
      serverName: 'SQLALIAS',
    })),
  );
}

beforeAll(async () => {
  ledger = await openLedgerStore();
  await ledger.store.transaction(async tx => {
    const base = group.databases[0]!;
    const members = databases.map(({ name, id }) => ({ ...base, name, databaseId: id }));
    const known = { ...group, version: 2, managementDatabaseId: databases[0]!.id, databases: members };
    await saveGroup(tx, known);
    const sets = judgeSets(
      Array.from({ length: newest }, (_, index) => proven(index + 1)),
      null,
      now,
    );
    for (const set of sets) if ('files' in set) await saveSet(tx, { ...set, version: 1, publishedHash: 'told' });
    const seen = {
      groupId,
      observedAt: now,
      lookedAt: null,
      observationError: null,
      fileError: null,
      members: JSON.stringify(membersOf(known)),
    };
    await saveLook(tx, { ...seen, coveredDatabases: names });
  });
}, 120_000);
afterAll(() => ledger.close());

async function rowsOf(work: (store: Store<BackupTables>) => Promise<unknown>): Promise<number> {
  rows = 0;
  await work(counted(ledger.store));
  return rows;
}

const observe = (store: Store<BackupTables>) => {
  const step: StepContext = { signal: new AbortController().signal, checkpoint: async () => undefined };
  return setRunner({ ...ledger.deps, store }).observe(groupId, step);
};

describe('a ledger of fourteen days', () => {
  it('costs a pass a handful of rows while all of it is final', async () => {
    expect(await rowsOf(observe)).toBeLessThan(10);
  });

  it('costs a new set one day of it', async () => {
    const cost = await rowsOf(store =>
      store.transaction(tx =>
        recordHistory({ ...ledger.deps, store }, tx, groupId, {
          observedAt: now,
          fromSetId: String(newest),
          history: nextHistory(),
          coveredDatabases: names,
          marks: [{ instanceId, offsetMinutes: 0, marks: [] }],
          msdb: [],
          job: { observedAt: now, facts: null, problem: null },
          problems: [],
        }),
      ),
    );
    expect(cost).toBeGreaterThan(databases.length);
    expect(cost).toBeLessThan(2 * rowsOfADay);
  });

  it('costs a set that stays open, however old, the files of that set', async () => {
    const [old] = await ledger.store.read(async db => {
      const row = await db.selectFrom('backup_set').select('id').where('number', '=', '5').executeTakeFirstOrThrow();
      return findSets(db, [row.id as BackupSetId]);
    });
    await ledger.store.transaction(async tx => {
      const files = old!.files.map((file, index) => (index === 0 ? { ...file, markLsn: null } : file));
      await saveSet(tx, { ...old!, files });
      for (const file of files) await saveFile(tx, file);
    });
    // The next look is due.
    ledger.now += 60_000;
    // One row for each set between, and nothing of their files.
    const cost = await rowsOf(observe);
    expect(cost).toBeGreaterThan(newest - 10);
    expect(cost).toBeLessThan(newest + 3 * databases.length + 10);
  });
});
