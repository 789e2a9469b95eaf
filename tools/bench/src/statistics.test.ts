import { expect, it } from '@jest/globals';
import { median, percentile } from './statistics.ts';

it('takes the middle, whatever the order', () => {
  expect(median([9, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([7])).toBe(7);
  expect(() => median([])).toThrow('Nothing was measured.');
});

it('takes the nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect([50, 95, 99, 100].map(percent => percentile(values, percent))).toEqual([50, 95, 99, 100]);
  expect(percentile([3, 1, 2], 95)).toBe(3);
  expect(percentile([3, 1, 2], 1)).toBe(1);
  expect(() => percentile([], 50)).toThrow('Nothing was measured.');
});
