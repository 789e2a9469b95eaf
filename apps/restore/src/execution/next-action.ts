import type { DatabaseId } from '@holdfast/domain';
import type { Estate } from '../estate/estate.ts';
import { align, arrivedSteps, notAtMark, readiness, type SeenDatabases } from './alignment.ts';
import { isFinished, markTarget, type ExecutionView } from './execution.ts';
import type { DrainAction } from './drain.ts';
import { type FenceAction, nextFence, nextUndo } from './fence.ts';
import type { SeenSources } from './source.ts';
import { currentPlan, isOpen, type Step, type StepReason } from './step.ts';

/** What the runner observed before it decides. */
export type Situation = {
  readonly execution: ExecutionView;
  readonly estate: Estate;
  /** Shipping has answered this execution's claim. */
  readonly yielded: boolean;
  /** Read from the standby in this pass; empty in states that do not look at it. */
  readonly seen: SeenDatabases;
  /** The source instance that the next step of a fence, or of its undo, asks; read in this pass. */
  readonly sources: SeenSources;
  /** When all of this was read, milliseconds since 1970. */
  readonly nowMs: number;
};

export type Action =
  | FenceAction
  | DrainAction
  | { readonly kind: 'BEGIN_FENCING' }
  /** All sources side by side: of a site that is gone each is waited for to its time limit. */
  | { readonly kind: 'PROBE'; readonly steps: readonly Step[] }
  | { readonly kind: 'CLAIM'; readonly step: Step }
  | { readonly kind: 'TAKE_OVER' }
  | { readonly kind: 'CHOOSE'; readonly step: Step }
  | { readonly kind: 'NOTE_ARRIVED'; readonly steps: readonly Step[] }
  /** The next step of every database that has not arrived. */
  | { readonly kind: 'RESTORE'; readonly steps: readonly Step[] }
  /** A file cannot be restored: is there an older mark? */
  | { readonly kind: 'OFFER'; readonly step: Step }
  /** A person has said yes to this one. */
  | { readonly kind: 'RECHOOSE'; readonly step: Step }
  | { readonly kind: 'ARRIVE' }
  | { readonly kind: 'CHECK'; readonly step: Step }
  | { readonly kind: 'BEGIN_RECOVERY' }
  | { readonly kind: 'RECOVER'; readonly steps: readonly Step[] }
  | { readonly kind: 'BEGIN_VERIFICATION' }
  | { readonly kind: 'VERIFY'; readonly steps: readonly Step[] }
  /** The databases are verified: what people do next is written down. */
  | { readonly kind: 'BEGIN_REFERENCES' }
  | { readonly kind: 'COMPLETE' }
  | { readonly kind: 'FAIL'; readonly step: Step; readonly reason: StepReason };

/** One thing to do, or undefined: finished, or waiting for shipping, for the Backup job or for a person. */
export function nextAction({ execution, estate, yielded, seen, sources, nowMs }: Situation): Action | undefined {
  if (isFinished(execution)) return undefined;
  if (execution.ending !== null) return nextUndo(execution, sources);
  switch (execution.state) {
    case 'REQUESTED':
      return { kind: 'BEGIN_FENCING' };
    case 'FENCING': {
      const probes = allOpen(execution, 'PROBE');
      if (probes.length > 0) return { kind: 'PROBE', steps: probes };
      // Written down only when all have been asked: what is done at one depends on what the others are.
      if (!execution.steps.some(({ work }) => work.kind === 'CLAIM')) return { kind: 'PLAN_FENCE' };
      const fence = nextFence(execution, estate, sources, nowMs);
      return fence === 'DONE' ? { kind: 'CLAIM', step: the(execution, 'CLAIM') } : fence;
    }
    case 'DRAINING':
      return yielded ? { kind: 'TAKE_OVER' } : undefined;
    case 'CHOOSING_TARGET':
      return { kind: 'CHOOSE', step: the(execution, 'CHOOSE') };
    case 'ALIGNING': {
      const rotten = currentPlan(execution.steps).find(
        ({ work, state }) => work.kind === 'RESTORE' && state === 'FAILED',
      );
      return rotten === undefined ? nextRestore(execution, seen) : { kind: 'OFFER', step: rotten };
    }
    case 'AWAITING_OPERATOR': {
      const last = execution.steps.at(-1);
      // An offer that was taken long ago has its plan after it: stopped since, only a person goes on.
      return last?.work.kind === 'OFFER' && last.state === 'SUCCEEDED' ? { kind: 'RECHOOSE', step: last } : undefined;
    }
    case 'AT_MARK':
      return confirmArrival(execution, seen);
    case 'RECOVERING': {
      const steps = allOpen(execution, 'RECOVER');
      return steps.length > 0 ? { kind: 'RECOVER', steps } : { kind: 'BEGIN_VERIFICATION' };
    }
    case 'VERIFYING': {
      const steps = allOpen(execution, 'VERIFY');
      return steps.length > 0 ? { kind: 'VERIFY', steps } : { kind: 'BEGIN_REFERENCES' };
    }
    case 'REFERENCING':
      return open(execution, 'REFERENCE') === undefined ? { kind: 'COMPLETE' } : undefined;
    case 'COMPLETED':
    case 'CANCELLED':
    case 'FAILED':
      return undefined;
  }
}

function nextRestore(execution: ExecutionView, seen: SeenDatabases): Action {
  const target = markTarget(execution);
  const arrived = arrivedSteps(execution.steps, target, seen);
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
  return currentPlan(execution.steps).find(isOpen) ?? recover;
}

function recoverSteps({ steps }: ExecutionView): readonly (Step & { readonly databaseId: DatabaseId })[] {
  return currentPlan(steps).flatMap(step =>
    step.work.kind === 'RECOVER' ? [{ ...step, databaseId: step.work.databaseId }] : [],
  );
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
  return steps.filter(step => step.work.kind === kind && isOpen(step.state));
}

function the({ steps }: ExecutionView, kind: Step['work']['kind']): Step {
  const step = steps.find(({ work }) => work.kind === kind);
  if (step === undefined) throw new Error(`The execution has no ${kind} step.`);
  return step;
}
