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
import type { Faults } from './faults/fault-switches.ts';
import type { Database, DatabaseFile, Row, Transaction } from './storage.ts';
import type { SqlType, SqlValue, TypedValue } from './values.ts';

export type {
  AlterDatabaseStatement,
  BackupOptions,
  BackupStatement,
  RestoreInformationStatement,
  RestoreStatement,
  RestoreStop,
} from './database-statements.ts';
export type {
  NativeProcedure,
  ObjectRegistry,
  ProcedureContext,
  ProcedureParameter,
  VirtualTable,
  VirtualTableFunction,
} from './computed-objects.ts';
export type {
  ColumnDefinition,
  ColumnTest,
  Database,
  DatabaseFile,
  DatabaseState,
  IndexDefinition,
  Lsn,
  RecoveryModel,
  ReferenceDefinition,
  Row,
  RowId,
  Table,
  TableDefinition,
  Transaction,
} from './storage.ts';

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
  /** Its connection is encrypted as a whole. */
  readonly encrypted: boolean;
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
  /** The client's connection is gone, and the running request goes on to its end: the fault `connection-cut`. */
  readonly loseClient?: (() => void) | undefined;
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

export interface Engine {
  readonly serverName: string;
  /** 13 … 17. Default 16 (2022). */
  readonly majorVersion: number;
  readonly productVersion: string;
  /** SERVERPROPERTY('InstanceDefaultBackupPath'); undefined: the folder of master's data file. */
  readonly defaultBackupPath?: string;
  /** Local time, as if it were UTC: what msdb, Agent, marks and STOPAT go by. */
  readonly clock: () => Date;
  /** How far local time is east of UTC. */
  readonly utcOffsetMinutes: number;
  /** Until `clock` shows the moment. Rejects with RequestAborted when the session's request is aborted first. */
  waitUntil(session: Session, moment: Date): Promise<void>;
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
  /** Gives it a size that its rows do not have. */
  padDatabase(
    session: Session,
    database: Database,
    sizes: { readonly bytes: bigint; readonly logBytes: bigint },
  ): Promise<void>;
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
    /** -2: of a prepared part of a distributed transaction whose session is gone. */
    readonly spid: number;
    /** Unit of work (GUID) of such a part. */
    readonly unit?: string;
    readonly resourceType: 'DATABASE' | 'OBJECT' | 'KEY' | 'APPLICATION';
    readonly databaseId: number;
    readonly description: string;
    readonly mode: string;
    readonly status: 'GRANT' | 'WAIT';
  }[];
  /** KILL of a unit of work (GUID in upper case) that `locks` lists. Resolves when its end is on disk. 6110 when none of that name waits here, 6113 without an outcome. */
  resolveUnit(unit: string, outcome: 'committed' | 'aborted' | undefined): Promise<void>;
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
  readonly diskQuota?: { readonly limitBytes: bigint; availableBytes(): bigint } | undefined;
  /** What is to go wrong (faults/fault-switches.ts). */
  readonly faults: Faults;
  close(): Promise<void>;
}

export type ServerOption = {
  readonly name: string;
  readonly initial: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly advanced: boolean;
  /** A change is in use after the next start, not after RECONFIGURE. */
  readonly restart: boolean;
};

/** sys.configurations. Values are those of `known`; asking for another name throws. */
export interface ServerOptions {
  readonly known: readonly ServerOption[];
  inUse(name: string): number;
  configured(name: string): number;
  configure(name: string, value: number): Promise<void>;
  /** What is configured is in use from now on, but for what waits for a start. */
  reconfigure(): void;
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
    /** `ordinal`: the place of its parameter in the call, from 0. */
    readonly outputs: readonly { readonly ordinal: number; readonly name: string; readonly value: TypedValue }[];
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
  /** `mayWait`: for the next entry, which brings this one along. */
  write(entry: StatementLogEntry, how?: { readonly mayWait: boolean }): void;
}
