/**
 * Rows of one table in memory, in primary key order, with one lookup per key. A row deleted by an open transaction stays as a ghost: readers must
 * still meet its lock, and its key must stay taken until the delete is committed.
 */
import { ColumnIndexes, passes, type ColumnRange } from './column-index.ts';
import { compareValues, keyText } from './compare.ts';
import { LockResource } from './lock-resource.ts';
import { RowSlots, type CapturedRows } from './row-slots.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { ColumnTest, Lsn, Row, RowId, Table, TableDefinition } from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';

/** So few are looked at one by one. */
const fewRows = 64;

export type StoredRow = { row: Row; ghost: boolean };

export type KeyIndex = {
  readonly name: string;
  readonly columns: readonly number[];
  readonly kind: 'primary' | 'unique' | 'index';
  /** Rows beyond it have no key here. */
  readonly filter: readonly { readonly column: number; readonly isNull: boolean }[];
  readonly ids: Map<string, RowId>;
};

export class StoredTable implements Table {
  readonly database: StoredDatabase;
  readonly objectId: number;
  readonly lock: LockResource;
  readonly rows = new Map<RowId, StoredRow>();
  readonly rowLocks = new Map<RowId, LockResource>();
  nextRowId = 1;
  /** The last identity value given out. */
  lastIdentity: bigint | undefined;
  /** LSN of the newest change: a differential backup holds the tables changed since its base. */
  changedLsn: Lsn;
  readonly #columns = new ColumnIndexes(this.rows);
  readonly #slots: RowSlots;
  #order: RowId[] = [];
  /** Each row came at the end, with a higher id than all before: ids alone tell the order. */
  #ordersIds = true;
  #ghosts = 0;
  #definition: TableDefinition;
  #keys: readonly KeyIndex[];
  #identityColumn: number;

  constructor(database: StoredDatabase, objectId: number, definition: TableDefinition, changedLsn: Lsn) {
    this.database = database;
    this.objectId = objectId;
    this.#slots = new RowSlots(objectId, this.rows);
    this.lock = new LockResource('OBJECT', database.id, String(objectId), () => undefined);
    this.#definition = definition;
    this.changedLsn = changedLsn;
    this.#keys = keysOf(definition);
    this.#identityColumn = definition.columns.findIndex(column => column.identity !== undefined);
  }

  get definition(): TableDefinition {
    return this.#definition;
  }

  get keys(): readonly KeyIndex[] {
    return this.#keys;
  }

  /** Columns may be more, and keys others; rows keep their places: the primary key is the same. */
  redefine(definition: TableDefinition): void {
    this.#definition = definition;
    this.#identityColumn = definition.columns.findIndex(column => column.identity !== undefined);
    this.#keys = keysOf(definition);
    const rows = [...this.rows];
    // A row that lives has its key even where a ghost had it before.
    for (const ghosts of [true, false])
      for (const [id, { row, ghost }] of rows) if (ghost === ghosts) this.#takeKeys(id, row);
  }

  /** A live row whose key in `key` another live row has. */
  duplicate(key: KeyIndex): Row | undefined {
    const seen = new Set<string>();
    for (const [, row] of this.live()) {
      const text = this.#text(key, row);
      if (text === undefined) continue;
      if (seen.has(text)) return row;
      seen.add(text);
    }
    return undefined;
  }

  #takeKeys(id: RowId, row: Row): void {
    for (const key of this.#keys) {
      const text = this.#text(key, row);
      if (text !== undefined) key.ids.set(text, id);
    }
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

  /** Those of `ids` that pass every test or that somebody has locked: whoever waits for a row does not know yet what it will hold. */
  idsWhere(tests: readonly ColumnTest[]): readonly RowId[] {
    if (tests.length === 0 || this.rows.size < fewRows) return this.ids();
    const [fewest] = tests.map(test => this.#passing(test)).sort((left, right) => left.size - right.size);
    const passing = (id: RowId): boolean => tests.every(test => passes(this.#stored(id).row, test));
    if (fewest === undefined || fewest.size > this.rows.size / 4)
      return this.#order.filter(id => this.rowLocks.has(id) || passing(id));
    const found = new Set(fewest.ids().filter(passing));
    for (const id of this.rowLocks.keys()) if (this.rows.has(id)) found.add(id);
    return [...found].sort((left, right) => this.#among(left, right));
  }

  #passing(test: ColumnTest): ColumnRange {
    if (test.operator !== '=') return this.#columns.beyond(test);
    const ids = this.#columns.having(test.column, test.value);
    return { size: ids.size, ids: () => [...ids] };
  }

  /** Where a column stands in a row; names of system tables, as they are written there. */
  columnAt(name: string): number {
    return this.definition.columns.findIndex(column => column.name === name);
  }

  /** Live rows whose column equals the value. */
  *rowsHaving(column: string, value: SqlValue): Iterable<Row> {
    for (const id of this.#columns.having(this.columnAt(column), value)) {
      const { row, ghost } = this.#stored(id);
      if (!ghost) yield row;
    }
  }

  /** Live rows as of now, for a snapshot. */
  capture(): readonly CapturedRows[] {
    return this.#slots.capture(this.nextRowId);
  }

  /** Live rows. */
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
    const text = this.#text(key, row);
    return text === undefined ? undefined : key.ids.get(text);
  }

  lookup(columns: readonly number[], values: readonly SqlValue[]): { readonly found: RowId | undefined } | undefined {
    const key = this.keys.find(
      each =>
        each.filter.length === 0 &&
        each.columns.length === columns.length &&
        each.columns.every((c, i) => c === columns[i]),
    );
    if (key === undefined) return undefined;
    return { found: key.ids.get(values.map((value, i) => keyText(value, this.#type(columns[i]))).join('|')) };
  }

  sameKeys(before: Row, after: Row): boolean {
    return this.keys.every(key => this.#text(key, before) === this.#text(key, after));
  }

  add(id: RowId, row: Row): void {
    this.rows.set(id, { row, ghost: false });
    const place = this.#place(other => this.#compare(other, id, row));
    this.#ordersIds &&= place === this.#order.length && id > (this.#order.at(-1) ?? 0);
    // A history grows at its end.
    if (place === this.#order.length) this.#order.push(id);
    else this.#order.splice(place, 0, id);
    this.#columns.add(id, row);
    this.#slots.touch(id);
    this.#takeKeys(id, row);
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
    const holders = this.keys.map(key => this.holder(key, row));
    this.add(id, row);
    this.#stored(id).ghost = true;
    this.#ghosts += 1;
    for (const [place, key] of this.keys.entries()) {
      const holder = holders[place];
      const text = this.#text(key, row);
      if (holder !== undefined && text !== undefined) key.ids.set(text, holder);
    }
  }

  /** Same keys: the place in the order stays. */
  replace(id: RowId, row: Row): void {
    const stored = this.#stored(id);
    this.#columns.replace(id, stored.row, row);
    this.#slots.touch(id);
    stored.row = row;
  }

  setGhost(id: RowId, ghost: boolean): void {
    const stored = this.#stored(id);
    if (stored.ghost === ghost) return;
    stored.ghost = ghost;
    this.#slots.touch(id);
    this.#ghosts += ghost ? 1 : -1;
    // A new row may have taken the ghost's key over in the same transaction; when the ghost comes back, the new row is already gone.
    if (!ghost) this.#takeKeys(id, stored.row);
  }

  remove(id: RowId): void {
    const stored = this.#stored(id);
    if (stored.ghost) this.#ghosts -= 1;
    const place = this.#place(other => this.#among(other, id));
    if (this.#order[place] !== id) throw new Error(`row ${id} of ${this.definition.name} is out of order`);
    this.#order.splice(place, 1);
    this.rows.delete(id);
    this.#columns.remove(id, stored.row);
    this.#slots.touch(id);
    for (const key of this.keys) {
      const text = this.#text(key, stored.row);
      if (text !== undefined && key.ids.get(text) === id) key.ids.delete(text);
    }
  }

  #stored(id: RowId): StoredRow {
    const stored = this.rows.get(id);
    if (stored === undefined) throw new Error(`table ${this.definition.name} has no row ${id}`);
    return stored;
  }

  #type(column: number | undefined): SqlType | undefined {
    return column === undefined ? undefined : this.#definition.columns[column]?.type;
  }

  /** Undefined for a row that the key's filter leaves out. */
  #text(key: KeyIndex, row: Row): string | undefined {
    for (const { column, isNull } of key.filter) if (((row[column] ?? null) === null) !== isNull) return undefined;
    let text = '';
    for (const column of key.columns)
      text += `${text === '' ? '' : '|'}${keyText(row[column] ?? null, this.#type(column))}`;
    return text;
  }

  /** Where what `compare` holds the others against stands or belongs in the key order. */
  #place(compare: (other: RowId) => number): number {
    const order = this.#order;
    const last = order.at(-1);
    if (last !== undefined && compare(last) < 0) return order.length;
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = order[middle];
      if (other !== undefined && compare(other) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Two rows that are there. */
  #among(left: RowId, right: RowId): number {
    return this.#ordersIds ? left - right : this.#compare(left, right, this.#stored(right).row);
  }

  #compare(other: RowId, id: RowId, row: Row): number {
    const columns = this.definition.primaryKey?.columns ?? [];
    if (other !== id && columns.length > 0) {
      const against = this.#stored(other).row;
      for (const column of columns) {
        const order = compareValues(against[column] ?? null, row[column] ?? null, this.#type(column));
        if (order !== 0) return order;
      }
    }
    return other - id;
  }
}

function keysOf({ primaryKey, uniques, indexes = [] }: TableDefinition): readonly KeyIndex[] {
  return [
    ...(primaryKey === undefined ? [] : [{ ...primaryKey, kind: 'primary' as const, filter: [], ids: new Map() }]),
    ...uniques.map(unique => ({ ...unique, kind: 'unique' as const, filter: [], ids: new Map() })),
    ...indexes
      .filter(index => index.unique)
      .map(({ name, columns, filter = [] }) => ({ name, columns, kind: 'index' as const, filter, ids: new Map() })),
  ];
}
