import { describe, expect, it } from '@jest/globals';
import { durationNumber, nextRun, strangeness, type Schedule } from './schedule.ts';

const daily: Schedule = {
  frequencyType: 4,
  frequencyInterval: 1,
  subdayType: 1,
  subdayInterval: 0,
  recurrenceFactor: 0,
  startDate: 20_260_301,
  endDate: 99_991_231,
  startTime: 13_000,
  endTime: 235_959,
};

const next = (part: Partial<Schedule>, after: string): string | undefined =>
  nextRun({ ...daily, ...part }, new Date(after))?.toISOString();

describe('the next run', () => {
  it('is once a day at its time', () => {
    expect(next({}, '2026-03-05T01:29:59.999Z')).toBe('2026-03-05T01:30:00.000Z');
    expect(next({}, '2026-03-05T01:30:00.000Z')).toBe('2026-03-06T01:30:00.000Z');
  });

  it('is every so many days from the start date', () => {
    expect(next({ frequencyInterval: 3 }, '2026-03-01T02:00:00Z')).toBe('2026-03-04T01:30:00.000Z');
    expect(next({ frequencyInterval: 3 }, '2026-03-05T00:00:00Z')).toBe('2026-03-07T01:30:00.000Z');
  });

  it('comes every 15 minutes, counted from the start time and across midnight', () => {
    const quarter = { subdayType: 4, subdayInterval: 15, startTime: 0 };
    expect(next(quarter, '2026-03-05T10:07:00Z')).toBe('2026-03-05T10:15:00.000Z');
    expect(next(quarter, '2026-03-05T10:15:00Z')).toBe('2026-03-05T10:30:00.000Z');
    expect(next(quarter, '2026-03-05T23:50:00Z')).toBe('2026-03-06T00:00:00.000Z');
  });

  it('comes in seconds and in hours', () => {
    expect(next({ subdayType: 2, subdayInterval: 10, startTime: 0 }, '2026-03-05T10:07:03Z')).toBe(
      '2026-03-05T10:07:10.000Z',
    );
    expect(next({ subdayType: 8, subdayInterval: 6, startTime: 10_000 }, '2026-03-05T20:00:00Z')).toBe(
      '2026-03-06T01:00:00.000Z',
    );
  });

  it('stays between the start and the end time of the day', () => {
    const office = { subdayType: 4, subdayInterval: 30, startTime: 80_000, endTime: 90_000 };
    expect(next(office, '2026-03-05T08:45:00Z')).toBe('2026-03-05T09:00:00.000Z');
    expect(next(office, '2026-03-05T09:00:00Z')).toBe('2026-03-06T08:00:00.000Z');
  });

  it('is not before the start date and not after the end date', () => {
    expect(next({}, '2025-12-01T00:00:00Z')).toBe('2026-03-01T01:30:00.000Z');
    expect(next({ endDate: 20_260_302 }, '2026-03-02T00:00:00Z')).toBe('2026-03-02T01:30:00.000Z');
    expect(next({ endDate: 20_260_302 }, '2026-03-02T02:00:00Z')).toBeUndefined();
  });

  it('of a weekly one is on its days, whichever week the start date lies in', () => {
    // 2026-03-05 is a Thursday.
    const sunday = { frequencyType: 8, frequencyInterval: 1, recurrenceFactor: 1 };
    expect(next(sunday, '2026-03-05T00:00:00Z')).toBe('2026-03-08T01:30:00.000Z');
    expect(next(sunday, '2026-03-08T01:00:00Z')).toBe('2026-03-08T01:30:00.000Z');
    expect(next(sunday, '2026-03-08T01:30:00Z')).toBe('2026-03-15T01:30:00.000Z');
    expect(next(sunday, '2025-12-01T00:00:00Z')).toBe('2026-03-01T01:30:00.000Z');
    const mondayAndSaturday = { ...sunday, frequencyInterval: 2 + 64 };
    expect(next(mondayAndSaturday, '2026-03-05T00:00:00Z')).toBe('2026-03-07T01:30:00.000Z');
    expect(next(mondayAndSaturday, '2026-03-07T12:00:00Z')).toBe('2026-03-09T01:30:00.000Z');
    expect(next({ ...sunday, subdayType: 8, subdayInterval: 12, startTime: 0 }, '2026-03-08T10:00:00Z')).toBe(
      '2026-03-08T12:00:00.000Z',
    );
    expect(next({ ...sunday, endDate: 20_260_307 }, '2026-03-05T00:00:00Z')).toBeUndefined();
  });

  it('of a schedule for once comes once', () => {
    expect(next({ frequencyType: 1 }, '2026-03-01T01:00:00Z')).toBe('2026-03-01T01:30:00.000Z');
    expect(next({ frequencyType: 1 }, '2026-03-01T01:30:00Z')).toBeUndefined();
  });
});

describe('a schedule', () => {
  it.each([
    [{ frequencyType: 16 }, 'a schedule of freq_type 16'],
    [{ frequencyType: 8, recurrenceFactor: 2 }, 'a weekly schedule with freq_recurrence_factor 2'],
    [{ frequencyType: 8, frequencyInterval: 128, recurrenceFactor: 1 }, 'a weekly schedule with freq_interval 128'],
    [{ frequencyInterval: 0 }, 'a daily schedule with freq_interval 0'],
    [{ subdayType: 3 }, 'a schedule of freq_subday_type 3'],
    [{ subdayType: 4, subdayInterval: 0 }, 'a schedule with freq_subday_interval 0'],
    [{ startDate: 20_260_231 }, 'a schedule date that is not yyyymmdd'],
    [{ startTime: 250_000 }, 'a schedule time that is not hhmmss'],
    [
      { subdayType: 4, subdayInterval: 5, startTime: 220_000, endTime: 10_000 },
      'a schedule whose day ends before it starts',
    ],
  ])('%j cannot be followed', (part, reason) => {
    expect(strangeness({ ...daily, ...part })).toBe(reason);
    expect(nextRun({ ...daily, ...part }, new Date('2026-03-05T00:00:00Z'))).toBeUndefined();
  });
});

describe('a duration', () => {
  it('is hhmmss', () => {
    expect([durationNumber(999), durationNumber(61_000), durationNumber(100 * 3_600_000 + 59_000)]).toEqual([
      0, 101, 1_000_059,
    ]);
  });
});
