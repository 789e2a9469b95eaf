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
  | { readonly kind: 'RESTORE'; readonly step: Step; readonly databaseId: DatabaseId }
  | { readonly kind: 'ARRIVE' }
  | { readonly kind: 'BEGIN_RECOVERY' }
  | { readonly kind: 'RECOVER'; readonly step: Step; readonly databaseId: DatabaseId }
  | { readonly kind: 'BEGIN_VERIFICATION' }
  | { readonly kind: 'VERIFY'; readonly step: Step; readonly databaseId: DatabaseId }
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
      const recover = open(execution, 'RECOVER');
      if (recover?.work.kind !== 'RECOVER') return { kind: 'BEGIN_VERIFICATION' };
      return { kind: 'RECOVER', step: recover, databaseId: recover.work.databaseId };
    }
    case 'VERIFYING': {
      const verify = open(execution, 'VERIFY');
      if (verify?.work.kind !== 'VERIFY') return { kind: 'COMPLETE' };
      return { kind: 'VERIFY', step: verify, databaseId: verify.work.databaseId };
    }
    case 'COMPLETED':
    case 'FAILED':
      return undefined;
  }
}

function nextRestore(execution: ExecutionView, seen: SeenDatabases): Action {
  const arrived = arrivedSteps(execution.steps, seen);
  const target = markTarget(execution);
  let next: Action | undefined;
  for (const step of recoverSteps(execution)) {
    const alignment = align(step.databaseId, execution.steps, target, seenOf(seen, step.databaseId));
    // Stuck decides first: it must not wait behind hours of restores of the other databases.
    if (alignment.kind === 'STUCK')
      return { kind: 'FAIL', step: openRestore(execution, step), reason: alignment.reason };
    if (alignment.kind === 'RESTORE') next ??= { kind: 'RESTORE', step: alignment.step, databaseId: step.databaseId };
  }
  if (arrived.length > 0) return { kind: 'NOTE_ARRIVED', steps: arrived };
  return next ?? { kind: 'ARRIVE' };
}

/** All of them once more, before the first one is opened: recovery begins together or not at all. */
function confirmArrival(execution: ExecutionView, seen: SeenDatabases): Action {
  const target = markTarget(execution);
  for (const step of recoverSteps(execution)) {
    const database = seenOf(seen, step.databaseId);
    if (readiness(step.databaseId, target, database) !== 'AT_MARK')
      return { kind: 'FAIL', step, reason: notAtMark(step.databaseName ?? step.databaseId, target.mark, database) };
  }
  return { kind: 'BEGIN_RECOVERY' };
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

function open({ steps }: ExecutionView, kind: Step['work']['kind']): Step | undefined {
  return steps.find(step => step.work.kind === kind && step.state !== 'SUCCEEDED');
}

function the({ steps }: ExecutionView, kind: Step['work']['kind']): Step {
  const step = steps.find(({ work }) => work.kind === kind);
  if (step === undefined) throw new Error(`The execution has no ${kind} step.`);
  return step;
}
