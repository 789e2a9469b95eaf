/** Sorting by bound keys; stable, NULLs first. */
import type { SqlValue } from '../values.ts';
import type { Bound, Frame } from './bound.ts';
import { compareSame } from './compare.ts';
import { isBinary } from './types.ts';

export type SortKey = { readonly value: Bound; readonly descending: boolean };

export function compareKeys(left: readonly SqlValue[], right: readonly SqlValue[], keys: readonly SortKey[]): number {
  for (let i = 0; i < keys.length; i += 1) {
    const order = compareSame(left[i] ?? null, right[i] ?? null, isBinary(keys[i]?.value.type));
    if (order !== 0) return keys[i]?.descending === true ? -order : order;
  }
  return 0;
}

export function byKeys<T>(items: readonly T[], keys: readonly SortKey[], frame: (item: T) => Frame): T[] {
  if (keys.length === 0) return [...items];
  return items
    .map(item => ({ item, values: keys.map(key => key.value.evaluate(frame(item))) }))
    .sort((a, b) => compareKeys(a.values, b.values, keys))
    .map(({ item }) => item);
}
