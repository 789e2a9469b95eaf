import { type Ending, type Execution, type ExecutionView, holdsStandby, moved, moveExecution } from './execution.ts';
import { type FenceTexts, undoSteps } from './fence.ts';
import { isOpen, newSteps, type Step, type StepId, type StepReason } from './step.ts';

/** What one decision makes of an execution: recorded in one transaction. */
export type Change = {
  readonly execution: Execution;
  readonly steps?: readonly Step[];
  readonly added?: readonly Step[];
  readonly claims?: boolean;
  /** Set when an execution that had claimed the standby needs it no more. */
  readonly releases?: 'RECOVERED' | 'RETURNED';
};

/** What becomes of steps alone: of an execution as it is then, so that several can be recorded as one. */
export type StepDecision = (view: ExecutionView, now: string) => Pick<Change, 'execution' | 'steps'> | undefined;

/** Each resting on those before it. Undefined: nothing of it is news. */
export function allOf(decisions: readonly StepDecision[]): StepDecision {
  return (view, now) => {
    const changed = new Map<StepId, Step>();
    let current = view;
    for (const decide of decisions) {
      const { execution, steps = [] } = decide(current, now) ?? { execution: current };
      for (const step of steps) changed.set(step.stepId, step);
      current = { ...execution, steps: current.steps.map(step => changed.get(step.stepId) ?? step) };
    }
    return current.version === view.version ? undefined : { execution: current, steps: [...changed.values()] };
  };
}

/** Before its statement is sent; `work`: when this one changes it. From the first recovery on the standby cannot go back, so that is said before, not after. */
export function started(stepId: StepId, work?: Step['work']): StepDecision {
  return (view, now) => {
    const found = stepOf(view, stepId);
    const step = work === undefined ? found : { ...found, work };
    const noReturn = step.work.kind === 'RECOVER' && !view.passedPointOfNoReturn;
    const { startedAt, attempts } = step;
    return {
      execution: noReturn
        ? moved(moveExecution(view, 'passPointOfNoReturn', undefined as never))
        : { ...view, version: view.version + 1 },
      steps: [
        { ...step, state: 'RUNNING', startedAt: startedAt ?? now, attempts: attempts + 1, progressPercent: null },
      ],
    };
  };
}

/** `reasons`: what stays to be known about steps that have succeeded all the same. */
export function succeeded(stepIds: readonly StepId[], reasons: readonly StepReason[] = []): StepDecision {
  return (view, now) => ({
    execution: { ...view, version: view.version + 1 },
    steps: stepIds.map(stepId => ({
      ...done(stepOf(view, stepId), now),
      reasons: reasons.map(reason => ({ ...reason, since: now })),
    })),
  });
}

/** A step that will be tried again says why it did not work; the same message again is no news, and a step that is over has no problem. */
export function troubled(stepId: StepId, reason: StepReason): StepDecision {
  return (view, now) => {
    const step = stepOf(view, stepId);
    if (step.state === 'SUCCEEDED' || step.reasons[0]?.message === reason.message) return undefined;
    return {
      execution: { ...view, version: view.version + 1 },
      steps: [{ ...step, reasons: [{ ...reason, since: now }] }],
    };
  };
}

export function done(step: Step, now: string): Step {
  return {
    ...step,
    state: 'SUCCEEDED',
    startedAt: step.startedAt ?? now,
    finishedAt: now,
    progressPercent: step.work.kind === 'RESTORE' || step.work.kind === 'RECOVER' ? 100 : null,
    reasons: [],
  };
}

/** With its reason at the step; what has not been done any more is cancelled. */
export function failed(
  view: ExecutionView,
  stepId: StepId,
  reason: StepReason,
  now: string,
  id: () => string,
  texts: FenceTexts,
): Change {
  const step: Step = {
    ...stepOf(view, stepId),
    state: 'FAILED',
    finishedAt: now,
    reasons: [{ ...reason, since: now }],
  };
  const others = cancelled(view, now).filter(other => other.stepId !== stepId);
  const undone = view.passedPointOfNoReturn ? [] : undoSteps(view, texts);
  if (undone.length > 0) {
    const isOneGone = view.sources.some(({ outcome }) => outcome === 'DECLARED_UNREACHABLE');
    if (isOneGone) return stopped(view, step, others, [...new Set(undone.map(({ where }) => where))]);
    // With every source alive the group can go on where it was.
    const ending: Ending = { outcome: 'FAILED', by: 'restore', reason: reason.message, at: now };
    return { ...turnedBack(view, ending, now, id, texts), steps: [step, ...others] };
  }
  const releases = view.passedPointOfNoReturn ? 'RECOVERED' : 'RETURNED';
  return {
    execution: moved(moveExecution(view, 'fail', now)),
    steps: [step, ...others],
    ...(holdsStandby(view) ? { releases } : {}),
  };
}

/** With a source gone, a person says whether what is left of it goes on: neither half a group at work nor one that stays off is a default. */
function stopped(view: ExecutionView, step: Step, others: readonly Step[], living: readonly string[]): Change {
  const whatNow =
    `Nothing was opened, and ${living.join(' and ')} stays off until somebody decides. Cancelling the execution puts back into service what was taken out of` +
    ' it there and gives the standby back to shipping; then another failover can be asked for.';
  return {
    execution: moved(moveExecution(view, 'stop', undefined as never)),
    steps: [
      { ...step, reasons: step.reasons.map(reason => ({ ...reason, fix: `${reason.fix} ${whatNow}` })) },
      ...others,
    ],
  };
}

/** Nothing of it is begun any more, and what it did to sources is undone, the last thing first. */
export function turnedBack(
  view: ExecutionView,
  ending: Ending,
  now: string,
  id: () => string,
  texts: FenceTexts,
): Change {
  return {
    execution: { ...view, ending, version: view.version + 1 },
    steps: cancelled(view, now),
    added: newSteps(undoSteps(view, texts), lastPosition(view), id),
  };
}

export function cancelled({ steps }: ExecutionView, now: string): readonly Step[] {
  return steps
    .filter(({ state }) => isOpen(state))
    .map((step): Step => ({ ...step, state: 'CANCELLED', finishedAt: now }));
}

export function lastPosition({ steps }: ExecutionView): number {
  return steps.at(-1)?.position ?? 0;
}

/** @throws Error when the execution has no such step. */
export function stepOf(view: ExecutionView, stepId: StepId): Step {
  const step = view.steps.find(candidate => candidate.stepId === stepId);
  if (step === undefined) throw new Error(`Execution ${view.executionId} has no step ${stepId}.`);
  return step;
}
