import { reason } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import { setOf } from '../../test/ledger.ts';
import { judgedAs, judgePoint, shownVerdict } from './recovery-point.ts';

const verdicts = ['SOUND', 'DEGRADED', 'BROKEN', 'UNKNOWN'] as const;
const observation = (expired: boolean) => ({ expired, observedAt: '2026-11-21T10:00:00.000Z' });

describe('a point whose set has a database that is unknown here', () => {
  const known = setOf(2, 'LOG');
  const rows = known.rows.map((row, index) => (index === 1 ? { ...row, databaseId: null } : row));
  it.each([
    ['while the history lists it', { ...known, rows, files: known.files.slice(0, 1) }],
    ['when the history has lost it', { ...known, rows: [], files: known.files.slice(0, 1) }],
  ])('is unknown for it %s', (_when, set) => {
    const { verdict, reasons } = judgePoint(set, [set], { members: [], foreign: [] });
    expect(verdict).toBe('UNKNOWN');
    expect(reasons.at(-1)).toMatchObject({
      code: 'FILE_NOT_VERIFIED',
      message: expect.stringContaining('BizTalkMsgBoxDb'),
    });
  });
});

describe('a verdict whose evidence has expired', () => {
  it.each([
    ['SOUND', 'UNKNOWN'],
    ['DEGRADED', 'UNKNOWN'],
    ['BROKEN', 'BROKEN'],
    ['UNKNOWN', 'UNKNOWN'],
  ] as const)('%s is shown as %s', (verdict, shown) => {
    const reasons = [reason('NO_BASE', { databaseName: 'SSODB' })];
    const now = shownVerdict({ verdict, reasons }, observation(true));
    expect(now.verdict).toBe(shown);
    expect(now.reasons.map(({ code }) => code)).toEqual(
      verdict === 'BROKEN' ? ['NO_BASE'] : ['SOURCE_NOT_OBSERVED', 'NO_BASE'],
    );
  });

  it('is left alone while it has not', () => {
    expect(shownVerdict({ verdict: 'SOUND', reasons: [] }, observation(false))).toEqual({
      verdict: 'SOUND',
      reasons: [],
    });
  });

  it.each([true, false])('is found by the filter that names what is shown (expired: %s)', expired => {
    for (const verdict of verdicts) {
      const { verdict: shown } = shownVerdict({ verdict, reasons: [] }, observation(expired));
      expect(verdicts.filter(each => judgedAs(each, expired).includes(verdict))).toEqual([shown]);
    }
  });
});
