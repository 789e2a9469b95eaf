import { describe, expect, it } from '@jest/globals';
import { durationFromSeconds, scalarResolvers } from './scalars.ts';

const { DateTime, Duration, Bytes, LSN } = scalarResolvers;
const refused = expect.objectContaining({ extensions: expect.objectContaining({ code: 'BAD_USER_INPUT' }) });

describe('DateTime', () => {
  it('is given out as RFC 3339 UTC', () => {
    expect(DateTime.serialize(new Date(0))).toBe('1970-01-01T00:00:00.000Z');
    expect(DateTime.serialize('2026-11-20T12:00:00+02:00')).toBe('2026-11-20T10:00:00.000Z');
    expect(DateTime.parseValue('2028-02-29T00:00:00Z')).toBe('2028-02-29T00:00:00.000Z');
  });
  it.each([
    '2026-11-20',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-20T25:00:00Z',
    '2026-11-20T10:00:00',
    '',
    5,
  ])('refuses %j', value => {
    expect(() => DateTime.parseValue(value)).toThrow(refused);
  });
  it('throws for an invalid Date, a bug of ours', () => {
    expect(() => DateTime.serialize(new Date('x'))).toThrow(TypeError);
  });
});

describe('Duration', () => {
  it.each([
    [0, 'PT0S'],
    [0.25, 'PT0.25S'],
    [59.9999, 'PT1M'],
    [3_600, 'PT1H'],
    [5_400, 'PT1H30M'],
    [90_061.5, 'P1DT1H1M1.5S'],
    [172_800, 'P2D'],
  ])('of %d seconds is %s', (seconds, text) => {
    expect(durationFromSeconds(seconds)).toBe(text);
    expect(Duration.serialize(seconds)).toBe(text);
    expect(Duration.parseValue(text)).toBe(text);
  });
  it.each(['P', 'PT', 'P1Y', '1H', 'P1DT', 5])('refuses %j', value =>
    expect(() => Duration.parseValue(value)).toThrow(refused),
  );
  it('is never negative', () => expect(() => durationFromSeconds(-1)).toThrow(RangeError));
});

describe('Bytes and LSN', () => {
  it('are decimal strings', () => {
    expect(Bytes.serialize(12n ** 20n)).toBe((12n ** 20n).toString());
    expect(Bytes.serialize(4096)).toBe('4096');
    expect(LSN.serialize(45000000012300001n)).toBe('45000000012300001');
    expect(LSN.parseValue('0045000000012300001000001')).toBe('0045000000012300001000001');
  });
  it('refuse what is no such number', () => {
    for (const value of ['', '1.5', '-1', 'x', '1'.repeat(26), 45000000012300001])
      expect(() => LSN.parseValue(value)).toThrow(refused);
    for (const value of ['01', '-1', '1e3', 5]) expect(() => Bytes.parseValue(value)).toThrow(refused);
  });
  it('never come from a number that has lost digits', () => {
    expect(() => LSN.serialize(45000000012300001)).toThrow(TypeError);
    expect(() => Bytes.serialize(2 ** 60)).toThrow(TypeError);
    expect(() => Bytes.serialize(-1n)).toThrow(TypeError);
  });
});
