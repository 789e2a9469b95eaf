import { describe, expect, it } from '@jest/globals';
import { isFullDue, parseFrequency, type ScheduleFacts } from './full-schedule.ts';
import { backupFileName, fullMarkName } from './names.ts';

const quiet = {
  forceFull: false,
  forceAfterPartial: false,
  partialOpen: false,
  newestFullAt: undefined,
  dateFirst: 7,
};
const at = (text: string): Date => new Date(`${text}Z`);
const facts = (now: Date, part: Partial<ScheduleFacts> = {}): ScheduleFacts => ({
  now,
  localNow: now,
  ...quiet,
  ...part,
});

/** Rows: frequency, hour, newest full, now, due. The order of biztalk-dr.md §2.2. */
const table = [
  ['d', undefined, '2026-03-01T23:59', '2026-03-01T00:10', false],
  ['d', undefined, '2026-03-01T23:59', '2026-03-02T00:00', true],
  ['d', 3, '2026-03-01T10:00', '2026-03-02T02:59', false],
  ['d', 3, '2026-03-01T10:00', '2026-03-02T03:00', true],
  ['d', 99, '2026-03-01T10:00', '2026-03-02T00:30', true],
  ['h', 3, '2026-03-01T10:59', '2026-03-01T11:00', true],
  ['w', undefined, '2026-03-29T10:00', '2026-03-31T10:00', false],
  // One week, two months: two fulls.
  ['w', undefined, '2026-03-31T10:00', '2026-04-01T10:00', true],
  // A Saturday and the Sunday after it.
  ['w', undefined, '2026-03-07T23:59', '2026-03-08T00:00', true],
  // Week 53 and week 1 of the next year, days apart.
  ['w', undefined, '2026-12-31T10:00', '2027-01-01T10:00', true],
  ['w', 3, '2026-03-07T10:00', '2026-03-08T04:00', false],
  ['m', undefined, '2026-03-01T10:00', '2026-03-31T10:00', false],
  ['m', undefined, '2026-03-31T23:59', '2026-04-01T00:00', true],
  ['m', undefined, '2025-03-15T10:00', '2026-03-15T10:00', true],
  ['h', undefined, '2026-03-01T10:00', '2026-03-01T10:59', false],
  ['h', undefined, '2026-03-01T10:30', '2026-03-02T10:30', true],
  ['d', 0, '2026-03-01T10:00', '2026-03-02T00:59', true],
  ['d', -1, '2026-03-01T10:00', '2026-03-02T00:59', true],
  // The hour went by without a run: not today.
  ['d', 3, '2026-03-01T03:00', '2026-03-02T04:00', false],
  ['y', undefined, '2026-01-01T00:00', '2026-12-31T23:59', false],
  ['y', undefined, '2025-12-31T23:00', '2026-01-01T00:00', true],
] as const;

describe('a full backup', () => {
  it.each(table)('%s at hour %s, newest %s, now %s: due %s', (frequency, hour, newest, now, due) => {
    expect(isFullDue(frequency, hour, facts(at(now), { newestFullAt: at(newest) }))).toBe(due);
  });

  it('is due when none was ever taken, when forced, and after a partial set only if asked', () => {
    const now = at('2026-03-01T10:00');
    const today = (part: Partial<ScheduleFacts>): ScheduleFacts => facts(now, { newestFullAt: now, ...part });
    expect(isFullDue('d', 23, facts(now))).toBe(true);
    expect(isFullDue('d', undefined, today({ forceFull: true }))).toBe(true);
    expect(isFullDue('d', undefined, today({ partialOpen: true }))).toBe(false);
    expect(isFullDue('d', undefined, today({ partialOpen: true, forceAfterPartial: true }))).toBe(true);
  });

  it('goes by the frequency only where it compares periods', () => {
    const now = at('2026-03-01T10:00');
    const earlier = (part: Partial<ScheduleFacts>): ScheduleFacts => facts(now, { newestFullAt: now, ...part });
    expect(isFullDue(undefined, 23, facts(now))).toBe(true);
    expect(isFullDue(undefined, 23, earlier({ forceFull: true }))).toBe(true);
    expect(isFullDue(undefined, 23, earlier({ partialOpen: true, forceAfterPartial: true }))).toBe(true);
    expect(isFullDue(undefined, 23, earlier({}))).toBe('unknown frequency');
  });

  it('goes by the period of the chosen clock and by the hour of the local one', () => {
    const [utc, local] = [at('2026-03-01T23:30'), at('2026-03-02T09:30')];
    const newestFullAt = at('2026-03-01T01:00');
    expect(isFullDue('d', 9, { ...facts(utc), localNow: local, newestFullAt })).toBe(false);
    expect(isFullDue('d', 9, { ...facts(local), localNow: local, newestFullAt })).toBe(true);
    expect(isFullDue('d', 23, { ...facts(local), localNow: local, newestFullAt })).toBe(false);
  });

  it('counts weeks from the day of DATEFIRST', () => {
    // A Sunday and the Monday after it.
    const [sunday, monday] = [at('2026-03-08T10:00'), at('2026-03-09T10:00')];
    const due = (dateFirst: number): unknown =>
      isFullDue('w', undefined, facts(monday, { newestFullAt: sunday, dateFirst }));
    expect([7, 1, 2].map(due)).toEqual([false, true, false]);
  });

  it('knows five frequencies in either case', () => {
    expect(['h', 'D', 'w', 'M', 'y', 'x', ''].map(parseFrequency)).toEqual([
      'h',
      'd',
      'w',
      'm',
      'y',
      undefined,
      undefined,
    ]);
  });
});

describe('names', () => {
  it('follow the shipped pattern', () => {
    const mark = fullMarkName('BTS', new Date('2007-04-12T00:00:08.497Z'));
    expect(mark).toBe('BTS_2007_04_12_00_00_08_497');
    expect(fullMarkName("lo'ngprefix", new Date(0))).toBe('longpre_1970_01_01_00_00_00_000');
    expect(fullMarkName('~!@#$%^&', new Date(0))).toBe('_________1970_01_01_00_00_00_000');
    expect(fullMarkName('*()-+{[}', new Date(0))).toBe('_________1970_01_01_00_00_00_000');
    expect(fullMarkName('|\\:;<>,/', new Date(0))).toBe('_________1970_01_01_00_00_00_000');
    // What the list of characters leaves out stays.
    expect(fullMarkName(']=?`ü_"', new Date(0))).toBe(']=?`ü__1970_01_01_00_00_00_000');
    expect(backupFileName('SQL1\\BTS', 'BizTalkMgmtDb', 'Log', mark)).toBe(`SQL1_BTS_BizTalkMgmtDb_Log_${mark}.bak`);
    expect(backupFileName('A'.repeat(40), 'D', 'Full', 'm')).toBe(`${'A'.repeat(30)}_D_Full_m.bak`);
  });
});
