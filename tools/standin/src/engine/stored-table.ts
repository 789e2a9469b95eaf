/**
 * Rows of one table in memory, in primary key order, with one lookup per key. A row deleted by an open transaction stays as a ghost: readers must
 * still meet its lock, and its key must stay taken until the delete is committed.
 */
import { compareValues, keyText } from './compare.ts';
import { LockResource } from './lock-resource.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Lsn, Row, RowId, Table, TableDefinition } from '../contract.ts';
import type { SqlValue } from '../values.ts';

export type StoredRow = { row: Row; ghost: boolean };

export type KeyIndex = {
  readonly name: string;
  readonly primary: boolean;
  readonly columns: readonly number[];
  readonly ids: Map<string, RowId>;
};

export class StoredTable implements Table {
  readonly database: StoredDatabase;
  readonly objectId: number;
  readonly definition: TableDefinition;
  readonly lock: LockResource;
  readonly keys: readonly KeyIndex[];
  readonly rows = new Map<RowId, StoredRow>();
  readonly rowLocks = new Map<RowId, LockResource>();
  nextRowId = 1;
  /** The last identity value given out. */
  lastIdentity: bigint | undefined;
  /** LSN of the newest change: a differential backup holds the tables changed since its base. */
  changedLsn: Lsn;
  #order: RowId[] = [];
  #ghosts = 0;
  readonly #identityColumn: number;

  constructor(database: StoredDatabase, objectId: number, definition: TableDefinition, changedLsn: Lsn) {
    this.database = database;
    this.objectId = objectId;
    this.lock = new LockResource('OBJECT', database.id, String(objectId), () => undefined);
    this.definition = definition;
    this.changedLsn = changedLsn;
    const { primaryKey } = definition;
    this.keys = [
      ...(primaryKey === undefined ? [] : [{ ...primaryKey, primary: true, ids: new Map<string, RowId>() }]),
      ...definition.uniques.map(unique => ({ ...unique, primary: false, ids: new Map<string, RowId>() })),
    ];
    this.#identityColumn = definition.columns.findIndex(column => column.identity !== undefined);
  }

  /** The lock of one row; it exists while somebody holds it or waits for it. */
  rowLock(id: RowId): LockResource {
    const known = this.rowLocks.get(id);
    if (known !== undefined) return known;
    const lock = new LockResource('KEY', this.database.id, `${this.objectId}:${id}`, () => this.rowLocks.delete(id));
    this.rowLocks.set(id, lock);
    return lock;
  }

  get rowCount(): number {
    return this.rows.size - this.#ghosts;
  }

  /** Ids in key order as of now, ghosts included; the scan looks each row up again when it reaches it. */
  ids(): readonly RowId[] {
    return this.#order.slice();
  }

  /** Live rows, for snapshots. */
  *live(): Iterable<readonly [RowId, Row]> {
    for (const [id, stored] of this.rows) if (!stored.ghost) yield [id, stored.row];
  }

  nextIdentity(): bigint {
    const identity = this.definition.columns[this.#identityColumn]?.identity;
    if (identity === undefined) throw new Error(`table ${this.definition.name} has no identity column`);
    this.lastIdentity = this.lastIdentity === undefined ? identity.seed : this.lastIdentity + identity.increment;
    return this.lastIdentity;
  }

  /** The id that holds `row`'s key in `key`, whether alive or ghost. */
  holder(key: KeyIndex, row: Row): RowId | undefined {
    return key.ids.get(this.#text(key, row));
  }

  lookup(columns: readonly number[], values: readonly SqlValue[]): { readonly found: RowId | undefined } | undefined {
    const key = this.keys.find(
      each => each.columns.length === columns.length && each.columns.every((c, i) => c === columns[i]),
    );
    if (key === undefined) return undefined;
    return { found: key.ids.get(values.map(keyText).join('|')) };
  }

  sameKeys(before: Row, after: Row): boolean {
    return this.keys.every(key => this.#text(key, before) === this.#text(key, after));
  }

  add(id: RowId, row: Row): void {
    this.rows.set(id, { row, ghost: false });
    this.#order.splice(this.#place(id, row), 0, id);
    for (const key of this.keys) key.ids.set(this.#text(key, row), id);
    this.nextRowId = Math.max(this.nextRowId, id + 1);
    const identity = row[this.#identityColumn];
    const step = this.definition.columns[this.#identityColumn]?.identity?.increment;
    if (identity === undefined || identity === null || step === undefined) return;
    const value = typeof identity === 'object' && 'unscaled' in identity ? identity.unscaled : identity;
    if (typeof value !== 'bigint') return;
    const last = this.lastIdentity;
    if (last === undefined || (step > 0n ? value > last : value < last)) this.lastIdentity = value;
  }

  /** A deleted row that recovery must keep for its transaction; a row that has its key by now keeps it. */
  addGhost(id: RowId, row: Row): void {
    const holders = this.keys.map(key => key.ids.get(this.#text(key, row)));
    this.add(id, row);
    this.#stored(id).ghost = true;
    this.#ghosts += 1;
    for (const [place, key] of this.keys.entries()) {
      const holder = holders[place];
      if (holder !== undefined) key.ids.set(this.#text(key, row), holder);
    }
  }

  /** Same keys: the place in the order stays. */
  replace(id: RowId, row: Row): void {
    this.#stored(id).row = row;
  }

  setGhost(id: RowId, ghost: boolean): void {
    const stored = this.#stored(id);
    if (stored.ghost === ghost) return;
    stored.ghost = ghost;
    this.#ghosts += ghost ? 1 : -1;
    // A new row may have taken the ghost's key over in the same transaction; when the ghost comes back, the new row is already gone.
    if (!ghost) for (const key of this.keys) key.ids.set(this.#text(key, stored.row), id);
  }

  remove(id: RowId): void {
    const stored = this.#stored(id);
    if (stored.ghost) this.#ghosts -= 1;
    const place = this.#place(id, stored.row);
    if (this.#order[place] !== id) throw new Error(`row ${id} of ${this.definition.name} is out of order`);
    this.#order.splice(place, 1);
    this.rows.delete(id);
    for (const key of this.keys) {
      const text = this.#text(key, stored.row);
      if (key.ids.get(text) === id) key.ids.delete(text);
    }
  }

  #stored(id: RowId): StoredRow {
    const stored = this.rows.get(id);
    if (stored === undefined) throw new Error(`table ${this.definition.name} has no row ${id}`);
    return stored;
  }

  #text(key: KeyIndex, row: Row): string {
    let text = '';
    for (const column of key.columns) text += `${text === '' ? '' : '|'}${keyText(row[column] ?? null)}`;
    return text;
  }

  /** Where (row, id) stands or belongs in the key order. */
  #place(id: RowId, row: Row): number {
    const order = this.#order;
    const last = order.at(-1);
    if (last !== undefined && this.#compare(last, id, row) < 0) return order.length;
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = order[middle];
      if (other !== undefined && this.#compare(other, id, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(other: RowId, id: RowId, row: Row): number {
    const columns = this.definition.primaryKey?.columns ?? [];
    if (other !== id && columns.length > 0) {
      const against = this.#stored(other).row;
      for (const column of columns) {
        const order = compareValues(against[column] ?? null, row[column] ?? null);
        if (order !== 0) return order;
      }
    }
    return other - id;
  }
}
