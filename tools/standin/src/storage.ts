/** Databases, tables and transactions as every layer sees them; a part of contract.ts, which exports these names. */
import type { Comparison } from './comparison.ts';
import type { SqlType, SqlValue } from './values.ts';

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
  /** Absent: none. */
  readonly indexes?: readonly IndexDefinition[];
  /** T-SQL text of each condition; the sql layer holds rows against it. */
  readonly checks?: readonly { readonly name: string; readonly text: string }[];
  readonly references?: readonly ReferenceDefinition[];
};

/** CREATE INDEX. Only a unique one changes what may be stored; `filter`: the rows that it has, all of them where it is absent. */
export type IndexDefinition = {
  readonly name: string;
  readonly columns: readonly number[];
  readonly unique: boolean;
  readonly filter?: readonly { readonly column: number; readonly isNull: boolean }[];
};

/** A foreign key; `toColumns`: positions in the other table, of its primary or a unique key. */
export type ReferenceDefinition = {
  readonly name: string;
  readonly columns: readonly number[];
  readonly schema: string;
  readonly table: string;
  readonly toColumns: readonly number[];
};

export interface Table {
  readonly objectId: number;
  readonly definition: TableDefinition;
  readonly rowCount: number;
}

/** `column operator value`, as WHERE has it; not for columns of a binary collation. */
export type ColumnTest = {
  readonly column: number;
  readonly operator: Exclude<Comparison, '<>'>;
  readonly value: SqlValue;
};

export type Row = readonly SqlValue[];
export type RowId = number;

/**
 * Reads and writes of one transaction (explicit or autocommit) over any databases of the instance. Locks are row-grained with intent
 * locks on table and database, READ COMMITTED; waits honour session.options.lockTimeoutMs (1222), the signal, and deadlock detection (1205).
 * Comparisons are case-insensitive with trailing blanks ignored (`compareValues` of engine/compare.ts);
 * columns of a binary collation by code units.
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
      /** Rows that fail one of them and are locked by nobody may be left out. */
      readonly where?: readonly ColumnTest[];
    },
  ): AsyncIterable<{ readonly id: RowId; readonly row: Row }>;
  /** Exact match on the primary key or a unique key (all its columns, in the key's order); a fast path for scan. */
  seek(
    table: Table,
    key: { readonly columns: readonly number[]; readonly values: readonly SqlValue[] },
    intent: 'read' | 'update',
    hint?: { readonly holdLock?: boolean; readonly tableLockExclusive?: boolean },
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
  /**
   * Another definition for a table: more columns at its end, more indexes. `fill`: what the rows that are there get in the new columns. 1505 when
   * a new unique index finds rows that are equal.
   */
  alterTable(table: Table, definition: TableDefinition, fill: Row): Promise<void>;
  truncateTable(table: Table): Promise<void>;
  save(name: string): void;
  /** To a savepoint. False: no such savepoint. */
  rollbackTo(name: string): Promise<boolean>;
  /** Resolves when every log it wrote is on disk. Writes msdb.dbo.logmarkhistory for a marked one. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
}
