/**
 * Drives every execution that has not ended, one step at a time (design.md §5, "A failover").
 *
 * Invariants: nothing is sent to a standby before shipping has yielded it to this execution; a database is only moved towards the mark, and
 * opened only when all of them stand on it; what is about to be sent is recorded before, what was done is believed from the position read
 * afterwards, never from an answer.
 *
 * Resumption: the store holds the state, the standby holds the positions. Killed before a statement: it is sent after the next observation.
 * Killed after it: the position shows that the step has arrived, and it is noted as done. A stop at the mark is never sent twice, because
 * one slot beyond the mark nothing is left to do. A database that was opened answers ONLINE and is verified, not opened again.
 */
import type { ExecutionId } from '@holdfast/domain';
import { safeMessage } from '@holdfast/service';
import type { RunnerDefinition, StepContext } from '@holdfast/service/runner';
import { SqlServerError } from '@holdfast/sqlserver';
import type { Store } from '@holdfast/store';
import { findEstate, hasYielded } from '../estate/estate-store.ts';
import { type Estate, membersOf } from '../estate/estate.ts';
import type { RestoreTables } from '../tables.ts';
import { type SeenDatabases, verifyMarks } from './alignment.ts';
import { choose, type Choice } from './choice.ts';
import { type DatabaseOutcome, moveDatabase } from './database-runner.ts';
import { type Execution, markTarget, type SourceRecord } from './execution.ts';
import type { ExecutionCommands } from './execution-commands.ts';
import { findExecution, listRunning } from './execution-store.ts';
import { commandTexts, type Instances } from './instance-runner.ts';
import { type Action, nextAction, type Situation } from './next-action.ts';
import { closingSteps, type StepReason } from './step.ts';

type Decision = { readonly situation: Situation; readonly action: Action };

type Outcome =
  | DatabaseOutcome
  | { readonly kind: 'ACCOUNTED'; readonly source: SourceRecord }
  | { readonly kind: 'CHOSEN'; readonly choice: Extract<Choice, { kind: 'CHOSEN' }> };

export type RunnerOptions = {
  readonly store: Store<RestoreTables>;
  readonly commands: ExecutionCommands;
  readonly instances: Instances;
  readonly clock: () => number;
};

export function executionRunner(options: RunnerOptions): RunnerDefinition<ExecutionId, Situation, Decision, Outcome> {
  const { store, commands } = options;
  return {
    name: 'execution',
    subjects: () => store.read(listRunning),
    key: executionId => executionId,
    observe: executionId => observe(executionId, options),
    decide: situation => {
      const action = nextAction(situation);
      return action && { situation, action };
    },
    step: ({ action }) => action.kind.toLowerCase(),
    act: (decision, context) => act(decision, context, options),
    record: (decision, outcome) => record(decision, outcome, commands),
    failed: async (executionId, error) => {
      const view = await store.read(db => findExecution(db, executionId));
      const step = view?.steps.find(({ state }) => state === 'RUNNING' || state === 'WAITING');
      if (view === undefined || step === undefined) return;
      const reason = failureReason(error);
      // Before the first database is open, what cannot succeed by repeating gives the standby back to shipping. After it nothing is given up.
      if (isHopeless(error) && !view.passedPointOfNoReturn) await commands.fail(executionId, step.stepId, reason);
      else await commands.noteProblem(executionId, step.stepId, reason);
    },
  };
}

async function observe(executionId: ExecutionId, { store, instances }: RunnerOptions): Promise<Situation> {
  const { execution, estate, yielded } = await store.read(async db => {
    const found = await findExecution(db, executionId);
    if (found === undefined) throw new Error(`There is no execution ${executionId}.`);
    const known = await findEstate(db, found.groupId, found.standbyId);
    if (known === undefined) throw new Error(`Group ${found.groupName} or its standby is not known here any more.`);
    return { execution: found, estate: known, yielded: await hasYielded(db, executionId) };
  });
  const looks = execution.state === 'ALIGNING' || execution.state === 'AT_MARK';
  const seen: SeenDatabases = looks ? await instances.look(membersOf(estate)) : new Map();
  return { execution, estate, yielded, seen };
}

async function act({ situation, action }: Decision, context: StepContext, options: RunnerOptions): Promise<Outcome> {
  const { execution, estate } = situation;
  switch (action.kind) {
    case 'PROBE':
      return probe(action, execution, estate, options);
    case 'CHOOSE':
      await options.commands.startStep(execution.executionId, action.step.stepId);
      return chooseMark(situation, context, options);
    case 'RESTORE':
    case 'RECOVER':
      return moveDatabase(action, situation, context, options);
    case 'VERIFY':
      return verify(action, situation, options);
    case 'FAIL':
      return { kind: 'STUCK', reason: action.reason };
    case 'BEGIN_FENCING':
    case 'CLAIM':
    case 'TAKE_OVER':
    case 'NOTE_ARRIVED':
    case 'ARRIVE':
    case 'BEGIN_RECOVERY':
    case 'BEGIN_VERIFICATION':
    case 'COMPLETE':
      // What is recorded is all there is to do.
      return { kind: 'DONE' };
  }
}

async function probe(
  { step, instanceId }: Extract<Action, { kind: 'PROBE' }>,
  execution: Execution,
  estate: Estate,
  { commands, instances, clock }: RunnerOptions,
): Promise<Outcome> {
  await commands.startStep(execution.executionId, step.stepId);
  const { answer, evidence } = await instances.probe(instanceId);
  const declared = execution.declared.find(declaration => declaration.instanceId === instanceId);
  if (answer !== 'SILENT' || declared === undefined) {
    const reason = {
      code: 'SOURCE_NOT_ACCOUNTED_FOR',
      message: `Source instance ${step.where} is not known to be gone.`,
      fix: 'Make sure that it cannot come back (power, network, services), then ask for the failover again and declare it unreachable.',
      evidence,
      since: null,
    };
    return { kind: 'STUCK', reason };
  }
  return {
    kind: 'ACCOUNTED',
    source: {
      instanceId,
      instanceName: estate.group.instances.find(instance => instance.instanceId === instanceId)?.name ?? step.where,
      outcome: 'DECLARED_UNREACHABLE',
      by: execution.requestedBy,
      at: new Date(clock()).toISOString(),
      evidence: `${declared.reason} · ${evidence}`,
    },
  };
}

/** Under the lock of every instance, one after the other: nobody of ours restores there while positions are read. */
async function chooseMark(
  { execution, estate }: Situation,
  { signal }: StepContext,
  { instances }: RunnerOptions,
): Promise<Outcome> {
  const seen = new Map<Parameters<SeenDatabases['get']>[0], NonNullable<ReturnType<SeenDatabases['get']>>>();
  for (const [instanceId, members] of Map.groupBy(membersOf(estate), member => member.instanceId)) {
    const there = await instances.locked(execution, instanceId, signal, locked => locked.look(members));
    for (const [databaseId, database] of there) seen.set(databaseId, database);
  }
  const choice = choose(execution, estate, seen);
  return choice.kind === 'CHOSEN' ? { kind: 'CHOSEN', choice } : { kind: 'STUCK', reason: choice.reason };
}

async function verify(
  { step, databaseId }: Extract<Action, { kind: 'VERIFY' }>,
  { execution, estate }: Situation,
  { commands, instances }: RunnerOptions,
): Promise<Outcome> {
  const member = membersOf(estate).find(candidate => candidate.databaseId === databaseId);
  if (member === undefined)
    throw new Error(`The standby has no stream for ${step.databaseName ?? databaseId} any more.`);
  await commands.startStep(execution.executionId, step.stepId);
  const { mark } = markTarget(execution);
  const reason = verifyMarks(member.databaseName, mark, await instances.marks(member, mark));
  return reason === undefined ? { kind: 'DONE' } : { kind: 'STUCK', reason };
}

async function record({ situation, action }: Decision, outcome: Outcome, commands: ExecutionCommands): Promise<void> {
  const { executionId } = situation.execution;
  if (outcome.kind === 'NOTHING_SENT') return;
  if (outcome.kind === 'STUCK') {
    if (!('step' in action)) throw new Error(`${action.kind} cannot be stuck.`);
    return commands.fail(executionId, action.step.stepId, outcome.reason);
  }
  switch (action.kind) {
    case 'BEGIN_FENCING':
      return commands.beginFencing(executionId);
    case 'PROBE':
      if (outcome.kind !== 'ACCOUNTED') throw new Error(`A probe cannot end ${outcome.kind}.`);
      return commands.accountForSource(executionId, action.step.stepId, outcome.source);
    case 'CLAIM':
      return commands.claim(executionId, action.step.stepId);
    case 'TAKE_OVER':
      return commands.takeOver(executionId);
    case 'CHOOSE': {
      if (outcome.kind !== 'CHOSEN') throw new Error(`A choice cannot end ${outcome.kind}.`);
      const { chosen, dataLoss, databases } = outcome.choice;
      const next = closingSteps(databases, chosen.markName, commandTexts);
      return commands.choose(executionId, action.step.stepId, { chosen, dataLoss, next });
    }
    case 'NOTE_ARRIVED':
      return commands.succeed(
        executionId,
        action.steps.map(({ stepId }) => stepId),
      );
    case 'RESTORE':
    case 'RECOVER':
    case 'VERIFY':
      return commands.succeed(executionId, [action.step.stepId]);
    case 'ARRIVE':
      return commands.arrive(executionId);
    case 'BEGIN_RECOVERY':
      return commands.beginRecovery(executionId);
    case 'BEGIN_VERIFICATION':
      return commands.beginVerification(executionId);
    case 'COMPLETE':
      return commands.complete(executionId);
    case 'FAIL':
      throw new Error('A failure is recorded as its reason.');
  }
}

function isHopeless(error: unknown): boolean {
  return error instanceof SqlServerError && ['media', 'chain', 'fatal'].includes(error.errorClass);
}

function failureReason(error: unknown): StepReason {
  const known = error instanceof SqlServerError;
  return {
    code: known ? `SQL_${error.errorClass.toUpperCase()}` : 'STEP_FAILED',
    message: safeMessage(error),
    fix: known ? error.hint : 'It is tried again by itself; if this stays, look at the log of the restore service.',
    evidence: known && error.number !== null ? `error ${String(error.number)}` : null,
    since: null,
  };
}
