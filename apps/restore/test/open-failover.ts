import type { ExecutionId } from '@holdfast/domain';
import { type CheckpointHook, runOneStep } from '@holdfast/service/runner';
import { saveYield } from '../src/estate/estate-store.ts';
import type { Estate } from '../src/estate/estate.ts';
import { executionCommands } from '../src/execution/execution-commands.ts';
import { executionRunner } from '../src/execution/execution-runner.ts';
import { findExecution } from '../src/execution/execution-store.ts';
import type { Instances } from '../src/execution/instance-runner.ts';
import { confirmStep } from '../src/execution/operator-commands.ts';
import { startFailover } from '../src/failover/failover-commands.ts';
import { estate, failoverInput, fakeStandby, manager, standbyId } from './estate-of-two.ts';
import { openRestoreStore, publishedEvents } from './open-store.ts';

export type FailoverOptions = {
  readonly known?: Estate;
  readonly instances?: (own: Instances) => Instances;
  readonly input?: Parameters<typeof failoverInput>[0];
  readonly parallelRestores?: number;
  /** What the source answers when it is asked at the request; silent when left out. */
  readonly probe?: Instances['probe'];
  /** The machine's when left out. */
  readonly runnerClock?: () => number;
};

export type Failover = Awaited<ReturnType<typeof openFailover>>;

/** A failover that was just asked for, at a standby in memory. */
export async function openFailover(options: FailoverOptions = {}) {
  const known = options.known ?? estate();
  const opened = await openRestoreStore(known);
  const { store, dependencies } = opened;
  const standby = fakeStandby(known);
  const started = await startFailover(failoverInput(options.input), manager, {
    ...dependencies,
    ...(options.probe === undefined ? {} : { probe: options.probe }),
  });
  if ('refused' in started) throw new Error(started.message);
  const id: ExecutionId = started.executionId;
  const runner = executionRunner({
    parallelRestores: options.parallelRestores ?? 4,
    store,
    clock: options.runnerClock ?? Date.now,
    commands: executionCommands({ ...dependencies, fencingToken: 1 }),
    instances: options.instances?.(standby.instances) ?? standby.instances,
  });
  const view = async () => (await store.read(db => findExecution(db, id)))!;

  /**
   * Until nothing is left to do; a step that fails is reported and tried again, as the loop does. Shipping answers when asked, and people
   * confirm what follows the recovery, unless `alone`.
   */
  const run = async (hook: CheckpointHook = () => undefined, limit = 120, { alone = false } = {}) => {
    const { signal } = new AbortController();
    for (let passes = 0; passes < limit; passes += 1) {
      try {
        if (await runOneStep(runner, id, { signal, clock: Date.now, hook })) continue;
      } catch (error) {
        await runner.failed?.(id, error);
        continue;
      }
      const { state, steps } = await view();
      const asked = steps.find(step => step.work.kind === 'REFERENCE' && step.state === 'AWAITING_CONFIRMATION');
      if (asked !== undefined && !alone) {
        const answer = await confirmStep({ executionId: id, stepId: asked.stepId }, manager, dependencies);
        if ('refused' in answer) throw new Error(answer.message);
        continue;
      }
      if (state !== 'DRAINING') return;
      const yieldedAt = new Date().toISOString();
      await store.transaction(tx => saveYield(tx, { executionId: id, standbyId, yieldedAt }));
    }
    throw new Error(`still ${(await view()).state} after ${String(limit)} passes`);
  };
  return { ...opened, standby, id, view, run };
}

export async function releases(store: Parameters<typeof publishedEvents>[0]): Promise<unknown[]> {
  const events = await publishedEvents(store);
  return events.filter(({ type }) => type === 'standby.released').map(({ data }) => data['outcome']);
}
