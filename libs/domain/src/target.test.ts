import { describe, expect, it } from '@jest/globals';
import { at, copies, database } from '../test/worked-chain.ts';
import type { DatabaseId } from './ids.ts';
import { requireLsn } from './lsn.ts';
import { requireMarkName } from './mark.ts';
import type { PlanDatabase } from './restore-plan.ts';
import { chooseTarget, type TargetCandidate } from './target.ts';

const other = '0198a5c2-7e1b-7c3d-9a4f-000000000002' as DatabaseId;
const here: PlanDatabase = {
  databaseId: database,
  databaseName: 'BizTalkMgmtDb',
  position: null,
  copies: copies('F1', 'L1', 'L2', 'L3', 'L4'),
};
const there: PlanDatabase = { ...here, databaseId: other, databaseName: 'SSODB' };

function candidate(name: string, markedAt: string | null, lsn: string, unproven?: DatabaseId): TargetCandidate {
  const lsnByDatabase = new Map([database, other].filter(id => id !== unproven).map(id => [id, requireLsn(lsn)]));
  return { mark: requireMarkName(name), markedAt, lsnByDatabase };
}
// Newest first; the marks lie in L4, L2 and L1.
const candidates = [
  candidate('M3', '2026-03-01T10:30:00Z', '37000000072800003'),
  candidate('M2', '2026-03-01T10:15:00Z', '37000000050000003'),
  candidate('M1', '2026-03-01T10:00:00Z', '37000000040000003'),
];

describe('chooseTarget', () => {
  it('takes the newest mark', () => {
    expect(chooseTarget(candidates, [here, there])).toMatchObject({
      kind: 'CHOSEN',
      target: { mark: 'M3' },
      passedOver: [],
    });
  });

  it('passes over what one database cannot reach, and says which and why', () => {
    const choice = chooseTarget(candidates, [here, { ...there, copies: copies('F1', 'L1') }]);
    expect(choice).toMatchObject({ kind: 'CHOSEN', target: { mark: 'M1' } });
    expect(choice.passedOver).toMatchObject([
      {
        mark: 'M3',
        why: 'OBSTRUCTED',
        obstructed: [{ databaseName: 'SSODB', obstacle: { kind: 'MARK_NOT_IN_FILE' } }],
      },
      { mark: 'M2', why: 'OBSTRUCTED', obstructed: [{ databaseName: 'SSODB' }] },
    ]);
  });

  it('never takes a mark that is not proven everywhere', () => {
    const choice = chooseTarget(
      [candidate('M3', null, '37000000072800003', other), ...candidates.slice(1)],
      [here, there],
    );
    expect(choice).toMatchObject({
      target: { mark: 'M2' },
      passedOver: [{ obstructed: [{ obstacle: { kind: 'MARK_UNKNOWN' } }] }],
    });
  });

  it.each([
    ['2026-03-01T10:30:00.001Z', 'M3'],
    ['2026-03-01T10:30:00Z', 'M2'],
    ['2026-03-01T11:15:00.000+01:00', 'M1'],
  ])('newest before %p is %p', (time, expected) => {
    expect(chooseTarget(candidates, [here], { kind: 'NEWEST_MARK_BEFORE', time })).toMatchObject({
      target: { mark: expected },
    });
  });

  it('takes no mark of unknown time for one before a time', () => {
    const [, newer, older] = candidates;
    const choice = chooseTarget([{ ...newer!, markedAt: null }, older!], [here], {
      kind: 'NEWEST_MARK_BEFORE',
      time: '2026-03-02T00:00:00Z',
    });
    expect(choice).toMatchObject({ target: { mark: 'M1' }, passedOver: [{ mark: 'M2', why: 'TIME_UNKNOWN' }] });
    expect(() => chooseTarget(candidates, [here], { kind: 'NEWEST_MARK_BEFORE', time: 'yesterday' })).toThrow(
      RangeError,
    );
  });

  it('takes the mark named and no other', () => {
    const named = (name: string, databases = [here]) =>
      chooseTarget(candidates, databases, { kind: 'MARK', mark: requireMarkName(name) });
    expect(named('M2')).toMatchObject({ kind: 'CHOSEN', target: { mark: 'M2' }, passedOver: [] });
    expect(named('m2')).toEqual({ kind: 'REFUSED', why: 'NO_SUCH_MARK', passedOver: [] });
    expect(named('M1', [{ ...here, position: at('37000000052000001') }])).toMatchObject({
      kind: 'REFUSED',
      why: 'NOTHING_REACHABLE',
      passedOver: [{ mark: 'M1' }],
    });
  });

  it('refuses where there is nothing to bring to a mark', () => {
    expect(chooseTarget(candidates, [])).toMatchObject({ kind: 'REFUSED', why: 'NO_DATABASES' });
    expect(chooseTarget([], [here])).toMatchObject({ kind: 'REFUSED', why: 'NOTHING_REACHABLE' });
  });
});
