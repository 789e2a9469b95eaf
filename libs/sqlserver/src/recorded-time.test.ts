import { describe, expect, it } from '@jest/globals';
import { placeTime, utcOffsetMinutes } from './recorded-time.ts';

describe('recorded times', () => {
  it('find the offset of the server, whatever instant lies between its two clocks', () => {
    expect(utcOffsetMinutes('2026-11-21T23:59:59.9999999', '2026-11-22T05:30:00.0000001')).toBe(330);
    expect(utcOffsetMinutes('2026-11-21T04:00:00.000', '2026-11-20T23:00:00.000')).toBe(-300);
  });

  it('are placed only when their basis is known', () => {
    expect(placeTime({ recorded: '2026-11-21T05:30:00.120', basis: 'LOCAL' }, 60)).toBe('2026-11-21T04:30:00.120Z');
    expect(placeTime({ recorded: '2026-11-21T05:30:00', basis: 'UTC' }, 60)).toBe('2026-11-21T05:30:00.000Z');
    expect(placeTime({ recorded: '2026-11-21T05:30:00', basis: 'UNKNOWN' }, 60)).toBeNull();
    expect(() => placeTime({ recorded: 'Nov 21 2026', basis: 'UTC' }, 0)).toThrow('Not a recorded time');
  });
});
