import { afterEach, describe, expect, it } from '@jest/globals';
import { marks, manager, serverError } from '../../test/estate-of-two.ts';
import { openHalfGone } from '../../test/half-gone.ts';
import { releases } from '../../test/open-failover.ts';
import { publishedEvents } from '../../test/open-store.ts';
import { cancelExecution, confirmStep } from './operator-commands.ts';

const [off, on] = ['ALTER DATABASE … SET OFFLINE Orders', 'ALTER DATABASE … SET ONLINE Orders'];

let remove: (() => Promise<void>) | undefined;
afterEach(async () => {
  await remove?.();
  remove = undefined;
});

async function opened() {
  const failover = await openHalfGone();
  ({ remove } = failover);
  const { id, view, dependencies } = failover;
  const cancel = () => cancelExecution({ executionId: id, reason: 'not like this' }, manager, dependencies);
  const failedStep = async () => (await view()).steps.find(({ state }) => state === 'FAILED');
  return { ...failover, cancel, failedStep };
}

describe('a failover that cannot go on while one source is gone and another one was taken out of service', () => {
  it('stops for a person, who cancels: what is left goes on, and so does shipping', async () => {
    const { source, standby, run, view, cancel, failedStep, store } = await opened();
    standby.faults.loseMark = true;
    await run();
    expect(await view()).toMatchObject({ state: 'AWAITING_OPERATOR', ending: null, finishedAt: null });
    expect(await failedStep()).toMatchObject({
      reasons: [{ code: 'MARK_NOT_REACHED', fix: expect.stringMatching(/BTSDB2.*stays off.*Cancelling/) }],
    });
    expect((await view()).steps.some(({ state }) => state === 'WAITING' || state === 'RUNNING')).toBe(false);
    expect([...source.states.values()]).toEqual(['OFFLINE']);
    expect(await releases(store)).toEqual([]);
    // Nobody has said anything: nothing is done.
    await run();
    expect(source.sent).toEqual([off]);

    await cancel();
    await run();
    expect(source.sent).toEqual([off, on]);
    expect(await view()).toMatchObject({ state: 'CANCELLED', ending: { outcome: 'CANCELLED', by: 'alex' } });
    expect(await releases(store)).toEqual(['RETURNED']);
    expect((await publishedEvents(store)).filter(({ data }) => data['state'] === 'AWAITING_OPERATOR')).toHaveLength(1);
  });

  it('gives no standby back that was never claimed', async () => {
    const { source, run, view, cancel, store, failedStep } = await opened();
    await run(name => {
      if (name === 'execution/fence/begun') source.faults.failNext = serverError(824, 'fatal');
    });
    expect(await view()).toMatchObject({ state: 'AWAITING_OPERATOR' });
    expect(await failedStep()).toMatchObject({ work: { kind: 'SET_OFFLINE' }, reasons: [{ code: 'SQL_FATAL' }] });
    await cancel();
    await run();
    expect(await view()).toMatchObject({ state: 'CANCELLED' });
    expect(await releases(store)).toEqual([]);
  });

  it('does not take an offer twice: confirmed once, and stopped after that', async () => {
    const { standby, run, view, id, dependencies, failedStep, cancel } = await opened();
    standby.faults.rotten = standby.copies.at(-1)!.path;
    await run();
    const offer = (await view()).steps.at(-1)!;
    expect(offer).toMatchObject({ work: { kind: 'OFFER', mark: marks[1] }, state: 'AWAITING_CONFIRMATION' });
    await confirmStep({ executionId: id, stepId: offer.stepId }, manager, dependencies);
    standby.faults.loseMark = true;
    await run();
    expect(await view()).toMatchObject({ state: 'AWAITING_OPERATOR', chosen: { markName: marks[1] } });
    expect((await view()).steps.filter(({ work }) => work.kind === 'OFFER')).toMatchObject([{ state: 'SUCCEEDED' }]);
    expect((await failedStep())?.work.kind).toBe('RESTORE');
    await cancel();
    await run();
    expect(await view()).toMatchObject({ state: 'CANCELLED' });
  });
});
