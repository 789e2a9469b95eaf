import { setTimeout } from 'node:timers/promises';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  MssqlAdapter,
  MssqlIntrospector,
  type QueryResult,
  type TransactionSettings,
} from 'kysely';
import { StoreError } from './errors.ts';
import type { Lease } from './lease.ts';
import { type SqlServerLocation, SqlSession } from './sql-server.ts';
import { StoreMssqlCompiler } from './sql-server-compiler.ts';
import { sqlServerStoreError } from './sql-server-errors.ts';
import { Fence, prepareFence, programOf, unknownOutcome } from './sql-server-fence.ts';

const resolveLimitMs = 30_000;
const resolveEveryMs = 100;
/** Reads that wait for each other share a transaction for so long; then writers, of other processes too, have their turn. */
const sharedReadMs = 50;

/**
 * Kysely over one connection of `mssql`, handed out in the order it was asked for. Transactions of other processes are kept apart by the fence
 * row. A transaction with access mode `read only` is a read: it holds that row shared.
 */
export function sqlServerKysely(location: SqlServerLocation, lease?: Lease): Dialect {
  return {
    createAdapter: () => new MssqlAdapter(),
    createDriver: () => new SqlServerDriver(location, lease),
    createIntrospector: db => new MssqlIntrospector(db),
    createQueryCompiler: () => new StoreMssqlCompiler(),
  };
}

class SqlServerDriver implements Driver {
  readonly #location: SqlServerLocation;
  readonly #program: string;
  readonly #fence: Fence;
  #session: SqlSession | undefined;
  #writes = false;
  #closed = false;
  #tail: Promise<undefined> = Promise.resolve(undefined);
  #free: (() => void) | undefined;
  /** Asked for and not handed out. */
  #waiting = 0;
  #begunAt = 0;

  constructor(location: SqlServerLocation, lease: Lease | undefined) {
    this.#location = location;
    this.#program = programOf(lease);
    this.#fence = new Fence(lease);
  }

  async init(): Promise<void> {
    await prepareFence(await this.#open());
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#tail;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#tail = promise;
    this.#waiting += 1;
    await before;
    this.#waiting -= 1;
    this.#free = () => resolve(undefined);
    try {
      if (this.#closed) throw new Error('The store is closed.');
      return new Connection(await this.#open());
    } catch (error) {
      // Nobody gives back what was not handed out.
      this.#free();
      throw error;
    }
  }

  async beginTransaction(_connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    const session = this.#current();
    const isRead = settings.accessMode === 'read only';
    this.#writes = !isRead;
    if (isRead && session.inTransaction) return;
    try {
      if (session.inTransaction) await session.commit();
      await session.begin();
      await (isRead ? this.#fence.share(session) : this.#fence.enter(session));
      this.#begunAt = performance.now();
    } catch (error) {
      await session.rollback();
      throw sqlServerStoreError(error, 'A transaction of the store could not begin');
    }
  }

  async commitTransaction(): Promise<void> {
    const session = this.#current();
    // Still one state, and no round trip for its beginning and end: with every subject of every runner looking, most of all there are.
    if (!this.#writes && this.#waiting > 0 && performance.now() - this.#begunAt < sharedReadMs) return;
    try {
      await session.commit();
    } catch (error) {
      // Whatever became of it: this connection may still have it open.
      session.close();
      const typed = sqlServerStoreError(error, 'commit');
      if (this.#writes && (typed.kind !== 'other' || !isRolledBack(error))) await this.#findOut(typed);
      else throw typed;
    }
    if (this.#writes) this.#fence.committed();
  }

  /** Returns when it is committed. @throws StoreError `lost` when it is not, `unknown` when nobody could say */
  async #findOut(failure: StoreError): Promise<void> {
    // By the clock: each look may wait for a lock itself.
    for (const until = performance.now() + resolveLimitMs; performance.now() < until;) {
      let known: boolean | undefined;
      try {
        known = await this.#fence.isCommitted(await this.#open());
      } catch (error) {
        // Not reached, or reached and lost again; anything else will not change by asking again.
        if (!(error instanceof StoreError) || (error.kind !== 'cannot-open' && error.kind !== 'lost'))
          throw unknownOutcome(error);
      }
      if (known === true) return;
      if (known === false)
        throw new StoreError(
          'lost',
          'The connection was lost before the commit: nothing of the transaction is committed.',
          failure,
        );
      await setTimeout(resolveEveryMs);
    }
    throw unknownOutcome(failure);
  }

  async rollbackTransaction(): Promise<void> {
    await this.#session?.rollback();
  }

  async releaseConnection(): Promise<void> {
    try {
      // Nobody comes who would end it.
      if (this.#waiting === 0 && this.#session?.inTransaction === true) await this.#session.commit();
    } catch {
      // It only read; without its connection the server ends it.
      this.#session?.close();
    } finally {
      this.#free?.();
    }
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    await this.#session?.end();
  }

  async #open(): Promise<SqlSession> {
    if (this.#session === undefined || this.#session.broken)
      this.#session = await SqlSession.open(this.#location, this.#program);
    return this.#session;
  }

  #current(): SqlSession {
    if (this.#session === undefined) throw new Error('A connection is used before it was asked for.');
    return this.#session;
  }
}

/** The server said so itself, before the commit. */
function isRolledBack(error: unknown): boolean {
  return Error.isError(error) && 'code' in error && error.code === 'EABORT';
}

class Connection implements DatabaseConnection {
  readonly #session: SqlSession;

  constructor(session: SqlSession) {
    this.#session = session;
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    try {
      const { rows, affected } = await this.#session.query(sql, parameters);
      return { rows: rows as Row[], numAffectedRows: BigInt(affected) };
    } catch (error) {
      throw sqlServerStoreError(error, 'A statement of the store failed');
    }
  }

  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('Streaming from the store is not built; page instead.');
  }
}
