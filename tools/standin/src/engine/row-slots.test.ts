import { isDeepStrictEqual } from 'node:util';
import { expect, it } from '@jest/globals';
import { ByteReader } from './binary-codec.ts';
import { payloadOf } from './frames.ts';
import { RowSlots, type CapturedRows } from './row-slots.ts';
import type { Row } from '../contract.ts';

const table = 7;

type Rows = Map<number, { row: Row; ghost: boolean }>;

function read(parts: readonly CapturedRows[]): readonly (readonly [number, Row])[] {
  return parts
    .flatMap(part => [...part.frames()])
    .flatMap(framed => {
      const reader = new ByteReader(payloadOf(framed));
      if (reader.u32() !== table) throw new Error('a chunk of another table');
      const found: (readonly [number, Row])[] = [];
      while (!reader.done) found.push([reader.f64(), reader.row()]);
      return found;
    });
}

function live(rows: Rows): readonly (readonly [number, Row])[] {
  return [...rows]
    .filter(([, { ghost }]) => !ghost)
    .map(([id, { row }]) => [id, row] as const)
    .sort(([left], [right]) => left - right);
}

it('gives all live rows at each capture while rows come, change, hide, come back and go', () => {
  const rows: Rows = new Map();
  const slots = new RowSlots(table, rows);
  let next = 1;
  let draw = 1;
  const random = (below: number): number => {
    draw = (draw * 48_271) % 2_147_483_647;
    return draw % below;
  };
  const put = (id: number): void => {
    rows.set(id, { row: [BigInt(random(1000)), 'x'.repeat(random(150))], ghost: false });
    slots.touch(id);
  };
  for (let round = 0; round < 20; round += 1) {
    for (let count = random(400); count > 0; count -= 1) put((next += 1 + random(3)));
    for (let count = random(6); count > 0; count -= 1) {
      const id = random(next) + 1;
      const stored = rows.get(id);
      const what = random(3);
      if (stored === undefined || what === 0) put(id);
      else if (what === 1) rows.delete(id);
      else stored.ghost = !stored.ghost;
      slots.touch(id);
    }
    const captured = slots.capture(next + 1);
    const wanted = live(rows);
    // What comes after the capture is not in it.
    put((next += 1));
    put(random(next) + 1);
    // Thousands of rows: expect would take long to compare them.
    expect(isDeepStrictEqual(read(captured), wanted)).toBe(true);
  }
  expect(next).toBeGreaterThan(2500);
});

it('keeps the bytes of a slot until one of its rows changes, whoever reads it meanwhile', () => {
  const rows: Rows = new Map();
  const slots = new RowSlots(table, rows);
  for (let id = 1; id <= 1100; id += 1) rows.set(id, { row: ['y'.repeat(200), BigInt(id)], ghost: false });
  const [first] = slots.capture(1101);
  const slow = first?.frames()[Symbol.iterator]();
  const begun = slow?.next().value;
  const whole = [...(first?.frames() ?? [])];
  const rest: unknown[] = [];
  for (let each = slow?.next(); each?.done === false; each = slow?.next()) rest.push(each.value);
  expect(isDeepStrictEqual([begun, ...rest], whole)).toBe(true);
  const [again, second] = slots.capture(1101);
  expect([...(again?.frames() ?? [])][0] === whole[0]).toBe(true);
  expect(second === slots.capture(1101)[1]).toBe(true);
  rows.set(3, { row: ['z', 3n], ghost: false });
  slots.touch(3);
  const [changed, same] = slots.capture(1101);
  expect(read(changed === undefined ? [] : [changed])[2]).toEqual([3, ['z', 3n]]);
  expect(same === second).toBe(true);
});

it('looks at the rows and not at every number between when few are left of many', () => {
  const rows: Rows = new Map([
    [2 ** 50, { row: [1n], ghost: false }],
    [5, { row: [2n], ghost: false }],
  ]);
  expect(read(new RowSlots(table, rows).capture(2 ** 50 + 1))).toEqual([
    [5, [2n]],
    [2 ** 50, [1n]],
  ]);
});
