import { describe, expect, it } from '@jest/globals';
import type { ExecutionId } from '@holdfast/domain';
import { nextSlot, requireLsn } from '@holdfast/domain/lsn';
import { databases, estate, groupId, lsns, marks, sourceId, standbyId } from '../../test/estate-of-two.ts';
import { publishedPositions } from '../estate/estate.ts';
import { choose } from './choice.ts';
import type { SeenDatabases } from './alignment.ts';
import {
  dataLossOf,
  type Execution,
  type ExecutionState,
  moved,
  moveExecution,
  type SourceRecord,
} from './execution.ts';
import { otherApplicationsStep } from '../reference/biztalk-steps.ts';
import { nextAction } from './next-action.ts';
import { closingSteps, newSteps, probeSteps, type Step, takeOverSteps } from './step.ts';

const known = estate();
const texts = { restore: () => 'RESTORE', recover: () => 'RECOVER', verify: () => 'SELECT' };
let ids = 0;
const newId = () => `step-${String((ids += 1))}`;

const requested: Execution = {
  executionId: 'execution' as ExecutionId,
  version: 1,
  state: 'REQUESTED',
  kind: 'FAILOVER',
  mode: 'UNPLANNED',
  groupId,
  groupName: 'Orders',
  standbyId,
  target: { kind: 'NEWEST' },
  expectedMark: null,
  declared: [{ instanceId: sourceId, reason: 'gone' }],
  sources: [],
  chosen: null,
  dataLoss: null,
  passedPointOfNoReturn: false,
  ending: null,
  leaderToken: 0,
  requestedBy: 'alex',
  reason: 'flood',
  startedAt: '2026-11-21T05:00:00.000Z',
  finishedAt: null,
};
const opening = newSteps(
  [...probeSteps([{ instanceId: sourceId, instanceName: 'PRIMARY' }]), ...takeOverSteps(['STANDBY'])],
  0,
  newId,
);
const restoring = (at: (index: number) => string): SeenDatabases =>
  new Map(
    databases.map(({ id }, index) => [
      id,
      { state: 'RESTORING', position: { lsn: requireLsn(at(index)), forkGuid: null } },
    ]),
  );
const standing = restoring(index => lsns(index, 1).lastLsn);
const atMark = restoring(index => nextSlot(requireLsn(lsns(index, 3).markLsn)));
const choice = choose(requested, known, standing);
if (choice.kind !== 'CHOSEN') throw new Error(choice.reason.message);
const closing = newSteps(closingSteps(choice.databases, choice.chosen.markName, texts), opening.length, newId);

const afterwards = newSteps([otherApplicationsStep], opening.length + closing.length, newId);

const gone: SourceRecord = {
  instanceId: sourceId,
  instanceName: 'PRIMARY',
  outcome: 'DECLARED_UNREACHABLE',
  by: 'alex',
  at: requested.startedAt,
  evidence: 'flood',
  cameBackAt: null,
};

function situation(
  state: ExecutionState,
  options: { seen?: SeenDatabases; yielded?: boolean; done?: Step['work']['kind'][] } = {},
) {
  const { seen = new Map(), yielded = false, done = [] } = options;
  const steps = [...opening, ...closing, ...afterwards].map(step =>
    done.includes(step.work.kind) ? { ...step, state: 'SUCCEEDED' as const } : step,
  );
  return {
    execution: { ...requested, state, sources: [gone], chosen: choice.kind === 'CHOSEN' ? choice.chosen : null, steps },
    estate: known,
    yielded,
    seen,
    sources: new Map(),
    nowMs: 0,
  };
}

describe('choose', () => {
  it('takes the newest mark, plans plain logs before the one with the stop, and all recoveries after all restores', () => {
    expect(choice).toMatchObject({ chosen: { markName: marks[2] } });
    expect(closing.map(({ work, databaseName }) => `${work.kind} ${databaseName ?? ''}`)).toEqual([
      ...databases.flatMap(({ name }) => [`RESTORE ${name}`, `RESTORE ${name}`]),
      'CHECK ',
      ...databases.map(({ name }) => `RECOVER ${name}`),
      ...databases.map(({ name }) => `VERIFY ${name}`),
    ]);
    expect(closing.map(({ position }) => position)).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('refuses an open database, a mark other than the expected one, and a group of which a database is not there', () => {
    const online = new Map([...standing, [databases[1]!.id, { state: 'ONLINE', position: null }] as const]);
    expect(choose(requested, known, online)).toMatchObject({ reason: { code: 'DATABASE_NOT_RESTORING' } });
    const expecting = { ...requested, expectedMark: marks[1] as never };
    expect(choose(expecting, known, standing)).toMatchObject({ reason: { code: 'PREVIEW_OUTDATED' } });
    const torn = { ...known, standby: { ...known.standby, streams: known.standby.streams.slice(1) } };
    expect(choose(requested, torn, standing)).toMatchObject({ reason: { code: 'DATABASE_NOT_AT_STANDBY' } });
  });

  it('does not count a copy whose backup set is another one than its name says', () => {
    const copies = known.copies.map(copy =>
      copy.setId === known.sets[3]!.setId ? { ...copy, backupSetUuid: groupId } : copy,
    );
    expect(choose(requested, { ...known, copies }, standing)).toMatchObject({ chosen: { markName: marks[1] } });
  });

  it('refuses when one database is past every mark', () => {
    const ahead = new Map([
      ...standing,
      [
        databases[1]!.id,
        { state: 'RESTORING', position: { lsn: requireLsn(lsns(1, 3).lastLsn), forkGuid: null } },
      ] as const,
    ]);
    expect(choose(requested, known, ahead)).toMatchObject({ kind: 'REFUSED', reason: { code: 'PAST_MARK' } });
  });

  it('plans from what shipping published as well', () => {
    expect([...publishedPositions(known).values()].map(position => position?.lsn)).toEqual(
      [0, 1].map(index => lsns(index, 1).lastLsn),
    );
  });
});

describe('nextAction', () => {
  const kinds = (...args: Parameters<typeof situation>) => nextAction(situation(...args))?.kind;

  it('accounts for every source before the standby is claimed', () => {
    expect(kinds('REQUESTED')).toBe('BEGIN_FENCING');
    expect(kinds('FENCING')).toBe('PROBE');
    expect(kinds('FENCING', { done: ['PROBE'] })).toBe('CLAIM');
  });

  it('does nothing to the standby before shipping has answered', () => {
    expect(kinds('DRAINING')).toBeUndefined();
    expect(kinds('DRAINING', { yielded: true })).toBe('TAKE_OVER');
    expect(kinds('CHOOSING_TARGET')).toBe('CHOOSE');
  });

  it('restores the log that applies at the position, notes what has arrived, and goes on when all stand at the mark', () => {
    expect(nextAction(situation('ALIGNING', { seen: standing }))).toMatchObject({
      kind: 'RESTORE',
      steps: [{ position: 4 }, { position: 6 }],
    });
    const first = new Map([
      ...standing,
      [
        databases[0]!.id,
        { state: 'RESTORING', position: { lsn: requireLsn(lsns(0, 2).lastLsn), forkGuid: null } },
      ] as const,
    ]);
    expect(nextAction(situation('ALIGNING', { seen: first }))).toMatchObject({
      kind: 'NOTE_ARRIVED',
      steps: [{ position: 4 }],
    });
    expect(kinds('ALIGNING', { seen: atMark })).toBe('NOTE_ARRIVED');
    expect(kinds('ALIGNING', { seen: atMark, done: ['RESTORE'] })).toBe('ARRIVE');
  });

  it('never sends a stop to a database beyond the mark', () => {
    const past = new Map([
      ...atMark,
      [
        databases[1]!.id,
        { state: 'RESTORING', position: { lsn: requireLsn(lsns(1, 3).lastLsn), forkGuid: null } },
      ] as const,
    ]);
    expect(nextAction(situation('ALIGNING', { seen: past }))).toMatchObject({
      kind: 'FAIL',
      reason: { code: 'PAST_MARK' },
      step: { databaseName: databases[1]!.name },
    });
    const open = new Map([...standing, [databases[1]!.id, { state: 'ONLINE', position: null }] as const]);
    expect(nextAction(situation('ALIGNING', { seen: open }))).toMatchObject({
      kind: 'FAIL',
      reason: { code: 'DATABASE_NOT_RESTORING' },
    });
  });

  it('opens none unless all stand at the mark', () => {
    expect(kinds('AT_MARK', { seen: atMark })).toBe('CHECK');
    expect(kinds('AT_MARK', { seen: atMark, done: ['CHECK'] })).toBe('BEGIN_RECOVERY');
    const moved = new Map([...atMark, [databases[1]!.id, standing.get(databases[1]!.id)!] as const]);
    expect(nextAction(situation('AT_MARK', { seen: moved }))).toMatchObject({
      kind: 'FAIL',
      reason: { code: 'NOT_AT_MARK' },
    });
  });

  it('verifies after all are open, hands over to people after all are verified, and completes after them', () => {
    expect(kinds('RECOVERING')).toBe('RECOVER');
    expect(kinds('RECOVERING', { done: ['RECOVER'] })).toBe('BEGIN_VERIFICATION');
    expect(kinds('VERIFYING')).toBe('VERIFY');
    expect(kinds('VERIFYING', { done: ['VERIFY'] })).toBe('BEGIN_REFERENCES');
    expect(kinds('REFERENCING')).toBeUndefined();
    expect(kinds('REFERENCING', { done: ['REFERENCE'] })).toBe('COMPLETE');
    expect(kinds('COMPLETED')).toBeUndefined();
    expect(kinds('FAILED')).toBeUndefined();
  });
});

describe('an execution', () => {
  it('cannot skip a state', () => {
    expect(() => moved(moveExecution(requested, 'beginRecovery', undefined as never))).toThrow('only in AT_MARK');
    expect(() => moved(moveExecution({ ...requested, state: 'COMPLETED' }, 'fail', 'now'))).toThrow(
      'COMPLETED cannot fail',
    );
  });

  it('bounds the loss from both sides', () => {
    const loss = dataLossOf(
      { markName: marks[1] as never, markedAt: '2026-11-21T04:15:00Z' },
      '2026-11-21T04:30:00Z',
      '2026-11-21T05:00:00Z',
    );
    expect(loss).toMatchObject({ atLeastSeconds: 900, atMostSeconds: 2700 });
    expect(dataLossOf({ markName: marks[1] as never, markedAt: null }, null, '2026-11-21T05:00:00Z')).toBeNull();
  });
});
