import { describe, expect, it } from '@jest/globals';
import { at, copies, copy, database, type Name } from '../test/worked-chain.ts';
import { releasable } from './hold-back.ts';
import type { DatabaseId } from './ids.ts';
import { requireLsn } from './lsn.ts';
import { requireMarkName } from './mark.ts';
import type { PlanDatabase } from './restore-plan.ts';
import type { TargetCandidate } from './target.ts';

const other = '0198a5c2-7e1b-7c3d-9a4f-000000000002' as DatabaseId;
const standing = (databaseId: DatabaseId, position: string | null, ...files: Name[]): PlanDatabase => {
  return {
    databaseId,
    databaseName: databaseId === other ? 'SSODB' : 'BizTalkMgmtDb',
    position: position === null ? null : at(position),
    copies: copies(...files),
  };
};
const candidate = (name: string, lsn: string): TargetCandidate => {
  return {
    mark: requireMarkName(name),
    markedAt: null,
    lsnByDatabase: new Map([database, other].map(id => [id, requireLsn(lsn)])),
  };
};
// One mark in each of L4, L2 and L1; L3 is somebody else's log backup.
const candidates = [
  candidate('M4', '37000000072800003'),
  candidate('M2', '37000000050000003'),
  candidate('M1', '37000000040000003'),
];
const [F1, L1, L2, L3] = ['37000000032800001', '37000000041600001', '37000000052000001', '37000000064000001'];

describe('releasable', () => {
  it('begins with a full once a log set lies behind it', () => {
    expect(releasable(candidates, [standing(database, null, 'F1')])).toMatchObject({
      floor: null,
      databases: [{ kind: 'WAIT', why: { kind: 'NO_REACHABLE_MARK', obstacle: { kind: 'MARK_NOT_IN_FILE' } } }],
    });
    expect(releasable(candidates, [standing(database, null, 'F1', 'L1')])).toMatchObject({
      floor: 'M1',
      databases: [{ kind: 'APPLY', step: { kind: 'RESTORE_FULL', reaches: F1 } }],
    });
  });

  it('holds the newest log set back until a later one is whole for every database', () => {
    const oneLags = [standing(database, F1, 'F1', 'L1', 'L2'), standing(other, F1, 'F1', 'L1')];
    expect(releasable(candidates, oneLags)).toMatchObject({
      floor: 'M1',
      databases: [{ why: { kind: 'HELD_BACK', mark: 'M1' } }, { why: { kind: 'HELD_BACK', mark: 'M1' } }],
      passedOver: [{ mark: 'M4' }, { mark: 'M2', obstructed: [{ databaseName: 'SSODB' }] }],
    });
    const bothWhole = [standing(database, F1, 'F1', 'L1', 'L2'), standing(other, F1, 'F1', 'L1', 'L2')];
    expect(releasable(candidates, bothWhole)).toMatchObject({
      floor: 'M2',
      databases: [
        { kind: 'APPLY', step: { kind: 'RESTORE_LOG', reaches: L1 } },
        { kind: 'APPLY', step: { kind: 'RESTORE_LOG', reaches: L1 } },
      ],
    });
  });

  it('does not count a copy that nobody verified', () => {
    const doubtful = {
      ...standing(database, F1, 'F1', 'L1'),
      copies: [...copies('F1', 'L1'), copy('L2', { verified: false })],
    };
    expect(releasable(candidates, [doubtful])).toMatchObject({ floor: 'M1', databases: [{ kind: 'WAIT' }] });
  });

  it('releases nothing to the others while one stands before a gap, though later sets are whole', () => {
    const whole = standing(database, L1, 'L2', 'L3', 'L4');
    const beforeGap = standing(other, L1, 'L2', 'L4');
    expect(releasable(candidates, [whole, beforeGap])).toMatchObject({
      floor: 'M2',
      databases: [{ why: { kind: 'HELD_BACK', mark: 'M2' } }, { why: { kind: 'HELD_BACK', mark: 'M2' } }],
    });
  });

  it('rolls logs without a mark up to the floor', () => {
    expect(releasable(candidates, [standing(database, L2, 'L3', 'L4')])).toMatchObject({
      floor: 'M4',
      databases: [{ step: { kind: 'RESTORE_LOG', reaches: L3 } }],
    });
  });

  it('leaves a database that rests on the mark, and goes on with the same log when a later set is whole', () => {
    const resting = standing(database, '37000000050000004', 'L2');
    expect(releasable(candidates, [resting])).toMatchObject({ databases: [{ why: { kind: 'AT_MARK', mark: 'M2' } }] });
    expect(releasable(candidates, [{ ...resting, copies: copies('L2', 'L3', 'L4') }])).toMatchObject({
      floor: 'M4',
      databases: [{ kind: 'APPLY', step: { kind: 'RESTORE_LOG', file: { fileId: 'L2' }, reaches: L2 } }],
    });
  });

  describe('with restAtMark', () => {
    const rest = { restAtMark: true };
    const [M2, atM2] = ['37000000050000003', '37000000050000004'];
    const stop = { kind: 'APPLY', step: { kind: 'RESTORE_LOG_TO_MARK', mark: 'M2', markLsn: M2, reaches: atM2 } };

    it('stops in the log that is held back else, once its set is whole for every database', () => {
      const oneLags = [standing(database, L1, 'L2'), standing(other, L1)];
      expect(releasable(candidates, oneLags, rest)).toMatchObject({
        floor: null,
        databases: [{ kind: 'WAIT' }, { kind: 'WAIT' }],
      });
      const whole = [standing(database, L1, 'L2'), standing(other, L1, 'L2')];
      expect(releasable(candidates, whole, rest)).toMatchObject({ floor: 'M2', databases: [stop, stop] });
    });

    it('stops nowhere before its own last log', () => {
      const behind = [standing(database, F1, 'L1', 'L2'), standing(other, L1, 'L2')];
      expect(releasable(candidates, behind, rest)).toMatchObject({
        floor: 'M2',
        databases: [{ kind: 'APPLY', step: { kind: 'RESTORE_LOG', reaches: L1 } }, stop],
      });
    });

    it('goes on with the same log only when a later set is whole for every database', () => {
      const oneLags = [standing(database, atM2, 'L2', 'L3', 'L4'), standing(other, atM2, 'L2', 'L3')];
      const waits = { kind: 'WAIT', why: { kind: 'AT_MARK', mark: 'M2' } };
      expect(releasable(candidates, oneLags, rest)).toMatchObject({ floor: 'M2', databases: [waits, waits] });
      const whole = oneLags.map(one => ({ ...one, copies: copies('L2', 'L3', 'L4') }));
      const again = { kind: 'APPLY', step: { kind: 'RESTORE_LOG', file: { fileId: 'L2' }, reaches: L2 } };
      expect(releasable(candidates, whole, rest)).toMatchObject({ floor: 'M4', databases: [again, again] });
    });

    it('holds a log back in which the recovery path changes: it would not apply again', () => {
      const [log] = copies('L2');
      const crossing = { ...log!, header: { ...log!.header, lastForkGuid: 'another' } };
      const before = { ...standing(database, L1), copies: [crossing] };
      expect(releasable(candidates, [before], rest)).toMatchObject({
        floor: 'M2',
        databases: [{ kind: 'WAIT', why: { kind: 'HELD_BACK', mark: 'M2' } }],
      });
    });

    it('sends nobody after one that was rolled past its mark', () => {
      const past = [standing(database, L2, 'L2'), standing(other, L1, 'L2')];
      expect(releasable(candidates, past, rest)).toMatchObject({
        floor: null,
        databases: [
          { why: { kind: 'NO_REACHABLE_MARK', obstacle: { kind: 'MARK_NOT_IN_FILE' } } },
          { why: { kind: 'NO_REACHABLE_MARK' } },
        ],
      });
    });
  });

  it('waits with the reason of each database when no mark is left', () => {
    const past = standing(database, '37000000078400001', 'L4');
    expect(releasable(candidates, [past, standing(other, L3, 'L4')])).toMatchObject({
      floor: null,
      databases: [
        { why: { kind: 'NO_REACHABLE_MARK', obstacle: { kind: 'PAST_MARK' } } },
        { why: { kind: 'NO_REACHABLE_MARK', obstacle: null } },
      ],
    });
  });
});
