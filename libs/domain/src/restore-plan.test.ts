import { describe, expect, it } from '@jest/globals';
import {
  afterD1,
  at,
  copies,
  copy,
  database,
  fork,
  lsnAt,
  mark,
  markLsn,
  names,
  type Name,
} from '../test/worked-chain.ts';
import type { DatabaseId } from './ids.ts';
import type { Position } from './chain.ts';
import type { Lsn } from './lsn.ts';
import {
  obstacleReason,
  planRestore,
  type CopiedFile,
  type DatabasePlan,
  type RestoreObstacle,
} from './restore-plan.ts';

function plan(position: Position | null, files: readonly CopiedFile[], lsn: Lsn | null = markLsn): DatabasePlan {
  const lsnByDatabase = new Map<DatabaseId, Lsn>(lsn === null ? [] : [[database, lsn]]);
  const [only] = planRestore({
    target: { mark, lsnByDatabase },
    databases: [{ databaseId: database, databaseName: 'BizTalkDTADb', position, copies: files }],
  });
  return only!;
}

const steps = (planned: DatabasePlan) =>
  planned.outcome === 'STEPS'
    ? planned.steps.map(step => `${step.kind} ${names([step.file])[0]!} → ${step.reaches}`)
    : planned.outcome;
const obstacle = (planned: DatabasePlan) => (planned.outcome === 'OBSTRUCTED' ? planned.obstacle : planned.outcome);
const everything: Name[] = ['F1', 'L1', 'C1', 'L2', 'F2', 'L3', 'L4'];
const atMark = '37000000072800004';

describe('planRestore on the worked chain', () => {
  it.each([
    [
      'the newest full that ends before the mark',
      null,
      everything,
      ['RESTORE_FULL F2 → 37000000069600001', `RESTORE_LOG_TO_MARK L4 → ${atMark}`],
    ],
    [
      'an older full when the newest is not there',
      null,
      ['F1', 'L1', 'L2', 'L3', 'L4'],
      [
        'RESTORE_FULL F1 → 37000000032800001',
        'RESTORE_LOG L1 → 37000000041600001',
        'RESTORE_LOG L2 → 37000000052000001',
        'RESTORE_LOG L3 → 37000000064000001',
        `RESTORE_LOG_TO_MARK L4 → ${atMark}`,
      ],
    ],
    [
      'from a position, no full',
      afterD1,
      everything,
      ['RESTORE_LOG L3 → 37000000064000001', `RESTORE_LOG_TO_MARK L4 → ${atMark}`],
    ],
    [
      'from within the log that holds the mark',
      at('37000000070000001'),
      everything,
      [`RESTORE_LOG_TO_MARK L4 → ${atMark}`],
    ],
    ['from exactly the mark', at(markLsn), everything, [`RESTORE_LOG_TO_MARK L4 → ${atMark}`]],
  ] as const)('%s', (_, position, files, expected) => {
    expect(steps(plan(position, copies(...files)))).toEqual(expected);
  });

  it('sends nothing to a database that has arrived', () => {
    expect(plan(at(atMark), []).outcome).toBe('DONE');
  });

  it.each([
    [
      'one slot too far',
      at('37000000072800005'),
      everything,
      { kind: 'PAST_MARK', positionLsn: '37000000072800005', markLsn },
    ],
    [
      'at the end of its log',
      at('37000000078400001'),
      everything,
      { kind: 'PAST_MARK', positionLsn: '37000000078400001', markLsn },
    ],
    ['no full', null, ['L1', 'L4'], { kind: 'NO_BASE', markLsn }],
    [
      'a log missing',
      null,
      ['F1', 'L2', 'L3', 'L4'],
      { kind: 'GAP', gap: { fromLsn: lsnAt('F1', 'last'), toLsn: lsnAt('L2', 'first'), why: 'MISSING' }, markLsn },
    ],
    [
      'the last log missing',
      null,
      ['F1', 'L1', 'L2', 'L3'],
      { kind: 'MARK_NOT_IN_FILE', endsAtLsn: lsnAt('L3', 'last'), markLsn },
    ],
    ['nothing at all', afterD1, [], { kind: 'MARK_NOT_IN_FILE', endsAtLsn: afterD1.lsn, markLsn }],
  ] as const)('names the obstacle: %s', (_, position, files, expected) => {
    expect(obstacle(plan(position, copies(...files)))).toEqual(expected);
  });

  it('plans nothing for a mark that is not proven in the database', () => {
    expect(obstacle(plan(null, copies(...everything), null))).toEqual({ kind: 'MARK_UNKNOWN' });
  });

  it('does not use a full that ends after the mark', () => {
    expect(obstacle(plan(null, copies('F2', 'L4'), lsnAt('F2', 'first')))).toEqual({
      kind: 'NO_BASE',
      markLsn: lsnAt('F2', 'first'),
    });
  });

  it('uses verified copies only, and says so when the others would do', () => {
    const doubtful = copy('L4', { verified: false });
    expect(obstacle(plan(null, [...copies('F2'), doubtful]))).toEqual({ kind: 'UNVERIFIED_COPY', files: [doubtful] });
    expect(steps(plan(null, [...copies('F1', 'L1', 'L2', 'L3', 'L4'), copy('F2', { verified: false })]))).toHaveLength(
      5,
    );
    expect(obstacle(plan(null, [...copies('F1', 'L2'), doubtful]))).toMatchObject({ kind: 'GAP' });
  });

  it('does not take the mark of one recovery path for the same LSN on another', () => {
    const elsewhere = new Map([[database, '22222222-2222-4222-8222-222222222222']]);
    const target = { mark, lsnByDatabase: new Map([[database, markLsn]]), forkByDatabase: elsewhere };
    const standing = (position: Position) => ({
      databaseId: database,
      databaseName: 'D',
      position,
      copies: copies(...everything),
    });
    const [arrived] = planRestore({ target, databases: [standing(at(atMark))] });
    const [before] = planRestore({ target, databases: [standing(afterD1)] });
    for (const planned of [arrived!, before!])
      expect(obstacle(planned)).toMatchObject({ kind: 'GAP', gap: { why: 'OTHER_FORK' } });
    const same = { ...target, forkByDatabase: new Map([[database, fork.toUpperCase()]]) };
    expect(planRestore({ target: same, databases: [standing(at(atMark))] })[0]!.outcome).toBe('DONE');
  });
});

describe('obstacleReason', () => {
  const gap = { fromLsn: lsnAt('F1', 'last'), toLsn: null };
  it.each<[RestoreObstacle, string]>([
    [{ kind: 'MARK_UNKNOWN' }, 'MARK_UNPROVEN'],
    [{ kind: 'PAST_MARK', positionLsn: markLsn, markLsn }, 'PAST_MARK'],
    [{ kind: 'NO_BASE', markLsn }, 'NO_BASE'],
    [{ kind: 'GAP', gap: { ...gap, why: 'MISSING' }, markLsn }, 'CHAIN_GAP'],
    [{ kind: 'GAP', gap: { ...gap, why: 'OTHER_FORK' }, markLsn }, 'OTHER_FORK'],
    [{ kind: 'MARK_NOT_IN_FILE', endsAtLsn: markLsn, markLsn }, 'MARK_NOT_AT_STANDBY'],
    [{ kind: 'UNVERIFIED_COPY', files: [] }, 'COPY_NOT_VERIFIED'],
  ])('%p', (given, code) => {
    const reason = obstacleReason(given, 'BizTalkDTADb', mark);
    expect(reason.code).toBe(code);
    expect(reason.message).toContain('BizTalkDTADb');
  });
});
