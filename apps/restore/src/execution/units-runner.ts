/**
 * Ends units of work whose coordinator is gone, one by one. Invariant: each is sent under the group's lock at that source, after it was seen there
 * again on the connection that sends it and its beginning was recorded; whether it is gone is believed from the look afterwards. So an attempt
 * that was cut anywhere is followed by one that looks, and a refusal for one that is gone is no failure.
 */
import type { StepContext } from '@holdfast/service/runner';
import { statements } from '@holdfast/sqlserver';
import { StepFailed } from './batch-runner.ts';
import { started } from './change.ts';
import type { FenceAction } from './fence.ts';
import { answered, type FenceMeans, type FenceOutcome } from './fence-runner.ts';
import type { Locked } from './instance-runner.ts';
import type { Situation } from './next-action.ts';
import { type Source, sourcesOf } from './source.ts';

export async function rollBackUnits(
  { step, work, due }: Extract<FenceAction, { kind: 'ROLL_BACK_UNITS' }>,
  { execution, estate }: Situation,
  context: StepContext,
  { journal, instances }: FenceMeans,
): Promise<FenceOutcome> {
  const source = sourcesOf(estate).find(({ instanceId }) => instanceId === work.instanceId);
  if (source === undefined)
    throw new Error(`${execution.groupName} has no source instance ${work.instanceId} any more.`);
  let { units } = work;
  const rollBack = async (unitOfWork: string, lock: Locked): Promise<boolean> => {
    if (!(await isThere(unitOfWork, source, lock))) return true;
    await context.checkpoint('looked');
    units = units.map(unit => (unit.unitOfWork === unitOfWork ? { ...unit, isRollbackBegun: true } : unit));
    if (!(await journal.note(started(step.stepId, { ...work, units })))) return false;
    await context.checkpoint('begun');
    const sent = lock.exclusive.run(statements.rollBackUnit, { unitOfWork });
    // Its failure is read below; between here and there it must not count as unhandled.
    sent.catch(() => undefined);
    await context.checkpoint('sent');
    const refusal = await answered(sent, step, lock).then(
      () => new Error(`${step.where} answered, and ${unitOfWork} is still there.`),
      (error: unknown) => error,
    );
    await context.checkpoint('answered');
    if (await isThere(unitOfWork, source, lock)) throw refusal;
    return true;
  };
  try {
    await instances.locked(execution, work.instanceId, context.signal, async lock => {
      for (const unitOfWork of due) if (!(await rollBack(unitOfWork, lock))) return;
    });
  } catch (error) {
    throw new StepFailed(step, error);
  }
  return { kind: 'LOOK_AGAIN' };
}

async function isThere(unitOfWork: string, source: Source, lock: Locked): Promise<boolean> {
  const { more } = await lock.source(source, { kind: 'UNITS' });
  return more?.kind === 'UNITS' && more.units.some(unit => unit.unitOfWork === unitOfWork);
}
