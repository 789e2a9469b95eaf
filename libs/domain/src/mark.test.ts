import { describe, expect, it } from '@jest/globals';
import { isBizTalkMark, markTimestamp, parseMarkName, requireMarkName } from './mark.ts';

describe('parseMarkName', () => {
  it.each(['BTS_2007_04_12_00_00_08_497', 'bts', 'Zwölf', 'x'.repeat(32)])('keeps %p as it is', name => {
    expect(parseMarkName(name)).toBe(name);
  });

  it.each(['', 'x'.repeat(33), "O'Brien", '"quoted"', 'line\nbreak', 'nul\u0000', 7, null])('refuses %p', value => {
    expect(parseMarkName(value)).toBeUndefined();
    expect(() => requireMarkName(value)).toThrow(RangeError);
  });

  it('keeps letter case apart', () => {
    expect(parseMarkName('BTS')).not.toBe(parseMarkName('bts'));
  });
});

describe('the shape of a BizTalk mark', () => {
  it('gives its prefix and time as text', () => {
    expect(markTimestamp(requireMarkName('BTS_2007_04_12_00_00_08_497'))).toEqual({
      prefix: 'BTS',
      year: '2007',
      month: '04',
      day: '12',
      hour: '00',
      minute: '00',
      second: '08',
      millisecond: '497',
    });
  });

  it.each([
    ['Log_2016_12_31_23_59_59_999', true],
    ['A_B_2016_12_31_23_59_59_999', true],
    ['TOOLONGPR_2016_12_31_23_59_59_9', false],
    ['BTS_2016_12_31_23_59_59', false],
    ['SQL1_BTS_BizTalkDTADb_Log_BTS', false],
    ['_2016_12_31_23_59_59_999', false],
  ])('%p: %p', (name, expected) => {
    const mark = requireMarkName(name);
    expect(isBizTalkMark(mark)).toBe(expected);
    expect(markTimestamp(mark) !== undefined).toBe(expected);
  });
});
