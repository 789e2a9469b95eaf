import { describe, expect, it } from '@jest/globals';
import { joinReports } from './matrix-joined.ts';
import type { Counts, TrialReport } from './matrix-report.ts';

const counts = (hit: number, equal = hit): Counts => ({ planned: hit, hit, equal, sometimes: [], runs: 1, seconds: 1 });
const report = (changes: Partial<TrialReport>): TrialReport => ({
  project: '@holdfast/backup',
  trial: 'backup-set',
  title: 'a trial',
  long: false,
  seed: 1,
  runners: ['set-runner'],
  injuries: { crash: counts(600), kill: counts(3) },
  problems: [],
  places: {},
  ...changes,
});

describe('the crash matrix', () => {
  it('adds up what the trials have shown', () => {
    const other = { trial: 'other', runners: ['relay'], injuries: { crash: counts(10), kill: counts(2) } };
    const joined = joinReports([report({}), report(other)], ['@holdfast/backup']);
    expect(joined).toMatchObject({
      points: 610,
      runners: ['@holdfast/backup set-runner', '@holdfast/backup relay'],
      injuries: { crash: { hit: 610, equal: 610 }, kill: { hit: 5 }, fail: { hit: 0 } },
      problems: [],
    });
  });

  it('says what it does not prove', () => {
    const wrong = report({ injuries: { crash: counts(499, 498), kill: counts(41) }, problems: ['crash at x: y'] });
    expect(joinReports([wrong], ['@holdfast/backup', '@holdfast/restore']).problems).toEqual([
      'backup-set: crash at x: y',
      'no trial of @holdfast/restore has left its report',
      '499 points are fewer than 500',
      'crash: 1 of 499 ended otherwise',
      '41 kills are more than 40',
    ]);
    const long = report({ long: true, injuries: { crash: counts(600), kill: counts(600) } });
    expect(joinReports([long], []).problems).toEqual([]);
  });
});
