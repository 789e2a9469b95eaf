import type { DatabaseId, InstanceId } from '@holdfast/domain';
import type { Estate } from '../estate/estate.ts';
import { align, arrivedSteps, notAtMark, readiness, type SeenDatabases } from './alignment.ts';
import { markTarget, type ExecutionView } from './execution.ts';
import type { Step, StepReason } from './step.ts';

/** What the runner observed before it decides. */
export type Situation = {
  readonly execution: ExecutionView;
  readonly estate: Estate;
  /** Shipping has answered this execution's claim. */
  readonly yielded: boolean;
  /** Read from the standby in this pass; empty in states that do not look at it. */
  readonly seen: SeenDatabases;
};

export type Action =
  | { readonly kind: 'BEGIN_FENCING' }
  | { readonly kind: 'PROBE'; readonly step: Step; readonly instanceId: InstanceId }
  | { readonly kind: 'CLAIM'; readonly step: Step }
  | { readonly kind: 'TAKE_OVER' }
  | { readonly kind: 'CHOOSE'; readonly step: Step }
  | { readonly kind: 'NOTE_ARRIVED'; readonly steps: readonly Step[] }
  /** The next step of every database that has not arrived. */
  | { readonly kind: 'RESTORE'; readonly steps: readonly Step[] }
  | { readonly kind: 'ARRIVE' }
  | { readonly kind: 'CHECK'; readonly step: Step }
  | { readonly kind: 'BEGIN_RECOVERY' }
  | { readonly kind: 'RECOVER'; readonly steps: readonly Step[] }
  | { readonly kind: 'BEGIN_VERIFICATION' }
  | { readonly kind: 'VERIFY'; readonly steps: readonly Step[] }
  | { readonly kind: 'COMPLETE' }
  | { readonly kind: 'FAIL'; readonly step: Step; readonly reason: StepReason };

/** One thing to do, or undefined: finished, or waiting for shipping. */
export function nextAction({ execution, yielded, seen }: Situation): Action | undefined {
  switch (execution.state) {
    case 'REQUESTED':
      return { kind: 'BEGIN_FENCING' };
    case 'FENCING': {
      const probe = open(execution, 'PROBE');
      if (probe?.work.kind === 'PROBE') return { kind: 'PROBE', step: probe, instanceId: probe.work.instanceId };
      return { kind: 'CLAIM', step: the(execution, 'CLAIM') };
    }
    case 'DRAINING':
      return yielded ? { kind: 'TAKE_OVER' } : undefined;
    case 'CHOOSING_TARGET':
      return { kind: 'CHOOSE', step: the(execution, 'CHOOSE') };
    case 'ALIGNING':
      return nextRestore(execution, seen);
    case 'AT_MARK':
      return confirmArrival(execution, seen);
    case 'RECOVERING': {
      const steps = allOpen(execution, 'RECOVER');
      return steps.length > 0 ? { kind: 'RECOVER', steps } : { kind: 'BEGIN_VERIFICATION' };
    }
    case 'VERIFYING': {
      const steps = allOpen(execution, 'VERIFY');
      return steps.length > 0 ? { kind: 'VERIFY', steps } : { kind: 'COMPLETE' };
    }
    case 'COMPLETED':
    case 'FAILED':
      return undefined;
  }
}

function nextRestore(execution: ExecutionView, seen: SeenDatabases): Action {
  const arrived = arrivedSteps(execution.steps, seen);
  const target = markTarget(execution);
  const next: Step[] = [];
  for (const step of recoverSteps(execution)) {
    const alignment = align(step.databaseId, execution.steps, target, seenOf(seen, step.databaseId));
    // Stuck decides first: it must not wait behind hours of restores of the other databases.
    if (alignment.kind === 'STUCK')
      return { kind: 'FAIL', step: openRestore(execution, step), reason: alignment.reason };
    if (alignment.kind === 'RESTORE') next.push(alignment.step);
  }
  if (arrived.length > 0) return { kind: 'NOTE_ARRIVED', steps: arrived };
  return next.length > 0 ? { kind: 'RESTORE', steps: next } : { kind: 'ARRIVE' };
}

/** All of them once more, before the first one is opened: recovery begins together or not at all. */
function confirmArrival(execution: ExecutionView, seen: SeenDatabases): Action {
  const target = markTarget(execution);
  for (const step of recoverSteps(execution)) {
    const database = seenOf(seen, step.databaseId);
    if (readiness(step.databaseId, target, database) !== 'AT_MARK')
      return { kind: 'FAIL', step, reason: notAtMark(step.databaseName ?? step.databaseId, target.mark, database) };
  }
  const check = open(execution, 'CHECK');
  return check === undefined ? { kind: 'BEGIN_RECOVERY' } : { kind: 'CHECK', step: check };
}

/** The failure is shown at the restore that could not be done; when all are done, at the recovery that will not come. */
function openRestore(execution: ExecutionView, recover: Step): Step {
  const isOpen = ({ work, databaseId, state }: Step) =>
    work.kind === 'RESTORE' && databaseId === recover.databaseId && state !== 'SUCCEEDED';
  return execution.steps.find(isOpen) ?? recover;
}

function recoverSteps({ steps }: ExecutionView): readonly (Step & { readonly databaseId: DatabaseId })[] {
  return steps.flatMap(step => (step.work.kind === 'RECOVER' ? [{ ...step, databaseId: step.work.databaseId }] : []));
}

function seenOf(seen: SeenDatabases, databaseId: DatabaseId) {
  const database = seen.get(databaseId);
  if (database === undefined) throw new Error(`Database ${databaseId} was not looked at.`);
  return database;
}

function open(execution: ExecutionView, kind: Step['work']['kind']): Step | undefined {
  return allOpen(execution, kind)[0];
}

function allOpen({ steps }: ExecutionView, kind: Step['work']['kind']): readonly Step[] {
  return steps.filter(step => step.work.kind === kind && step.state !== 'SUCCEEDED');
}

function the({ steps }: ExecutionView, kind: Step['work']['kind']): Step {
  const step = steps.find(({ work }) => work.kind === kind);
  if (step === undefined) throw new Error(`The execution has no ${kind} step.`);
  return step;
}
