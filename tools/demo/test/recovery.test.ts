import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { runBackupJob } from '../src/estate/backup-job.ts';
import { type Estate, startEstate } from '../src/estate/estate.ts';
import { estateFolders } from '../src/estate/folders.ts';
import { backupPath, copiesPath, databases, management } from '../src/estate/sample-group.ts';
import { readRecovered } from '../src/failover/recovered.ts';
import { judge, type Verdict } from '../src/oracle/oracle.ts';
import { seededRandom } from '../src/random.ts';
import { connect, type SqlConnection } from '../src/sql-connection.ts';
import { Journal } from '../src/workload/journal.ts';
import { startLoad } from '../src/workload/load.ts';
import { totalBalanceOf } from '../src/workload/transaction-plan.ts';
import { startWatcher } from '../src/workload/watcher.ts';

/** The estate, the load and the oracle without Holdfast: a recovery done by hand is judged, right and wrong. */
type HistoryRow = { database: string; file: string; type: string; mark: string };

const sets = 4;
let dataFolder: string;
let estate: Estate;
let standby: SqlConnection;
const journal = new Journal(Date.now);
let history: HistoryRow[];

beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-recovery-'));
  estate = await startEstate(dataFolder, () => undefined);
  const { address, process } = estate.primary;
  const [job, watching] = [await connect(address, 'backup job'), await connect(address, 'watcher')];
  const watcher = startWatcher(watching, databases, journal, 20);
  const load = startLoad({
    address,
    databases,
    connections: 8,
    pauseMs: 5,
    random: seededRandom(11),
    journal,
    run: 'test',
  });
  for (let set = 0; set < sets; set += 1) {
    await runBackupJob(job);
    await untilMore(200);
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
  history.push(...(await lateBackup(job)));
  // In the middle of the load, as it happens.
  await process.kill();
  await Promise.all([load.stop(), watcher.stop(), job.close()]);
  await watching.close();
  const { share, copies } = estateFolders(dataFolder);
  for (const name of await readdir(share)) await copyFile(join(share, name), join(copies, name));
  standby = await connect(estate.standby.address, 'by hand');
}, 60_000);

afterAll(async () => {
  await standby.close();
  await estate.stop();
  await rm(dataFolder, { recursive: true, force: true });
}, 30_000);

/** A set by hand whose files hold much work after their mark: the job backs up so soon after it that there may be none. */
async function lateBackup(connection: SqlConnection): Promise<HistoryRow[]> {
  const mark = 'BTS_9999_12_31_00_00_00_000';
  const inserts = databases.map(name => `INSERT INTO [${name}].dbo.MarkLog (MarkName) VALUES (N'${mark}');`);
  await connection.rows(`BEGIN TRANSACTION [${mark}] WITH MARK '${mark}'; ${inserts.join(' ')} COMMIT TRANSACTION;`);
  await untilMore(200);
  const rows = databases.map(database => ({ database, file: `${database}_late.bak`, type: 'lg', mark }));
  for (const { database, file } of rows)
    await connection.rows(`BACKUP LOG [${database}] TO DISK = N'${backupPath}\\${file}'`);
  return rows;
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
  await standby.rows(`RESTORE DATABASE [${database}] FROM ${disk(full?.file ?? '')} WITH NORECOVERY, REPLACE`);
  for (const [index, { file, mark }] of logs.entries()) {
    const stop = index < set || wholeFile ? '' : `, STOPATMARK = N'${mark}'`;
    await standby.rows(`RESTORE LOG [${database}] FROM ${disk(file)} WITH NORECOVERY${stop}`);
  }
  await standby.rows(`RESTORE DATABASE [${database}] WITH RECOVERY`);
}

async function verdictAt(mark: string): Promise<Verdict> {
  const recovered = await readRecovered(estate.standby.address);
  const transactions = journal.entries();
  return judge({ transactions, rounds: journal.rounds, recovered, mark, totalBalance: totalBalanceOf(databases) });
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
