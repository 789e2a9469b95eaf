import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBackupJob } from '../src/estate/backup-job.ts';
import { type Estate, type EstateFaults, startEstate } from '../src/estate/estate.ts';
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

type HistoryRow = { readonly database: string; readonly file: string; readonly type: string; readonly mark: string };

export const databases = databasesOf(crossGroup);

export type WorkOptions = {
  /** Runs of the backup job: the first takes the full too. */
  readonly sets: number;
  /** Transactions before the first run and between two. */
  readonly between: number;
  readonly faults?: EstateFaults;
};

/** An estate of two instances, the load and the oracle without Holdfast: a recovery done by hand is judged, right and wrong. */
export class RecoveryByHand {
  readonly journal = new Journal(Date.now);
  readonly #ending: (() => Promise<unknown>)[] = [];
  readonly #estate: Estate;
  readonly #places: Places;
  #history: readonly HistoryRow[] = [];
  /** Database → a connection to the instance of the standby where it lies. */
  #standby: ReadonlyMap<string, SqlConnection> = new Map();

  private constructor(estate: Estate, dataFolder: string) {
    this.#estate = estate;
    this.#places = placesOf(estate.primaries);
    this.#ending.push(
      () => rm(dataFolder, { recursive: true, force: true }),
      () => estate.stop(),
    );
  }

  /** Works on the group, backs it up meanwhile, ends the source instances in the middle of the load and carries the files over. */
  static async after(options: WorkOptions): Promise<RecoveryByHand> {
    const dataFolder = await mkdtemp(join(tmpdir(), 'holdfast-recovery-'));
    const estate = await startEstate(dataFolder, crossGroup, () => undefined, options.faults);
    const recovery = new RecoveryByHand(estate, dataFolder);
    try {
      await recovery.#work(options);
      const { share } = estateFolders(dataFolder);
      for (const { standby } of crossGroup)
        for (const name of await readdir(share))
          await copyFile(join(share, name), join(copiesFolder(dataFolder, standby), name));
      recovery.#standby = await recovery.#open(estate.standbys);
      return recovery;
    } catch (error) {
      await recovery.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    for (const end of this.#ending.splice(0).toReversed()) await end();
  }

  async #work({ sets, between }: WorkOptions): Promise<void> {
    const { primaries } = this.#estate;
    const primary = await this.#open(primaries);
    const job = by(primary, management);
    await connected(primaries, 'watcher', async watched => {
      const { journal } = this;
      const watcher = startWatcher(watched, journal, 20);
      const random = seededRandom(11);
      const load = startLoad({ servers: primaries, connections: 8, pauseMs: 5, random, journal, run: 'test' });
      for (let set = 0; set < sets; set += 1) {
        await this.#untilMore(between);
        await runBackupJob(job);
      }
      const rows = await job.rows(
        `SELECT DatabaseName, BackupFileName, BackupType, MarkName FROM ${management}.dbo.adm_BackupHistory ORDER BY BackupId`,
      );
      const ofJob = rows.map(row => ({
        database: String(row['DatabaseName']),
        file: String(row['BackupFileName']),
        type: String(row['BackupType']),
        mark: String(row['MarkName']),
      }));
      await this.#untilMore(between);
      this.#history = [...ofJob, ...(await this.#lateBackup(primary, between))];
      // In the middle of the load, as it happens.
      await this.#estate.killPrimaries();
      await Promise.all([load.stop(), watcher.stop()]);
    });
  }

  /** A set by hand whose files hold much work after their mark: the job backs up so soon after it that there may be none. */
  async #lateBackup(primary: ReadonlyMap<string, SqlConnection>, between: number): Promise<HistoryRow[]> {
    const mark = 'BTS_9999_12_31_00_00_00_000';
    await by(primary, management).rows(`EXEC [${management}].dbo.sp_MarkBTSLogs @MarkName = N'${mark}'`);
    await this.#untilMore(between);
    const rows = databases.map(database => ({ database, file: `${database}_late.bak`, type: 'lg', mark }));
    for (const { database, file } of rows)
      await by(primary, database).rows(`BACKUP LOG [${database}] TO DISK = N'${backupPath}\\${file}'`);
    return rows;
  }

  async #open(servers: Estate['standbys']): Promise<ReadonlyMap<string, SqlConnection>> {
    const opened = await Promise.all(
      servers.map(async ({ address, databases: own }) => {
        const connection = await connect(address, 'by hand');
        this.#ending.push(() => connection.close());
        return own.map(name => [name, connection] as const);
      }),
    );
    return new Map(opened.flat());
  }

  async #untilMore(transactions: number): Promise<void> {
    const wanted = this.journal.entries().length + transactions;
    while (this.journal.entries().length < wanted) await new Promise(resolve => setTimeout(resolve, 10));
  }

  /** In the order of their sets; the last one is the set taken by hand. */
  marks(): readonly string[] {
    return this.#history
      .filter(({ type, database }) => type === 'lg' && database === management)
      .map(({ mark }) => mark);
  }

  markOf(set: number): string {
    return this.marks()[set] ?? 'no such set';
  }

  /** To the mark of log set `set`; `wholeFile` rolls to the end of the file that holds it. */
  async restore(database: string, set: number, wholeFile = false): Promise<void> {
    const own = this.#history.filter(row => row.database === database);
    const full = own.find(({ type }) => type === 'db');
    const logs = own.filter(({ type }) => type === 'lg').slice(0, set + 1);
    const server = this.at(database);
    await server.rows(`RESTORE DATABASE [${database}] FROM ${disk(full?.file ?? '')} WITH NORECOVERY, REPLACE`);
    for (const [index, { file, mark }] of logs.entries()) {
      const stop = index < set || wholeFile ? '' : `, STOPATMARK = N'${mark}'`;
      await server.rows(`RESTORE LOG [${database}] FROM ${disk(file)} WITH NORECOVERY${stop}`);
    }
    await server.rows(`RESTORE DATABASE [${database}] WITH RECOVERY`);
  }

  /** Where the database was recovered. */
  at(database: string): SqlConnection {
    return by(this.#standby, database);
  }

  async verdictAt(mark: string): Promise<Verdict> {
    return judge({
      transactions: this.journal.entries(),
      rounds: this.journal.rounds,
      places: this.#places,
      recovered: await readRecovered(this.#estate.standbys),
      mark,
      totalBalance: totalBalanceOf(this.#places),
    });
  }
}

function disk(file: string): string {
  return `DISK = N'${copiesPath}\\${file}'`;
}

function by(connections: ReadonlyMap<string, SqlConnection>, database: string): SqlConnection {
  const connection = connections.get(database);
  if (connection === undefined) throw new Error(`Nobody is connected for ${database}.`);
  return connection;
}
