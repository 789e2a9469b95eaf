import { afterEach, describe, expect, it } from '@jest/globals';
import { estate, fakeStandby, manager, marks } from '../../test/estate-of-two.ts';
import { fakeSource } from '../../test/fake-source.ts';
import { openFailover, releases } from '../../test/open-failover.ts';
import { saveCopy } from '../estate/estate-store.ts';
import type { StepInput } from './operator.ts';
import { confirmStep, skipStep } from './operator-commands.ts';

// The set of the last run is known and not yet at the standby.
const known = estate({ copied: 2 });
const [off, on, job] = ['ALTER DATABASE … SET OFFLINE', 'ALTER DATABASE … SET ONLINE', 'sp_update_job @enabled'];

let remove: (() => Promise<void>) | undefined;
afterEach(async () => {
  await remove?.();
  remove = undefined;
});

async function planned() {
  const source = fakeSource(known);
  const failover = await openFailover({
    known,
    // Its files are all there; what has come is what the projection says.
    instances: () => source.beside(fakeStandby(estate()).instances),
    probe: async () => ({ answer: 'ANSWERS', evidence: 'It accepted a connection.' }),
    input: { mode: 'PLANNED', declaredUnreachable: [] },
  });
  ({ remove } = failover);
  const { id, view, dependencies } = failover;
  const step = async (kind: string) => (await view()).steps.find(({ work }) => work.kind === kind)!;
  const confirm = async (kind: string, more: Partial<StepInput> = {}) =>
    confirmStep({ executionId: id, stepId: (await step(kind)).stepId, ...more }, manager, dependencies);
  const arrive = () =>
    failover.store.transaction(async tx => {
      for (const copy of estate().copies) await saveCopy(tx, copy);
    });
  /** Agent ran it. */
  const ran = (outcome: string) => {
    source.job.seen = { ...source.job.seen!, running: false };
    source.more.runs.push({ historyId: 8, outcome, startedAt: '2026-11-21T04:30:00' });
    source.more.marks.push(marks[2] as never);
  };
  return { ...failover, source, step, confirm, arrive, ran };
}

describe('a planned failover', () => {
  it('waits for people, for sessions, for its one last run and for its files, and loses nothing', async () => {
    const { source, run, view, step, confirm, arrive, ran } = await planned();
    source.more.runs.push({ historyId: 7, outcome: 'FAILED', startedAt: '2026-11-21T04:15:00' });
    source.more.sessions.push('BizTalkMsgBoxDb: BTSNTSvc of svc-biztalk from BTS1 (session 61)');
    await run();
    expect(source.sent).toEqual([]);
    expect(await step('CONFIRM')).toMatchObject({ state: 'AWAITING_CONFIRMATION', position: 2 });
    expect(await confirm('SET_OFFLINE')).toMatchObject({ refused: 'StepNotWaiting', state: 'WAITING' });
    expect(await confirm('CONFIRM', { expectedVersion: 1 })).toMatchObject({ refused: 'VersionConflict' });
    await confirm('CONFIRM', { expectedVersion: (await view()).version, note: 'all six of them' });
    expect(await confirm('CONFIRM')).toMatchObject({ refused: 'StepNotWaiting', state: 'SUCCEEDED' });
    expect(await step('CONFIRM')).toMatchObject({
      actor: 'alex',
      reasons: [{ message: 'alex confirmed this step: all six of them' }],
    });

    await run();
    expect(source.sent).toEqual([`${job} false`]);
    expect(await step('NO_SESSIONS')).toMatchObject({
      state: 'RUNNING',
      reasons: [{ code: 'SESSIONS_IN_DATABASES', message: expect.stringContaining('BTSNTSvc of svc-biztalk') }],
    });

    source.more.sessions.length = 0;
    await run();
    await run();
    expect(source.sent).toEqual([`${job} false`, 'sp_start_job ']);
    expect(await step('LAST_RUN')).toMatchObject({ state: 'RUNNING', work: { afterId: 7 } });

    ran('SUCCEEDED');
    await run();
    expect(source.sent).toHaveLength(2);
    expect(await step('AWAIT_POINT')).toMatchObject({ state: 'RUNNING', work: { mark: marks[2] } });
    expect((await step('AWAIT_POINT')).reasons).toHaveLength(1);

    await arrive();
    await run();
    expect(source.sent.slice(2)).toEqual([`${off} BizTalkMgmtDb`, `${off} BizTalkMsgBoxDb`]);
    expect(await view()).toMatchObject({
      state: 'COMPLETED',
      mode: 'PLANNED',
      expectedMark: marks[2],
      chosen: { markName: marks[2] },
      dataLoss: { atLeastSeconds: 0 },
      sources: [{ outcome: 'FENCED' }],
    });
  });

  it('looks once more before the first database goes off, and begins again with whoever came', async () => {
    const { source, run, view, step, confirm, arrive, ran } = await planned();
    await run();
    await confirm('CONFIRM');
    await run();
    ran('SUCCEEDED');
    await run();
    await arrive();
    let came = false;
    await run(name => {
      if (name !== 'execution/fence/decided' || came) return;
      came = true;
      source.more.sessions.push('BizTalkMsgBoxDb: BTSNTSvc of svc-biztalk from BTS1 (session 61)');
    });
    expect(source.sent).not.toContain(`${off} BizTalkMgmtDb`);
    expect(await view()).toMatchObject({ state: 'FENCING', expectedMark: null });
    expect(await step('NO_SESSIONS')).toMatchObject({
      state: 'RUNNING',
      finishedAt: null,
      reasons: [{ code: 'SESSIONS_IN_DATABASES', message: expect.stringContaining('session 61') }],
    });
    expect(await step('LAST_RUN')).toMatchObject({ state: 'WAITING', work: { afterId: null } });
    expect(await step('AWAIT_POINT')).toMatchObject({ state: 'WAITING', work: { mark: null } });

    source.more.sessions.length = 0;
    await run();
    // What they committed has no mark yet: the job runs once more.
    expect(source.sent.filter(text => text.startsWith('sp_start_job'))).toHaveLength(2);
    source.job.seen = { ...source.job.seen!, running: false };
    source.more.runs.push({ historyId: 9, outcome: 'SUCCEEDED', startedAt: '2026-11-21T04:45:00' });
    await run();
    expect(await view()).toMatchObject({ state: 'COMPLETED', expectedMark: marks[2] });
    expect(source.sent.slice(-2)).toEqual([`${off} BizTalkMgmtDb`, `${off} BizTalkMsgBoxDb`]);
  });

  it('goes back when its last run fails: nothing was taken out of service', async () => {
    const { source, run, view, confirm, ran, store } = await planned();
    await run();
    await confirm('CONFIRM');
    await run();
    ran('FAILED');
    await run();
    expect(await view()).toMatchObject({ state: 'FAILED', ending: { outcome: 'FAILED' } });
    expect(source.sent).toEqual([`${job} false`, 'sp_start_job ', `${job} true`]);
    expect(source.sent).not.toContain(`${on} BizTalkMgmtDb`);
    expect(await releases(store)).toEqual([]);
  });

  it('goes on without waiting for sessions when somebody says so', async () => {
    const { source, run, step, confirm, id, dependencies } = await planned();
    source.more.sessions.push('SSODB: a console');
    await run();
    await confirm('CONFIRM');
    await run();
    const { stepId } = await step('NO_SESSIONS');
    await skipStep({ executionId: id, stepId, reason: 'it only reads' }, manager, dependencies);
    await run();
    expect(source.sent).toContain('sp_start_job ');
    expect(await step('NO_SESSIONS')).toMatchObject({ state: 'SKIPPED', reasons: [{}, { code: 'SKIPPED' }] });
  });

  it('is not begun where no Backup job could run once more', async () => {
    const { source, run, view } = await planned();
    source.job.seen = null;
    await run();
    expect(await view()).toMatchObject({ state: 'FAILED', steps: [{ reasons: [{ code: 'BACKUP_JOB_NOT_FOUND' }] }] });
    expect(source.sent).toEqual([]);
  });
});
