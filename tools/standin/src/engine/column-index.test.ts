import { expect, it } from '@jest/globals';
import { ColumnIndexes, passes } from './column-index.ts';
import type { ColumnTest, Row } from '../contract.ts';

const operators: readonly Exclude<ColumnTest['operator'], '='>[] = ['<', '<=', '>', '>='];

it('gives what a look at every row gives, while rows come, change and go', () => {
  const rows = new Map<number, { row: Row }>();
  const indexes = new ColumnIndexes(rows);
  const check = (): void => {
    for (const operator of operators) {
      for (const value of [null, 0n, 3n, 5n, 9n]) {
        const test: ColumnTest = { column: 0, operator, value };
        const wanted = [...rows].filter(([, { row }]) => passes(row, test)).map(([id]) => id);
        const found = indexes.beyond(test);
        expect([...found.ids()].sort((left, right) => left - right)).toEqual(wanted.sort((l, r) => l - r));
        expect(found.size).toBe(wanted.length);
      }
    }
  };
  const add = (id: number, value: Row[number]): void => {
    rows.set(id, { row: [value] });
    indexes.add(id, [value]);
  };
  for (const id of [1, 2, 3, 4, 5, 6]) rows.set(id, { row: [BigInt((id * 7) % 5)] });
  check();
  add(7, 3n);
  add(8, null);
  add(9, 0n);
  add(10, 9n);
  check();
  const change = (id: number, before: Row[number], after: Row[number]): void => {
    indexes.replace(id, [before], [after]);
    rows.set(id, { row: [after] });
  };
  change(10, 9n, 1n);
  change(8, null, 5n);
  change(7, 3n, null);
  check();
  for (const [id, { row }] of [...rows].filter(([each]) => each % 2 === 0)) {
    rows.delete(id);
    indexes.remove(id, row);
  }
  check();
  // As a history goes: its start is dropped while it grows at its end, until nothing of it is left.
  const remove = (id: number): void => {
    indexes.remove(id, rows.get(id)?.row ?? []);
    rows.delete(id);
  };
  const oldestFirst = (): number[] =>
    [...rows].sort(([, left], [, right]) => Number(left.row[0]) - Number(right.row[0])).map(([id]) => id);
  for (let id = 20; id < 40; id += 1) {
    add(id, BigInt(id));
    for (const old of oldestFirst().slice(0, id % 3)) remove(old);
    check();
  }
  for (const id of oldestFirst()) remove(id);
  check();
  add(50, 2n);
  check();
});
