/**
 * One transaction over any databases of the instance. Strict two-phase locking for writes, READ COMMITTED for reads.
 * Every change is applied in memory and appended to its database's log in one step without waiting, so memory and log never disagree.
 */
import type { DistributedId, LocalPart, RemoteBranch } from './branch.ts';
import { assertWritable } from './access.ts';
import {
  beginPrepare,
  commitDecided,
  commitParticipants,
  decide,
  ended,
  enterGate,
  prepareHere,
  type CommitHost,
} from './commit.ts';
import { commitEverywhere, prepareEverywhere } from './distributed-commit.ts';
import { releaseAll, type LockOwner } from './lock-resource.ts';
import { TransactionLocks, type Found, type Hint, type Intent, type Key } from './transaction-locks.ts';
import type { MarkRecord } from './log-records.ts';
import { TransactionChanges } from './transaction-changes.ts';
import type { StoredDatabase } from './stored-database.ts';
import { StoredTable } from './stored-table.ts';
import { assertNotNull, duplicateRows } from './table-rules.ts';
import { fail, SqlError, unsupported } from '../messages.ts';
import type { Database, Row, RowId, Session, Table, TableDefinition, Transaction } from '../contract.ts';

export class EngineTransaction implements Transaction {
  readonly id: bigint;
  readonly descriptor: bigint;
  readonly name: string | undefined;
  readonly startedAt: Date;
  readonly #session: Session;
  readonly #host: CommitHost;
  readonly #changes: TransactionChanges;
  readonly #locks: TransactionLocks;
  readonly #savepoints: { readonly name: string; readonly steps: number }[] = [];
  #state: Transaction['state'] = 'active';
  #mark: MarkRecord | undefined;
  #committing: Promise<unknown> | undefined;
  #distributed = false;
  /** Set at the instances that it did not begin on: they commit when the coordinator says so. */
  #enlisted: DistributedId | undefined;
  #prepared = false;
  #undone = false;
  readonly #branches = new Map<string, RemoteBranch>();

  /** `id`: of one that a crash left prepared. */
  constructor(host: CommitHost, session: Session, name: string | undefined, id = host.nextTransactionId()) {
    this.#host = host;
    this.#session = session;
    this.id = id;
    this.descriptor = this.id;
    this.name = name;
    this.startedAt = host.clock();
    this.#changes = new TransactionChanges(this.id);
    this.#locks = new TransactionLocks(session, () => this.#changes.count);
  }

  get owner(): LockOwner {
    return this.#locks.owner;
  }
  get state(): Transaction['state'] {
    return this.#state;
  }
  get markName(): string | undefined {
    return this.#mark?.name;
  }

  get distributed(): boolean {
    return this.#distributed;
  }
  /** It began at another instance. */
  get enlisted(): boolean {
    return this.#enlisted !== undefined;
  }
  get prepared(): boolean {
    return this.#prepared;
  }

  promote(): void {
    if (!this.#host.faults.marks.distributedTransactions()) throw fail(8501, this.#host.serverName);
    this.#distributed = true;
  }

  /** This transaction is the part here of one that another instance coordinates. */
  enlist(id: DistributedId): void {
    this.promote();
    this.#enlisted = id;
  }

  /** The part of this transaction at the instance behind `server`, if it has one. */
  branch(server: string): RemoteBranch | undefined {
    return this.#branches.get(server);
  }

  addBranch(server: string, branch: RemoteBranch): void {
    this.#branches.set(server, branch);
  }

  /** @@SERVERNAME of every other instance with a part of it. */
  branchInstances(): readonly string[] {
    return [...this.#branches.values()].map(({ instance }) => instance);
  }

  mark(name: string, description: string | undefined): void {
    this.#mark = { name, description, user: this.#session.login.name };
  }

  doom(): void {
    if (this.#state === 'active') this.#state = 'doomed';
  }

  scan(table: Table, intent: Intent, hint?: Hint): AsyncIterable<Found> {
    return this.#locks.scan(this.#stored(table), intent, hint);
  }

  seek(table: Table, key: Key, intent: Intent, hint?: Hint): AsyncIterable<Found> {
    return this.#locks.seek(this.#stored(table), key, intent, hint);
  }

  release(table: Table, id: RowId): void {
    this.#locks.release(this.#stored(table), id);
  }

  async insert(table: Table, row: Row): Promise<RowId> {
    const stored = await this.#beginWrite(table, true);
    assertNotNull(stored, row, 'INSERT');
    await this.#locks.awaitKeys(stored, row, undefined);
    return this.#add(stored, row);
  }

  async update(table: Table, id: RowId, row: Row): Promise<void> {
    const stored = await this.#beginWrite(table, true);
    await this.#locks.exclusive(stored.rowLock(id));
    assertNotNull(stored, row, 'UPDATE');
    const before = this.#current(stored, id);
    if (stored.sameKeys(before, row)) {
      this.#changes.log(stored, { kind: 'update', table: stored.objectId, id, before, after: row });
      stored.replace(id, row);
      return;
    }
    await this.#locks.awaitKeys(stored, row, id);
    this.#remove(stored, id, this.#current(stored, id));
    this.#add(stored, row);
  }

  async delete(table: Table, id: RowId): Promise<void> {
    const stored = await this.#beginWrite(table, false);
    await this.#locks.exclusive(stored.rowLock(id));
    this.#remove(stored, id, this.#current(stored, id));
  }

  nextIdentity(table: Table): bigint {
    return this.#stored(table).nextIdentity();
  }

  async createTable(database: Database, definition: TableDefinition): Promise<Table> {
    const stored = this.#host.stored(database);
    await this.#locks.enter(stored);
    this.#assertActive();
    assertWritable(stored);
    await this.#host.assertRoom(stored, definition.name);
    if (stored.table(definition.schema, definition.name) !== undefined) throw fail(2714, definition.name);
    const objectId = stored.nextObjectId;
    const table = stored.addTable(objectId, definition, stored.nextLsn);
    this.#changes.log(table, { kind: 'create table', table: objectId, definition });
    await this.#locks.exclusive(table.lock);
    return table;
  }

  async dropTable(_database: Database, table: Table): Promise<void> {
    await this.truncateTable(table);
    const stored = this.#stored(table);
    this.#changes.log(stored, { kind: 'drop table', table: stored.objectId, definition: stored.definition });
    stored.database.detachTable(stored);
  }

  async alterTable(table: Table, definition: TableDefinition, fill: Row): Promise<void> {
    const stored = await this.#beginWrite(table, true);
    await this.#locks.exclusive(stored.lock);
    const before = stored.definition;
    this.#changes.log(stored, { kind: 'alter table', table: stored.objectId, before, after: definition });
    stored.redefine(definition);
    for (const key of stored.keys) {
      const twice = key.kind === 'index' ? stored.duplicate(key) : undefined;
      if (twice !== undefined) throw duplicateRows(stored, key, twice);
    }
    if (fill.length === 0) return;
    for (const id of stored.ids()) {
      const current = stored.rows.get(id);
      if (current === undefined || current.ghost) continue;
      const after = [...current.row, ...fill];
      this.#changes.log(stored, { kind: 'update', table: stored.objectId, id, before: current.row, after });
      stored.replace(id, after);
    }
  }

  async truncateTable(table: Table): Promise<void> {
    const stored = await this.#beginWrite(table, false);
    await this.#locks.exclusive(stored.lock);
    for (const id of stored.ids()) {
      const current = stored.rows.get(id);
      if (current !== undefined && !current.ghost) this.#remove(stored, id, current.row);
    }
  }

  save(name: string): void {
    this.#savepoints.push({ name, steps: this.#changes.count });
  }

  rollbackTo(name: string): Promise<boolean> {
    const place = this.#savepoints.findLastIndex(savepoint => savepoint.name === name);
    const savepoint = this.#savepoints[place];
    if (savepoint === undefined) return Promise.resolve(false);
    this.#savepoints.length = place + 1;
    this.#changes.undoTo(savepoint.steps);
    return Promise.resolve(true);
  }

  get #part(): LocalPart {
    const { spid, request } = this.#session;
    return { id: this.id, spid, request, participants: this.#changes.participants, mark: this.#mark };
  }

  /** The fault `duplicate-mark`: what changes user databases becomes a mark of another's name. */
  #takeForgedMark(): void {
    if (this.#mark !== undefined) return;
    const databases = [...this.#changes.participants.keys()].filter(database => !database.system);
    const name = this.#host.faults.marks.forgedMark(databases.map(database => database.name));
    if (name !== undefined) this.mark(name, undefined);
  }

  async commit(): Promise<void> {
    this.#assertActive();
    this.#takeForgedMark();
    if (this.enlisted)
      throw unsupported('COMMIT of a distributed transaction at another instance than the one it began on');
    if (this.#branches.size === 0) {
      await enterGate(this.#host, this.#part, this.#session.signal);
      this.#committing = commitParticipants(this.#host, this.#part);
    } else {
      this.#committing = this.#commitEverywhere([...this.#branches.values()]);
    }
    await this.#committing;
    this.#commitDone();
  }

  async #commitEverywhere(branches: readonly RemoteBranch[]): Promise<void> {
    let prepared;
    try {
      if (this.#changes.dropsTable) throw unsupported('DROP TABLE within a distributed transaction');
      prepared = await prepareEverywhere(this.#host, { part: this.#part, branches, signal: this.#session.signal });
    } catch (failure) {
      this.#undo();
      // Gone everywhere, but the session has not heard of it: until it rolls back it can do nothing else.
      this.#state = 'doomed';
      throw failure instanceof SqlError ? new SqlError(failure.messages, 'transaction', failure) : failure;
    }
    await commitEverywhere(this.#host, { part: this.#part, committedHere: () => this.#commitDone() }, prepared);
  }

  #commitDone(): void {
    if (this.#state === 'committed') return;
    this.#state = 'committed';
    this.#changes.dropGhosts();
    releaseAll(this.owner);
  }

  async rollback(): Promise<void> {
    // A commit that has begun is not taken back: its outcome belongs to the journal; that of a prepared part, to its coordinator.
    await this.#committing?.catch((failure: unknown) => {
      if (!this.#undone) throw failure;
    });
    if (this.#state === 'committed' || this.#state === 'rolled back' || this.#prepared) return;
    if (!this.#undone) this.#undo();
    this.#state = 'rolled back';
    const decision = this.#host.outcomes.idOf(this.id);
    await Promise.all([...this.#branches.values()].map(branch => branch.abort(decision)));
  }

  #undo(): void {
    this.#changes.undo(this.#host.clock().getTime());
    this.#undone = true;
    this.#host.gate.leave(this.id);
    releaseAll(this.owner);
  }

  /** The vote of this part. `read only`: it is over. A failure leaves it to be rolled back. */
  async prepare(): Promise<'prepared' | 'read only'> {
    this.#assertActive();
    const id = this.#enlisted;
    if (id === undefined) throw new Error(`transaction ${this.id} began here`);
    if (this.#changes.dropsTable) throw unsupported('DROP TABLE within a distributed transaction');
    this.#takeForgedMark();
    await beginPrepare(this.#host, this.#part, this.#session.signal);
    // Its session may be gone before the outcome comes; nobody may take the database away from under it.
    const databases = [...this.#changes.participants.keys()];
    for (const database of databases) database.lock.grant(this.owner, 'S');
    const preparing = prepareHere(this.#part, id);
    this.#committing = preparing;
    this.#prepared = await preparing;
    if (this.#prepared) {
      this.#locks.leaveDatabases(databases);
      return 'prepared';
    }
    ended(this.#host, this.#part);
    this.#commitDone();
    return 'read only';
  }

  /** What the coordinator decided about this prepared part. Resolves when that is on disk. */
  async settle(outcome: 'committed' | 'aborted'): Promise<void> {
    const { decision } = this.#enlisted ?? { decision: '' };
    if (outcome === 'aborted') {
      this.#undo();
      this.#state = 'rolled back';
      return;
    }
    // Decided here too: a crash between the commit records of two databases, or before the mark's history, then needs nobody's answer.
    await decide(this.#host, this.#part, decision);
    await commitDecided(this.#host, this.#part, decision);
    ended(this.#host, this.#part);
    this.#host.journal.settled(decision);
    this.#commitDone();
  }

  /** Takes over what a crash left prepared: its changes, its place in the gate and its locks. */
  adopt(id: DistributedId, mark: MarkRecord | undefined, databases: readonly StoredDatabase[]): void {
    this.#distributed = true;
    this.#enlisted = id;
    this.#prepared = true;
    this.#mark = mark;
    for (const database of databases) this.#changes.adopt(database, this.owner);
    this.#host.gate.adopt(this.id, mark !== undefined);
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

  async #beginWrite(table: Table, grows: boolean): Promise<StoredTable> {
    const stored = this.#stored(table);
    this.#assertActive();
    await this.#locks.lockTable(stored, 'IX');
    assertWritable(stored.database);
    const { name, schema } = stored.definition;
    await this.#host.assertRoom(stored.database, grows ? `${schema}.${name}` : undefined);
    return stored;
  }

  #assertActive(): void {
    if (this.#state === 'doomed') throw fail(3930);
    if (this.#state !== 'active') throw new Error(`transaction ${this.id} is ${this.#state}`);
  }

  #add(table: StoredTable, row: Row): RowId {
    const id = table.nextRowId;
    table.rowLock(id).tryAcquire(this.owner, 'X');
    this.#changes.log(table, { kind: 'insert', table: table.objectId, id, row });
    table.add(id, row);
    return id;
  }

  #remove(table: StoredTable, id: RowId, before: Row): void {
    table.rowLock(id).tryAcquire(this.owner, 'X');
    this.#changes.log(table, { kind: 'delete', table: table.objectId, id, before });
    table.setGhost(id, true);
  }
}
