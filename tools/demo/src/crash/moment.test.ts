import { expect, it } from '@jest/globals';
import { seededRandom } from '../random.ts';
import { type Moment, momentOf } from './moment.ts';

const moments = (count: number): Moment[] =>
  Array.from({ length: count }, (_, seed) => momentOf(seed, seededRandom(seed)));

it('gives the same moment for the same seed', () => {
  expect(moments(20)).toEqual(moments(20));
});

it('gives one of each kind for three seeds in a row', () => {
  const kinds = moments(90).map(({ kind }) => kind);
  for (let seed = 0; seed + 3 <= kinds.length; seed += 1) expect(new Set(kinds.slice(seed, seed + 3)).size).toBe(3);
});

it('comes to every place and into every part of the failover', () => {
  const all = moments(900);
  const held = Map.groupBy(all, ({ kind }) => kind);
  expect(new Set(held.get('statement')?.map(({ holdAt }) => holdAt)).size).toBe(6);
  expect(new Set(held.get('state')?.map(({ holdAt }) => holdAt)).size).toBe(17);
  const delays = all.flatMap(moment => (moment.kind === 'delay' ? [moment.delayMs] : []));
  expect(Math.min(...delays)).toBeLessThan(50);
  expect(Math.max(...delays)).toBeGreaterThan(1_900);
});
