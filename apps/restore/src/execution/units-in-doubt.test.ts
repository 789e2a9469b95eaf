import { afterEach, describe, expect, it } from '@jest/globals';
import { serverError, sourceId, twoSmallPlaces, estate, manager } from '../../test/estate-of-two.ts';
import { openHalfGone } from '../../test/half-gone.ts';
import { cancelExecution, skipStep } from './operator-commands.ts';
import { fenceSteps } from './fence.ts';
import { newSteps, type ResolveInDoubt } from './step.ts';
import { type SeenUnit, sourcesOf } from './source.ts';
import { inDoubtGraceMs, inDoubtStep, nextInDoubt } from './units-in-doubt.ts';

const [first, second] = ['A', 'B'].map(letter => `${letter.repeat(8)}-0000-4000-8000-000000000000`) as [string, string];
const unit = (unitOfWork: string, ...databases: string[]): SeenUnit => ({ unitOfWork, databases });
const at = Date.parse('2026-11-21T05:00:00.000Z');
const known = (unitOfWork: string, ageMs: number, isRollbackBegun = false) => ({
  ...unit(unitOfWork, 'SSODB'),
  since: new Date(at - ageMs).toISOString(),
  isRollbackBegun,
});
const [step] = newSteps(
  [inDoubtStep({ instanceId: sourceId, instanceName: 'PRIMARY', management: null, databases: [] })],
  0,
  () => 'step',
);
const next = (units: ResolveInDoubt['units'], present: readonly SeenUnit[]) =>
  nextInDoubt(
    step!,
    { kind: 'RESOLVE_IN_DOUBT', instanceId: sourceId, units },
    { states: new Map(), job: null, more: { kind: 'UNITS', units: present } },
    at,
  );

describe('units of work in doubt', () => {
  it('are none: nothing is said', () => {
    expect(next([], [])).toMatchObject({ kind: 'NOTE_FENCED', reasons: [] });
  });

  it('are named as soon as they are seen, and nothing is sent', () => {
    expect(next([], [unit(first, 'SSODB', 'BizTalkMsgBoxDb')])).toMatchObject({
      kind: 'NOTE_FOUND',
      work: { units: [{ unitOfWork: first, since: '2026-11-21T05:00:00.000Z', isRollbackBegun: false }] },
      reason: {
        code: 'UNITS_IN_DOUBT',
        message: expect.stringContaining(`${first} in SSODB, BizTalkMsgBoxDb`),
        evidence: first,
      },
    });
  });

  it('are left alone until each has been there long enough', () => {
    expect(next([known(first, inDoubtGraceMs - 1)], [unit(first, 'SSODB')])).toBeUndefined();
    expect(
      next([known(first, inDoubtGraceMs), known(second, 1)], [unit(first, 'SSODB'), unit(second, 'SSODB')]),
    ).toMatchObject({ kind: 'ROLL_BACK_UNITS', due: [first] });
  });

  it('are forgotten when they were decided by themselves; the clock of the others runs on', () => {
    expect(next([known(first, 4_000), known(second, 4_000)], [unit(second, 'SSODB')])).toMatchObject({
      kind: 'NOTE_FOUND',
      work: { units: [{ unitOfWork: second, since: '2026-11-21T04:59:56.000Z' }] },
    });
    expect(next([known(first, 4_000)], [])).toMatchObject({ kind: 'NOTE_FENCED', reasons: [] });
  });

  it('are told when we have ended them', () => {
    expect(next([known(first, 9_000, true)], [])).toMatchObject({
      kind: 'NOTE_FENCED',
      reasons: [{ code: 'UNITS_ROLLED_BACK', evidence: first, message: expect.stringContaining(`${first} in SSODB`) }],
    });
    // One that came later has its own time, and the one that is gone stays in the record.
    expect(next([known(first, 9_000, true)], [unit(second, 'Orders')])).toMatchObject({
      work: {
        units: [
          { unitOfWork: first, isRollbackBegun: true },
          { unitOfWork: second, isRollbackBegun: false },
        ],
      },
    });
  });

  it('are looked for after the job is off and before anything waits for them, and only where a source is gone', () => {
    const sources = sourcesOf(estate({ shape: twoSmallPlaces }));
    const seen = new Map(
      sources.map(({ instanceId, databases }) => [
        instanceId,
        {
          states: new Map(databases.map(({ databaseId }) => [databaseId, 'ONLINE'])),
          job: { name: 'Backup', enabled: true, running: true },
          more: null,
        },
      ]),
    );
    const texts = { enableJob: () => '', setOffline: () => '', setOnline: () => '' };
    const kinds = (isOneGone: boolean) => fenceSteps(sources, seen, texts, { isOneGone }).map(({ work }) => work.kind);
    const off = ['SET_OFFLINE', 'SET_OFFLINE', 'SET_OFFLINE'];
    expect(kinds(false)).toEqual(['DISABLE_JOB', 'AWAIT_IDLE', ...off]);
    expect(kinds(true)).toEqual(['DISABLE_JOB', 'RESOLVE_IN_DOUBT', 'RESOLVE_IN_DOUBT', 'AWAIT_IDLE', ...off]);
  });
});

describe('a source that lives beside one that is gone', () => {
  let remove: (() => Promise<void>) | undefined;
  afterEach(async () => {
    await remove?.();
    remove = undefined;
  });

  const kill = 'KILL … WITH ROLLBACK';

  async function opened() {
    let nowMs = at;
    const failover = await openHalfGone(() => nowMs);
    ({ remove } = failover);
    const inDoubt = async () => (await failover.view()).steps.find(({ work }) => work.kind === 'RESOLVE_IN_DOUBT')!;
    const pass = (ms: number) => {
      nowMs += ms;
    };
    return { ...failover, inDoubt, pass };
  }

  it('has its units of work rolled back one by one, and says so in its record', async () => {
    const { source, run, view, inDoubt, pass } = await opened();
    source.more.units = [unit(first, 'Orders'), unit(second, 'Orders')];
    await run();
    expect(source.sent).toEqual([]);
    expect(await inDoubt()).toMatchObject({ state: 'RUNNING', attempts: 0, reasons: [{ code: 'UNITS_IN_DOUBT' }] });
    pass(inDoubtGraceMs - 1);
    await run();
    expect(source.sent).toEqual([]);
    pass(1);
    await run();
    expect(source.sent).toEqual([`${kill} ${first}`, `${kill} ${second}`, 'ALTER DATABASE … SET OFFLINE Orders']);
    expect(await inDoubt()).toMatchObject({ state: 'SUCCEEDED', reasons: [{ code: 'UNITS_ROLLED_BACK' }] });
    expect(await view()).toMatchObject({
      state: 'COMPLETED',
      sources: [
        { outcome: 'DECLARED_UNREACHABLE' },
        {
          outcome: 'FENCED',
          evidence: expect.stringContaining(`rolled back: ${first} in Orders; ${second} in Orders.`),
        },
      ],
    });
  });

  it('takes a refusal for one that is gone as no failure, and any other as one', async () => {
    const { source, run, inDoubt, pass, view } = await opened();
    source.more.units = [unit(first, 'Orders')];
    await run();
    pass(inDoubtGraceMs);
    let refused = 0;
    await run(name => {
      if (name !== 'execution/roll_back_units/begun' || (refused += 1) > 2) return;
      source.faults.failNext = serverError(refused === 1 ? 6112 : 6110, 'state');
      if (refused === 2) source.more.units = [];
    });
    expect(source.sent.filter(text => text.startsWith(kill))).toHaveLength(2);
    expect(await inDoubt()).toMatchObject({ state: 'SUCCEEDED', attempts: 2 });
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
  });

  it('is not asked to end what was decided between the look and the statement', async () => {
    const { source, run, pass, inDoubt } = await opened();
    source.more.units = [unit(first, 'Orders')];
    await run();
    pass(inDoubtGraceMs);
    await run(name => {
      if (name === 'execution/roll_back_units/decided') source.more.units = [];
    });
    expect(source.sent.some(text => text.startsWith(kill))).toBe(false);
    expect(await inDoubt()).toMatchObject({ state: 'SUCCEEDED', reasons: [] });
  });

  it('can be left to a database administrator by name, and nothing of it is taken back', async () => {
    const { source, run, inDoubt, id, dependencies, view } = await opened();
    source.more.units = [unit(first, 'Orders')];
    await run();
    const { stepId } = await inDoubt();
    await skipStep({ executionId: id, stepId, reason: 'the DBA does it' }, manager, dependencies);
    await run(name => {
      if (name === 'execution/claim/decided') throw new Error('held');
    }, 20).catch(() => undefined);
    await cancelExecution({ executionId: id, reason: 'no' }, manager, dependencies);
    await run();
    expect(source.sent).toEqual(['ALTER DATABASE … SET OFFLINE Orders', 'ALTER DATABASE … SET ONLINE Orders']);
    expect(await view()).toMatchObject({ state: 'CANCELLED' });
  });
});
