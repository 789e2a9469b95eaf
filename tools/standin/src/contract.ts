/**
 * What the layers of the stand-in promise each other. Pure types: protocol, sql, engine, recovery, catalogue and biztalk meet here and
 * nowhere else. A layer may import this file, values.ts and messages.ts, and the factory functions that main.ts wires together.
 */
import type {
  AlterDatabaseStatement,
  BackupStatement,
  RestoreInformationStatement,
  RestoreStatement,
} from './database-statements.ts';
import type { SqlType, SqlValue, TypedValue } from './values.ts';

export type {
  AlterDatabaseStatement,
  BackupOptions,
  BackupStatement,
  RestoreInformationStatement,
  RestoreStatement,
  RestoreStop,
} from './database-statements.ts';

// ---------------------------------------------------------------- messages and results

/** One ERROR or INFO of the server. `severity` ≤ 10 is information. Texts and states come from messages.ts, with their source. */
export type Message = {
  readonly number: number;
  readonly severity: number;
  readonly state: number;
  readonly text: string;
  /** Line inside the batch, 1-based. */
  readonly line?: number;
  readonly procedure?: string;
};

/** Thrown by any layer for a failing statement; `messages` in causal order, root cause first (3013 last). */
export interface SqlFailure extends Error {
  readonly messages: readonly Message[];
  /** What the failure does beyond its statement: nothing, end the batch, doom or roll back the transaction, close the connection. */
  readonly scope: 'statement' | 'batch' | 'transaction' | 'connection';
  /** Return status of the procedure that raised it, when it is not that of any failed call. */
  readonly status?: number;
}

export type ResultColumn = { readonly name: string; readonly type: SqlType; readonly nullable: boolean };

/** Where a running request writes. The protocol layer encodes; nothing is buffered past `flush`. */
export interface ResultSink {
  columns(columns: readonly ResultColumn[]): void;
  row(values: readonly SqlValue[]): void;
  info(message: Message): void;
  error(message: Message): void;
  /** Ends one statement. `command`: CurCmd (sqlserver.md §1.5). */
  done(result: { readonly command: number; readonly rowCount?: bigint; readonly failed?: boolean }): void;
  database(from: string, to: string): void;
  transaction(change: 'begin' | 'commit' | 'rollback', descriptor: bigint): void;
  /** Resolves when the bytes are handed to the socket: progress must be visible while the statement runs. */
  flush(): Promise<void>;
}

// ---------------------------------------------------------------- sessions

export type SessionOptions = {
  xactAbort: boolean;
  implicitTransactions: boolean;
  noCount: boolean;
  /** Milliseconds; -1 waits for ever. */
  lockTimeoutMs: number;
  dateFirst: number;
};

/** One logged-in connection. Created by the server, used by every layer. */
export interface Session {
  readonly spid: number;
  readonly login: Login;
  readonly hostName: string;
  readonly programName: string;
  readonly loginTime: Date;
  /** Current database; holds a shared lock on it (changes through Engine.use). */
  database: Database;
  readonly options: SessionOptions;
  /** The open transaction, if any. @@TRANCOUNT = nesting. */
  transaction: Transaction | undefined;
  nesting: number;
  /** Aborts the running request; `reason` is an AbortReason. A new signal for every request. */
  signal: AbortSignal;
  /** What runs now, for sys.dm_exec_requests; undefined when idle. */
  request: RunningRequest | undefined;
  /** Ends the session from outside (KILL, SINGLE_USER WITH ROLLBACK IMMEDIATE): error 596, then the connection closes. */
  kill(by: Session | undefined): void;
}

/** `signal.reason`. After 'kill' the server itself sends 596 and closes: the executor only has to stop. */
export type AbortReason = 'attention' | 'kill' | 'closed' | 'shutdown';

export type RunningRequest = {
  readonly startedAt: Date;
  command: string;
  text: string;
  percentComplete: number;
  /** Spid this request waits for, 0 when it does not. */
  blockedBy: number;
  waitType: string | undefined;
};

export type Login = {
  readonly name: string;
  readonly sid: Uint8Array;
  readonly serverRoles: ReadonlySet<'sysadmin' | 'dbcreator' | 'securityadmin' | 'processadmin'>;
  /** A Windows account; otherwise a login of SQL Server's own. */
  readonly windows?: boolean;
};

// ---------------------------------------------------------------- engine

export type DatabaseState =
  'ONLINE' | 'RESTORING' | 'RECOVERING' | 'RECOVERY_PENDING' | 'SUSPECT' | 'EMERGENCY' | 'OFFLINE';
export type RecoveryModel = 'FULL' | 'BULK_LOGGED' | 'SIMPLE';

/** numeric(25,0) = VLF × 10^15 + block × 10^5 + slot (sqlserver.md §2.6). */
export type Lsn = bigint;

export type DatabaseFile = {
  readonly logicalName: string;
  readonly physicalName: string;
  readonly type: 'D' | 'L';
  sizeBytes: bigint;
  readonly fileId: number;
};

export interface Database {
  readonly id: number;
  readonly name: string;
  readonly createdAt: Date;
  readonly state: DatabaseState;
  readonly inStandby: boolean;
  readonly readOnly: boolean;
  readonly userAccess: 'MULTI_USER' | 'SINGLE_USER' | 'RESTRICTED_USER';
  readonly recoveryModel: RecoveryModel;
  readonly files: readonly DatabaseFile[];
  readonly familyGuid: string;
  readonly databaseGuid: string;
  readonly recoveryForkGuid: string;
  readonly firstRecoveryForkGuid: string;
  readonly forkPointLsn: Lsn | undefined;
  /** undefined exactly while no full started the chain. */
  readonly lastLogBackupLsn: Lsn | undefined;
  readonly differentialBase: { readonly lsn: Lsn; readonly guid: string } | undefined;
  /** The next log record's LSN. */
  readonly nextLsn: Lsn;
  /** Only while RESTORING. */
  readonly redoStart: { readonly lsn: Lsn; readonly forkGuid: string } | undefined;
  readonly system: boolean;
  table(schema: string, name: string): Table | undefined;
  tables(): readonly Table[];
}

export type ColumnDefinition = {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  readonly identity?: { readonly seed: bigint; readonly increment: bigint };
  /** T-SQL text of the DEFAULT expression. */
  readonly defaultText?: string;
};

export type TableDefinition = {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDefinition[];
  /** Column positions. */
  readonly primaryKey?: { readonly name: string; readonly columns: readonly number[] };
  readonly uniques: readonly { readonly name: string; readonly columns: readonly number[] }[];
};

export interface Table {
  readonly objectId: number;
  readonly definition: TableDefinition;
  readonly rowCount: number;
}

export type Row = readonly SqlValue[];
export type RowId = number;

/**
 * Reads and writes of one transaction (explicit or autocommit) over any databases of the instance. Locks are row-grained with intent
 * locks on table and database, READ COMMITTED; waits honour session.options.lockTimeoutMs (1222), the signal, and deadlock detection (1205).
 * Comparisons are case-insensitive with trailing blanks ignored (`compareValues` of engine/compare.ts).
 */
export interface Transaction {
  readonly id: bigint;
  readonly descriptor: bigint;
  readonly name: string | undefined;
  readonly markName: string | undefined;
  readonly startedAt: Date;
  readonly state: 'active' | 'doomed' | 'committed' | 'rolled back';
  /** Spans instances: begun so, or promoted by the first remote statement within it (sqlserver.md §3.4). */
  readonly distributed: boolean;
  /** Makes it distributed, with this instance as the coordinator. Throws when this instance cannot take part in distributed transactions. */
  promote(): void;
  /** Makes the commit a mark in every database that this transaction updated here (sqlserver.md §3.1). */
  mark(name: string, description: string | undefined): void;
  doom(): void;
  /** Rows in key order; `update` takes U locks that a later write turns into X. `hint`: table hints that change locking. */
  scan(
    table: Table,
    intent: 'read' | 'update',
    hint?: {
      readonly holdLock?: boolean;
      readonly tableLockExclusive?: boolean;
      readonly noLock?: boolean;
      readonly readPast?: boolean;
    },
  ): AsyncIterable<{ readonly id: RowId; readonly row: Row }>;
  /** Exact match on the primary key or a unique key (all its columns, in the key's order); a fast path for scan. */
  seek(
    table: Table,
    key: { readonly columns: readonly number[]; readonly values: readonly SqlValue[] },
    intent: 'read' | 'update',
  ): AsyncIterable<{ readonly id: RowId; readonly row: Row }>;
  /** `row` has every column; identity and defaults are filled in by the caller through `nextIdentity`. 2627 on a duplicate key, 515 on NULL. */
  insert(table: Table, row: Row): Promise<RowId>;
  update(table: Table, id: RowId, row: Row): Promise<void>;
  delete(table: Table, id: RowId): Promise<void>;
  nextIdentity(table: Table): bigint;
  /** Gives the U lock of a scanned row back that the statement does not change; without it the lock stays to the end of the transaction. */
  release?(table: Table, id: RowId): void;
  createTable(database: Database, definition: TableDefinition): Promise<Table>;
  dropTable(database: Database, table: Table): Promise<void>;
  truncateTable(table: Table): Promise<void>;
  save(name: string): void;
  /** To a savepoint. False: no such savepoint. */
  rollbackTo(name: string): Promise<boolean>;
  /** Resolves when every log it wrote is on disk. Writes msdb.dbo.logmarkhistory for a marked one. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export interface Engine {
  readonly serverName: string;
  /** 13 … 17. Default 16 (2022). */
  readonly majorVersion: number;
  readonly productVersion: string;
  /** SERVERPROPERTY('InstanceDefaultBackupPath'); undefined: the folder of master's data file. */
  readonly defaultBackupPath?: string;
  readonly clock: () => Date;
  readonly random: () => number;
  readonly linked: LinkedServers;
  database(name: string): Database | undefined;
  databaseById(id: number): Database | undefined;
  databases(): readonly Database[];
  sessions(): readonly Session[];
  /** Login checks done by the server: 4060/18456 for the database. Registers the session and its shared database lock. */
  attach(session: Session): void;
  detach(session: Session): Promise<void>;
  /** USE: 911, 927, 942, 924 …; moves the session's shared database lock. */
  use(session: Session, name: string): Promise<void>;
  begin(session: Session, name: string | undefined): Transaction;
  createDatabase(session: Session, name: string, files: readonly DatabaseFile[] | undefined): Promise<Database>;
  dropDatabase(session: Session, name: string): Promise<void>;
  alterDatabase(session: Session, statement: AlterDatabaseStatement, sink: ResultSink): Promise<void>;
  backup(session: Session, statement: BackupStatement, sink: ResultSink): Promise<void>;
  restore(session: Session, statement: RestoreStatement, sink: ResultSink): Promise<void>;
  restoreInformation(session: Session, statement: RestoreInformationStatement, sink: ResultSink): Promise<void>;
  /** sp_getapplock: 0 granted at once, 1 after waiting, -1 timeout, -2 cancelled, -3 deadlock. */
  getApplock(
    session: Session,
    request: {
      readonly resource: string;
      readonly mode: 'Shared' | 'Exclusive' | 'Update';
      readonly owner: 'Session' | 'Transaction';
      readonly timeoutMs: number;
      readonly database: Database;
    },
  ): Promise<number>;
  /** 0 released, -999 not held. */
  releaseApplock(
    session: Session,
    request: { readonly resource: string; readonly owner: 'Session' | 'Transaction'; readonly database: Database },
  ): number;
  /** Locks held and waited for, for sys.dm_tran_locks. */
  locks(): readonly {
    readonly spid: number;
    readonly resourceType: 'DATABASE' | 'OBJECT' | 'KEY' | 'APPLICATION';
    readonly databaseId: number;
    readonly description: string;
    readonly mode: string;
    readonly status: 'GRANT' | 'WAIT';
  }[];
  readonly serverOptions: ServerOptions;
  logins(): readonly Login[];
  /** CREATE LOGIN … FROM WINDOWS, durable. 15247, 15407, 15025. */
  createWindowsLogin(session: Session, name: string): Promise<void>;
  /** 15247, and 15151 for any that was not created so. */
  dropLogin(session: Session, name: string): Promise<void>;
  /** The folder of this machine behind a path of the instance (`D:\Data\x.mdf`, `\\share\bts\f.bak`); undefined: no map covers it (OS error 3). */
  hostPath(path: string): string | undefined;
  /** Of a database in an availability group; undefined: it is in none. */
  replicaId(database: Database): string | undefined;
  /** The disk behind the instance's paths, when it is smaller than this machine's. */
  readonly diskQuota?: { readonly limitBytes: bigint; availableBytes(): bigint };
  close(): Promise<void>;
}

export type ServerOption = {
  readonly name: string;
  readonly initial: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly advanced: boolean;
};

/** sys.configurations. Values are those of `known`; asking for another name throws. */
export interface ServerOptions {
  readonly known: readonly ServerOption[];
  find(name: string): ServerOption | undefined;
  inUse(name: string): number;
  configured(name: string): number;
  configure(name: string, value: number): Promise<void>;
  /** What is configured is in use from now on. */
  reconfigure(): void;
}

// ---------------------------------------------------------------- objects that are computed rather than stored

/** sys.databases, sys.dm_exec_requests …: rows made when asked for. Visible in every database unless `database` is given. */
export interface VirtualTable {
  readonly schema: string;
  readonly name: string;
  readonly database?: string;
  readonly columns: readonly ResultColumn[];
  /** Without it: in every database (or in `database`). Asked anew at each look-up, so that a restored database has its objects too. */
  readonly existsIn?: (database: Database) => boolean;
  /** `database`: the one whose view was named; ObjectRegistry.findTable has bound it already. */
  rows(session: Session, database?: Database): Promise<Iterable<Row>> | Iterable<Row>;
}

/** sys.dm_os_file_exists(@p) and the like. */
export interface VirtualTableFunction {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ResultColumn[];
  rows(session: Session, args: readonly TypedValue[]): Promise<Iterable<Row>> | Iterable<Row>;
}

export type ProcedureParameter = {
  readonly name: string;
  readonly type: SqlType;
  readonly output?: boolean;
  /** undefined: mandatory. */ readonly default?: SqlValue;
};

/** A procedure written in TypeScript. `database` undefined: a system procedure, found from every database as sp_… */
export interface NativeProcedure {
  readonly database?: string;
  readonly schema: string;
  readonly name: string;
  readonly parameters: readonly ProcedureParameter[];
  /** Without it: in every database (or in `database`). Asked anew at each look-up. */
  readonly existsIn?: (database: Database) => boolean;
  /** Returns the return status. Outputs are written with context.output. Runs in the caller's session and transaction. */
  run(context: ProcedureContext): Promise<number>;
}

export interface ProcedureContext {
  readonly session: Session;
  readonly engine: Engine;
  /** Database the procedure belongs to (for a system procedure: the session's current one). */
  readonly database: Database;
  readonly sink: ResultSink;
  argument(name: string): SqlValue;
  output(name: string, value: SqlValue): void;
  /** Runs T-SQL in this session (same transaction, `database` as current database); result rows are returned, messages go to the sink. Throws SqlFailure. */
  query(
    text: string,
    parameters?: Readonly<Record<string, TypedValue>>,
  ): Promise<readonly Readonly<Record<string, SqlValue>>[]>;
  /** Runs it with its result sets going to the client. */
  execute(text: string, parameters?: Readonly<Record<string, TypedValue>>): Promise<void>;
  /** RAISERROR. Severity ≥ 11 throws SqlFailure (scope statement), ≤ 10 is an info message. */
  raise(message: Message): void;
}

/** Databases, tables, views and procedures that catalogue/ and biztalk/ add to an engine. */
export interface ObjectRegistry {
  virtualTable(table: VirtualTable): void;
  virtualFunction(fn: VirtualTableFunction): void;
  procedure(procedure: NativeProcedure): void;
  findTable(database: Database, schema: string, name: string): VirtualTable | undefined;
  findFunction(schema: string, name: string): VirtualTableFunction | undefined;
  findProcedure(database: Database, schema: string, name: string): NativeProcedure | undefined;
}

// ---------------------------------------------------------------- linked instances

/** Another instance under the name that statements use for it (sys.servers). */
export type LinkedServer = {
  readonly id: number;
  readonly name: string;
  readonly product: string;
  /** What the peers file resolves. */
  readonly dataSource: string;
  readonly rpc: boolean;
  readonly rpcOut: boolean;
  readonly dataAccess: boolean;
};

/** One batch at the other instance, in the session there that belongs to the caller's session. */
export type RemoteRequest = {
  /** Current database there; 911 of the other instance when it does not exist. */
  readonly database: string;
  readonly text: string;
  readonly parameters: readonly RpcParameter[];
  /** A procedure call needs `rpc out` (7411); a query needs `data access`. */
  readonly kind: 'query' | 'procedure';
};
export type RemoteAnswer = {
  readonly resultSets: readonly { readonly columns: readonly ResultColumn[]; readonly rows: readonly Row[] }[];
  /** Of the last statement that counted rows. */
  readonly rowCount: bigint | undefined;
  /** Values of the output parameters and, for a procedure called with `RETURN`, what the text assigned: by name. */
  readonly outputs: ReadonlyMap<string, TypedValue>;
  /** Of severity ≤ 10, in order. Errors are thrown as SqlFailure with the other instance's messages. */
  readonly infos: readonly Message[];
};

export interface LinkedServers {
  list(): readonly LinkedServer[];
  /** Letter case does not count. */
  find(name: string): LinkedServer | undefined;
  /** Durable. */
  add(server: { readonly name: string; readonly product: string; readonly dataSource: string }): Promise<void>;
  drop(name: string): Promise<void>;
  set(name: string, option: 'rpc' | 'rpc out' | 'data access', on: boolean): Promise<void>;
  /**
   * Within the caller's transaction when one is open (it becomes distributed), otherwise as a transaction of its own. The session's signal
   * cancels it there as well. Throws SqlFailure: 7202 unknown name, 7411 not configured, what the other instance raised, or that it cannot
   * be reached.
   */
  ask(session: Session, server: string, request: RemoteRequest): Promise<RemoteAnswer>;
}

// ---------------------------------------------------------------- execution

export type RpcParameter = { readonly name: string; readonly output: boolean; readonly value: TypedValue };

/** sql/ implements this; the server calls it, one request at a time per session. */
export interface Executor {
  /** RESETCONNECTION and the end of a session: open transaction rolled back, temporary tables dropped, prepared statements forgotten, SET options as at login. */
  reset?(session: Session): Promise<void>;
  batch(session: Session, text: string, sink: ResultSink): Promise<void>;
  /**
   * sp_executesql, sp_prepare/execute/unprepare/prepexec and named procedures. Returns status and output values for the protocol layer.
   * Errors of statements go to the sink; a thrown error is a bug of the stand-in.
   */
  call(
    session: Session,
    procedure: string,
    parameters: readonly RpcParameter[],
    sink: ResultSink,
  ): Promise<{
    readonly status: number;
    readonly outputs: readonly { readonly name: string; readonly value: TypedValue }[];
  }>;
  /** Transaction-manager requests of the driver. */
  transactionManager(
    session: Session,
    request: {
      readonly operation: 'begin' | 'commit' | 'rollback' | 'save';
      readonly name: string;
      readonly beginNext?: boolean;
    },
    sink: ResultSink,
  ): Promise<void>;
}

/** One line of the statement log (JSON lines): what ran, how it ended. The witness for repeats, durations and refused statements. */
export type StatementLogEntry = {
  readonly at: string;
  readonly spid: number;
  readonly program: string;
  readonly text: string;
  readonly outcome: 'started' | 'ok' | 'failed' | 'cancelled' | 'unsupported';
  readonly errors: readonly number[];
  readonly milliseconds: number;
};

/** Where the executor writes statement by statement; made by the server, one file per instance. */
export interface StatementLog {
  write(entry: StatementLogEntry): void;
}
