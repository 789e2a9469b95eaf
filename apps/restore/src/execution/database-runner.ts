/**
 * One statement to one database of the standby: a restore or its opening. Invariant: what is sent was decided from the position read under the
 * lock, on the connection that holds it; what was done is believed from the position read afterwards. So an attempt that was cut anywhere is
 * followed by one that first sees how far it came (sqlserver.md §8.4).
 */
import type { StepContext } from '@holdfast/service/runner';
import { membersOf } from '../estate/estate.ts';
import { align, notAtMark, readiness, type Seen } from './alignment.ts';
import type { AsOf, ExecutionCommands, Recorded } from './execution-commands.ts';
import { type ExecutionView, markTarget } from './execution.ts';
import { type Instances, type Locked, sendRecover, sendRestore } from './instance-runner.ts';
import type { Action, Situation } from './next-action.ts';
import type { Step, StepId, StepReason } from './step.ts';

/** What was done and the execution's version that it rests on: beginning a step raises it. */
export type Acted<Outcome> = { readonly asOf: AsOf; readonly outcome: Outcome };

/** Records that a step is begun, before anything of it is sent. */
export type Begin = (asOf: AsOf, stepId: StepId) => Promise<Recorded>;

export type DatabaseOutcome =
  | { readonly kind: 'DONE' }
  /** The database or the execution had moved since it was looked at: nothing was sent. */
  | { readonly kind: 'LOOK_AGAIN' }
  | { readonly kind: 'STUCK'; readonly reason: StepReason };

type Means = { readonly commands: ExecutionCommands; readonly instances: Instances; readonly begin: Begin };

type DatabaseAction = Extract<Action, { kind: 'RESTORE' | 'RECOVER' }>;

export async function moveDatabase(
  action: DatabaseAction,
  { execution, estate }: Situation,
  context: StepContext,
  { commands, instances, begin }: Means,
): Promise<Acted<DatabaseOutcome>> {
  const { step, databaseId } = action;
  const member = membersOf(estate).find(candidate => candidate.databaseId === databaseId);
  if (member === undefined)
    throw new Error(`The standby has no stream for ${step.databaseName ?? databaseId} any more.`);
  return instances.locked(execution, member.instanceId, context.signal, async locked => {
    const look = async () => {
      const seen = (await locked.look([member])).get(databaseId);
      if (seen === undefined) throw new Error(`${member.databaseName} was not looked at.`);
      return seen;
    };
    const before = await look();
    const send = action.kind === 'RESTORE' ? planned(execution, action, before) : opening(execution, action, before);
    if (typeof send !== 'function') return { asOf: execution, outcome: send };
    await context.checkpoint('looked');
    const asOf = await begin(execution, step.stepId);
    if (asOf === 'OVERTAKEN') return { asOf: execution, outcome: { kind: 'LOOK_AGAIN' } };
    const progress = progressOf(commands, step);
    await context.checkpoint('begun');
    const sent = send(locked, member.databaseName, progress.note);
    // Its failure is read below; between here and there it must not count as unhandled.
    sent.catch(() => undefined);
    await context.checkpoint('sent');
    const answer = await sent;
    await progress.saved();
    await context.checkpoint('answered');
    return { asOf, outcome: arrival(action, answer, await look()) };
  });
}

type Send = (locked: Locked, database: string, onPercent: (percent: number) => void) => Promise<StepReason | undefined>;

function planned(
  execution: ExecutionView,
  { step, databaseId }: Extract<Action, { kind: 'RESTORE' }>,
  seen: Seen,
): Send | DatabaseOutcome {
  const alignment = align(databaseId, execution.steps, markTarget(execution), seen);
  if (alignment.kind === 'STUCK') return alignment;
  if (alignment.kind === 'ARRIVED' || alignment.step.stepId !== step.stepId) return { kind: 'LOOK_AGAIN' };
  return async ({ exclusive }, database, onPercent) =>
    (await sendRestore(exclusive, database, alignment, onPercent)) === 'DONE'
      ? undefined
      : {
          code: 'MARK_NOT_REACHED',
          message: `${database} was rolled to the end of the file: the mark was not in it (4329).`,
          fix: 'The proof of this mark was wrong. Nothing was opened; choose a later mark, or seed this database again.',
          evidence: alignment.restore.file.path,
          since: null,
        };
}

function opening(
  execution: ExecutionView,
  { step, databaseId }: Extract<Action, { kind: 'RECOVER' }>,
  seen: Seen,
): Send | DatabaseOutcome {
  const target = markTarget(execution);
  switch (readiness(databaseId, target, seen)) {
    case 'OPEN':
      // An attempt before this one got through; whether it is the right database is what the verification asks.
      return { kind: 'DONE' };
    case 'OPENING':
      // Nothing was given up here, so nothing is: it ends ONLINE or in a state that says more.
      throw new Error(`${step.databaseName ?? databaseId} is RECOVERING: the server is still opening it.`);
    case 'ELSEWHERE':
      return { kind: 'STUCK', reason: notAtMark(step.databaseName ?? databaseId, target.mark, seen) };
    case 'AT_MARK':
      return async ({ exclusive }, database, onPercent) => {
        await sendRecover(exclusive, database, onPercent);
        return undefined;
      };
  }
}

/** The position decides, not the answer. */
function arrival(action: DatabaseAction, refused: StepReason | undefined, after: Seen): DatabaseOutcome {
  if (refused !== undefined) return { kind: 'STUCK', reason: refused };
  const { step } = action;
  const databaseName = step.databaseName ?? action.databaseId;
  if (step.work.kind !== 'RESTORE') {
    if (after.state === 'ONLINE') return { kind: 'DONE' };
    throw new Error(`${databaseName} is ${after.state ?? 'absent'} after its recovery was answered.`);
  }
  const { reaches } = step.work.restore;
  if (after.position?.lsn === reaches) return { kind: 'DONE' };
  const reason = {
    code: 'STEP_DID_NOT_ARRIVE',
    message: `${databaseName} is not where this file should have brought it.`,
    fix: 'Nothing was opened. Compare the header of the file with what is recorded for it, then fail over again.',
    evidence: `expected ${reaches}, found ${after.position?.lsn ?? `none (${after.state ?? 'absent'})`}`,
    since: null,
  };
  return { kind: 'STUCK', reason };
}

/** Percents come while the statement runs and are saved one after the other. */
function progressOf(commands: ExecutionCommands, { stepId, attempts }: Step) {
  let saving: Promise<void> = Promise.resolve();
  return {
    note: (percent: number) => {
      saving = saving.then(() => commands.progress(stepId, attempts + 1, percent));
      // Read by `saved`; a rejection in between must not end the process.
      saving.catch(() => undefined);
    },
    saved: () => saving,
  };
}
