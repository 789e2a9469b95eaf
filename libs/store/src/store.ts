import { AsyncLocalStorage } from 'node:async_hooks';
import { Kysely } from 'kysely';
import { sqliteDialect, type StoreDialect } from './dialect.ts';
import { type FenceOptions, raiseFence } from './fence.ts';
import type { Lease } from './lease.ts';
import { nodeSqliteDialect } from './node-sqlite.ts';

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
}

/**
 * Takes the store over for the lease's holder: waits for whoever has it locked (`FenceOptions`), then answers a store whose every
 * transaction throws StoreError `superseded`, and ends the lease, once a newer leader has taken it over. Reads go on.
 */
export async function openLedStore<DB>(options: FenceOptions): Promise<Store<DB>> {
  await raiseFence(options);
  return new SqliteStore<DB>(options.file, options.lease);
}

/** A store that only this process has: no leader is asked for. @throws StoreError `cannot-open`, `corrupt` … at the first use. */
export function openStore<DB>(options: { readonly file: string }): Store<DB> {
  return new SqliteStore<DB>(options.file);
}

type Work = { readonly kind: 'read' | 'transaction'; open: boolean };

class SqliteStore<DB> implements MigratableStore<DB> {
  readonly database: Kysely<DB>;
  readonly #listeners = new Set<() => void>();
  readonly #working = new AsyncLocalStorage<Work>();

  constructor(file: string, lease?: Lease) {
    this.database = new Kysely<DB>({ dialect: nodeSqliteDialect(file, lease) });
  }

  read<T>(work: (db: Reader<DB>) => Promise<T>): Promise<T> {
    this.#refuseNesting();
    return this.database.connection().execute(db => this.#during('read', () => work(withDialect<Reader<DB>>(db))));
  }

  async transaction<T>(work: (tx: Transactor<DB>) => Promise<T>): Promise<T> {
    this.#refuseNesting();
    const result = await this.database
      .transaction()
      .execute(tx => this.#during('transaction', () => work(withDialect<Transactor<DB>>(tx))));
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

function withDialect<Handle>(db: object): Handle {
  return Object.assign(db, { dialect: sqliteDialect }) as unknown as Handle;
}
