import { AsyncLocalStorage } from 'node:async_hooks';
import { HandleEmptyInListsPlugin, Kysely, replaceWithNoncontingentExpression } from 'kysely';
import { mssqlDialect, sqliteDialect, type StoreDialect } from './dialect.ts';
import { type FenceOptions, raiseFence } from './fence.ts';
import type { Lease } from './lease.ts';
import { nodeSqliteDialect } from './node-sqlite.ts';
import type { SqlServerLocation } from './sql-server.ts';
import { sqlServerKysely } from './sql-server-driver.ts';
import { raiseSqlServerFence, type SqlServerFenceOptions } from './sql-server-fence.ts';

/** Can select and nothing else. What one `read` sees is one state of the store. */
export type Reader<DB> = Pick<Kysely<DB>, 'selectFrom'> & { readonly dialect: StoreDialect };

declare const inTransaction: unique symbol;

/** Exists only inside `Store.transaction`: without one in hand no write compiles. */
export type Transactor<DB> = Reader<DB> &
  Pick<Kysely<DB>, 'insertInto' | 'updateTable' | 'deleteFrom'> & { readonly [inTransaction]: true };

/**
 * One service's own database. LSNs are stored as text; an integer beyond 2^53 is read as a bigint.
 */
export interface Store<DB> {
  read<T>(work: (db: Reader<DB>) => Promise<T>): Promise<T>;
  /** All or nothing, serialised with every other transaction of this store. Throws what `work` throws, after rolling back. */
  transaction<T>(work: (tx: Transactor<DB>) => Promise<T>): Promise<T>;
  /** Called once after each commit, outside of it: a listener that throws does not undo what is committed. Returns the way to stop listening. */
  afterCommit(listener: () => void): () => void;
  close(): Promise<void>;
}

/** What `migrate` needs beyond a Store. Not exported by the library. */
export interface MigratableStore<DB> extends Store<DB> {
  readonly database: Kysely<DB>;
  readonly dialect: StoreDialect['name'];
}

/**
 * Takes the store over for the lease's holder: waits for whoever has it locked (`FenceOptions`), then answers a store whose every
 * transaction throws StoreError `superseded`, and ends the lease, once a newer leader has taken it over. Reads go on.
 */
export async function openLedStore<DB>(options: FenceOptions | SqlServerFenceOptions): Promise<Store<DB>> {
  if ('sqlServer' in options) await raiseSqlServerFence(options);
  else await raiseFence(options);
  return new KyselyStore<DB>(options, options.lease);
}

/** Where a store is: a file of this machine, or a database of SQL Server. */
export type StoreLocation = { readonly file: string } | { readonly sqlServer: SqlServerLocation };

/** A store that only this process has: no leader is asked for. @throws StoreError `cannot-open`, `corrupt` … at the first use. */
export function openStore<DB>(location: StoreLocation): Store<DB> {
  return new KyselyStore<DB>(location);
}

type Work = { readonly kind: 'read' | 'transaction'; open: boolean };

class KyselyStore<DB> implements MigratableStore<DB> {
  readonly database: Kysely<DB>;
  readonly dialect: StoreDialect['name'];
  readonly #statements: StoreDialect;
  readonly #listeners = new Set<() => void>();
  readonly #working = new AsyncLocalStorage<Work>();

  constructor(location: StoreLocation, lease?: Lease) {
    const isServer = 'sqlServer' in location;
    this.dialect = isServer ? 'mssql' : 'sqlite';
    this.#statements = isServer ? mssqlDialect : sqliteDialect;
    this.database = new Kysely<DB>({
      // `in ()` is no T-SQL.
      plugins: isServer ? [new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression })] : [],
      dialect: isServer ? sqlServerKysely(location.sqlServer, lease) : nodeSqliteDialect(location.file, lease),
    });
  }

  read<T>(work: (db: Reader<DB>) => Promise<T>): Promise<T> {
    this.#refuseNesting();
    const run = (db: object): Promise<T> =>
      this.#during('read', () => work(withDialect<Reader<DB>>(db, this.#statements)));
    // A file's one connection sees no other writer meanwhile; a server has others.
    if (this.dialect === 'sqlite') return this.database.connection().execute(run);
    return this.database.transaction().setAccessMode('read only').execute(run);
  }

  async transaction<T>(work: (tx: Transactor<DB>) => Promise<T>): Promise<T> {
    this.#refuseNesting();
    const result = await this.database
      .transaction()
      .execute(tx => this.#during('transaction', () => work(withDialect<Transactor<DB>>(tx, this.#statements))));
    for (const listener of this.#listeners) queueMicrotask(listener);
    return result;
  }

  afterCommit(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.database.destroy();
  }

  async #during<T>(kind: Work['kind'], run: () => Promise<T>): Promise<T> {
    const here: Work = { kind, open: true };
    try {
      return await this.#working.run(here, run);
    } finally {
      here.open = false;
    }
  }

  /** There is one connection: a read or transaction inside another would wait for itself for ever. */
  #refuseNesting(): void {
    const outer = this.#working.getStore();
    // Work that was started inside and outlives it is free again.
    if (outer?.open === true)
      throw new Error(`This runs inside a ${outer.kind} of the same store: use the one in hand.`);
  }
}

function withDialect<Handle>(db: object, dialect: StoreDialect): Handle {
  return Object.assign(db, { dialect }) as unknown as Handle;
}
