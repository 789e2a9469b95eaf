/** What every part of the engine shares: the databases, the journal, the list on disk, and the few operations that all need. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BackgroundCheckpoints } from './background-checkpoints.ts';
import { Branches } from './branches.ts';
import { checkpoint } from './checkpoint.ts';
import { CommitJournal } from './commit-journal.ts';
import { compareText, foldText } from './compare.ts';
import { fileOf } from './crash-recovery.ts';
import { DatabasesInMaking } from './databases-in-making.ts';
import { DiskQuota } from './disk-quota.ts';
import { Disk } from './durable-file.ts';
import { EngineTransaction } from './engine-transaction.ts';
import { assertRoom, grow } from './file-growth.ts';
import { newGuid } from './guid.ts';
import { createHostPaths, type HostPaths } from './host-paths.ts';
import { InstanceFile, type InstanceState } from './instance-file.ts';
import { MarkGate } from './mark-gate.ts';
import { Outcomes } from './outcomes.ts';
import { Resolutions } from './resolutions.ts';
import { StoredServerOptions } from './server-options.ts';
import { FaultSwitches, type Faults } from '../faults/fault-switches.ts';
import { StoredDatabase } from './stored-database.ts';
import { StoredTable } from './stored-table.ts';
import { toDatetimePrecision } from './times.ts';
import { WindowsLogins } from './windows-logins.ts';
import type { CommitHost, CommittedMark } from './commit.ts';
import type { LockOwner } from './lock-resource.ts';
import type { EngineOptions } from './options.ts';
import type { Database, Row, RowId, Session } from '../contract.ts';
import type { SqlValue } from '../values.ts';

/** Each save of the list reserves so many transaction ids: after a crash numbering goes on behind them. */
const reservedTransactions = 1_000_000n;

export const defaultPaths = { data: 'C:\\MSSQL\\DATA', log: 'C:\\MSSQL\\DATA', backup: 'C:\\MSSQL\\Backup' } as const;

/** What the instance keeps on disk beside its databases and their list. */
type Kept = {
  readonly disk: Disk;
  readonly journal: CommitJournal;
  readonly resolutions: Resolutions;
  readonly serverOptions: StoredServerOptions;
};

export class Instance implements CommitHost {
  readonly options: EngineOptions;
  readonly faults: Faults;
  readonly disk: Disk;
  readonly journal: CommitJournal;
  readonly gate: MarkGate;
  readonly outcomes: Outcomes;
  readonly resolutions: Resolutions;
  readonly branches: Branches;
  readonly instanceId: string;
  readonly hostPath: HostPaths;
  readonly #quota: DiskQuota;
  readonly databases = new Map<string, StoredDatabase>();
  readonly sessions = new Map<Session, LockOwner>();
  /** Host paths of backup devices being written: opening one again is a sharing violation (32). */
  readonly devicesInUse = new Set<string>();
  readonly inMaking = new DatabasesInMaking();
  readonly serverOptions: StoredServerOptions;
  /** See InstanceState: saved before a file is made for a database to come, and when the one it belonged to goes. */
  readonly strayFiles: Set<string>;
  readonly windowsLogins: WindowsLogins;
  readonly #file: InstanceFile;
  #nextTransactionId: bigint;
  readonly #checkpoints = new BackgroundCheckpoints(database => this.checkpoint(database));

  private constructor(options: EngineOptions, kept: Kept, state: InstanceState) {
    const { disk, journal, resolutions, serverOptions } = kept;
    this.options = options;
    const faults = options.faults ?? new FaultSwitches();
    this.faults = faults;
    this.disk = disk;
    this.journal = journal;
    this.resolutions = resolutions;
    this.instanceId = state.instanceId;
    this.gate = new MarkGate({
      stall: () => faults.marks.stallsTransactions(),
      drainTimeoutMs: options.markDrainTimeoutMs ?? 10_000,
    });
    this.outcomes = new Outcomes(journal, this.instanceId);
    this.branches = new Branches(this);
    this.hostPath = createHostPaths({
      [defaultPaths.data]: join(options.dataFolder, 'DATA'),
      [defaultPaths.backup]: join(options.dataFolder, 'Backup'),
      ...options.pathMap,
    });
    this.#quota = new DiskQuota({
      limitBytes: () => BigInt(faults.media.diskQuotaBytes() ?? 0),
      folders: [join(options.dataFolder, 'Backup'), ...Object.values(options.pathMap)],
      databases: () => this.databases.values(),
      hostPath: this.hostPath,
    });
    this.serverOptions = serverOptions;
    this.#nextTransactionId = state.nextTransactionId;
    this.strayFiles = new Set(state.strayFiles);
    this.windowsLogins = new WindowsLogins(state.windowsLogins ?? [], () => this.save());
    this.#file = new InstanceFile(
      disk,
      instancePath(options),
      state,
      () => this.#state(),
      saved => this.#noteSaved(saved),
    );
  }

  static async open(
    options: EngineOptions,
  ): Promise<{ readonly instance: Instance; readonly state: InstanceState | undefined }> {
    for (const folder of ['DATA', 'Backup']) await mkdir(join(options.dataFolder, folder), { recursive: true });
    const state = await InstanceFile.load(instancePath(options));
    const disk = new Disk(options.passed, options.hasty);
    const journal = await CommitJournal.open(disk, join(options.dataFolder, 'commit.journal'));
    const resolutions = await Resolutions.open(disk, join(options.dataFolder, 'resolved.jsonl'));
    const serverOptions = await StoredServerOptions.open(disk, options.dataFolder);
    const fresh: InstanceState = {
      instanceId: newGuid(options.random),
      nextTransactionId: 1000n,
      databases: [],
      strayFiles: [],
    };
    return { instance: new Instance(options, { disk, journal, resolutions, serverOptions }, state ?? fresh), state };
  }

  get serverName(): string {
    return this.options.serverName;
  }

  /** undefined: the disk is as large as this machine's. */
  get quota(): DiskQuota | undefined {
    return this.faults.media.diskQuotaBytes() === undefined ? undefined : this.#quota;
  }

  passed(place: string): void {
    this.options.passed?.(place);
  }

  get clock(): () => Date {
    return this.options.clock;
  }

  #state(): InstanceState {
    return {
      instanceId: this.instanceId,
      nextTransactionId: this.#nextTransactionId + reservedTransactions,
      databases: [...this.databases.values()].map(database => database.description),
      strayFiles: [...this.strayFiles],
      windowsLogins: this.windowsLogins.names,
    };
  }

  #noteSaved({ databases }: InstanceState): void {
    const saved = new Set(databases);
    for (const database of this.databases.values()) {
      // Most are as they were at the last save.
      if (saved.has(database.saved)) continue;
      const description = databases.find(({ name }) => foldText(name) === foldText(database.name));
      if (description !== undefined) database.saved = description;
    }
  }

  /** Removes those of the stray files (`paths`) that no database has taken since. */
  async removeStrayFiles(paths: Iterable<string>): Promise<void> {
    const owned = new Set(
      [...this.databases.values()].flatMap(each => [
        ...each.files.map(file => foldText(file.physicalName)),
        foldText(each.description.standby?.undoFile ?? ''),
      ]),
    );
    for (const path of paths) {
      const host = owned.has(foldText(path)) ? undefined : this.hostPath(path);
      if (host !== undefined) await this.disk.remove(host);
      this.strayFiles.delete(path);
    }
  }

  /** Makes every database's description durable. */
  save(): Promise<void> {
    return this.#file.save();
  }

  newGuid(): string {
    return newGuid(this.options.random);
  }

  takeDatabaseId(name: string): number {
    return this.inMaking.takeId(name, this.databases.values());
  }

  /** Ids of transactions never repeat within an instance: a log and the commit journal would confuse two of the same id. */
  nextTransactionId(): bigint {
    const id = this.#nextTransactionId;
    this.#nextTransactionId += 1n;
    return id;
  }

  /** Called at start with the highest id found in any log or in the journal. */
  skipTransactionIds(past: bigint): void {
    if (past >= this.#nextTransactionId) this.#nextTransactionId = past + 1n;
  }

  find(name: string): StoredDatabase | undefined {
    return this.databases.get(foldText(name));
  }

  add(database: StoredDatabase): void {
    this.databases.set(foldText(database.name), database);
  }

  stored(database: Database): StoredDatabase {
    if (!(database instanceof StoredDatabase)) throw new Error('a database that is not of this engine');
    return database;
  }

  systemTable(database: 'msdb' | 'master', name: string): StoredTable {
    const table = this.find(database)?.table('dbo', name);
    if (table === undefined) throw new Error(`${database}.dbo.${name} does not exist`);
    return table;
  }

  begin(session: Session, name: string | undefined): EngineTransaction {
    return new EngineTransaction(this, session, name);
  }

  ownerOf(session: Session): LockOwner {
    const owner = this.sessions.get(session);
    if (owner === undefined) throw new Error(`session ${session.spid} is not attached`);
    return owner;
  }

  /** Whose file it is, of all but `except`: of a database in the list, or of one that is being made. */
  ownerOfFile(path: string, except: string): string | undefined {
    const others = [...this.databases.values()].filter(({ name }) => compareText(name, except) !== 0);
    const owner = others.find(({ files }) => files.some(file => compareText(file.physicalName, path) === 0));
    return owner?.name ?? this.inMaking.makerOf(path, except);
  }

  dataPath(database: StoredDatabase): string {
    return fileOf(database.description, 'D', this.hostPath);
  }

  logPath(database: StoredDatabase): string {
    return fileOf(database.description, 'L', this.hostPath);
  }

  /**
   * Adds complete rows to tables of one system database as one committed transaction, in one step without waiting: the engine's own history needs
   * no locks and nobody can see half of it. The caller flushes the log. Values by column name; identity columns are filled in.
   */
  insertRows(
    rows: readonly { readonly table: StoredTable; readonly values: Readonly<Record<string, SqlValue>> }[],
  ): readonly Row[] {
    const [first] = rows;
    if (first === undefined) return [];
    const { database } = first.table;
    const transaction = this.nextTransactionId();
    database.log.append({ kind: 'begin', transaction });
    const added = rows.map(({ table, values }) => {
      const row = table.definition.columns.map(column => {
        const value = values[column.name];
        return value === undefined && column.identity !== undefined ? table.nextIdentity() : (value ?? null);
      });
      const id = table.nextRowId;
      const change = { kind: 'insert', table: table.objectId, id, row } as const;
      table.changedLsn = database.log.append({ kind: 'change', transaction, change });
      table.add(id, row);
      return row;
    });
    database.log.append({ kind: 'commit', transaction, timeMs: this.clock().getTime() });
    return added;
  }

  /** Changes one row of a system table under the same rules as `insertRows`. Its keys stay. */
  replaceRow(table: StoredTable, id: RowId, after: Row): void {
    const before = table.rows.get(id)?.row;
    if (before === undefined) throw new Error(`table ${table.definition.name} has no row ${id}`);
    const { log } = table.database;
    const transaction = this.nextTransactionId();
    log.append({ kind: 'begin', transaction });
    const change = { kind: 'update', table: table.objectId, id, before, after } as const;
    table.changedLsn = log.append({ kind: 'change', transaction, change });
    table.replace(id, after);
    log.append({ kind: 'commit', transaction, timeMs: this.clock().getTime() });
  }

  writeMarkHistory(marks: readonly CommittedMark[]): StoredDatabase {
    const table = this.systemTable('msdb', 'logmarkhistory');
    this.insertRows(
      marks.map(({ database, mark, lsn, timeMs }) => ({
        table,
        values: {
          database_name: database.name,
          mark_name: mark.name,
          description: mark.description ?? null,
          user_name: mark.user,
          lsn: { kind: 'decimal', unscaled: lsn, scale: 0 },
          mark_time: toDatetimePrecision(new Date(timeMs)),
        },
      })),
    );
    return table.database;
  }

  committed(database: StoredDatabase): void {
    this.#checkpoints.committed(database);
  }

  async checkpoint(database: StoredDatabase): Promise<void> {
    // The rows of a standby are not those of its log.
    if (database.volatile || !database.loaded || database.inStandby) return;
    await checkpoint(this.disk, database, this.dataPath(database));
    database.dataBytes = (await stat(this.dataPath(database))).size;
    for (const file of database.files) grow(this, database, file, database.usedBytes(file.type));
  }

  assertRoom(database: StoredDatabase, object: string | undefined): Promise<void> {
    return assertRoom(this, database, object);
  }

  /** Of the availability group that the fault `availability-group` puts the database in; undefined: in none. */
  replicaId(database: Database): string | undefined {
    return this.faults.databases.isInAvailabilityGroup(database.name) ? this.instanceId : undefined;
  }

  async close(): Promise<void> {
    await this.#checkpoints.ended();
    for (const database of this.databases.values()) {
      if (!database.loaded) continue;
      await this.checkpoint(database);
      await database.log.close();
    }
    await this.save();
    await this.#file.close();
    await this.journal.close();
    this.#checkpoints.assertNoneFailed();
  }
}

function instancePath(options: EngineOptions): string {
  return join(options.dataFolder, 'instance.json');
}
