import { describe, expect, it } from '@jest/globals';
import { databases, file, full, log, lsn, set } from '../test/sets.ts';
import type { BackupSet } from './backup-set.ts';
import { reason } from './reason.ts';
import { chainsTo, judgeRecoveryPoint, marksOf, type PointJudgement } from './recovery-point.ts';

/** The point of the last set given, judged through all of them. */
function judge(...history: readonly BackupSet[]): PointJudgement {
  const last = history.at(-1)!;
  const marks = marksOf(last);
  return judgeRecoveryPoint(last, marks, chainsTo(last, marks, history));
}
const summary = ({ verdict, reasons }: PointJudgement) => [verdict, ...new Set(reasons.map(({ code }) => code))];
const partial = (number: number): BackupSet => ({
  ...log(number),
  state: 'PARTIAL',
  reasons: [reason('SET_PARTIAL', { written: 1 })],
});
const orphaned = (number: number): BackupSet => ({
  ...log(number),
  state: 'ORPHANED',
  reasons: [reason('SET_ORPHANED', { brokenSet: '2' })],
});
const oneUnproven = set(
  3,
  'LOG',
  [file(3, 'BizTalkMgmtDb', 30, 40, { markLsn: lsn(35) }), file(3, 'SSODB', 30, 40)],
  'COMPLETE',
);
const oneLost = set(
  3,
  'LOG',
  [file(3, 'BizTalkMgmtDb', 30, 40, { markLsn: lsn(35) }), file(3, 'SSODB', 30, 40, { state: 'MISSING' })],
  'SUSPECT',
);

describe('judgeRecoveryPoint', () => {
  it.each<[string, readonly BackupSet[], readonly string[]]>([
    ['all chains whole and verified', [full(), log(2), log(3)], ['SOUND']],
    [
      'its files only seen',
      [full(), log(2), log(3, 'COMPLETE', { state: 'PRESENT' })],
      ['DEGRADED', 'FILE_NOT_VERIFIED'],
    ],
    [
      'a log on the way only seen',
      [full(), log(2, 'COMPLETE', { state: 'PRESENT' }), log(3)],
      ['DEGRADED', 'FILE_NOT_VERIFIED'],
    ],
    [
      'nobody could look at a log on the way',
      [full(), log(2, 'COMPLETE', { state: 'UNKNOWN' }), log(3)],
      ['UNKNOWN', 'FILE_NOT_VERIFIED'],
    ],
    ['no mark proven', [full(), log(2, 'COMPLETE', { markLsn: null })], ['UNKNOWN', 'MARK_UNPROVEN']],
    ['one mark unproven', [full(), log(2), oneUnproven], ['UNKNOWN', 'MARK_UNPROVEN']],
    [
      'the mark at the end of the file',
      [full(), log(2, 'COMPLETE', { markLsn: lsn(30) })],
      ['UNKNOWN', 'MARK_OUTSIDE_FILE'],
    ],
    ['its header unread', [full(), log(2, 'COMPLETE', { header: null })], ['UNKNOWN', 'FILE_NOT_VERIFIED']],
    ['a file missing', [full(), log(2, 'SUSPECT', { state: 'MISSING' })], ['BROKEN', 'FILE_MISSING']],
    ['unproven and lost in one database', [full(), log(2), oneLost], ['BROKEN', 'MARK_UNPROVEN', 'FILE_MISSING']],
    ['a log missing on the way', [full(), log(3)], ['BROKEN', 'CHAIN_GAP']],
    ['a log damaged on the way', [full(), log(2, 'SUSPECT', { state: 'DAMAGED' }), log(3)], ['BROKEN', 'CHAIN_GAP']],
    ['no full before it', [full(9, 100), log(2)], ['BROKEN', 'NO_BASE']],
    ['a partial set on the way', [full(), partial(2), log(3)], ['DEGRADED', 'BRIDGED_BY_PARTIAL_SET']],
    ['orphaned and bridged', [full(), partial(2), orphaned(3)], ['DEGRADED', 'SET_ORPHANED', 'BRIDGED_BY_PARTIAL_SET']],
    ['itself partial', [full(), partial(2)], ['BROKEN', 'SET_PARTIAL', 'BRIDGED_BY_PARTIAL_SET']],
    ['purged from the history, files there', [full(), log(2, 'PURGED')], ['SOUND']],
  ])('%s', (_, history, expected) => {
    expect(summary(judge(...history))).toEqual(expected);
  });

  it('is UNKNOWN while the set runs and for a set of no files', () => {
    expect(judge(full(), { ...log(2), state: 'RUNNING' }).verdict).toBe('UNKNOWN');
    expect(judge(full(), set(2, 'LOG', [], 'COMPLETE')).verdict).toBe('UNKNOWN');
    expect(judge(full(), set(2, 'LOG', [], 'VOID')).verdict).toBe('BROKEN');
  });

  it('says for each database what is proven and what is wrong', () => {
    expect(judge(full(), log(2), oneUnproven).databases).toMatchObject([
      { databaseName: databases[0], lsn: '35', markProven: true, verdict: 'SOUND', reasons: [] },
      {
        databaseName: databases[1],
        lsn: null,
        markProven: false,
        verdict: 'UNKNOWN',
        reasons: [{ code: 'MARK_UNPROVEN' }],
      },
    ]);
  });
});
