import { setTimeout } from 'node:timers/promises';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { StoreError, storeError } from './errors.ts';
import { selectFence, superseded } from './fence.ts';
import type { Lease } from './lease.ts';

const maxCachedStatements = 256;
const retryMs = 10;
const busyLimitMs = 5_000;

/**
 * Kysely over node:sqlite: one connection, handed out in the order it was asked for. `begin immediate`, because a deferred transaction
 * that reads first and writes later meets SQLITE_BUSY whatever the timeout. WAL with synchronous=full: what a caller was told is
 * committed must survive a power cut, not only a kill. With a lease, every transaction asks first whether its holder still leads.
 */
export function nodeSqliteDialect(file: string, lease?: Lease): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new NodeSqliteDriver(file, lease),
    createIntrospector: db => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

class NodeSqliteDriver implements Driver {
  readonly #file: string;
  readonly #lease: Lease | undefined;
  #connection: Connection | undefined;
  #tail: Promise<undefined> = Promise.resolve(undefined);
  #free: (() => void) | undefined;

  constructor(file: string, lease: Lease | undefined) {
    this.#file = file;
    this.#lease = lease;
  }

  async init(): Promise<void> {
    try {
      const db = new DatabaseSync(this.#file, { timeout: 50 });
      db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on');
      this.#connection = new Connection(db);
    } catch (error) {
      throw storeError(error, 'The store could not be opened');
    }
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#tail = promise;
    await before;
    this.#free = () => resolve(undefined);
    if (this.#connection === undefined) throw new Error('The store is closed.');
    return this.#connection;
  }

  /** Another process may be writing. SQLite's own waiting would stop this whole process, so we wait here, between short tries. */
  async beginTransaction(): Promise<void> {
    for (let waitedMs = 0; ; waitedMs += retryMs) {
      try {
        this.#run('begin immediate');
        break;
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind !== 'busy' || waitedMs >= busyLimitMs) throw error;
      }
      await setTimeout(retryMs);
    }
    this.#requireLead();
    this.#connection?.enterTransaction();
  }

  /** With the write lock in hand the row cannot change any more: who leads now leads at the commit. */
  #requireLead(): void {
    if (this.#lease === undefined) return;
    try {
      requireLead(this.#lease, this.#connection?.fencingToken());
    } catch (error) {
      this.#run('rollback');
      throw storeError(error, 'The store could not be asked who leads it');
    }
  }

  async commitTransaction(): Promise<void> {
    this.#connection?.requireTransaction();
    this.#run('commit');
    this.#connection?.leaveTransaction();
  }

  async rollbackTransaction(): Promise<void> {
    // A full disk rolls back by itself; a second rollback would hide that error behind its own.
    if (this.#connection?.db.isTransaction === true) this.#run('rollback');
    this.#connection?.leaveTransaction();
  }

  async releaseConnection(): Promise<void> {
    this.#free?.();
  }

  async destroy(): Promise<void> {
    this.#connection?.db.close();
    this.#connection = undefined;
  }

  #run(statement: string): void {
    try {
      this.#connection?.db.exec(statement);
    } catch (error) {
      throw storeError(error, statement);
    }
  }
}

type Prepared = { readonly statement: StatementSync; readonly columns: readonly string[] };

class Connection implements DatabaseConnection {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, Prepared>();
  #fence: StatementSync | undefined;
  #inTransaction = false;

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  /** Of the newest leader that took this store over. */
  fencingToken(): number {
    this.#fence ??= this.db.prepare(selectFence);
    return Number(this.#fence.get()?.['fencing_token']);
  }

  enterTransaction(): void {
    this.#inTransaction = true;
  }

  leaveTransaction(): void {
    this.#inTransaction = false;
  }

  /** SQLite ends a transaction by itself on a full disk; a caller that goes on after that error would commit each statement alone. */
  requireTransaction(): void {
    if (this.#inTransaction && !this.db.isTransaction)
      throw new StoreError(
        'other',
        'The transaction was rolled back by an earlier error; nothing of it can be committed.',
      );
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    this.requireTransaction();
    try {
      const { statement, columns } = this.#prepare(sql);
      const bound = parameters.map(bind);
      // Arrays, whatever the types of node:sqlite say: setReturnArrays.
      if (columns.length > 0)
        return {
          rows: (statement.all(...bound) as unknown as SQLOutputValue[][]).map(row => rowOf(columns, row)) as Row[],
        };
      const { changes } = statement.run(...bound);
      return { rows: [], numAffectedRows: BigInt(changes) };
    } catch (error) {
      throw storeError(error, 'A statement of the store failed');
    }
  }

  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Streaming from the store is not built; page instead.');
  }

  #prepare(text: string): Prepared {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.db.prepare(text);
    // Without it an integer beyond 2^53 throws, whoever asked for the row.
    statement.setReadBigInts(true);
    // And objects of node:sqlite have no prototype and cost three times as much as ours.
    statement.setReturnArrays(true);
    const made = { statement, columns: statement.columns().map(({ name }) => name) };
    if (this.#statements.size >= maxCachedStatements) this.#statements.clear();
    this.#statements.set(text, made);
    return made;
  }
}

function requireLead(lease: Lease, token: number | undefined): void {
  if (token === lease.fencingToken) return;
  const reason = superseded(lease, `token ${String(token)} has taken it over`);
  lease.lose(reason);
  throw reason;
}

/** node:sqlite reads a leading object as named parameters and stores NULL without a word: only plain values pass. */
function bind(value: unknown): SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'bigint' || value instanceof Uint8Array)
    return value;
  if (typeof value === 'number' && Number.isFinite(value) && (Number.isSafeInteger(value) || !Number.isInteger(value)))
    return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  const what =
    value instanceof Date ? 'a Date (store an RFC 3339 text)' : value === undefined ? 'undefined' : typeof value;
  throw new StoreError('other', `Cannot bind ${what} to a statement of the store.`);
}

/** Numbers where they are exact, bigint beyond. */
function rowOf(columns: readonly string[], values: readonly SQLOutputValue[]): Record<string, SQLOutputValue> {
  const row: Record<string, SQLOutputValue> = {};
  for (const [at, column] of columns.entries()) {
    const value = values[at] ?? null;
    row[column] = typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  return row;
}
