/**
 * One transaction over any databases of the instance. Strict two-phase locking for writes, READ COMMITTED for reads.
 * Every change is applied in memory and appended to its database's log in one step without waiting, so memory and log never disagree.
 */
import { assertAccessible, assertWritable } from './access.ts';
import { commitParticipants, type CommitHost } from './commit.ts';
import { releaseAll, type LockMode, type LockOwner } from './lock-resource.ts';
import type { Change } from './log-records.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';
import { throwIfAborted } from './request-aborted.ts';
import { StoredTable } from './stored-table.ts';
import { assertNotNull, duplicateKey } from './table-rules.ts';
import { fail } from '../messages.ts';
import type { Database, Row, RowId, Session, Table, TableDefinition, Transaction } from '../contract.ts';
import type { SqlValue } from '../values.ts';

type Step = { readonly database: StoredDatabase; readonly table: StoredTable; readonly change: Change };
type Hint = Parameters<Transaction['scan']>[2];
type Found = { readonly id: RowId; readonly row: Row };

export class EngineTransaction implements Transaction {
  readonly id: bigint;
  readonly descriptor: bigint;
  readonly name: string | undefined;
  readonly startedAt: Date;
  readonly owner: LockOwner;
  readonly #session: Session;
  readonly #host: CommitHost;
  readonly #participants = new Map<StoredDatabase, OpenTransaction>();
  readonly #steps: Step[] = [];
  readonly #savepoints: { readonly name: string; readonly steps: number }[] = [];
  #state: Transaction['state'] = 'active';
  #mark: { readonly name: string; readonly description: string | undefined } | undefined;
  #committing: Promise<void> | undefined;

  constructor(host: CommitHost, session: Session, name: string | undefined) {
    this.#host = host;
    this.#session = session;
    this.id = host.nextTransactionId();
    this.descriptor = this.id;
    this.name = name;
    this.startedAt = host.clock();
    this.owner = { session, held: new Set(), weight: () => this.#steps.length };
  }

  get state(): Transaction['state'] {
    return this.#state;
  }
  get markName(): string | undefined {
    return this.#mark?.name;
  }

  mark(name: string, description: string | undefined): void {
    this.#mark = { name, description };
  }

  doom(): void {
    if (this.#state === 'active') this.#state = 'doomed';
  }

  async *scan(table: Table, intent: 'read' | 'update', hint: Hint = {}): AsyncIterable<Found> {
    const stored = this.#stored(table);
    if (hint.noLock === true) {
      for (const id of stored.ids()) {
        const current = stored.rows.get(id);
        if (current !== undefined && !current.ghost) yield { id, row: current.row };
      }
      return;
    }
    const before = stored.lock.granted.get(this.owner);
    await this.#lockTable(stored, tableMode(intent, hint));
    try {
      for (const id of stored.ids()) {
        const row = await this.#visible(stored, id, intent, hint.readPast === true);
        if (row !== undefined) yield { id, row };
      }
    } finally {
      // READ COMMITTED keeps no read lock past the read; a lock that something stronger needed meanwhile stays.
      if (before === undefined && stored.lock.granted.get(this.owner) === 'IS') stored.lock.release(this.owner);
    }
  }

  async *seek(
    table: Table,
    key: { readonly columns: readonly number[]; readonly values: readonly SqlValue[] },
    intent: 'read' | 'update',
  ): AsyncIterable<Found> {
    const stored = this.#stored(table);
    const before = stored.lock.granted.get(this.owner);
    await this.#lockTable(stored, intent === 'read' ? 'IS' : 'IX');
    try {
      for (;;) {
        const hit = stored.lookup(key.columns, key.values);
        if (hit === undefined) throw new Error(`table ${table.definition.name} has no key over these columns`);
        if (hit.found === undefined) return;
        const id = hit.found;
        const row = await this.#visible(stored, id, intent, false);
        // While waiting the key may have gone to another row.
        if (stored.lookup(key.columns, key.values)?.found !== id) continue;
        if (row !== undefined) yield { id, row };
        return;
      }
    } finally {
      if (before === undefined && stored.lock.granted.get(this.owner) === 'IS') stored.lock.release(this.owner);
    }
  }

  /** Gives the U lock of a row back that the statement read and does not change. */
  release(table: Table, id: RowId): void {
    const lock = this.#stored(table).rowLocks.get(id);
    if (lock?.granted.get(this.owner) === 'U') lock.release(this.owner);
  }

  async #visible(table: StoredTable, id: RowId, intent: 'read' | 'update', skip: boolean): Promise<Row | undefined> {
    if (!table.rows.has(id)) return undefined;
    if (intent === 'read') {
      const lock = table.rowLocks.get(id);
      if (lock !== undefined && !lock.free(this.owner, 'S')) {
        if (skip) return undefined;
        await lock.acquire(this.owner, 'S', this.#timeoutMs());
        lock.release(this.owner);
      }
    } else {
      const lock = table.rowLock(id);
      if (!lock.tryAcquire(this.owner, 'U')) {
        if (skip) return undefined;
        await lock.acquire(this.owner, 'U', this.#timeoutMs());
      }
    }
    throwIfAborted(this.#session);
    const current = table.rows.get(id);
    return current === undefined || current.ghost ? undefined : current.row;
  }

  async insert(table: Table, row: Row): Promise<RowId> {
    const stored = await this.#beginWrite(table);
    assertNotNull(stored, row, 'INSERT');
    await this.#awaitKeys(stored, row, undefined);
    return this.#add(stored, row);
  }

  async update(table: Table, id: RowId, row: Row): Promise<void> {
    const stored = await this.#beginWrite(table);
    await stored.rowLock(id).acquire(this.owner, 'X', this.#timeoutMs());
    assertNotNull(stored, row, 'UPDATE');
    const before = this.#current(stored, id);
    if (stored.sameKeys(before, row)) {
      this.#log(stored, { kind: 'update', table: stored.objectId, id, before, after: row });
      stored.replace(id, row);
      return;
    }
    await this.#awaitKeys(stored, row, id);
    this.#remove(stored, id, this.#current(stored, id));
    this.#add(stored, row);
  }

  async delete(table: Table, id: RowId): Promise<void> {
    const stored = await this.#beginWrite(table);
    await stored.rowLock(id).acquire(this.owner, 'X', this.#timeoutMs());
    this.#remove(stored, id, this.#current(stored, id));
  }

  nextIdentity(table: Table): bigint {
    return this.#stored(table).nextIdentity();
  }

  async createTable(database: Database, definition: TableDefinition): Promise<Table> {
    const stored = this.#host.stored(database);
    await this.#enter(stored);
    this.#assertActive();
    assertWritable(stored);
    if (stored.table(definition.schema, definition.name) !== undefined) throw fail(2714, definition.name);
    const objectId = stored.nextObjectId;
    const table = stored.addTable(objectId, definition, stored.nextLsn);
    this.#log(table, { kind: 'create table', table: objectId, definition });
    await table.lock.acquire(this.owner, 'X', this.#timeoutMs());
    return table;
  }

  async dropTable(_database: Database, table: Table): Promise<void> {
    await this.truncateTable(table);
    const stored = this.#stored(table);
    this.#log(stored, { kind: 'drop table', table: stored.objectId, definition: stored.definition });
    stored.database.detachTable(stored);
  }

  async truncateTable(table: Table): Promise<void> {
    const stored = await this.#beginWrite(table);
    await stored.lock.acquire(this.owner, 'X', this.#timeoutMs());
    for (const id of stored.ids()) {
      const current = stored.rows.get(id);
      if (current !== undefined && !current.ghost) this.#remove(stored, id, current.row);
    }
  }

  save(name: string): void {
    this.#savepoints.push({ name, steps: this.#steps.length });
  }

  rollbackTo(name: string): Promise<boolean> {
    const place = this.#savepoints.findLastIndex(savepoint => savepoint.name === name);
    const savepoint = this.#savepoints[place];
    if (savepoint === undefined) return Promise.resolve(false);
    this.#savepoints.length = place + 1;
    this.#undoTo(savepoint.steps);
    return Promise.resolve(true);
  }

  async commit(): Promise<void> {
    if (this.#state === 'doomed') throw fail(3930);
    this.#assertActive();
    this.#committing = commitParticipants(this.#host, {
      id: this.id,
      participants: this.#participants,
      mark: this.#mark === undefined ? undefined : { ...this.#mark, user: this.#session.login.name },
    });
    await this.#committing;
    this.#state = 'committed';
    for (const { table, change } of this.#steps) {
      if (change.kind === 'delete' && table.rows.get(change.id)?.ghost === true) table.remove(change.id);
    }
    releaseAll(this.owner);
  }

  async rollback(): Promise<void> {
    // A commit that has begun is not taken back: its outcome belongs to the journal.
    await this.#committing;
    if (this.#state === 'committed' || this.#state === 'rolled back') return;
    this.#undoTo(0);
    const timeMs = this.#host.clock().getTime();
    for (const database of this.#participants.keys()) {
      database.log.append({ kind: 'abort', transaction: this.id, timeMs });
      database.open.delete(this.id);
    }
    this.#state = 'rolled back';
    releaseAll(this.owner);
  }

  #undoTo(steps: number): void {
    for (const { database, table, change } of this.#steps.splice(steps).reverse()) {
      const lsn = database.log.append({ kind: 'undo', transaction: this.id });
      this.#participants.get(database)?.changes.pop();
      table.changedLsn = lsn;
      if (change.kind === 'insert') table.remove(change.id);
      else if (change.kind === 'update') table.replace(change.id, change.before);
      else if (change.kind === 'delete') table.setGhost(change.id, false);
      else if (change.kind === 'create table') database.detachTable(table);
      else database.attachTable(table);
    }
  }

  #stored(table: Table): StoredTable {
    if (!(table instanceof StoredTable)) throw new Error('a table that is not of this engine');
    return table;
  }

  #current(table: StoredTable, id: RowId): Row {
    const current = table.rows.get(id);
    if (current === undefined || current.ghost) throw new Error(`row ${id} of ${table.definition.name} is gone`);
    return current.row;
  }

  async #beginWrite(table: Table): Promise<StoredTable> {
    const stored = this.#stored(table);
    this.#assertActive();
    await this.#lockTable(stored, 'IX');
    assertWritable(stored.database);
    return stored;
  }

  async #lockTable(table: StoredTable, mode: LockMode): Promise<void> {
    await this.#enter(table.database);
    throwIfAborted(this.#session);
    if (!table.lock.tryAcquire(this.owner, mode)) await table.lock.acquire(this.owner, mode, this.#timeoutMs());
    if (table.database.tableById(table.objectId) !== table) throw fail(208, table.definition.name);
  }

  /** A database other than the session's own is locked for the rest of the transaction (sqlserver.md §9.3). */
  async #enter(database: StoredDatabase): Promise<void> {
    if (database === this.#session.database || database.volatile) return;
    assertAccessible(database, this.#session);
    await database.lock.acquire(this.owner, 'S', this.#timeoutMs());
    assertAccessible(database, this.#session);
  }

  #assertActive(): void {
    if (this.#state === 'doomed') throw fail(3930);
    if (this.#state !== 'active') throw new Error(`transaction ${this.id} is ${this.#state}`);
  }

  #timeoutMs(): number {
    return this.#session.options.lockTimeoutMs;
  }

  /** Waits until every key of `row` is free; throws 2627 for one that a committed row (or one of ours) holds. */
  async #awaitKeys(table: StoredTable, row: Row, except: RowId | undefined): Promise<void> {
    for (let clean = false; !clean;) {
      clean = true;
      for (const key of table.keys) {
        const holder = table.holder(key, row);
        if (holder === undefined || holder === except) continue;
        const lock = table.rowLocks.get(holder);
        if (lock !== undefined && !lock.free(this.owner, 'S')) {
          const held = lock.granted.has(this.owner);
          await lock.acquire(this.owner, 'S', this.#timeoutMs());
          if (!held) lock.release(this.owner);
          clean = false;
        } else if (table.rows.get(holder)?.ghost !== true) {
          throw duplicateKey(table, key, row);
        }
      }
    }
  }

  #add(table: StoredTable, row: Row): RowId {
    const id = table.nextRowId;
    table.rowLock(id).tryAcquire(this.owner, 'X');
    this.#log(table, { kind: 'insert', table: table.objectId, id, row });
    table.add(id, row);
    return id;
  }

  #remove(table: StoredTable, id: RowId, before: Row): void {
    table.rowLock(id).tryAcquire(this.owner, 'X');
    this.#log(table, { kind: 'delete', table: table.objectId, id, before });
    table.setGhost(id, true);
  }

  #log(table: StoredTable, change: Change): void {
    const { database } = table;
    let open = this.#participants.get(database);
    if (open === undefined) {
      const beginLsn = database.log.append({ kind: 'begin', transaction: this.id });
      open = { beginLsn, changes: [], decision: undefined };
      this.#participants.set(database, open);
      database.open.set(this.id, open);
    }
    table.changedLsn = database.log.append({ kind: 'change', transaction: this.id, change });
    open.changes.push(change);
    this.#steps.push({ database, table, change });
  }
}

function tableMode(intent: 'read' | 'update', hint: NonNullable<Hint>): LockMode {
  if (hint.tableLockExclusive === true) return 'X';
  if (hint.holdLock === true) return intent === 'read' ? 'S' : 'U';
  return intent === 'read' ? 'IS' : 'IX';
}
