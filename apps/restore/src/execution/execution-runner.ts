/**
 * Drives every execution that has not ended (design.md §5, "A failover"): one step at a time, but what is done to databases side by side.
 *
 * Invariants: nothing is sent to a standby before shipping has yielded it to this execution; a database is only moved towards the mark, and
 * opened only when all of them stand on it; what is about to be sent is recorded before, what was done is believed from the position read
 * afterwards, never from an answer.
 *
 * Resumption: the store holds the state, the standby holds the positions. Killed before a statement: it is sent after the next observation.
 * Killed after it: the position shows that the step has arrived, and it is noted as done. A stop at the mark is never sent twice, because
 * one slot beyond the mark nothing is left to do. A database that was opened answers ONLINE and is verified, not opened again.
 *
 * The way back: once its end is decided (cancelled, or failed with all sources alive; with one gone a person decides), only what a fence did is
 * undone, then the standby is given back. It is decided in the record alone, so a statement under way is awaited by the pass that sent it.
 *
 * Replacement: a leader that was frozen and wakes up after another took over does no harm. It cannot record (execution-commands.ts), and before
 * each statement stands a record; what it had begun to send ended with its session (exclusive.ts); it cannot judge by what the other one
 * did, because positions that bind are read on the connection that it lost.
 */
import type { ExecutionId } from '@holdfast/domain';
import type { RunnerDefinition, StepContext } from '@holdfast/service/runner';
import type { Store } from '@holdfast/store';
import { findEstate, hasYielded } from '../estate/estate-store.ts';
import { membersOf } from '../estate/estate.ts';
import type { RestoreTables } from '../tables.ts';
import type { SeenDatabases } from './alignment.ts';
import { allOf, started } from './change.ts';
import { moveDatabases, type MoveMeans } from './database-runner.ts';
import { type AsOf, type ExecutionCommands, type Recorded, Superseded } from './execution-commands.ts';
import { findExecution, findTrace, listRunning } from './execution-store.ts';
import { lookedAt } from './fence.ts';
import { type FenceOutcome, fencedSource, moveSource, planFence, probeSources, startLastRun } from './fence-runner.ts';
import { failureReason, isHopeless, isRotten, StepFailed } from './batch-runner.ts';
import { commandTexts, type Instances } from './instance-runner.ts';
import { type Journal, openJournal } from './journal.ts';
import {
  checkInDoubt,
  chooseMark,
  chooseOlder,
  confirmFailure,
  type MarkOutcome,
  offerOlder,
  verifyAll,
} from './mark-runner.ts';
import { planReferences } from '../reference/reference-runner.ts';
import { type Action, nextAction, type Situation } from './next-action.ts';
import { type SeenSources, sourcesOf } from './source.ts';
import { closingSteps, type Step } from './step.ts';
import { rollBackUnits } from './units-runner.ts';

type Stored = Omit<Situation, 'seen' | 'sources' | 'nowMs'>;
type Decision = { readonly situation: Situation; readonly action: Action };

type Outcome =
  /** What is recorded is all there is to do. */
  { readonly kind: 'DONE' } | MarkOutcome | FenceOutcome;
/** What was done and the execution's version that it rests on: beginning a step raises it. */
type Acted = { readonly asOf: AsOf; readonly outcome: Outcome };

export type RunnerOptions = {
  readonly store: Store<RestoreTables>;
  readonly commands: ExecutionCommands;
  readonly instances: Instances;
  readonly clock: () => number;
  /** Databases of one standby instance that are restored, or opened, at the same time. */
  readonly parallelRestores: number;
};

type Means = RunnerOptions & MoveMeans;

export function executionRunner(options: RunnerOptions): RunnerDefinition<ExecutionId, Situation, Decision, Acted> {
  const { store, commands } = options;
  // The version that the pass under way rests on: who complains must not speak for somebody who has gone on meanwhile.
  const restsOn = new Map<ExecutionId, AsOf>();
  return {
    name: 'execution',
    subjects: async () => {
      const running = await store.read(listRunning);
      for (const executionId of restsOn.keys()) if (!running.includes(executionId)) restsOn.delete(executionId);
      return running;
    },
    key: executionId => executionId,
    trace: executionId => store.read(db => findTrace(db, executionId)),
    observe: async (executionId, step) => {
      const stored = await load(executionId, store);
      restsOn.set(executionId, stored.execution);
      await step.checkpoint('read');
      const [seen, sources] = [await look(stored, options), await lookAtSource(stored, options)];
      return { ...stored, seen, sources, nowMs: options.clock() };
    },
    decide: situation => {
      const action = nextAction(situation);
      return action && { situation, action };
    },
    step: ({ action }) => action.kind.toLowerCase(),
    act: (decision, context) => {
      const journal = openJournal(decision.situation.execution, commands, asOf => restsOn.set(asOf.executionId, asOf));
      return act(decision, context, { ...options, journal });
    },
    // Overtaken, there is nothing to record: the next pass sees what the other one has made of it.
    record: async (decision, acted) => {
      await record(decision, acted, commands);
    },
    failed: async (executionId, error) => {
      if (error instanceof Superseded) return;
      const view = await store.read(db => findExecution(db, executionId));
      const { step, cause } =
        error instanceof StepFailed
          ? error
          : { step: view?.steps.find(({ state }) => state === 'RUNNING' || state === 'WAITING'), cause: error };
      // Moved since by somebody else: it was no failure of what is being done now.
      if (view === undefined || step === undefined || view.version !== restsOn.get(executionId)?.version) return;
      const reason = failureReason(cause);
      // A file of the plan that cannot be read may leave an older mark to go to: nothing is given up before that was looked at.
      if (isRotten(cause) && view.state === 'ALIGNING' && step.work.kind === 'RESTORE' && view.ending === null) {
        await commands.noteRotten(view, step.stepId, reason);
        return;
      }
      // Before the first database is open, what cannot succeed by repeating gives the standby back to shipping. After it nothing is given up.
      if (isHopeless(cause) && !view.passedPointOfNoReturn && view.ending === null)
        await commands.fail(view, step.stepId, reason);
      else await commands.noteProblem(view, step.stepId, reason);
    },
  };
}

function load(executionId: ExecutionId, store: Store<RestoreTables>): Promise<Stored> {
  return store.read(async db => {
    const execution = await findExecution(db, executionId);
    if (execution === undefined) throw new Error(`There is no execution ${executionId}.`);
    const estate = await findEstate(db, execution.groupId, execution.standbyId);
    if (estate === undefined)
      throw new Error(`Group ${execution.groupName} or its standby is not known here any more.`);
    return { execution, estate, yielded: await hasYielded(db, executionId) };
  });
}

async function look({ execution, estate }: Stored, { instances }: RunnerOptions): Promise<SeenDatabases> {
  const looks = execution.ending === null && (execution.state === 'ALIGNING' || execution.state === 'AT_MARK');
  return looks ? instances.look(membersOf(estate)) : new Map();
}

async function lookAtSource({ execution, estate }: Stored, { instances }: RunnerOptions): Promise<SeenSources> {
  const asked = lookedAt(execution);
  if (asked === undefined) return new Map();
  const { instanceId, question } = asked;
  const source = sourcesOf(estate).find(candidate => candidate.instanceId === instanceId);
  if (source === undefined) throw new Error(`${execution.groupName} has no source instance ${instanceId} any more.`);
  return new Map([[instanceId, await instances.source(source, question)]]);
}

async function act(decision: Decision, context: StepContext, means: Means): Promise<Acted> {
  const { situation, action } = decision;
  const outcome = await outcomeOf(action, situation, context, means);
  return { asOf: means.journal.asOf(), outcome };
}

function outcomeOf(action: Action, situation: Situation, context: StepContext, means: Means): Promise<Outcome> {
  const begun = (step: Step, work: () => Promise<Outcome>) => begin([step], context, means, work);
  switch (action.kind) {
    case 'PROBE':
      return begin(action.steps, context, means, () => probeSources(action, situation, means));
    case 'PLAN_FENCE':
      return planFence(situation, context, means);
    case 'FENCE':
    case 'UNFENCE':
      return moveSource(action, situation, context, means);
    case 'ROLL_BACK_UNITS':
      return rollBackUnits(action, situation, context, means);
    case 'START_LAST_RUN':
      return startLastRun(action, situation, context, means);
    case 'ACCOUNT':
      return Promise.resolve({
        kind: 'ACCOUNTED',
        source: fencedSource(action, situation, new Date(means.clock()).toISOString()),
      });
    case 'CHOOSE':
      return begun(action.step, () => chooseMark(action, situation, context, means));
    case 'RESTORE':
    case 'RECOVER':
      return moveDatabases(action, situation, context, means);
    case 'CHECK':
      return begun(action.step, () => checkInDoubt(situation, means));
    case 'VERIFY':
      return verifyAll(action, situation, context, means);
    case 'OFFER':
      return offerOlder(action, situation, context, means);
    case 'RECHOOSE':
      return chooseOlder(action, situation, context, means);
    case 'BEGIN_REFERENCES':
      return planReferences(situation, means);
    case 'FAIL':
      return confirmFailure(action, situation, context, means);
    case 'BEGIN_FENCING':
    case 'CLAIM':
    case 'TAKE_OVER':
    case 'NOTE_ARRIVED':
    case 'ARRIVE':
    case 'BEGIN_RECOVERY':
    case 'BEGIN_VERIFICATION':
    case 'COMPLETE':
    case 'NOTE_FENCED':
    case 'NOTE_WAITING':
    case 'NOTE_FOUND':
    case 'NOTE_LAST_RUN':
    case 'NOTE_DRAINED':
    case 'FAIL_SOURCE':
    case 'END':
      return Promise.resolve({ kind: 'DONE' });
  }
}

/** Begins the steps in the record, then does their work; nothing is done for an execution that somebody else has moved since. */
async function begin(
  steps: readonly Step[],
  context: StepContext,
  { journal }: { readonly journal: Journal },
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  if (!(await journal.note(allOf(steps.map(({ stepId }) => started(stepId)))))) return { kind: 'LOOK_AGAIN' };
  await context.checkpoint('begun');
  return work();
}

async function record({ action }: Decision, { asOf, outcome }: Acted, commands: ExecutionCommands): Promise<Recorded> {
  if (outcome.kind === 'LOOK_AGAIN') return asOf;
  if (outcome.kind === 'SOMEBODY_CAME') return commands.waitAgain(asOf, outcome.came);
  if (outcome.kind === 'STUCK') return commands.fail(asOf, outcome.stepId, outcome.reason);
  switch (action.kind) {
    case 'BEGIN_FENCING':
      return commands.beginFencing(asOf);
    case 'PROBE':
      if (outcome.kind !== 'PROBED') throw new Error(`A probe cannot end ${outcome.kind}.`);
      return commands.accountForSources(asOf, outcome.sources, idsOf(action.steps));
    case 'PLAN_FENCE':
      if (outcome.kind !== 'PLANNED') throw new Error(`A plan cannot end ${outcome.kind}.`);
      return commands.addSteps(asOf, outcome.next);
    case 'NOTE_FENCED':
      return commands.succeed(asOf, idsOf(action.steps), action.reasons);
    case 'NOTE_WAITING':
      return action.step.state === 'WAITING' || action.reason === null
        ? commands.startStep(asOf, action.step.stepId)
        : commands.noteProblem(asOf, action.step.stepId, action.reason);
    case 'NOTE_FOUND':
      return commands.found(asOf, action.step.stepId, action.work, action.reason);
    case 'NOTE_LAST_RUN':
      return commands.lastRun(asOf, action.step.stepId, action.run.startedAt);
    case 'NOTE_DRAINED':
      return commands.drained(asOf, action.step.stepId, action.mark);
    case 'FAIL_SOURCE':
      return commands.fail(asOf, action.step.stepId, action.reason);
    case 'ACCOUNT':
      if (outcome.kind !== 'ACCOUNTED') throw new Error(`A source cannot end ${outcome.kind}.`);
      return commands.accountForSources(asOf, [outcome.source], []);
    case 'END':
      return commands.end(asOf);
    case 'CLAIM':
      return commands.claim(asOf, action.step.stepId);
    case 'TAKE_OVER':
      return commands.takeOver(asOf);
    case 'CHOOSE': {
      if (outcome.kind !== 'CHOSEN') throw new Error(`A choice cannot end ${outcome.kind}.`);
      const { chosen, dataLoss, databases } = outcome.choice;
      const next = closingSteps(databases, chosen.markName, commandTexts);
      return commands.choose(asOf, action.step.stepId, { chosen, dataLoss, next });
    }
    case 'OFFER':
      if (outcome.kind !== 'OFFERED') throw new Error(`An offer cannot end ${outcome.kind}.`);
      return commands.offer(asOf, outcome.text);
    case 'RECHOOSE': {
      if (outcome.kind !== 'CHOSEN') throw new Error(`A choice cannot end ${outcome.kind}.`);
      const { chosen, dataLoss, databases } = outcome.choice;
      return commands.choose(asOf, null, {
        chosen,
        dataLoss,
        next: closingSteps(databases, chosen.markName, commandTexts),
      });
    }
    case 'NOTE_ARRIVED':
      return commands.succeed(asOf, idsOf(action.steps));
    case 'CHECK':
      if (outcome.kind !== 'CHECKED') throw new Error(`A check cannot end ${outcome.kind}.`);
      return commands.succeed(asOf, [action.step.stepId], outcome.reasons);
    case 'RESTORE':
    case 'RECOVER':
    case 'VERIFY':
    case 'FENCE':
    case 'UNFENCE':
    case 'START_LAST_RUN':
    case 'ROLL_BACK_UNITS':
      throw new Error(`${action.kind} records what it does itself.`);
    case 'ARRIVE':
      return commands.arrive(asOf);
    case 'BEGIN_RECOVERY':
      return commands.beginRecovery(asOf);
    case 'BEGIN_VERIFICATION':
      return commands.beginVerification(asOf);
    case 'BEGIN_REFERENCES':
      if (outcome.kind !== 'PLANNED') throw new Error(`The steps after recovery cannot end ${outcome.kind}.`);
      return commands.beginReferences(asOf, outcome.next);
    case 'COMPLETE':
      return commands.complete(asOf);
    case 'FAIL':
      throw new Error('A failure is recorded as its reason.');
  }
}

function idsOf(steps: readonly Step[]): readonly Step['stepId'][] {
  return steps.map(({ stepId }) => stepId);
}
