import { describe, expect, it } from '@jest/globals';
import { ByteReader, ByteWriter } from './binary-codec.ts';
import { payloadOf } from './frames.ts';
import type { SqlValue } from '../values.ts';

function back(writer: ByteWriter): ByteReader {
  return new ByteReader(payloadOf(writer.framed()));
}

describe('values as bytes', () => {
  it.each<readonly [string, SqlValue]>([
    ['NULL', null],
    ['bits', true],
    ['the least bigint', -(2n ** 63n)],
    ['the greatest bigint', 2n ** 63n - 1n],
    ['a float', -1.5e300],
    ['no text', ''],
    ['text of one unit too many for the short way', 'x'.repeat(65)],
    ['text at the end of the short way', 'ü'.repeat(64)],
    ['half a pair of surrogates', 'a\ud83d'],
    ['a whole pair', '\ud83d\ude00'],
    ['a decimal of 38 digits', { kind: 'decimal', unscaled: -(10n ** 38n - 1n), scale: 38 }],
    ['a decimal with zeros within', { kind: 'decimal', unscaled: 36n ** 20n + 36n ** 10n + 7n, scale: 0 }],
    ['a moment', { kind: 'datetime', ticks: 3_155_378_975_999_999_999n }],
    ['a moment with its offset', { kind: 'datetime', ticks: 1n, offsetMinutes: -840 }],
    ['bytes', Uint8Array.of(0, 255)],
    ['a large text', 'large '.repeat(400_000)],
  ])('are the same again: %s', (_, value) => {
    const writer = new ByteWriter();
    writer.row([1n, value, 'end']);
    expect(back(writer).row()).toEqual([1n, value, 'end']);
  });

  it('are written from the start again by a writer that was cleared, after a large value too', () => {
    const writer = new ByteWriter();
    for (const bytes of [10, 3_000_000, 5000, 1]) {
      writer.clear();
      expect(writer.length).toBe(0);
      writer.bytes(new Uint8Array(bytes).fill(7));
      const reader = back(writer);
      expect(reader.bytes().every(each => each === 7)).toBe(true);
      expect(reader.done).toBe(true);
    }
  });
});
