/** One database of the instance: its description (kept in the instance's list), its tables in memory and its log. */
import { foldText } from './compare.ts';
import type { DatabaseLog } from './database-log.ts';
import { LockResource } from './lock-resource.ts';
import type { Change, MarkRecord, Padding } from './log-records.ts';
import { StoredTable } from './stored-table.ts';
import type {
  Database,
  DatabaseFile,
  DatabaseState,
  Lsn,
  RecoveryModel,
  Session,
  Table,
  TableDefinition,
} from '../contract.ts';

/** What survives a restart besides rows and log. Replaced as a whole: a new object is a new truth, saved by the instance file. */
export type DatabaseDescription = {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date;
  readonly state: DatabaseState;
  readonly readOnly: boolean;
  readonly userAccess: Database['userAccess'];
  readonly recoveryModel: RecoveryModel;
  readonly files: readonly DatabaseFile[];
  readonly familyGuid: string;
  readonly databaseGuid: string;
  readonly recoveryForkGuid: string;
  readonly firstRecoveryForkGuid: string;
  readonly forkPointLsn: Lsn | undefined;
  readonly lastLogBackupLsn: Lsn | undefined;
  /** True until the first log backup after the chain was started. */
  readonly chainBegins: boolean;
  /** `endLsn`: of the full itself; not in the files of earlier stand-ins. */
  readonly differentialBase: { readonly lsn: Lsn; readonly guid: string; readonly endLsn?: Lsn } | undefined;
  readonly redoStart: { readonly lsn: Lsn; readonly forkGuid: string } | undefined;
  /** A restore that never ended: nothing but a new data restore may follow (4319). */
  readonly interrupted: boolean;
  /** Where redo stands to the log it came from: after a tail log that was applied to its end, recovery starts no new fork. */
  readonly tailApplied: boolean;
  /** It can be read between two restores; `state` stays RESTORING. */
  readonly standby?: { readonly undoFile: string } | undefined;
  /** Of the server that its data was backed up on, until recovery upgrades it: one of an older version becomes no standby (3180). */
  readonly dataVersion?: number | undefined;
  readonly ownerSid: string;
};

/** A transaction that has not ended, as the log tells it: its changes that are not undone, oldest first. */
export type OpenTransaction = {
  readonly beginLsn: Lsn;
  readonly changes: Change[];
  decision: string | undefined;
  /** It spans instances and is prepared here: only the outcome of its coordinator may end it. */
  prepared?: { readonly coordinator: string; readonly mark: MarkRecord | undefined };
};

export class StoredDatabase implements Database {
  description: DatabaseDescription;
  /** The description as a crash would find it: what it needs of the log must stay, whatever is true by now. */
  saved: DatabaseDescription;
  log: DatabaseLog;
  readonly system: boolean;
  /** Of the name: one that takes the place of another takes its lock over, and those who wait for it. */
  readonly lock: LockResource;
  /** SINGLE_USER: the session that owns the only place, wherever its current database is (sqlserver.md §8.4). */
  onlyUser: Session | undefined;
  readonly applocks = new Map<string, LockResource>();
  /** Open transactions that changed this database, by id. Live ones keep themselves here; a restoring database those of its source. */
  readonly open = new Map<bigint, OpenTransaction>();
  /** First LSNs that running backups need: the log is not truncated past them. */
  readonly backupsFrom = new Set<Lsn>();
  nextObjectId = 245_575_913;
  /** LSN of the last checkpoint's snapshot and of the oldest record that redo and undo from it need. */
  checkpointLsn: Lsn;
  redoNeedsLsn: Lsn;
  /** LSN of the newest checkpoint record of a data backup or checkpoint: a log set's CheckpointLSN. */
  lastCheckpointRecordLsn: Lsn;
  /** Time of the newest record that came out of a file: applied while restoring, or in the rows already. */
  appliedTimeMs = 0;
  dataBackupRunning = false;
  /** What the last checkpoint wrote to the data file. */
  dataBytes = 0;
  /** A part of the size of its files and of its backups, nowhere else. `changedLsn`: a differential has it when it is newer than its base. */
  padding: (Padding & { readonly changedLsn: Lsn }) | undefined;
  /** Its files cannot be used: some are not there (RECOVERY_PENDING), or are not what they should be (SUSPECT). What it was before, the description keeps. */
  failure: { readonly state: 'RECOVERY_PENDING' | 'SUSPECT'; readonly cause: unknown } | undefined;
  #byName = new Map<string, StoredTable>();
  #byId = new Map<number, StoredTable>();

  constructor(description: DatabaseDescription, log: DatabaseLog, checkpointLsn: Lsn, lock?: LockResource) {
    this.description = description;
    this.saved = description;
    this.log = log;
    this.system = description.id <= 4;
    this.checkpointLsn = checkpointLsn;
    this.redoNeedsLsn = checkpointLsn;
    this.lastCheckpointRecordLsn = checkpointLsn;
    this.lock = lock ?? new LockResource('DATABASE', description.id, '', () => undefined);
  }

  get id(): number {
    return this.description.id;
  }
  get name(): string {
    return this.description.name;
  }
  get createdAt(): Date {
    return this.description.createdAt;
  }
  /** A standby shows as ONLINE; without its undo file as SUSPECT (sqlserver.md §2.3, §9.2). */
  get state(): DatabaseState {
    if (this.failure !== undefined) return this.failure.state;
    return this.inStandby ? 'ONLINE' : this.description.state;
  }
  get inStandby(): boolean {
    return this.description.standby !== undefined && this.description.state === 'RESTORING';
  }
  /** Its restore sequence, if there was one, is over: it has a log of its own. */
  get recovered(): boolean {
    return this.state === 'ONLINE' && !this.inStandby;
  }
  get readOnly(): boolean {
    return this.description.readOnly;
  }
  get userAccess(): Database['userAccess'] {
    return this.description.userAccess;
  }
  get recoveryModel(): RecoveryModel {
    return this.description.recoveryModel;
  }
  get files(): readonly DatabaseFile[] {
    return this.description.files;
  }
  get familyGuid(): string {
    return this.description.familyGuid;
  }
  get databaseGuid(): string {
    return this.description.databaseGuid;
  }
  get recoveryForkGuid(): string {
    return this.description.recoveryForkGuid;
  }
  get firstRecoveryForkGuid(): string {
    return this.description.firstRecoveryForkGuid;
  }
  get forkPointLsn(): Lsn | undefined {
    return this.description.forkPointLsn;
  }
  get lastLogBackupLsn(): Lsn | undefined {
    return this.description.lastLogBackupLsn;
  }
  get differentialBase(): { readonly lsn: Lsn; readonly guid: string } | undefined {
    return this.description.differentialBase;
  }
  /** None while a restore is interrupted: its files stand nowhere (sqlserver.md §9.1: the end of the set *just restored*; unverified). */
  get redoStart(): { readonly lsn: Lsn; readonly forkGuid: string } | undefined {
    return this.description.interrupted ? undefined : this.description.redoStart;
  }
  /** What a file of that type must hold. */
  usedBytes(type: DatabaseFile['type']): number {
    const { bytes, logBytes } = this.padding ?? { bytes: 0, logBytes: 0 };
    return type === 'D' ? this.dataBytes + bytes : this.log.bytes + logBytes;
  }
  get nextLsn(): Lsn {
    return this.log.nextLsn;
  }
  /** Nobody can stop a roll forward before this (4335). */
  get newestTimeMs(): number {
    return Math.max(this.appliedTimeMs, this.log.newestTimeMs);
  }
  /** tempdb: nothing of it survives. */
  get volatile(): boolean {
    return this.id === 2;
  }

  /** False while its files are not in use: offline, an interrupted restore, or not openable. */
  get loaded(): boolean {
    return this.state !== 'OFFLINE' && !this.description.interrupted && this.failure === undefined;
  }

  /** Another one takes its place: whoever waited for this one finds it in the middle of a restore. */
  retire(): void {
    this.change({ state: 'RESTORING' });
  }

  change(part: Partial<DatabaseDescription>): void {
    this.description = { ...this.description, ...part };
  }

  table(schema: string, name: string): StoredTable | undefined {
    return this.#byName.get(nameKey(schema, name));
  }

  tableById(objectId: number): StoredTable | undefined {
    return this.#byId.get(objectId);
  }

  tables(): readonly StoredTable[] {
    return [...this.#byId.values()];
  }

  addTable(objectId: number, definition: TableDefinition, changedLsn: Lsn): StoredTable {
    const table = new StoredTable(this, objectId, definition, changedLsn);
    this.attachTable(table);
    return table;
  }

  attachTable(table: StoredTable): void {
    this.#byName.set(nameKey(table.definition.schema, table.definition.name), table);
    this.#byId.set(table.objectId, table);
    // Object ids advance by this step on a real server too, modulo 2^31 (unverified).
    while (this.nextObjectId <= table.objectId) this.nextObjectId += 16_000_057;
  }

  detachTable(table: Table): void {
    this.#byName.delete(nameKey(table.definition.schema, table.definition.name));
    this.#byId.delete(table.objectId);
  }

  /** Forgets every row: a restore begins anew. */
  clear(): void {
    this.#byName = new Map();
    this.#byId = new Map();
    this.open.clear();
    this.padding = undefined;
  }
}

function nameKey(schema: string, name: string): string {
  return `${foldText(schema)}|${foldText(name)}`;
}
