import { allows, type Caller, newId } from '@holdfast/service';
import { type Change, turnedBack } from './change.ts';
import { type CommandDependencies, saveChange } from './execution-commands.ts';
import type { ExecutionView } from './execution.ts';
import { findExecution } from './execution-store.ts';
import { fenceTexts } from './source-runner.ts';
import {
  type CancelInput,
  checkCancel,
  checkConfirm,
  checkReason,
  checkSkip,
  findStep,
  noSuch,
  type OperatorRefusal,
  parseExecutionId,
  type SkipInput,
  spoken,
  type StepInput,
} from './operator.ts';
import { nextAsked, type Step } from './step.ts';

type Answer = ExecutionView | OperatorRefusal;
/** Undefined: nothing is to be changed. */
type Decide = (view: ExecutionView, now: string) => Change | OperatorRefusal | undefined;

/** Before the point of no return: nothing more is begun, what was done to sources is undone, then the standby goes back to shipping. */
export function cancelExecution(
  input: CancelInput,
  caller: Caller,
  dependencies: CommandDependencies,
): Promise<Answer> {
  const { clock } = dependencies;
  return change(input.executionId, checkReason(input.reason), caller, dependencies, (view, now) => {
    const refusal = checkCancel(view);
    if (refusal === 'CANCELLED') return undefined;
    if (refusal !== undefined) return refusal;
    const ending = { outcome: 'CANCELLED', by: caller.sub, reason: input.reason, at: now } as const;
    return turnedBack(view, ending, now, () => newId(clock), fenceTexts);
  });
}

/** A person has done what the step asks for. */
export function confirmStep(input: StepInput, caller: Caller, dependencies: CommandDependencies): Promise<Answer> {
  return change(input.executionId, undefined, caller, dependencies, (view, now) => {
    const step = findStep(view, input);
    if ('refused' in step) return step;
    const refusal = checkConfirm(step);
    if (refusal !== undefined) return refusal;
    const reasons = [...step.reasons, spoken('CONFIRMED', caller.sub, input.note ?? '', now)];
    return settled(view, { ...step, state: 'SUCCEEDED', finishedAt: now, actor: caller.sub, reasons }, now);
  });
}

/** A named override: the step counts as settled, and says who answers for it. */
export function skipStep(input: SkipInput, caller: Caller, dependencies: CommandDependencies): Promise<Answer> {
  return change(input.executionId, checkReason(input.reason), caller, dependencies, (view, now) => {
    const step = findStep(view, input);
    if ('refused' in step) return step;
    const refusal = checkSkip(step);
    if (refusal !== undefined) return refusal;
    const reasons = [...step.reasons, spoken('SKIPPED', caller.sub, input.reason, now)];
    return settled(view, { ...step, state: 'SKIPPED', finishedAt: now, actor: caller.sub, reasons }, now);
  });
}

/** Who is asked next is asked with the same record: killed between the two, nobody would be. */
function settled(view: ExecutionView, step: Step, now: string): Change {
  const asked = nextAsked(
    view.steps.map(other => (other.stepId === step.stepId ? step : other)),
    now,
  );
  return {
    execution: { ...view, version: view.version + 1 },
    steps: asked === undefined ? [step] : [step, asked],
  };
}

/** One transaction. The runner sees that somebody has moved the execution, records nothing that rests on the state before, and looks again. */
async function change(
  executionIdText: string,
  malformed: OperatorRefusal | undefined,
  caller: Caller,
  { store, outbox, clock }: CommandDependencies,
  decide: Decide,
): Promise<Answer> {
  const role = allows(caller, 'recover');
  if (role !== undefined) return { refused: 'NotAllowed', ...role };
  const executionId = parseExecutionId(executionIdText);
  if (typeof executionId !== 'string') return executionId;
  if (malformed !== undefined) return malformed;
  return store.transaction(async (tx): Promise<Answer> => {
    const view = await findExecution(tx, executionId);
    // One out of the caller's scope looks like one that does not exist.
    if (view === undefined || allows(caller, 'recover', view.groupId) !== undefined)
      return noSuch(executionId, 'execution');
    const now = new Date(clock()).toISOString();
    const decided = decide(view, now);
    if (decided === undefined) return view;
    if ('refused' in decided) return decided;
    await saveChange(tx, outbox, view, decided, now);
    return (await findExecution(tx, executionId)) ?? view;
  });
}
