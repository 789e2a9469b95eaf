/** Two linked instances, a database D at each, and a BizTalk group over both; transactions over both, marks, and restores to where a mark stands. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { names, otherOf, Pair, type Instance, type Name } from '../linked/pair.ts';

export type Rows = Awaited<ReturnType<Instance['run']>>;

/** What a copy holds: rows of `t` from `first` on, rows of `marks`. */
export type Content = { readonly ids: readonly number[]; readonly marks: readonly string[] };

/** A statement under way. */
export type Watched = { readonly over: () => boolean; readonly end: Promise<unknown> };

const share = 'S:\\Backup';
const job = 'Backup BizTalk Server (Mgmt)';
const betweenLooksMs = 20;

export class MarkedPair {
  readonly #pair: Pair;
  readonly #instances = new Map<Name, Instance>();

  private constructor(pair: Pair) {
    this.#pair = pair;
  }

  static async create(): Promise<MarkedPair> {
    const pair = new MarkedPair(await Pair.create());
    await mkdir(join(pair.#pair.folder, 'share'));
    // So long that no case depends on how fast this machine is.
    for (const name of names) await pair.start(name, ['--mark-timeout', '600000']);
    for (const name of names) {
      const other = otherOf(name);
      await pair.at(name, 'CREATE DATABASE D');
      await pair.at(
        name,
        `CREATE TABLE D.dbo.t (id int NOT NULL PRIMARY KEY); CREATE TABLE D.dbo.marks (name nvarchar(32) NOT NULL PRIMARY KEY);
         EXEC sp_addlinkedserver @server = N'${other}', @srvproduct = N'SQL Server'; EXEC sp_serveroption N'${other}', 'rpc out', 'true'`,
      );
    }
    return pair;
  }

  async start(name: Name, more: readonly string[] = []): Promise<void> {
    const map = ['--map', `${share}=${join(this.#pair.folder, 'share')}`];
    this.#instances.set(name, await this.#pair.start(name, { more: [...map, ...more] }));
  }

  /** `kill -9`, and a start on the same files. */
  async restart(name: Name, more: readonly string[] = []): Promise<void> {
    await this.instance(name).kill();
    await this.start(name, more);
  }

  async end(): Promise<void> {
    await this.#pair.end();
    await rm(this.#pair.folder, { recursive: true });
  }

  instance(name: Name): Instance {
    const instance = this.#instances.get(name);
    if (instance === undefined) throw new Error(`${name} was not started`);
    return instance;
  }

  at(name: Name, text: string): Promise<Rows> {
    return this.instance(name).run(text);
  }

  /** A transaction that began at `name`, with the row `id` in D at both. */
  distributed(name: Name, id: number): Watched {
    const inserts = `INSERT D.dbo.t VALUES (${id}); INSERT ${otherOf(name)}.D.dbo.t VALUES (${id})`;
    return watch(this.at(name, `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; ${inserts}; COMMIT`));
  }

  /** The pattern of sqlserver.md §3.4: one distributed transaction, marked by a statement of its own at each instance. */
  mark(name: Name, mark: string): Watched {
    const set = `BEGIN TRAN ${mark} WITH MARK; INSERT D.dbo.marks VALUES (N'${mark}')`;
    const remote = `EXEC (N'${set.replaceAll("'", "''")}; COMMIT') AT ${otherOf(name)}`;
    return watch(this.at(name, `SET XACT_ABORT ON; ${set}; ${remote}; COMMIT`));
  }

  /** Resolves when a request there waits so. */
  async waits(name: Name, waitType: string): Promise<void> {
    await this.until(name, `SELECT 1 FROM sys.dm_exec_requests WHERE wait_type = N'${waitType}'`);
  }

  /** Resolves when the query has a row; a lock that it meets counts as none. */
  async until(name: Name, query: string): Promise<void> {
    while ((await this.at(name, `SET LOCK_TIMEOUT 0; ${query}`).catch(noneWhenLocked)).length === 0)
      await delay(betweenLooksMs);
  }

  async full(set: string): Promise<void> {
    for (const name of names) await this.at(name, `BACKUP DATABASE D TO DISK = N'${share}\\${name}-${set}.bak'`);
  }

  /** `set` and a number: a-1. */
  async log(name: Name, set: string): Promise<void> {
    await this.at(name, `BACKUP LOG D TO DISK = N'${share}\\${name}-${set}.trn'`);
  }

  /** A copy from the full `set` and logs, all but the recovery. @returns its name */
  copy(name: Name, set: string, logs: readonly string[], stop = ''): Promise<string> {
    const files = logs.map(log => `${name}-${log}.trn`);
    return this.copyFrom(name, `${name}-${set}.bak`, files, stop);
  }

  /** The same by names of files. */
  async copyFrom(name: Name, full: string, logs: readonly string[], stop = ''): Promise<string> {
    const copy = `C${(await this.at(name, 'SELECT COUNT(*) AS n FROM msdb.dbo.restorehistory'))[0]?.['n'] as number}`;
    const files = `MOVE N'D' TO N'C:\\MSSQL\\DATA\\${copy}.mdf', MOVE N'D_log' TO N'C:\\MSSQL\\DATA\\${copy}.ldf'`;
    await this.at(name, `RESTORE DATABASE ${copy} FROM DISK = N'${share}\\${full}' WITH NORECOVERY, ${files}`);
    const end = stop === '' ? '' : `, ${stop}`;
    for (const log of logs)
      await this.at(name, `RESTORE LOG ${copy} FROM DISK = N'${share}\\${log}' WITH NORECOVERY${end}`);
    return copy;
  }

  recover(name: Name, copy: string): Promise<Rows> {
    return this.at(name, `RESTORE DATABASE ${copy} WITH RECOVERY`);
  }

  async content(name: Name, database: string, first: number): Promise<Content> {
    const ids = await this.at(name, `SELECT id FROM ${database}.dbo.t WHERE id >= ${first} ORDER BY id`);
    const marks = await this.at(name, `SELECT name FROM ${database}.dbo.marks ORDER BY name`);
    return { ids: ids.map(row => Number(row['id'])), marks: marks.map(row => String(row['name'])) };
  }

  /** What copies of both hold at the stop. `set`: of a full, and of the log that has the mark. */
  async restoredTo(set: string, first: number, stop: string): Promise<readonly Content[]> {
    const contents: Content[] = [];
    for (const name of names) {
      const copy = await this.copy(name, set, [set], stop);
      await this.recover(name, copy);
      contents.push(await this.content(name, copy, first));
    }
    return contents;
  }

  /** Sets `in-doubt xact resolution`. */
  async presume(name: Name, outcome: 0 | 1 | 2): Promise<void> {
    await this.at(name, "EXEC sp_configure 'show advanced options', 1; RECONFIGURE");
    await this.at(name, `EXEC sp_configure 'in-doubt xact resolution', ${outcome}; RECONFIGURE`);
  }

  // ---------------------------------------------------------------- a BizTalk group: Mgmt and D of ONE, Msg and D of TWO

  async makeGroup(): Promise<void> {
    await this.at('ONE', 'CREATE DATABASE Mgmt');
    await this.at('TWO', 'CREATE DATABASE Msg');
    for (const [database, role] of [
      ['Msg', 'messageBox'],
      ['D', 'custom'],
    ] as const)
      await this.at('TWO', `EXEC sp_standin_prepare_database @database = N'${database}', @role = N'${role}'`);
    for (const text of [
      "EXEC sp_standin_setup_biztalk @management = N'Mgmt', @messageBox = N'Msg', @messageBoxServer = N'TWO'",
      "EXEC sp_standin_cover_database @management = N'Mgmt', @database = N'D', @default = N'D here'",
      "EXEC sp_standin_cover_database @management = N'Mgmt', @database = N'D', @server = N'TWO', @default = N'D there'",
      `EXEC sp_standin_create_backup_job @management = N'Mgmt', @path = N'${share}'`,
    ])
      await this.at('ONE', text);
  }

  /** Runs the Backup job. @returns step, outcome (1 succeeded, 0 failed) and message of its history rows; step 0 is the whole job */
  async runJob(): Promise<readonly (readonly [number, number, string])[]> {
    const [last] = await this.at('ONE', 'SELECT ISNULL(MAX(instance_id), 0) AS id FROM msdb.dbo.sysjobhistory');
    await this.at('ONE', `EXEC msdb.dbo.sp_start_job @job_name = N'${job}'`);
    const query = `SELECT step_id, run_status, message FROM msdb.dbo.sysjobhistory WHERE instance_id > ${Number(last?.['id'])} ORDER BY instance_id`;
    await this.until('ONE', query.replace(' ORDER', ' AND step_id = 0 ORDER'));
    const rows = await this.at('ONE', query);
    return rows.map(row => [Number(row['step_id']), Number(row['run_status']), String(row['message'])] as const);
  }
}

export function watch(work: Promise<unknown>): Watched {
  let over = false;
  const end = work.finally(() => {
    over = true;
  });
  // Whoever looks at `end` hears of its failure; nobody has to.
  end.catch(() => undefined);
  return { over: () => over, end };
}

function noneWhenLocked(failure: unknown): Rows {
  if ((failure as { readonly number?: unknown }).number === 1222) return [];
  throw failure;
}
