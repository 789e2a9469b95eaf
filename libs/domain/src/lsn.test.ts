import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  compareLsn,
  liesIn,
  lsnParts,
  maxLsn,
  minLsn,
  nextSlot,
  parseLsn,
  parseLsnHex,
  renderLsnHex,
  requireLsn,
} from './lsn.ts';

const decimals = fc.bigInt({ min: 0n, max: 10n ** 25n - 2n });
const widest = fc.record({
  vlf: fc.bigInt(0n, 0xffffffffn),
  block: fc.bigInt(0n, 0xffffffffn),
  slot: fc.bigInt(0n, 0xffffn),
});

describe('parseLsn', () => {
  it.each(['0', '1', '37000000030400001', '9999999999999999999999999'])('takes %p', text => {
    expect(parseLsn(text)).toBe(text);
  });

  it.each([
    37000000030400001,
    37n,
    '',
    ' 1',
    '01',
    '-1',
    '1.0',
    '1e3',
    '0x10',
    '00000025:00000130:0001',
    '99999999999999999999999999',
    null,
    undefined,
  ])('refuses %p', value => {
    expect(parseLsn(value)).toBeUndefined();
    expect(() => requireLsn(value)).toThrow(RangeError);
  });
});

describe('the order of LSNs', () => {
  it('is the order of the numbers', () => {
    fc.assert(
      fc.property(decimals, decimals, (a, b) => {
        const [left, right] = [requireLsn(String(a)), requireLsn(String(b))];
        expect(compareLsn(left, right)).toBe(a < b ? -1 : a > b ? 1 : 0);
        expect(minLsn(left, right)).toBe(String(a < b ? a : b));
        expect(maxLsn(left, right)).toBe(String(a < b ? b : a));
      }),
    );
  });

  it('has exactly one LSN between an LSN and its next slot: itself', () => {
    expect(nextSlot(requireLsn('37000000072800003'))).toBe('37000000072800004');
    fc.assert(
      fc.property(decimals, value => {
        const lsn = requireLsn(String(value));
        expect(nextSlot(lsn)).toBe(String(value + 1n));
        expect(liesIn(lsn, { firstLsn: lsn, lastLsn: nextSlot(lsn) })).toBe(true);
        expect(liesIn(nextSlot(lsn), { firstLsn: lsn, lastLsn: nextSlot(lsn) })).toBe(false);
        expect(liesIn(lsn, { firstLsn: lsn, lastLsn: lsn })).toBe(false);
      }),
    );
  });
});

describe('the parts of an LSN', () => {
  it('are VLF × 10^15 + block × 10^5 + slot', () => {
    expect(lsnParts(requireLsn('37000000072800003'))).toEqual({ vlf: 37n, block: 728n, slot: 3n });
    expect(renderLsnHex(requireLsn('37000000072800003'))).toBe('00000025:000002d8:0003');
    expect(parseLsnHex('0x00000025:000002D8:0003')).toBe('37000000072800003');
  });

  it('survive hex and back', () => {
    fc.assert(
      fc.property(widest, ({ vlf, block, slot }) => {
        const lsn = requireLsn(String(vlf * 10n ** 15n + block * 10n ** 5n + slot));
        expect(parseLsnHex(renderLsnHex(lsn))).toBe(lsn);
        expect(lsnParts(lsn)).toEqual({ vlf, block, slot });
      }),
    );
  });

  it('refuse what has no hex form', () => {
    expect(() => renderLsnHex(requireLsn('9999999999999999999999999'))).toThrow(RangeError);
    expect(parseLsnHex('25:2d8:3')).toBeUndefined();
    expect(parseLsnHex('37000000072800003')).toBeUndefined();
  });
});
