import { afterEach, describe, expect, it } from '@jest/globals';
import { databases, marks, serverError } from '../../test/estate-of-two.ts';
import { type Failover, type FailoverOptions, openFailover, releases } from '../../test/open-failover.ts';
import { publishedEvents } from '../../test/open-store.ts';
import { executionCommands } from './execution-commands.ts';
import type { Instances } from './instance-runner.ts';

let opened: Failover | undefined;
afterEach(async () => {
  await opened?.remove();
  opened = undefined;
});

async function failover(options: FailoverOptions = {}): Promise<Failover> {
  await opened?.remove();
  return (opened = await openFailover(options));
}

describe('the execution runner', () => {
  it('brings every database to the mark, opens and verifies them, and tells everybody', async () => {
    const { store, standby, run, view } = await failover();
    await run();
    expect(await view()).toMatchObject({
      state: 'COMPLETED',
      passedPointOfNoReturn: true,
      chosen: { markName: marks[2] },
      sources: [{ instanceName: 'PRIMARY', outcome: 'DECLARED_UNREACHABLE', by: 'alex' }],
      dataLoss: { atLeastSeconds: 0 },
    });
    const { steps } = await view();
    expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(['SUCCEEDED']));
    expect(
      steps.every(({ attempts, startedAt, finishedAt }) => attempts === 1 && startedAt !== null && finishedAt !== null),
    ).toBe(true);
    expect(standby.sent).toHaveLength(6);
    expect(standby.sent.slice(-2)).toEqual(databases.map(({ name }) => `RESTORE DATABASE … WITH RECOVERY ${name}`));
    for (const { name } of databases) expect(standby.state.get(name)).toMatchObject({ state: 'ONLINE', marks });
    const events = await publishedEvents(store);
    expect(events.map(({ type, data }) => (type === 'execution.changed' ? data['state'] : type))).toEqual([
      'REQUESTED',
      'FENCING',
      'standby.claimed',
      'DRAINING',
      'CHOOSING_TARGET',
      'ALIGNING',
      'AT_MARK',
      'RECOVERING',
      'RECOVERING',
      'VERIFYING',
      'REFERENCING',
      'standby.released',
      'COMPLETED',
    ]);
    expect(await releases(store)).toEqual(['RECOVERED']);
  });

  it('records the statements exactly as they are sent', async () => {
    const { run, view } = await failover();
    await run();
    const stop = (await view()).steps.find(({ command }) => command.includes('STOPATMARK'));
    expect(stop?.command).toBe(
      `RESTORE LOG [BizTalkMgmtDb] FROM DISK = N'E:\\Backup\\BizTalkMgmtDb_3.bak' WITH FILE = 1, NORECOVERY, STOPATMARK = N'${marks[2]}', STATS = 5;`,
    );
  });

  it('opens nothing when the mark was not in its file, and gives the standby back', async () => {
    const { store, standby, run, view } = await failover();
    standby.faults.loseMark = true;
    await run();
    expect(await view()).toMatchObject({ state: 'FAILED', passedPointOfNoReturn: false });
    const { steps } = await view();
    expect(steps.find(({ state }) => state === 'FAILED')).toMatchObject({ reasons: [{ code: 'MARK_NOT_REACHED' }] });
    expect(steps.filter(({ work }) => work.kind === 'RECOVER').map(({ state }) => state)).toEqual([
      'CANCELLED',
      'CANCELLED',
    ]);
    expect(standby.sent.join()).not.toContain('WITH RECOVERY');
    expect(await releases(store)).toEqual(['RETURNED']);
  });

  it('tries again what may pass by itself and shows why, and gives up what cannot', async () => {
    const first = await failover();
    first.standby.faults.failNext = serverError(3101, 'transient');
    const shown: unknown[] = [];
    await first.run(async name => {
      if (name === 'execution/restore/decided') shown.push((await first.view()).steps[3]?.reasons[0]?.code);
    });
    expect(shown.slice(0, 2)).toEqual([undefined, 'SQL_TRANSIENT']);
    expect(await first.view()).toMatchObject({ state: 'COMPLETED' });

    const second = await failover();
    second.standby.faults.failNext = serverError(4330, 'chain');
    await second.run();
    expect(await second.view()).toMatchObject({ state: 'FAILED' });
    expect((await second.view()).steps[3]).toMatchObject({
      state: 'FAILED',
      reasons: [{ code: 'SQL_CHAIN', evidence: 'error 4330' }],
    });
    expect(await releases(second.store)).toEqual(['RETURNED']);
  });

  it('gives up nothing once a database is open', async () => {
    const { standby, run, view } = await failover({ parallelRestores: 1 });
    await run(name => {
      if (name === 'execution/recover/begun' && standby.sent.length === 5)
        standby.faults.failNext = serverError(824, 'fatal');
    });
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
    expect((await view()).steps.filter(({ work }) => work.kind === 'RECOVER').map(({ attempts }) => attempts)).toEqual([
      1, 2,
    ]);
  });

  it('does not give up for a position that was read without the lock, in the middle of a statement', async () => {
    let looks = 0;
    const { standby, run, view } = await failover({
      instances: own => ({
        ...own,
        // What a server shows of a database while a restore of a leader before us is being taken back (unverified).
        look: async members =>
          new Map(
            [...(await own.look(members))].map(([id, seen]) => [id, looks++ < 2 ? { ...seen, position: null } : seen]),
          ),
      }),
    });
    await run();
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
    expect(standby.sent).toHaveLength(6);
  });

  it('waits for a database that the server itself is still opening', async () => {
    const { standby, run, view } = await failover();
    const { name } = databases[0]!;
    let waited = 0;
    await run(async place => {
      const { state = null, marks: held = [] } = standby.state.get(name) ?? {};
      if (place === 'execution/recover/answered' && waited === 0) {
        standby.state.set(name, { state: 'RECOVERING', position: null, marks: held });
      } else if (place === 'execution/recover/decided' && state === 'RECOVERING') {
        waited += 1;
        const problem = (await view()).steps.find(({ work }) => work.kind === 'RECOVER')?.reasons[0];
        expect(problem?.message).toContain('RECOVERING');
        if (waited === 2) standby.state.set(name, { state: 'ONLINE', position: null, marks: held });
      }
    });
    expect(waited).toBe(2);
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
  });

  it('saves no progress of an attempt that is over', async () => {
    const { dependencies, run, view } = await failover();
    const { progress } = executionCommands({ ...dependencies, fencingToken: 1 });
    await run();
    const step = (await view()).steps.find(({ work }) => work.kind === 'RESTORE')!;
    await progress(step.stepId, step.attempts, 45);
    expect((await view()).steps.find(({ stepId }) => stepId === step.stepId)?.progressPercent).toBe(100);
  });

  it('fails before anything is claimed when a declared source is there and lets nobody in', async () => {
    const probe = async () => ({ answer: 'REFUSES' as const, evidence: 'it is back' });
    const { store, run, view } = await failover({ instances: own => ({ ...own, probe }) });
    await run();
    expect(await view()).toMatchObject({
      state: 'FAILED',
      steps: [{ state: 'FAILED', reasons: [{ evidence: 'it is back' }] }],
    });
    expect((await publishedEvents(store)).map(({ type }) => type)).not.toContain('standby.claimed');
    expect(await releases(store)).toEqual([]);
  });

  it('says so when a recovered database does not hold the mark', async () => {
    const marksOf: Instances['marks'] = async () => ({
      holdsMark: true,
      newest: [...marks, 'BTS_2026_11_21_04_45_00_000'],
    });
    const { store, run, view } = await failover({ instances: own => ({ ...own, marks: marksOf }) });
    await run();
    expect(await view()).toMatchObject({ state: 'FAILED', passedPointOfNoReturn: true });
    expect(await releases(store)).toEqual(['RECOVERED']);
  });

  it('takes the mark that was asked for', async () => {
    const { standby, run, view } = await failover({ input: { target: { mark: marks[1]! } } });
    await run();
    expect(await view()).toMatchObject({
      state: 'COMPLETED',
      chosen: { markName: marks[1] },
      dataLoss: { atLeastSeconds: 900 },
    });
    expect(standby.sent).toHaveLength(4);
  });
});
