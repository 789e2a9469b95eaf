import { describe, expect, it } from '@jest/globals';
import { inDoubtReasons } from './in-doubt.ts';

const codes = (...resolutions: (number | null)[]) =>
  inDoubtReasons(
    resolutions.map((resolution, index) => ({ instanceName: `DRDB${String(index + 1)}`, resolution })),
  ).map(({ code, message }) => [code, ...(message.match(/DRDB\d/g) ?? [])]);

describe('what the standby presumes of in-doubt transactions', () => {
  it('is well when all presume the same', () => {
    expect(codes(1, 1)).toEqual([]);
    expect(codes(2)).toEqual([]);
  });

  it('is named where it is nothing, unknown or different', () => {
    expect(codes(0, 0)).toEqual([['IN_DOUBT_NOT_PRESUMED', 'DRDB1', 'DRDB2']]);
    expect(codes(1, 0)).toEqual([['IN_DOUBT_NOT_PRESUMED', 'DRDB2']]);
    expect(codes(1, 2)).toEqual([['IN_DOUBT_DIFFERS']]);
    expect(codes(null, 1, 2, 0)).toEqual([
      ['IN_DOUBT_UNKNOWN', 'DRDB1'],
      ['IN_DOUBT_NOT_PRESUMED', 'DRDB4'],
      ['IN_DOUBT_DIFFERS'],
    ]);
  });
});
