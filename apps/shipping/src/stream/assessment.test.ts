import { requireLsn } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import {
  copiesOf,
  databases,
  fork,
  full,
  known,
  log,
  type SetPayload,
  standby,
  stream,
  target,
} from '../../test/estate.ts';
import { shippingReason } from '../standby/reason.ts';
import { assess, type DatabaseLook, type StandbyView } from './assessment.ts';
import type { StepProblem, Stream } from './stream.ts';

const nowMs = Date.parse('2026-11-21T11:00:00.000Z');
const [management, messageBox] = databases.map(({ name }) => name) as [string, string];

function view(
  sets: readonly SetPayload[],
  positions: Readonly<Record<string, number | 'ONLINE'>>,
  changes: Partial<StandbyView> & { streams?: Stream[] } = {},
): StandbyView {
  const looks = Object.entries(positions).map(([name, at]): DatabaseLook => {
    return at === 'ONLINE'
      ? { name, state: 'ONLINE', redoStartLsn: null, redoStartForkGuid: null }
      : { name, state: 'RESTORING', redoStartLsn: requireLsn(String(at)), redoStartForkGuid: fork };
  });
  return {
    standby,
    streams: databases.map(({ name }) => stream(name, { state: 'IN_SYNC' })),
    sets: sets.map(known),
    copies: copiesOf(...sets),
    looks: [
      { instanceId: target.instanceId, observedAt: '2026-11-21T11:00:00.000Z', reachable: true, databases: looks },
    ],
    nowMs,
    ...changes,
  };
}

const stepsOf = (seen: StandbyView) =>
  assess(seen).steps.map(({ kind, stream: of, reaches }) => [of.databaseName, kind, reaches]);
const both = (at: number) => ({ [management]: at, [messageBox]: at });

describe('a new standby', () => {
  it('waits for a full with a later log set, both whole here', () => {
    expect(assess(view([full()], {}))).toMatchObject({ state: 'SEEDING', floor: null, steps: [] });
    expect(assess(view([full()], {})).reasons.map(({ code }) => code)).toContain('WAITING_FOR_BASE');
  });

  it('then begins with the full', () => {
    expect(stepsOf(view([full(), log(2)], {}))).toEqual([
      [management, 'RESTORE_FULL', '20'],
      [messageBox, 'RESTORE_FULL', '20'],
    ]);
  });

  it('takes the newest full that a later log set makes usable', () => {
    const sets = [full(1, 20), log(2), full(25, 35), log(3), full(35, 55)];
    expect(stepsOf(view(sets, {}))[0]).toEqual([management, 'RESTORE_FULL', '35'] as const);
  });
});

describe('hold back', () => {
  it('does not apply the newest log while no later set is whole here', () => {
    const seen = assess(view([full(), log(2)], both(20)));
    expect(seen).toMatchObject({ state: 'IN_SYNC', floor: 'M2', steps: [] });
    expect(seen.streams.map(({ heldBackSetId }) => heldBackSetId)).toEqual([log(2).setId, log(2).setId]);
  });

  it('applies it once the next one is', () => {
    expect(stepsOf(view([full(), log(2), log(3)], both(20)))).toEqual([
      [management, 'RESTORE_LOG', '30'],
      [messageBox, 'RESTORE_LOG', '30'],
    ]);
  });

  it('still holds it while the later set lacks one database here', () => {
    const sets = [full(), log(2), log(3)];
    const copies = copiesOf(...sets).filter(
      ({ setId, databaseId }) => setId !== log(3).setId || databaseId !== databases[1]!.databaseId,
    );
    expect(assess(view(sets, both(20), { copies }))).toMatchObject({ floor: 'M2', steps: [] });
  });

  it('still holds it while a file of the later set was not recognised by the standby', () => {
    const sets = [full(), log(2), log(3)];
    const copies = copiesOf(...sets).map(copy =>
      copy.setId === log(3).setId ? { ...copy, state: 'WRITTEN' as const } : copy,
    );
    expect(assess(view(sets, both(20), { copies }))).toMatchObject({ floor: 'M2', steps: [] });
  });
});

describe('a standby that rests at its mark', () => {
  const resting = { standby: { ...standby, restAtMark: true } };
  const stopsOf = (seen: StandbyView) =>
    assess(seen).steps.map(({ kind, stream: of, stop, reaches }) => [of.databaseName, kind, stop, reaches]);

  it('stops in the newest log, and is then in step with nothing to do', () => {
    const sets = [full(), log(2)];
    expect(stopsOf(view(sets, both(20), resting))).toEqual([
      [management, 'RESTORE_LOG_TO_MARK', 'M2', '26'],
      [messageBox, 'RESTORE_LOG_TO_MARK', 'M2', '26'],
    ]);
    const there = assess(view(sets, both(26), resting));
    expect(there).toMatchObject({ state: 'IN_SYNC', floor: 'M2', reasons: [], steps: [] });
    expect(there.streams.map(({ heldBackSetId, lagSets }) => [heldBackSetId, lagSets])).toEqual([
      [log(2).setId, 0],
      [log(2).setId, 0],
    ]);
  });

  it('applies the same log to its end once the next set is whole for all, and stops in the next one', () => {
    const sets = [full(), log(2), log(3)];
    const oneShort = copiesOf(...sets).filter(
      ({ setId, databaseId }) => setId !== log(3).setId || databaseId !== databases[1]!.databaseId,
    );
    expect(assess(view(sets, both(26), { ...resting, copies: oneShort }))).toMatchObject({ floor: 'M2', steps: [] });
    expect(stopsOf(view(sets, { [management]: 26, [messageBox]: 30 }, resting))).toEqual([
      [management, 'RESTORE_LOG', null, '30'],
      [messageBox, 'RESTORE_LOG_TO_MARK', 'M3', '36'],
    ]);
  });

  it('does not stop while a file of that set is not whole at the standby', () => {
    const sets = [full(), log(2), log(3)];
    const copies = copiesOf(...sets).map(copy =>
      copy.setId === log(3).setId && copy.databaseId === databases[1]!.databaseId
        ? { ...copy, state: 'WRITTEN' as const }
        : copy,
    );
    expect(stopsOf(view(sets, both(20), { ...resting, copies })).map(([, , stop]) => stop)).toEqual(['M2', 'M2']);
    expect(stopsOf(view(sets, both(30), { ...resting, copies }))).toEqual([]);
  });

  it('says who went past its mark, and lets nobody follow', () => {
    const position = { lsn: requireLsn('30'), forkGuid: fork };
    const facts = { database: management, set: '20', mark: 'M2', path: 'x', seen: 'y' };
    const missedMark = { reason: shippingReason('MARK_NOT_FOUND', facts), position };
    const streams = [stream(management, { position, missedMark }), stream(messageBox)];
    const at = { [management]: 30, [messageBox]: 20 };
    const seen = assess(view([full(), log(2)], at, { ...resting, streams }));
    expect(seen).toMatchObject({ state: 'NO_COMMON_MARK', floor: null, steps: [] });
    expect(seen.reasons.map(({ code }) => code)).toEqual(['NO_COMMON_MARK', 'MARK_NOT_FOUND', 'PAST_MARK']);
    // Still said when a later set lets all go on, until it stands elsewhere.
    const next = assess(view([full(), log(2), log(3)], at, { ...resting, streams }));
    expect(next).toMatchObject({ floor: 'M3', reasons: [{ code: 'MARK_NOT_FOUND' }] });
    expect(assess(view([full(), log(2), log(3)], both(36), { ...resting, streams }))).toMatchObject({ reasons: [] });
  });
});

describe('what cannot be trusted', () => {
  it('plans nothing and says UNKNOWN when the instance does not answer', () => {
    const reason = shippingReason('STANDBY_UNREACHABLE', { instance: 'SQL2', cause: 'no answer' });
    const looks = [{ instanceId: target.instanceId, observedAt: '', reachable: false as const, reason }];
    const position = { lsn: requireLsn('20'), forkGuid: fork };
    const streams = databases.map(({ name }) => stream(name, { state: 'IN_SYNC', position }));
    const seen = assess(view([full(), log(2), log(3)], {}, { looks, streams }));
    expect(seen).toMatchObject({ state: 'UNKNOWN', steps: [] });
    expect(seen.streams.map(one => one.position)).toEqual([position, position]);
  });

  it('sends nothing while a database of that name is online there', () => {
    const seen = assess(view([full(), log(2), log(3)], { [management]: 'ONLINE', [messageBox]: 20 }));
    expect(seen).toMatchObject({ state: 'BLOCKED', steps: [] });
    expect(seen.reasons.map(({ code }) => code)).toContain('DATABASE_ALREADY_ONLINE');
  });

  it('does not build upon a full that nobody saw end', () => {
    const sets = [full(), log(2), log(3)];
    const streams = [stream(management, { seedingFileId: known(full()).files[0]!.fileId }), stream(messageBox)];
    expect(stepsOf(view(sets, both(20), { streams }))[0]).toEqual([management, 'RESTORE_FULL', '20']);
  });
});

describe('a step that failed', () => {
  const problem = (retryAtMs: number): StepProblem => ({
    fileId: known(log(2)).files[0]!.fileId,
    reason: shippingReason('RESTORE_FAILED', { database: management, path: 'x', error: '3203' }),
    attempts: 1,
    retryAtMs,
  });
  const position = { lsn: requireLsn('20'), forkGuid: fork };
  const sets = [full(), log(2), log(3)];

  it('holds the others where its own database can still follow', () => {
    const streams = [stream(management, { position, problem: problem(nowMs + 1) }), stream(messageBox, { position })];
    expect(assess(view(sets, both(20), { streams }))).toMatchObject({ state: 'BLOCKED', steps: [] });
  });

  it('is tried again when its time has come, before anything else', () => {
    const streams = [stream(management, { position, problem: problem(nowMs) }), stream(messageBox, { position })];
    expect(stepsOf(view(sets, both(20), { streams }))).toEqual([[management, 'RESTORE_LOG', '30']]);
  });
});

describe('a damaged backup', () => {
  const sets = [full(), log(2), log(3)];
  const fileId = known(log(2)).files[0]!.fileId;
  const position = { lsn: requireLsn('20'), forkGuid: fork };
  const copies = copiesOf(...sets).map(copy =>
    copy.fileId === fileId ? { ...copy, damagedSha256: copy.sha256 } : copy,
  );
  const stuck = (retryAtMs: number) => {
    const reason = shippingReason('BACKUP_DAMAGED', { database: management, set: '20', path: 'x', error: '3203' });
    const problem = { fileId, reason, attempts: 1, retryAtMs };
    return view(sets, both(20), {
      copies,
      streams: [stream(management, { position, problem }), stream(messageBox, { position })],
    });
  };

  it('releases nothing, and is tried again itself when its time has come', () => {
    expect(assess(stuck(nowMs + 1))).toMatchObject({ state: 'BLOCKED', floor: null, steps: [] });
    expect(assess(stuck(nowMs))).toMatchObject({ state: 'BLOCKED', floor: null });
    expect(stepsOf(stuck(nowMs))).toEqual([[management, 'RESTORE_LOG', '30']]);
  });

  it('counts again when another content has come in its place', () => {
    const mended = copies.map(copy => ({ ...copy, sha256: 'b'.repeat(64) }));
    expect(assess(view(sets, both(20), { copies: mended })).floor).toBe('M3');
  });
});

describe('a reseed', () => {
  const sets = [full(), log(2), full(2, 35), log(3), log(4)];
  const asked = (fullSet: SetPayload) => {
    const { fileId, header } = known(fullSet).files[0]!;
    const over = { lsn: requireLsn('30'), forkGuid: fork };
    const by = { requestedAt: '', requestedBy: 'me', reason: 'test' };
    return { fileId, setNumber: fullSet.number, endsAt: header!.lastLsn, over, ...by };
  };
  const streams = (of: SetPayload) => [stream(management, { state: 'IN_SYNC', reseed: asked(of) }), stream(messageBox)];

  it('begins with the full that was asked for, and names every file that it needs', () => {
    const seen = assess(view(sets, both(30), { streams: streams(full(2, 35)) }));
    expect(seen).toMatchObject({ state: 'REPAIRING', floor: 'M4' });
    const [step] = seen.steps.filter(({ stream: { databaseName } }) => databaseName === management);
    expect(step).toMatchObject({ kind: 'RESTORE_FULL', reaches: '35' });
    expect(step?.verifyFirst.map(({ setNumber }) => setNumber)).toEqual(['2', '30', '40']);
    expect(stepsOf(view(sets, both(30), { streams: streams(full()) }))[0]).toEqual([management, 'RESTORE_FULL', '20']);
  });

  it('rolls the others no further than what it can reach itself', () => {
    const copies = copiesOf(full(), log(2), log(3), log(4)).filter(
      ({ setId, databaseId }) => setId !== log(4).setId || databaseId !== databases[0]!.databaseId,
    );
    const seen = assess(view(sets, both(30), { copies, streams: streams(full()) }));
    expect(seen.floor).toBe('M3');
    expect(seen.steps.map(({ stream: { databaseName } }) => databaseName)).toEqual([management]);
  });
});

it('names the databases ahead and behind when no mark is common', () => {
  const seen = assess(view([full(), log(2)], { [management]: 30, [messageBox]: 20 }));
  expect(seen).toMatchObject({ state: 'NO_COMMON_MARK', floor: null, steps: [] });
  expect(seen.reasons.find(({ code }) => code === 'NO_COMMON_MARK')?.evidence).toBe(
    `ahead: ${management} at SQL2; behind: ${messageBox} at SQL2`,
  );
});

it('lags when more than the newest set is still on its way', () => {
  const sets = [full(), log(2), log(3), log(4)];
  const seen = assess(view(sets, both(20), { copies: copiesOf(full(), log(2)) }));
  expect(seen).toMatchObject({ state: 'LAGGING', floor: 'M2' });
  expect(seen.streams[0]?.lagSets).toBe(2);
});
