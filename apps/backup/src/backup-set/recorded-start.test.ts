import { describe, expect, it } from '@jest/globals';
import { placeMark, placeStart } from './recorded-start.ts';

const now = Date.parse('2026-11-21T12:00:00Z');

describe('the start of a set', () => {
  it.each([
    // [what, stamp, first file's local start, offset, basis, start]
    ['a UTC stamp east of it', '2026-11-21T10:00:00.000', '2026-11-21T11:00:02.000', 60, 'UTC', '10:00'],
    ['a UTC stamp west of it', '2026-11-21T10:00:00.000', '2026-11-21T05:03:00.000', -300, 'UTC', '10:00'],
    ['a stamp on a server in UTC', '2026-11-21T10:00:00.000', '2026-11-21T10:00:02.000', 0, 'UTC', '10:00'],
    ['a local stamp', '2026-11-21T11:00:00.000', '2026-11-21T11:00:02.000', 60, 'LOCAL', '10:00'],
    ['a half-hour zone', '2026-11-21T10:00:00.000', '2026-11-21T15:30:04.000', 330, 'UTC', '10:00'],
    ['a header that fits neither', '2026-11-21T10:00:00.000', '2026-11-21T10:30:00.000', 60, 'UNKNOWN', null],
  ] as const)('%s', (_what, startedAtRecorded, firstFileStartedAtRecorded, offsetMinutes, timeBasis, time) => {
    expect(placeStart({ startedAtRecorded, firstFileStartedAtRecorded, offsetMinutes, now })).toEqual({
      timeBasis,
      startedAt: time === null ? null : `2026-11-21T${time}:00.000Z`,
    });
  });

  it('stays unknown until a header was read', () => {
    const evidence = { startedAtRecorded: '2026-11-21T10:00:00.000', firstFileStartedAtRecorded: null };
    expect(placeStart({ ...evidence, offsetMinutes: 0, now }).timeBasis).toBe('UNKNOWN');
  });

  it('is not taken for local when the offset of that day may have been another one', () => {
    // In July the clock stood at UTC + 0 plus an hour of summer: a UTC stamp of January looks local now.
    const evidence = {
      startedAtRecorded: '2026-01-10T10:00:00.000',
      firstFileStartedAtRecorded: '2026-01-10T10:00:02.000',
    };
    expect(placeStart({ ...evidence, offsetMinutes: 60, now })).toEqual({ timeBasis: 'UNKNOWN', startedAt: null });
  });
});

describe('the time of a mark', () => {
  const set = { timeBasis: 'UNKNOWN', startedAtRecorded: '2026-11-21T10:00:00.000' } as const;

  it('is placed with the offset of today when it is recent', () => {
    expect(placeMark('2026-11-21T11:00:01.120', 60, set, now)).toBe('2026-11-21T10:00:01.120Z');
  });
  it('is not guessed when it is older', () => {
    expect(
      placeMark('2026-01-10T11:00:01.120', 60, { ...set, startedAtRecorded: '2026-01-10T10:00:00.000' }, now),
    ).toBe(null);
  });
  it('is placed when the UTC stamp of its set shows the offset of that day', () => {
    const old = { timeBasis: 'UTC', startedAtRecorded: '2026-01-10T10:00:00.000' } as const;
    expect(placeMark('2026-01-10T11:00:01.120', 60, old, now)).toBe('2026-01-10T10:00:01.120Z');
    expect(placeMark('2026-01-10T10:00:01.120', 60, old, now)).toBe(null);
  });
});
