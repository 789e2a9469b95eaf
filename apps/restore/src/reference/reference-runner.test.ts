import { afterEach, describe, expect, it } from '@jest/globals';
import { type Failover, openFailover, releases } from '../../test/open-failover.ts';
import { manager } from '../../test/estate-of-two.ts';
import { isFinished, verifiedAt } from '../execution/execution.ts';
import { executionCommands } from '../execution/execution-commands.ts';
import { listRecovered } from '../execution/execution-store.ts';
import { cancelExecution, confirmStep, skipStep } from '../execution/operator-commands.ts';
import type { StepState } from '../execution/step.ts';

let opened: Failover | undefined;
afterEach(async () => {
  await opened?.remove();
  opened = undefined;
});

/** Its databases are open and verified, and nobody has said anything yet. */
async function recovered() {
  const failover = (opened = await openFailover());
  await failover.run(undefined, 80, { alone: true });
  const { id, dependencies } = failover;
  const asked = async () => (await failover.view()).steps.filter(({ work }) => work.kind === 'REFERENCE');
  return {
    ...failover,
    asked,
    states: async () => (await asked()).map(({ state }) => state),
    confirm: (stepId: string, note?: string) => confirmStep({ executionId: id, stepId, note }, manager, dependencies),
    skip: (stepId: string, reason: string) => skipStep({ executionId: id, stepId, reason }, manager, dependencies),
  };
}

const waiting = (count: number): StepState[] => Array.from({ length: count }, () => 'WAITING');

describe('the steps after recovery', () => {
  it('are asked for one after the other, and only their end is the end of the execution', async () => {
    const { run, view, asked, states, confirm, skip, store } = await recovered();
    const before = await view();
    expect(before).toMatchObject({ state: 'REFERENCING', finishedAt: null });
    const [first, second, ...rest] = await asked();
    expect(await states()).toEqual(['AWAITING_CONFIRMATION', ...waiting(rest.length + 1)]);

    expect(await confirm(second!.stepId)).toMatchObject({ refused: 'StepNotWaiting', state: 'WAITING' });
    await confirm(first!.stepId, 'done');
    expect((await asked())[0]).toMatchObject({
      state: 'SUCCEEDED',
      actor: 'alex',
      reasons: [{ code: 'CONFIRMED', message: 'alex confirmed this step: done' }],
    });
    // One that has its turn later is skipped, and changes nothing for the one that has it now.
    await skip(rest[0]!.stepId, 'not this time');
    expect(await states()).toEqual(['SUCCEEDED', 'AWAITING_CONFIRMATION', 'SKIPPED', ...waiting(rest.length - 1)]);
    await skip(second!.stepId, 'nothing to do');
    expect(await states()).toEqual([
      'SUCCEEDED',
      'SKIPPED',
      'SKIPPED',
      'AWAITING_CONFIRMATION',
      ...waiting(rest.length - 2),
    ]);
    await run(undefined, 80, { alone: true });
    expect(isFinished(await view())).toBe(false);
    await run();
    expect(await view()).toMatchObject({ state: 'COMPLETED' });
    expect((await asked()).every(({ startedAt, finishedAt }, at) => at === 2 || (startedAt && finishedAt))).toBe(true);
    expect(verifiedAt(await view())).toBe(verifiedAt(before));
    expect(await releases(store)).toEqual(['RECOVERED']);
  });

  it('begin when the standby is already released, and nothing of them can be taken back', async () => {
    const { id, store, dependencies, view } = await recovered();
    expect(await releases(store)).toEqual(['RECOVERED']);
    expect(verifiedAt(await view())).not.toBeNull();
    expect(await cancelExecution({ executionId: id, reason: 'why not' }, manager, dependencies)).toMatchObject({
      refused: 'PointOfNoReturnPassed',
    });
    expect(await releases(store)).toEqual(['RECOVERED']);
  });

  it('are written once: killed before or after, the next pass finds the same', async () => {
    const failover = (opened = await openFailover());
    const kill = new Set(['execution/begin_references/acted', 'execution/begin_references/recorded']);
    await failover.run(
      name => {
        if (kill.delete(name)) throw new Error('killed');
      },
      120,
      { alone: true },
    );
    expect(kill.size).toBe(0);
    const { steps } = await failover.view();
    const topics = steps.flatMap(({ work }) => (work.kind === 'REFERENCE' ? [work.topic] : []));
    expect(topics.filter(topic => topic === 'DATABASE_REFERENCES')).toHaveLength(1);
    expect(await releases(failover.store)).toEqual(['RECOVERED']);
  });

  it('do not end the watch for a source that comes back', async () => {
    const { id, store, view, dependencies } = await recovered();
    expect(await store.read(listRecovered)).toEqual([id]);
    const { sources, ...execution } = await view();
    const commands = executionCommands({ ...dependencies, fencingToken: 1 });
    await commands.noteBack(execution, [sources[0]!.instanceId]);
    expect((await view()).sources[0]?.cameBackAt).not.toBeNull();
    expect((await view()).state).toBe('REFERENCING');
  });
});
