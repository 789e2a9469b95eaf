/** Who else acts while an execution of a trial runs: shipping, and people. */
import type { ExecutionId } from '@holdfast/domain';
import type { Store } from '@holdfast/store';
import { saveYield } from '../src/estate/estate-store.ts';
import { findExecution } from '../src/execution/execution-store.ts';
import type { ExecutionView } from '../src/execution/execution.ts';
import { cancelExecution, confirmStep, skipStep } from '../src/execution/operator-commands.ts';
import type { RestoreTables } from '../src/tables.ts';
import { manager } from './estate-of-two.ts';
import { commandDependencies } from './open-store.ts';

export async function executionOf(store: Store<RestoreTables>, executionId: ExecutionId): Promise<ExecutionView> {
  const execution = await store.read(db => findExecution(db, executionId));
  if (execution === undefined) throw new Error('The execution is gone.');
  return execution;
}

/** Acts after every change, one thing after the other, until it is stopped. */
function onChange(store: Store<RestoreTables>, act: () => Promise<unknown>) {
  let acting: Promise<unknown> = Promise.resolve();
  const look = () => {
    acting = acting.then(act);
    // Read when it is stopped.
    acting.catch(() => undefined);
  };
  const stopListening = store.afterCommit(look);
  look();
  return {
    stop: async () => {
      stopListening();
      await acting;
    },
  };
}

/** Shipping's answer, recorded as the consumer does when `standby.yielded` comes. */
async function answerClaim(store: Store<RestoreTables>, { executionId, standbyId }: ExecutionView): Promise<void> {
  const yieldedAt = new Date().toISOString();
  await store.transaction(tx => saveYield(tx, { executionId, standbyId, yieldedAt }));
}

/** Shipping answers; people say yes to an older mark, and confirm what follows the recovery. */
export function confirmAll(store: Store<RestoreTables>, executionId: ExecutionId) {
  let isAnswered = false;
  return onChange(store, async () => {
    const execution = await executionOf(store, executionId);
    if (execution.state === 'DRAINING' && !isAnswered) {
      // Once: the answer is a change itself.
      isAnswered = true;
      await answerClaim(store, execution);
    }
    const asked = execution.steps.find(({ state }) => state === 'AWAITING_CONFIRMATION');
    if (asked !== undefined)
      await confirmStep({ executionId, stepId: asked.stepId }, manager, commandDependencies(store));
  });
}

/** The people of a planned failover: they stop the hosts, do not wait for the files of the last set, and then think better of it. */
export function changeMind(store: Store<RestoreTables>, executionId: ExecutionId) {
  const dependencies = commandDependencies(store);
  return onChange(store, async () => {
    const { state, ending, steps } = await executionOf(store, executionId);
    const step = steps.find(({ work, state: at }) =>
      work.kind === 'CONFIRM'
        ? at === 'AWAITING_CONFIRMATION'
        : work.kind === 'AWAIT_POINT' && work.mark !== null && at === 'RUNNING',
    );
    if (state === 'DRAINING' && ending === null)
      await cancelExecution({ executionId, reason: 'not today' }, manager, dependencies);
    else if (step?.work.kind === 'CONFIRM')
      await confirmStep({ executionId, stepId: step.stepId }, manager, dependencies);
    else if (step !== undefined)
      await skipStep({ executionId, stepId: step.stepId, reason: 'no time' }, manager, dependencies);
  });
}
