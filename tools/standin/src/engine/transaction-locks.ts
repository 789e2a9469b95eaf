/** The locks of one transaction on databases, tables and rows: its reads under them, and its waits for rows and keys that others hold. */
import { assertAccessible } from './access.ts';
import type { LockMode, LockOwner, LockResource } from './lock-resource.ts';
import { throwIfAborted } from './request-aborted.ts';
import { duplicateKey } from './table-rules.ts';
import { fail } from '../messages.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { StoredTable } from './stored-table.ts';
import type { Row, RowId, Session, Transaction } from '../contract.ts';

export type Intent = Parameters<Transaction['scan']>[1];
export type Hint = NonNullable<Parameters<Transaction['scan']>[2]>;
export type Key = Parameters<Transaction['seek']>[1];
export type Found = { readonly id: RowId; readonly row: Row };

export class TransactionLocks {
  readonly owner: LockOwner;
  readonly #session: Session;

  /** `weight`: what its roll-back would cost. */
  constructor(session: Session, weight: () => number) {
    this.#session = session;
    this.owner = { session, held: new Set(), weight };
  }

  get #timeoutMs(): number {
    return this.#session.options.lockTimeoutMs;
  }

  async *scan(table: StoredTable, intent: Intent, hint: Hint = {}): AsyncIterable<Found> {
    if (hint.noLock === true) {
      for (const id of table.idsWhere(hint.where ?? [])) {
        const current = table.rows.get(id);
        if (current !== undefined && !current.ghost) yield { id, row: current.row };
      }
      return;
    }
    const before = table.lock.granted.get(this.owner);
    await this.lockTable(table, tableMode(intent, hint));
    try {
      for (const id of table.idsWhere(hint.where ?? [])) {
        // What nobody has locked is read without a wait.
        const row =
          intent === 'read' && !table.rowLocks.has(id)
            ? this.#current(table, id)
            : await this.#visible(table, id, intent, hint.readPast === true);
        if (row !== undefined) yield { id, row };
      }
    } finally {
      // READ COMMITTED keeps no read lock past the read; a lock that something stronger needed meanwhile stays.
      if (before === undefined && table.lock.granted.get(this.owner) === 'IS') table.lock.release(this.owner);
    }
  }

  /** HOLDLOCK takes the whole table, where a real server takes the key's range. */
  async *seek(table: StoredTable, key: Key, intent: Intent, hint: Hint = {}): AsyncIterable<Found> {
    const before = table.lock.granted.get(this.owner);
    await this.lockTable(table, tableMode(intent, hint));
    try {
      for (;;) {
        const hit = table.lookup(key.columns, key.values);
        if (hit === undefined) throw new Error(`table ${table.definition.name} has no key over these columns`);
        if (hit.found === undefined) return;
        const id = hit.found;
        const row = await this.#visible(table, id, intent, false);
        // While waiting the key may have gone to another row.
        if (table.lookup(key.columns, key.values)?.found !== id) continue;
        if (row !== undefined) yield { id, row };
        return;
      }
    } finally {
      if (before === undefined && table.lock.granted.get(this.owner) === 'IS') table.lock.release(this.owner);
    }
  }

  /** Gives the U lock of a row back that the statement read and does not change. */
  release(table: StoredTable, id: RowId): void {
    const lock = table.rowLocks.get(id);
    if (lock?.granted.get(this.owner) === 'U') lock.release(this.owner);
  }

  async #visible(table: StoredTable, id: RowId, intent: Intent, skip: boolean): Promise<Row | undefined> {
    if (!table.rows.has(id)) return undefined;
    if (intent === 'read') {
      const lock = table.rowLocks.get(id);
      if (lock !== undefined && !lock.free(this.owner, 'S')) {
        if (skip) return undefined;
        await lock.acquire(this.owner, 'S', this.#timeoutMs);
        lock.release(this.owner);
      }
    } else {
      const lock = table.rowLock(id);
      if (!lock.tryAcquire(this.owner, 'U')) {
        if (skip) return undefined;
        await lock.acquire(this.owner, 'U', this.#timeoutMs);
      }
    }
    return this.#current(table, id);
  }

  #current(table: StoredTable, id: RowId): Row | undefined {
    throwIfAborted(this.#session);
    const current = table.rows.get(id);
    return current === undefined || current.ghost ? undefined : current.row;
  }

  async lockTable(table: StoredTable, mode: LockMode): Promise<void> {
    await this.enter(table.database);
    throwIfAborted(this.#session);
    if (!table.lock.tryAcquire(this.owner, mode)) await table.lock.acquire(this.owner, mode, this.#timeoutMs);
    if (table.database.tableById(table.objectId) !== table) throw fail(208, table.definition.name);
  }

  exclusive(resource: LockResource): Promise<boolean> {
    return resource.acquire(this.owner, 'X', this.#timeoutMs);
  }

  /** Where a prepared transaction only read or passed through nothing waits for its outcome, just as after a crash. */
  leaveDatabases(except: readonly StoredDatabase[]): void {
    const kept = except.map(database => database.lock);
    for (const lock of this.owner.held) if (lock.type === 'DATABASE' && !kept.includes(lock)) lock.release(this.owner);
  }

  /** A database other than the session's own is locked for the rest of the transaction (sqlserver.md §9.3). */
  async enter(database: StoredDatabase): Promise<void> {
    if (database === this.#session.database || database.volatile) return;
    assertAccessible(database, this.#session);
    const held = database.lock.granted.has(this.owner);
    await database.lock.acquire(this.owner, 'S', this.#timeoutMs);
    try {
      // The wait may have been for a RESTORE.
      assertAccessible(database, this.#session);
    } catch (refusal) {
      if (!held) database.lock.release(this.owner);
      throw refusal;
    }
  }

  /** Waits until every key of `row` is free; throws 2627 for one that a committed row (or one of ours) holds. */
  async awaitKeys(table: StoredTable, row: Row, except: RowId | undefined): Promise<void> {
    for (let clean = false; !clean;) {
      clean = true;
      for (const key of table.keys) {
        const holder = table.holder(key, row);
        if (holder === undefined || holder === except) continue;
        const lock = table.rowLocks.get(holder);
        if (lock !== undefined && !lock.free(this.owner, 'S')) {
          const held = lock.granted.has(this.owner);
          await lock.acquire(this.owner, 'S', this.#timeoutMs);
          if (!held) lock.release(this.owner);
          clean = false;
        } else if (table.rows.get(holder)?.ghost !== true) {
          throw duplicateKey(table, key, row);
        }
      }
    }
  }
}

function tableMode(intent: Intent, hint: Hint): LockMode {
  if (hint.tableLockExclusive === true) return 'X';
  if (hint.holdLock === true) return intent === 'read' ? 'S' : 'U';
  return intent === 'read' ? 'IS' : 'IX';
}
