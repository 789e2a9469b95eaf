import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { runBackupJob } from '../src/estate/backup-job.ts';
import { type Estate, startEstate } from '../src/estate/estate.ts';
import { copiesFolder, estateFolders } from '../src/estate/folders.ts';
import { backupPath, copiesPath, crossGroup, databasesOf, management } from '../src/estate/sample-group.ts';
import { readRecovered } from '../src/failover/recovered.ts';
import { judge, type Verdict } from '../src/oracle/oracle.ts';
import { seededRandom } from '../src/random.ts';
import { connect, connected, type SqlConnection } from '../src/sql-connection.ts';
import { Journal } from '../src/workload/journal.ts';
import { startLoad } from '../src/workload/load.ts';
import { type Places, placesOf } from '../src/workload/places.ts';
import { totalBalanceOf } from '../src/workload/transaction-plan.ts';
import { startWatcher } from '../src/workload/watcher.ts';

/** An estate of two instances, the load and the oracle without Holdfast: a recovery done by hand is judged, right and wrong. */
type HistoryRow = { database: string; file: string; type: string; mark: string };

const sets = 4;
const databases = databasesOf(crossGroup);
let dataFolder: string;
let estate: Estate;
let places: Places;
/** Database → a connection to the instance where it lies, of the primaries and of the standby. */
let primary: ReadonlyMap<string, SqlConnection>;
let standby: ReadonlyMap<string, SqlConnection>;
const ending: (() => Promise<unknown>)[] = [];
const journal = new Journal(Date.now);
let history: HistoryRow[];

async function open(servers: Estate['standbys']): Promise<ReadonlyMap<string, SqlConnection>> {
  const opened = await Promise.all(
    servers.map(async ({ address, databases: own }) => {
      const connection = await connect(address, 'by hand');
      ending.push(() => connection.close());
      return own.map(name => [name, connection] as const);
    }),
  );
  return new Map(opened.flat());
}

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-recovery-'));
  ending.push(() => rm(dataFolder, { recursive: true, force: true }));
  estate = await startEstate(dataFolder, crossGroup, () => undefined);
  ending.push(() => estate.stop());
  const { primaries } = estate;
  places = placesOf(primaries);
  primary = await open(primaries);
  const job = by(primary, management);
  await connected(primaries, 'watcher', async watched => {
    const watcher = startWatcher(watched, journal, 20);
    const random = seededRandom(11);
    const load = startLoad({ servers: primaries, connections: 8, pauseMs: 5, random, journal, run: 'test' });
    for (let set = 0; set < sets; set += 1) {
      await untilMore(200);
      await runBackupJob(job);
    }
    const rows = await job.rows(
      `SELECT DatabaseName, BackupFileName, BackupType, MarkName FROM ${management}.dbo.adm_BackupHistory ORDER BY BackupId`,
    );
    history = rows.map(row => ({
      database: String(row['DatabaseName']),
      file: String(row['BackupFileName']),
      type: String(row['BackupType']),
      mark: String(row['MarkName']),
    }));
    await untilMore(200);
    history.push(...(await lateBackup(job)));
    // In the middle of the load, as it happens.
    await estate.killPrimaries();
    await Promise.all([load.stop(), watcher.stop()]);
  });
  const { share } = estateFolders(dataFolder);
  for (const { standby: instance } of crossGroup)
    for (const name of await readdir(share))
      await copyFile(join(share, name), join(copiesFolder(dataFolder, instance), name));
  standby = await open(estate.standbys);
}, 90_000);

afterAll(async () => {
  for (const end of ending.toReversed()) await end();
}, 30_000);

/** A set by hand whose files hold much work after their mark: the job backs up so soon after it that there may be none. */
async function lateBackup(connection: SqlConnection): Promise<HistoryRow[]> {
  const mark = 'BTS_9999_12_31_00_00_00_000';
  await connection.rows(`EXEC [${management}].dbo.sp_MarkBTSLogs @MarkName = N'${mark}'`);
  await untilMore(200);
  const rows = databases.map(database => ({ database, file: `${database}_late.bak`, type: 'lg', mark }));
  for (const { database, file } of rows)
    await by(primary, database).rows(`BACKUP LOG [${database}] TO DISK = N'${backupPath}\\${file}'`);
  return rows;
}

function by(connections: ReadonlyMap<string, SqlConnection>, database: string): SqlConnection {
  const connection = connections.get(database);
  if (connection === undefined) throw new Error(`Nobody is connected for ${database}.`);
  return connection;
}

async function untilMore(transactions: number): Promise<void> {
  const wanted = journal.entries().length + transactions;
  while (journal.entries().length < wanted) await new Promise(resolve => setTimeout(resolve, 10));
}

const disk = (file: string): string => `DISK = N'${copiesPath}\\${file}'`;
const marks = (): string[] =>
  history.filter(({ type, database }) => type === 'lg' && database === management).map(({ mark }) => mark);
const markOf = (set: number): string => marks()[set] ?? 'no such set';

/** To the mark of log set `set`; `wholeFile` rolls to the end of the file that holds it. */
async function restore(database: string, set: number, wholeFile = false): Promise<void> {
  const own = history.filter(row => row.database === database);
  const full = own.find(({ type }) => type === 'db');
  const logs = own.filter(({ type }) => type === 'lg').slice(0, set + 1);
  const server = by(standby, database);
  await server.rows(`RESTORE DATABASE [${database}] FROM ${disk(full?.file ?? '')} WITH NORECOVERY, REPLACE`);
  for (const [index, { file, mark }] of logs.entries()) {
    const stop = index < set || wholeFile ? '' : `, STOPATMARK = N'${mark}'`;
    await server.rows(`RESTORE LOG [${database}] FROM ${disk(file)} WITH NORECOVERY${stop}`);
  }
  await server.rows(`RESTORE DATABASE [${database}] WITH RECOVERY`);
}

async function verdictAt(mark: string): Promise<Verdict> {
  const recovered = await readRecovered(estate.standbys);
  const transactions = journal.entries();
  return judge({
    transactions,
    rounds: journal.rounds,
    places,
    recovered,
    mark,
    totalBalance: totalBalanceOf(places),
  });
}

it('had a load worth judging', () => {
  const { committed, refused, unknown } = journal.counts();
  expect(committed).toBeGreaterThan(600);
  expect(refused).toBeGreaterThan(5);
  expect(unknown).toBeLessThanOrEqual(8);
  expect(marks()).toHaveLength(sets + 1);
});

it.each([1, 2, 3])('verifies a recovery of all databases to the mark of log set %i', async set => {
  for (const name of databases) await restore(name, set);
  const verdict = await verdictAt(markOf(set));
  expect(verdict.findings).toEqual([]);
  expect(verdict).toMatchObject({ verified: true, databasesAtMark: databases.length });
  expect(verdict.bounded.before).toBeGreaterThan(50);
  expect(verdict.bounded.after).toBeGreaterThan(50);
});

it('sees one database at the previous mark', async () => {
  for (const name of databases) await restore(name, name === management ? 1 : 2);
  const verdict = await verdictAt(markOf(2));
  expect(verdict).toMatchObject({ verified: false, databasesAtMark: databases.length - 1 });
  expect(verdict.torn).toBeGreaterThan(0);
});

it('sees one database rolled to the end of its file', async () => {
  for (const name of databases) await restore(name, sets);
  expect((await verdictAt(markOf(sets))).findings).toEqual([]);
  await restore(management, sets, true);
  const verdict = await verdictAt(markOf(sets));
  // Its MarkLog says nothing of it: only the transactions do.
  expect(verdict).toMatchObject({ verified: false, databasesAtMark: databases.length });
  expect(verdict.torn).toBeGreaterThan(0);
});
