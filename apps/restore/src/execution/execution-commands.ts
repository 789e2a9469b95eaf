import { executionChanged, standbyClaimed, standbyReleased } from '@holdfast/events';
import type { MarkName } from '@holdfast/domain/mark';
import type { Outbox } from '@holdfast/messaging';
import { newId } from '@holdfast/service';
import { traceWithin } from '@holdfast/service/tracing';
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
import {
  allOf,
  cancelled,
  type Change,
  done,
  failed,
  lastPosition,
  started,
  type StepDecision,
  stepOf,
  succeeded,
  troubled,
} from './change.ts';
import { backToWaiting, type Came } from './drain.ts';
import { findExecution, findTrace, insertSteps, saveProgress, updateExecution, updateStep } from './execution-store.ts';
import { fenceTexts } from './source-runner.ts';
import { newSteps, nextAsked, type Step, type StepId, type StepReason, type StepText } from './step.ts';

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
      const decided = decide(view, now);
      if (decided === undefined) return asOf;
      const change = { ...decided, execution: { ...decided.execution, leaderToken: fencingToken } };
      await saveChange(tx, outbox, view, change, now);
      return { executionId, version: change.execution.version };
    });
  return {
    ...stateCommands(apply, () => newId(clock)),
    ...closingCommands(apply, () => newId(clock)),
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

    /** The last run is over; its mark is looked for from its beginning on. */
    lastRun: (asOf: AsOf, stepId: StepId, startedAt: string) =>
      apply(asOf, (view, now) => ({
        execution: { ...view, version: view.version + 1 },
        steps: [
          done(stepOf(view, stepId), now),
          ...view.steps.flatMap(step =>
            step.work.kind === 'AWAIT_POINT' ? [{ ...step, work: { ...step.work, since: startedAt } }] : [],
          ),
        ],
      })),

    /** Everything that was ever committed can be reached at the standby: no other mark may be chosen. */
    drained: (asOf: AsOf, stepId: StepId, mark: MarkName) =>
      apply(asOf, (view, now) => ({
        execution: { ...view, expectedMark: mark, version: view.version + 1 },
        steps: [done(stepOf(view, stepId), now)],
      })),

    /** `stepIds`: steps that are done with it. */
    accountForSources: (asOf: AsOf, sources: readonly SourceRecord[], stepIds: readonly StepId[]) =>
      apply(asOf, (view, now) => ({
        execution: sources.reduce<Execution>(
          (execution, source) => moved(moveExecution(execution, 'accountForSource', source)),
          { ...view, version: view.version + 1 },
        ),
        steps: stepIds.map(stepId => done(stepOf(view, stepId), now)),
      })),

    addSteps: (asOf: AsOf, next: readonly StepText[]) =>
      apply(asOf, view => ({
        execution: { ...view, version: view.version + 1 },
        added: newSteps(next, lastPosition(view), id),
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
        steps: view.steps.filter(({ work }) => work.kind === 'CLAIM').map(step => done(step, now)),
      })),

    choose: (
      asOf: AsOf,
      stepId: StepId | null,
      choice: { readonly chosen: ChosenMark; readonly dataLoss: DataLoss | null; readonly next: readonly StepText[] },
    ) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'choose', { chosen: choice.chosen, dataLoss: choice.dataLoss })),
        steps: stepId === null ? [] : [done(stepOf(view, stepId), now)],
        added: newSteps(choice.next, lastPosition(view), id),
      })),

    /** Nothing of the plan is done any more; a person decides about another one. */
    offer: (asOf: AsOf, text: StepText) =>
      apply(asOf, (view, now) => ({
        execution: moved(moveExecution(view, 'offer', undefined as never)),
        steps: cancelled(view, now),
        added: newSteps([text], lastPosition(view), id),
      })),
  };
}

/** What ends the recovery, and what comes after it. */
function closingCommands(apply: Apply, id: () => string) {
  return {
    /** Databases that are open and verified are the standby's end: shipping is not to wait for people. The first of them is asked at once. */
    beginReferences: (asOf: AsOf, next: readonly StepText[]) =>
      apply(asOf, (view, now) => {
        const added = newSteps(next, lastPosition(view), id);
        const asked = nextAsked(added, now);
        return {
          execution: moved(moveExecution(view, 'beginReferences', undefined as never)),
          added: added.map(step => (step.stepId === asked?.stepId ? asked : step)),
          releases: 'RECOVERED',
        };
      }),

    complete: (asOf: AsOf) => apply(asOf, (view, now) => ({ execution: moved(moveExecution(view, 'complete', now)) })),

    /** The end of the execution, with its reason at the step; what has not been done any more is cancelled. */
    fail: (asOf: AsOf, stepId: StepId, reason: StepReason) =>
      apply(asOf, (view, now) => failed(view, stepId, reason, now, id, fenceTexts)),

    /** Sources of a failover that is over, seen at work again. */
    noteBack: (asOf: AsOf, back: readonly SourceRecord['instanceId'][]) =>
      apply(asOf, (view, now) => ({
        execution: {
          ...view,
          version: view.version + 1,
          sources: view.sources.map(source =>
            source.cameBackAt === null && back.includes(source.instanceId) ? { ...source, cameBackAt: now } : source,
          ),
        },
      })),

    /** The fence is taken back: what had been decided about its end is so now. */
    end: (asOf: AsOf) =>
      apply(asOf, (view, now) => {
        if (view.ending === null) throw new Error(`Execution ${view.executionId} goes forward.`);
        const action = view.ending.outcome === 'CANCELLED' ? 'cancel' : 'fail';
        return {
          execution: moved(moveExecution(view, action, now)),
          ...(holdsStandby(view) ? { releases: 'RETURNED' as const } : {}),
        };
      }),
  };
}

function stepCommands(apply: Apply) {
  return {
    startStep: (asOf: AsOf, stepId: StepId) => apply(asOf, started(stepId)),
    succeed: (asOf: AsOf, stepIds: readonly StepId[], reasons?: readonly StepReason[]) =>
      apply(asOf, succeeded(stepIds, reasons)),
    noteProblem: (asOf: AsOf, stepId: StepId, reason: StepReason) => apply(asOf, troubled(stepId, reason)),

    /** What is decided about several steps at the same time is one transaction, not one each. */
    decideSteps: (asOf: AsOf, decisions: readonly StepDecision[]) => apply(asOf, allOf(decisions)),

    /** Its file cannot be restored: what follows from it is decided when positions have been read. */
    noteRotten: (asOf: AsOf, stepId: StepId, reason: StepReason) =>
      apply(asOf, (view, now) => ({
        execution: { ...view, version: view.version + 1 },
        steps: [
          {
            ...stepOf(view, stepId),
            state: 'FAILED',
            finishedAt: now,
            reasons: [{ ...reason, since: now }],
          },
        ],
      })),

    /** Somebody came back to the databases after the last run: they are waited for again, and the job runs once more after them. */
    waitAgain: (asOf: AsOf, came: readonly Came[]) =>
      apply(asOf, (view, now) => ({
        execution: { ...view, expectedMark: null, version: view.version + 1 },
        steps: backToWaiting(view.steps, came, now),
      })),

    /** What was found out for a step and is rested on from now on; with a `reason` it is shown, and the step is under way. */
    found: (asOf: AsOf, stepId: StepId, work: Step['work'], reason: StepReason | null) =>
      apply(asOf, (view, now) => {
        const step = { ...stepOf(view, stepId), work };
        const shown =
          reason === null
            ? {}
            : ({ state: 'RUNNING', startedAt: step.startedAt ?? now, reasons: [{ ...reason, since: now }] } as const);
        return { execution: { ...view, version: view.version + 1 }, steps: [{ ...step, ...shown }] };
      }),
  };
}

/** One transaction's worth: state, steps and events together. */
export async function saveChange(
  tx: Transactor<RestoreTables>,
  outbox: Outbox,
  before: ExecutionView,
  change: Change,
  now: string,
): Promise<void> {
  await updateExecution(tx, change.execution, before.version);
  for (const step of change.steps ?? []) await updateStep(tx, step);
  await insertSteps(tx, before.executionId, change.added ?? []);
  await announce(tx, outbox, before, change, now);
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
  const told = (of: Execution) => JSON.stringify([of.state, of.chosen?.markName, of.passedPointOfNoReturn]);
  const isNews = told(before) !== told(execution);
  if (claims !== true && !isNews && releases === undefined) return;
  // Also what a person's later request brings about belongs to the trace of the execution.
  const trace = { traceparent: traceWithin(await findTrace(tx, executionId)) };
  if (claims === true)
    await outbox.append(tx, standbyClaimed, { executionId, groupId, standbyId, claimedAt: now }, trace);
  if (isNews) await announceExecution(tx, outbox, execution, trace);
  if (releases !== undefined)
    await outbox.append(
      tx,
      standbyReleased,
      { executionId, groupId, standbyId, outcome: releases, releasedAt: now },
      trace,
    );
}

export async function announceExecution(
  tx: Transactor<RestoreTables>,
  outbox: Outbox,
  execution: Execution,
  trace?: { readonly traceparent: string | undefined },
): Promise<void> {
  const { executionId, groupId, standbyId, version, kind, mode, state, chosen, passedPointOfNoReturn } = execution;
  const { startedAt, finishedAt } = execution;
  const event = {
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
  };
  await outbox.append(tx, executionChanged, event, trace);
}
