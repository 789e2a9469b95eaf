import { afterEach, describe, expect, it } from '@jest/globals';
import { runOneStep } from '@holdfast/service/runner';
import { estate, failoverInput, fakeStandby, manager, marks, serverError } from '../../test/estate-of-two.ts';
import { fakeSource } from '../../test/fake-source.ts';
import { type FailoverOptions, openFailover, releases } from '../../test/open-failover.ts';
import { publishedEvents } from '../../test/open-store.ts';
import { executionCommands } from './execution-commands.ts';
import { sourceWatchRunner } from './source-watch-runner.ts';
import { cancelExecution, skipStep } from './operator-commands.ts';

const known = estate();
const [off, on, job] = ['ALTER DATABASE … SET OFFLINE', 'ALTER DATABASE … SET ONLINE', 'sp_update_job @enabled'];
const fenced = [`${job} false`, `${off} BizTalkMgmtDb`, `${off} BizTalkMsgBoxDb`];

let remove: (() => Promise<void>) | undefined;
afterEach(async () => {
  await remove?.();
  remove = undefined;
});

/** A failover whose only source answers. */
async function opened(options: FailoverOptions = {}) {
  const source = fakeSource(known);
  const failover = await openFailover({ instances: source.beside, ...options });
  ({ remove } = failover);
  /** Until the execution comes to this checkpoint; from then on every pass fails, as if nobody went on. */
  const runTo = async (place: string) => {
    let held = false;
    const hook = (name: string) => {
      held ||= name === `execution/${place}`;
      if (held) throw new Error('held');
    };
    await failover.run(hook, 40).catch((error: unknown) => {
      if (!String(error).includes('still')) throw error;
    });
  };
  const cancel = () =>
    cancelExecution({ executionId: failover.id, reason: 'a false alarm' }, manager, failover.dependencies);
  return { ...failover, source, runTo, cancel };
}

describe('a source that answers', () => {
  it('is fenced before the standby is claimed: the job first, then every database', async () => {
    const { source, view, run, standby, store } = await opened();
    await run();
    expect(source.sent).toEqual(fenced);
    expect(await view()).toMatchObject({
      state: 'COMPLETED',
      chosen: { markName: marks[2] },
      sources: [
        {
          instanceName: 'PRIMARY',
          outcome: 'FENCED',
          by: 'alex',
          evidence: 'PRIMARY: BizTalkMgmtDb, BizTalkMsgBoxDb seen OFFLINE.',
        },
      ],
    });
    expect([...source.states.values()]).toEqual(['OFFLINE', 'OFFLINE']);
    expect(standby.sent.length).toBeGreaterThan(0);
    expect(await releases(store)).toEqual(['RECOVERED']);
    const { steps } = await view();
    expect(steps.slice(0, 7).map(({ name, state, undo }) => [name, state, undo !== null])).toEqual([
      ['Probe source instance PRIMARY', 'SUCCEEDED', false],
      ['Take the Backup job off its schedule', 'SUCCEEDED', true],
      ['Wait until the Backup job is idle', 'SUCCEEDED', false],
      ['Take BizTalkMgmtDb out of service', 'SUCCEEDED', true],
      ['Take BizTalkMsgBoxDb out of service', 'SUCCEEDED', true],
      ['Take the standby over from shipping', 'SUCCEEDED', true],
      ['Choose the mark', 'SUCCEEDED', false],
    ]);
    expect(steps[3]?.command).toBe('ALTER DATABASE [BizTalkMgmtDb] SET OFFLINE WITH ROLLBACK IMMEDIATE;');
  });

  it('keeps its job until that is idle; nothing goes offline before', async () => {
    const { source, view, run } = await opened();
    source.job.seen = { ...source.job.seen!, running: true };
    await run();
    expect(source.sent).toEqual(fenced.slice(0, 1));
    expect((await view()).steps.find(({ state }) => state === 'RUNNING')).toMatchObject({
      work: { kind: 'AWAIT_IDLE' },
    });
    source.job.seen = { ...source.job.seen, running: false };
    await run();
    expect((await view()).state).toBe('COMPLETED');
  });

  it('sends nothing for what is off already, and says that there is no job', async () => {
    const { source, view, run } = await opened();
    source.states.set('BizTalkMgmtDb', 'OFFLINE');
    source.job.seen = null;
    await run();
    expect(source.sent).toEqual(fenced.slice(2));
    expect((await view()).steps[1]).toMatchObject({
      state: 'SUCCEEDED',
      reasons: [{ code: 'BACKUP_JOB_NOT_FOUND' }],
    });
  });

  it('is tried again when it refuses, and shows why', async () => {
    const { source, view, run, runTo } = await opened();
    await runTo('fence/begun');
    source.faults.failNext = serverError(5061, 'transient');
    await run();
    expect(source.sent).toEqual([fenced[0], ...fenced]);
    expect((await view()).steps[1]).toMatchObject({ attempts: 3 });
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
  });
});

describe('a source after the failover', () => {
  it('is watched on: a fenced one that works again, and one that was gone and answers', async () => {
    for (const declared of [false, true]) {
      const { source, run, view, store, dependencies, id } = await opened(declared ? { instances: own => own } : {});
      await run();
      let nowMs = 0;
      const runner = sourceWatchRunner({
        store,
        commands: executionCommands({ ...dependencies, fencingToken: 1 }),
        instances: source.beside(fakeStandby(known).instances),
        clock: () => nowMs,
        everyMs: 1_000,
      });
      const look = () => runOneStep(runner, id, { signal: new AbortController().signal, clock: Date.now });
      expect(await runner.subjects()).toEqual([id]);
      if (!declared) {
        expect(await look()).toBe(false);
        expect((await view()).sources).toMatchObject([{ outcome: 'FENCED', cameBackAt: null }]);
        expect(await runner.subjects()).toEqual([]);
        nowMs = 1_000;
        expect(await runner.subjects()).toEqual([id]);
        source.states.set('BizTalkMsgBoxDb', 'ONLINE');
      }
      expect(await look()).toBe(true);
      expect((await view()).sources).toMatchObject([{ cameBackAt: expect.any(String) }]);
      expect(await look()).toBe(false);
      await remove?.();
      remove = undefined;
    }
  });
});

describe('the way back', () => {
  it('undoes what was done to the source, the last thing first, and gives the standby back', async () => {
    const { source, view, run, runTo, cancel, store } = await opened();
    await runTo('restore/begun');
    source.sent.length = 0;
    expect(await cancel()).toMatchObject({ state: 'ALIGNING', ending: { outcome: 'CANCELLED', by: 'alex' } });
    // Again, it is the same wish.
    expect(await cancel()).toMatchObject({ ending: { reason: 'a false alarm' } });
    expect(await releases(store)).toEqual([]);
    await run();
    expect(source.sent).toEqual([`${on} BizTalkMsgBoxDb`, `${on} BizTalkMgmtDb`, `${job} true`]);
    expect(await view()).toMatchObject({ state: 'CANCELLED', finishedAt: expect.any(String) });
    expect(await releases(store)).toEqual(['RETURNED']);
    expect((await publishedEvents(store)).at(-2)).toMatchObject({ data: { state: 'CANCELLED' } });
    const { steps } = await view();
    expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(['SUCCEEDED', 'CANCELLED']));
    expect(await cancel()).toMatchObject({ state: 'CANCELLED' });
  });

  it('leaves alone what it had found so', async () => {
    const { source, run, runTo, cancel, view } = await opened();
    source.states.set('BizTalkMgmtDb', 'OFFLINE');
    source.job.seen = { ...source.job.seen!, enabled: false };
    await runTo('claim/decided');
    source.sent.length = 0;
    await cancel();
    await run();
    expect(source.sent).toEqual([`${on} BizTalkMsgBoxDb`]);
    expect(await view()).toMatchObject({ state: 'CANCELLED' });
    expect(source.states.get('BizTalkMgmtDb')).toBe('OFFLINE');
  });

  it('undoes a statement that was begun and whose answer nobody knows', async () => {
    const { source, run, runTo, cancel } = await opened();
    await runTo('fence/sent');
    expect(source.job.seen?.enabled).toBe(false);
    await cancel();
    await run();
    expect(source.job.seen?.enabled).toBe(true);
  });

  it('is taken by itself when a failover fails and every source is alive', async () => {
    const { source, run, view, store, standby } = await opened();
    standby.faults.loseMark = true;
    await run();
    expect(await view()).toMatchObject({ state: 'FAILED', ending: { outcome: 'FAILED', by: 'restore' } });
    expect((await view()).steps.find(({ state }) => state === 'FAILED')).toMatchObject({
      reasons: [{ code: 'MARK_NOT_REACHED' }],
    });
    expect(source.sent).toEqual([...fenced, `${on} BizTalkMsgBoxDb`, `${on} BizTalkMgmtDb`, `${job} true`]);
    expect(await releases(store)).toEqual(['RETURNED']);
  });

  it('ends at the first database that was told to open', async () => {
    const { run, view, cancel } = await opened();
    await run();
    expect(await view()).toMatchObject({ passedPointOfNoReturn: true });
    expect(await cancel()).toMatchObject({ refused: 'PointOfNoReturnPassed', execution: { state: 'COMPLETED' } });
  });

  it('can leave out a step by name, but no step that keeps two copies from living', async () => {
    const { run, runTo, cancel, view, source, id, dependencies } = await opened();
    await runTo('claim/decided');
    const skip = async (kind: string, expectedVersion?: number) =>
      skipStep(
        {
          executionId: id,
          stepId: (await view()).steps.find(({ work }) => work.kind === kind)!.stepId,
          reason: 'its disk is gone',
          expectedVersion,
        },
        manager,
        dependencies,
      );
    expect(await skip('CLAIM')).toMatchObject({ refused: 'NotAllowed', rule: 'safety:one-writer' });
    expect(await skip('SET_OFFLINE')).toMatchObject({ refused: 'StepNotWaiting', state: 'SUCCEEDED' });
    await cancel();
    expect(await skip('SET_ONLINE', 1)).toMatchObject({ refused: 'VersionConflict', version: (await view()).version });
    await skip('SET_ONLINE', (await view()).version);
    source.sent.length = 0;
    await run();
    expect(source.sent).toEqual([`${on} BizTalkMgmtDb`, `${job} true`]);
    expect((await view()).steps.find(({ state }) => state === 'SKIPPED')).toMatchObject({
      actor: 'alex',
      reasons: [{ code: 'SKIPPED', message: 'alex skipped this step: its disk is gone' }],
    });
  });

  it('is refused by name to who may not, of what is not there, and without a reason', async () => {
    const { dependencies, id } = await opened();
    const ask = (executionId: string, reason: string, roles: typeof manager.roles = manager.roles) =>
      cancelExecution({ executionId, reason }, { ...manager, roles }, dependencies);
    expect(await ask(id, 'why', ['operator'])).toMatchObject({ refused: 'NotAllowed', rule: 'role:recover' });
    expect(await ask('x', 'why')).toMatchObject({ refused: 'InvalidInput', field: 'executionId' });
    expect(await ask(id, ' ')).toMatchObject({ refused: 'InvalidInput', field: 'reason' });
    expect(await ask(failoverInput().groupId, 'why')).toMatchObject({ refused: 'NotFound' });
  });
});
