import { executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import type { Outbox } from '@holdfast/messaging';
import { newId } from '@holdfast/service';
import type { Store, Transactor } from '@holdfast/store';
import type { RestoreTables } from '../tables.ts';
import {
  type ChosenMark,
  type DataLoss,
  type Execution,
  type ExecutionView,
  holdsStandby,
  moved,
  moveExecution,
  type SourceRecord,
} from './execution.ts';
import { findExecution, insertSteps, saveProgress, updateExecution, updateStep } from './execution-store.ts';
import { newSteps, type Step, type StepId, type StepReason, type StepText } from './step.ts';

type Change = {
  readonly execution: Execution;
  readonly steps?: readonly Step[];
  readonly added?: readonly Step[];
  readonly claims?: boolean;
  /** Set when the execution ends after it had claimed the standby. */
  readonly releases?: 'RECOVERED' | 'RETURNED';
};

export type CommandDependencies = {
  readonly store: Store<RestoreTables>;
  readonly outbox: Outbox;
  readonly clock: () => number;
};

export type ExecutionCommands = ReturnType<typeof executionCommands>;

/** The execution as it was when something was decided about it. */
export type AsOf = Pick<Execution, 'executionId' | 'version'>;

/** As it is now; OVERTAKEN: somebody else has moved it since, nothing was recorded, look again. */
export type Recorded = AsOf | 'OVERTAKEN';

type Decide = (view: ExecutionView, now: string) => Change | undefined;
type Apply = (asOf: AsOf, decide: Decide) => Promise<Recorded>;

/** A newer leader has taken this execution over: who is told so records nothing of it any more, and therefore sends nothing. */
export class Superseded extends Error {
  override readonly name = 'Superseded';
}

/**
 * What the runner records. Each is one transaction: state, steps and events together. Each rests on the version that it was decided on, so
 * that what is recorded twice, or was seen before somebody else moved the execution, changes nothing. A leader that was frozen and wakes up
 * after its successor has recorded anything is refused for good: two that work in turns would undo each other's beginnings for ever.
 */
export function executionCommands({
  store,
  outbox,
  clock,
  fencingToken,
}: CommandDependencies & { readonly fencingToken: number }) {
  const apply: Apply = (asOf, decide) =>
    store.transaction(async tx => {
      const { executionId } = asOf;
      const view = await findExecution(tx, executionId);
      if (view === undefined) throw new Error(`There is no execution ${executionId}.`);
      if (view.leaderToken > fencingToken)
        throw new Superseded(`A newer leader (${String(view.leaderToken)}) works on execution ${executionId}.`);
      if (view.version !== asOf.version) return 'OVERTAKEN';
      const now = new Date(clock()).toISOString();
      const change = decide(view, now);
      if (change === undefined) return asOf;
      await updateExecution(tx, { ...change.execution, leaderToken: fencingToken }, view.version);
      for (const step of change.steps ?? []) await updateStep(tx, step);
      await insertSteps(tx, executionId, change.added ?? []);
      await announce(tx, outbox, view, change, now);
      return { executionId, version: change.execution.version };
    });
  return {
    ...stateCommands(apply, () => newId(clock)),
    ...stepCommands(apply),
    /** `attempt`: the one whose statement reports it; a later one, or the step's end, is not overwritten. */
    progress: (stepId: StepId, attempt: number, percent: number) =>
      store.transaction(tx => saveProgress(tx, { stepId, attempt, percent })),
  };
}

function stateCommands(apply: Apply, id: () => string) {
  const plain = (action: 'beginFencing' | 'arrive' | 'beginRecovery' | 'beginVerification') => (asOf: AsOf) =>
    apply(asOf, view => ({ execution: moved(moveExecution(view, action, undefined as never)) }));
  return {
    beginFencing: plain('beginFencing'),
    arrive: plain('arrive'),
    beginRecovery: plain('beginRecovery'),
    beginVerification: plain('beginVerification'),

    accountForSource: (asOf: AsOf, stepId: StepId, source: SourceRecord) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'accountForSource', source)),
        steps: [succeeded(stepOf(view, stepId), now)],
      })),

    claim: (asOf: AsOf, stepId: StepId) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'claim', undefined as never)),
        steps: [{ ...stepOf(view, stepId), state: 'RUNNING', startedAt: now, attempts: 1 }],
        claims: true,
      })),

    takeOver: (asOf: AsOf) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'takeOver', undefined as never)),
        steps: view.steps.filter(({ work }) => work.kind === 'CLAIM').map(step => succeeded(step, now)),
      })),

    choose: (
      asOf: AsOf,
      stepId: StepId,
      choice: { readonly chosen: ChosenMark; readonly dataLoss: DataLoss | null; readonly next: readonly StepText[] },
    ) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'choose', { chosen: choice.chosen, dataLoss: choice.dataLoss })),
        steps: [succeeded(stepOf(view, stepId), now)],
        added: newSteps(choice.next, view.steps.at(-1)?.position ?? 0, id),
      })),

    complete: (asOf: AsOf) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'complete', now)),
        releases: 'RECOVERED',
      })),

    /** The end of the execution, with its reason at the step; what has not been done any more is cancelled. */
    fail: (asOf: AsOf, stepId: StepId, reason: StepReason) =>
      apply(asOf, (view, now) => failed(view, stepId, reason, now)),
  };
}

function stepCommands(apply: Apply) {
  return {
    /** Before its statement is sent. From the first recovery on the standby cannot go back, so that is said before, not after. */
    startStep: (asOf: AsOf, stepId: StepId) =>
      apply(asOf, (view, now) => {
        const step = stepOf(view, stepId);
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
      }),

    /** `reasons`: what stays to be known about steps that have succeeded all the same. */
    succeed: (asOf: AsOf, stepIds: readonly StepId[], reasons: readonly StepReason[] = []) =>
      apply(asOf, (view, now) => ({
        execution: { ...view, version: view.version + 1 },
        steps: stepIds.map(stepId => ({
          ...succeeded(stepOf(view, stepId), now),
          reasons: reasons.map(reason => ({ ...reason, since: now })),
        })),
      })),

    /** A step that will be tried again says why it did not work; the same message again is no news, and a step that is over has no problem. */
    noteProblem: (asOf: AsOf, stepId: StepId, reason: StepReason) =>
      apply(asOf, (view, now) => {
        const step = stepOf(view, stepId);
        if (step.state === 'SUCCEEDED' || step.reasons[0]?.message === reason.message) return undefined;
        return {
          execution: { ...view, version: view.version + 1 },
          steps: [{ ...step, reasons: [{ ...reason, since: now }] }],
        };
      }),
  };
}

function failed(view: ExecutionView, stepId: StepId, reason: StepReason, now: string): Change {
  const others = view.steps.filter(
    step => step.stepId !== stepId && (step.state === 'WAITING' || step.state === 'RUNNING'),
  );
  const releases = view.passedPointOfNoReturn ? 'RECOVERED' : 'RETURNED';
  return {
    execution: moved(moveExecution(view, 'fail', now)),
    steps: [
      { ...stepOf(view, stepId), state: 'FAILED', finishedAt: now, reasons: [{ ...reason, since: now }] },
      ...others.map((step): Step => ({ ...step, state: 'CANCELLED', finishedAt: now })),
    ],
    ...(holdsStandby(view) ? { releases } : {}),
  };
}

/** What others may act on: state, mark and the point of no return. Steps alone are no event. */
async function announce(
  tx: Transactor<RestoreTables>,
  outbox: Outbox,
  before: Execution,
  { execution, claims, releases }: Change,
  now: string,
): Promise<void> {
  const { executionId, groupId, standbyId } = execution;
  if (claims === true) await outbox.append(tx, standbyClaimed, { executionId, groupId, standbyId, claimedAt: now });
  const told = (of: Execution) => JSON.stringify([of.state, of.chosen?.markName, of.passedPointOfNoReturn]);
  if (told(before) !== told(execution)) await announceExecution(tx, outbox, execution);
  if (releases !== undefined)
    await outbox.append(tx, standbyReleased, { executionId, groupId, standbyId, outcome: releases, releasedAt: now });
}

export async function announceExecution(
  tx: Transactor<RestoreTables>,
  outbox: Outbox,
  execution: Execution,
): Promise<void> {
  const { executionId, groupId, standbyId, version, kind, mode, state, chosen, passedPointOfNoReturn } = execution;
  const { startedAt, finishedAt } = execution;
  await outbox.append(tx, executionChanged, {
    executionId,
    groupId,
    standbyId,
    version,
    kind,
    mode,
    state,
    markName: chosen?.markName ?? null,
    passedPointOfNoReturn,
    startedAt,
    finishedAt,
  });
}

function stepOf(view: ExecutionView, stepId: StepId): Step {
  const step = view.steps.find(candidate => candidate.stepId === stepId);
  if (step === undefined) throw new Error(`Execution ${view.executionId} has no step ${stepId}.`);
  return step;
}

function succeeded(step: Step, now: string): Step {
  return {
    ...step,
    state: 'SUCCEEDED',
    startedAt: step.startedAt ?? now,
    finishedAt: now,
    progressPercent: step.work.kind === 'RESTORE' || step.work.kind === 'RECOVER' ? 100 : null,
    reasons: [],
  };
}
