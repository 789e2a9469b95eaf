import { deflateRawSync } from 'node:zlib';
import { expect, it } from '@jest/globals';
import { blocksOf, PaddingBlock, paddingBlockBytes, PaddingCheck } from './padding.ts';

const part = { seed: 'a', bytes: 2 * paddingBlockBytes + 5 };
const block = (seed: string, number: number): Buffer =>
  Buffer.from(new PaddingBlock(9).fill({ ...part, seed }, number));

it('is the same for the same seed and place, another one elsewhere, and ends where it should', () => {
  expect(blocksOf(part)).toBe(3);
  expect(block('a', 1).equals(block('a', 1))).toBe(true);
  expect(block('a', 1).equals(block('a', 0))).toBe(false);
  expect(block('a', 1).equals(block('b', 1))).toBe(false);
  expect([block('a', 2).length, block('a', 1).length]).toEqual([5, paddingBlockBytes]);
});

it('cannot be compressed', () => {
  expect(deflateRawSync(block('a', 0)).length).toBeGreaterThan(paddingBlockBytes * 0.999);
});

it('is checked block by block, in order', () => {
  const check = new PaddingCheck(part, 9);
  expect(check.next(block('a', 0))).toBe(true);
  const flipped = block('a', 1);
  flipped[77] = (flipped[77] ?? 0) ^ 1;
  expect(check.next(flipped)).toBe(false);
  expect(check.next(block('a', 2))).toBe(true);
  expect(new PaddingCheck(part, 9).next(block('a', 1))).toBe(false);
});
