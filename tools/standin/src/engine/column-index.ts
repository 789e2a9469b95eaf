/**
 * Rows by the value of one column, and in its order: made at the first question of that kind about that column and kept from then on, so that a
 * history that grows is not read whole for each of its rows. Not an index of SQL: it changes nothing but speed.
 */
import { holds } from '../comparison.ts';
import { compareValues, keyText } from './compare.ts';
import type { ColumnTest, Row, RowId } from '../contract.ts';

/** One id alone needs no set: most values of a history are there once. */
type Ids = RowId | Set<RowId>;
type Rows = ReadonlyMap<RowId, { readonly row: Row }>;

export class ColumnIndexes {
  readonly #rows: Rows;
  readonly #columns = new Map<number, Map<string, Ids>>();
  readonly #orders = new Map<number, ColumnOrder>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  /** All rows whose column equals the value, ghosts too; of a column with a binary collation more than those. */
  having(column: number, value: Row[number]): ReadonlySet<RowId> {
    let index = this.#columns.get(column);
    if (index === undefined) {
      index = new Map();
      this.#columns.set(column, index);
      for (const [id, { row }] of this.#rows) put(index, keyText(row[column] ?? null), id);
    }
    const ids = index.get(keyText(value));
    return typeof ids === 'object' ? ids : new Set(ids === undefined ? [] : [ids]);
  }

  /** All rows that a test other than `=` lets through, ghosts too. Not for a column of a binary collation. */
  beyond({ column, operator, value }: ColumnTest): ColumnRange {
    let order = this.#orders.get(column);
    if (order === undefined) {
      order = new ColumnOrder([...this.#rows].map(([id, { row }]) => ({ id, value: row[column] ?? null })));
      this.#orders.set(column, order);
    }
    return order.range(operator, value);
  }

  add(id: RowId, row: Row): void {
    for (const [column, index] of this.#columns) put(index, keyText(row[column] ?? null), id);
    for (const [column, order] of this.#orders) order.add(id, row[column] ?? null);
  }

  remove(id: RowId, row: Row): void {
    for (const [column, index] of this.#columns) {
      take(index, keyText(row[column] ?? null), id);
    }
    for (const [column, order] of this.#orders) order.remove(id, row[column] ?? null);
  }

  replace(id: RowId, before: Row, after: Row): void {
    for (const [column, index] of this.#columns) {
      const [from, to] = [keyText(before[column] ?? null), keyText(after[column] ?? null)];
      if (from === to) continue;
      take(index, from, id);
      put(index, to, id);
    }
    for (const [column, order] of this.#orders) {
      const [from, to] = [before[column] ?? null, after[column] ?? null];
      if (compareValues(from, to) === 0) continue;
      order.remove(id, from);
      order.add(id, to);
    }
  }
}

export type ColumnRange = { readonly size: number; ids(): readonly RowId[] };
type Place = { readonly id: RowId; readonly value: Row[number] };

/** NULL passes no test and has no place. */
class ColumnOrder {
  readonly #places: Place[];
  /** Those before it are gone. A history is dropped from its start, where to move all others down for each row would take most of the time. */
  #first = 0;

  constructor(places: readonly Place[]) {
    this.#places = places.filter(({ value }) => value !== null).sort(comparePlaces);
  }

  range(operator: ColumnTest['operator'], value: Row[number]): ColumnRange {
    const below = operator === '<' || operator === '<=';
    // Ids are above 0: this place lies before, or behind, all that have the value.
    const id = operator === '<' || operator === '>=' ? -1 : Infinity;
    const cut = value === null ? this.#first : this.#find({ id, value });
    const [from, to] = below || value === null ? [this.#first, cut] : [cut, this.#places.length];
    return { size: to - from, ids: () => this.#places.slice(from, to).map(place => place.id) };
  }

  add(id: RowId, value: Row[number]): void {
    const place = { id, value };
    const last = this.#places.at(-1);
    if (value === null) return;
    // A history grows at its end.
    if (last === undefined || comparePlaces(last, place) < 0) this.#places.push(place);
    else this.#places.splice(this.#find(place), 0, place);
  }

  remove(id: RowId, value: Row[number]): void {
    if (value === null) return;
    const at = this.#find({ id, value });
    if (this.#places[at]?.id !== id) throw new Error(`row ${id} is out of its column's order`);
    if (at > this.#first) this.#places.splice(at, 1);
    else if ((this.#first += 1) > this.#places.length / 2) {
      this.#places.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** Where the first place stands that is not before this one. */
  #find(wanted: Place): number {
    let [low, high] = [this.#first, this.#places.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const place = this.#places[middle];
      if (place !== undefined && comparePlaces(place, wanted) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function comparePlaces(left: Place, right: Place): number {
  return compareValues(left.value, right.value) || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0);
}

function put(index: Map<string, Ids>, text: string, id: RowId): void {
  const ids = index.get(text);
  if (typeof ids === 'object') ids.add(id);
  else index.set(text, ids === undefined ? id : new Set([ids, id]));
}

function take(index: Map<string, Ids>, text: string, id: RowId): void {
  const ids = index.get(text);
  if (typeof ids === 'object') ids.delete(id);
  if (ids === id || (typeof ids === 'object' && ids.size === 0)) index.delete(text);
}

/** Not for a column of a binary collation: there it says no to rows that are asked for. */
export function passes(row: Row, { column, operator, value }: ColumnTest): boolean {
  const found = row[column] ?? null;
  if (found === null || value === null) return false;
  return holds(operator, compareValues(found, value));
}
