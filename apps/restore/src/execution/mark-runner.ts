/**
 * What is asked of the standby about the mark: which one it can be, whether it is out of reach, whether it was reached. Nothing is changed
 * there, so all of it may be asked again by whoever comes next. Invariant: a position that binds or ends an execution is read under the
 * group's lock. Without it a look may fall into a statement that a killed or frozen leader of ours had sent and the server still runs or takes
 * back. (An open database has no position and nobody of ours changes it: its verification needs no lock.)
 */
import type { StepContext } from '@holdfast/service/runner';
import { membersOf } from '../estate/estate.ts';
import { type SeenDatabases, verifyMarks } from './alignment.ts';
import { type Choice, choose } from './choice.ts';
import { markTarget } from './execution.ts';
import type { Instances } from './instance-runner.ts';
import { type Action, nextAction, type Situation } from './next-action.ts';
import type { StepReason } from './step.ts';

export type MarkOutcome =
  | { readonly kind: 'DONE' }
  | { readonly kind: 'LOOK_AGAIN' }
  | { readonly kind: 'STUCK'; readonly reason: StepReason }
  | { readonly kind: 'CHOSEN'; readonly choice: Extract<Choice, { kind: 'CHOSEN' }> };

type Means = { readonly instances: Instances };

export async function chooseMark(
  situation: Situation,
  { signal }: StepContext,
  { instances }: Means,
): Promise<MarkOutcome> {
  const { execution, estate } = situation;
  const choice = choose(execution, estate, await lookLocked(situation, signal, instances));
  return choice.kind === 'CHOSEN' ? { kind: 'CHOSEN', choice } : { kind: 'STUCK', reason: choice.reason };
}

/** An execution is given up only for what is seen under the lock as well. */
export async function confirmFailure(
  situation: Situation,
  { step }: Extract<Action, { kind: 'FAIL' }>,
  { signal }: StepContext,
  { instances }: Means,
): Promise<MarkOutcome> {
  const again = nextAction({ ...situation, seen: await lookLocked(situation, signal, instances) });
  return again?.kind === 'FAIL' && again.step.stepId === step.stepId
    ? { kind: 'STUCK', reason: again.reason }
    : { kind: 'LOOK_AGAIN' };
}

export async function verify(
  { step, databaseId }: Extract<Action, { kind: 'VERIFY' }>,
  { execution, estate }: Situation,
  { instances }: Means,
): Promise<MarkOutcome> {
  const member = membersOf(estate).find(candidate => candidate.databaseId === databaseId);
  if (member === undefined)
    throw new Error(`The standby has no stream for ${step.databaseName ?? databaseId} any more.`);
  const { mark } = markTarget(execution);
  const reason = verifyMarks(member.databaseName, mark, await instances.marks(member, mark));
  return reason === undefined ? { kind: 'DONE' } : { kind: 'STUCK', reason };
}

/** Under the lock of every instance, one after the other: nobody of ours restores there while positions are read. */
async function lookLocked(
  { execution, estate }: Situation,
  signal: AbortSignal,
  instances: Instances,
): Promise<SeenDatabases> {
  const seen = new Map<Parameters<SeenDatabases['get']>[0], NonNullable<ReturnType<SeenDatabases['get']>>>();
  for (const [instanceId, members] of Map.groupBy(membersOf(estate), member => member.instanceId)) {
    const there = await instances.locked(execution, instanceId, signal, locked => locked.look(members));
    for (const [databaseId, database] of there) seen.set(databaseId, database);
  }
  return seen;
}
