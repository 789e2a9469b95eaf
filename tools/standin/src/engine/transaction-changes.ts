/** What one transaction has changed, in order: logged as it happens, undone newest first, and found again after a crash. */
import type { LockOwner } from './lock-resource.ts';
import type { Change } from './log-records.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';
import type { StoredTable } from './stored-table.ts';

type Step = { readonly database: StoredDatabase; readonly table: StoredTable; readonly change: Change };

export class TransactionChanges {
  readonly #transaction: bigint;
  readonly #steps: Step[] = [];
  readonly participants = new Map<StoredDatabase, OpenTransaction>();

  constructor(transaction: bigint) {
    this.#transaction = transaction;
  }

  get count(): number {
    return this.#steps.length;
  }

  /** Whether it dropped a table of a database that outlives the process. */
  get dropsTable(): boolean {
    return this.#steps.some(({ database, change }) => change.kind === 'drop table' && !database.volatile);
  }

  /** Appends the change to the log; the caller applies it in the same step. */
  log(table: StoredTable, change: Change): void {
    const { database } = table;
    const transaction = this.#transaction;
    let open = this.participants.get(database);
    if (open === undefined) {
      const beginLsn = database.log.append({ kind: 'begin', transaction });
      open = { beginLsn, changes: [], decision: undefined };
      this.participants.set(database, open);
      database.open.set(transaction, open);
    }
    table.changedLsn = database.log.append({ kind: 'change', transaction, change });
    open.changes.push(change);
    this.#steps.push({ database, table, change });
  }

  undoTo(count: number): void {
    for (const { database, table, change } of this.#steps.splice(count).reverse()) {
      const lsn = database.log.append({ kind: 'undo', transaction: this.#transaction });
      this.participants.get(database)?.changes.pop();
      table.changedLsn = lsn;
      if (change.kind === 'insert') table.remove(change.id);
      else if (change.kind === 'update') table.replace(change.id, change.before);
      else if (change.kind === 'delete') table.setGhost(change.id, false);
      else if (change.kind === 'alter table') table.redefine(change.before);
      else if (change.kind === 'create table') database.detachTable(table);
      else database.attachTable(table);
    }
  }

  /** Everything, with the end of the transaction in every log. */
  undo(timeMs: number): void {
    this.undoTo(0);
    for (const database of this.participants.keys()) {
      database.log.append({ kind: 'abort', transaction: this.#transaction, timeMs });
      database.open.delete(this.#transaction);
    }
  }

  /** Committed: deleted rows go for good. */
  dropGhosts(): void {
    for (const { table, change } of this.#steps) {
      if (change.kind === 'delete' && table.rows.get(change.id)?.ghost === true) table.remove(change.id);
    }
  }

  /** Takes over what recovery found in the log of `database`, with the locks that kept others away from it. */
  adopt(database: StoredDatabase, owner: LockOwner): void {
    const open = database.open.get(this.#transaction);
    if (open === undefined) return;
    this.participants.set(database, open);
    database.lock.grant(owner, 'S');
    for (const change of open.changes) this.#adoptChange(database, change, owner);
  }

  #adoptChange(database: StoredDatabase, change: Change, owner: LockOwner): void {
    const table = database.tableById(change.table);
    if (table === undefined) throw new Error(`a prepared transaction changed table ${change.table}, which is gone`);
    this.#steps.push({ database, table, change });
    if (change.kind === 'create table' || change.kind === 'drop table' || change.kind === 'alter table') {
      table.lock.grant(owner, 'X');
      return;
    }
    // Redo took the row away; readers must meet its lock.
    if (change.kind === 'delete') table.addGhost(change.id, change.before);
    table.lock.grant(owner, 'IX');
    table.rowLock(change.id).grant(owner, 'X');
  }
}
