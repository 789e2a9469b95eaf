/**
 * What is asked of the standby about the mark: which one it can be, whether it is out of reach, whether it was reached. Nothing is changed
 * there, so all of it may be asked again by whoever comes next. Invariant: a position that binds or ends an execution is read under the
 * group's lock. Without it a look may fall into a statement that a killed or frozen leader of ours had sent and the server still runs or takes
 * back. (An open database has no position and nobody of ours changes it: its verification needs no lock.)
 */
import type { InstanceId } from '@holdfast/domain';
import type { StepContext } from '@holdfast/service/runner';
import type { Store } from '@holdfast/store';
import { membersOf } from '../estate/estate.ts';
import type { RestoreTables } from '../tables.ts';
import { type SeenDatabases, verifyMarks } from './alignment.ts';
import { type BatchOutcome, openBatch, type StepsEnd } from './batch-runner.ts';
import { started, succeeded } from './change.ts';
import { type Choice, choose } from './choice.ts';
import type { MoveMeans } from './database-runner.ts';
import { markTarget } from './execution.ts';
import { inDoubtReasons } from './in-doubt.ts';
import { type Instances, lockedAll, together } from './instance-runner.ts';
import { type Action, nextAction, type Situation } from './next-action.ts';
import { settled } from './side-by-side.ts';
import { noOlderMark, offerText, olderMark, rottenFiles } from './older-mark.ts';
import { bytesPerSecond, secondsFor } from './speed.ts';
import { listTimedRestores } from './speed-store.ts';
import type { Step, StepReason, StepText } from './step.ts';

export type MarkOutcome =
  | BatchOutcome
  | { readonly kind: 'CHOSEN'; readonly choice: Extract<Choice, { kind: 'CHOSEN' }> }
  | { readonly kind: 'OFFERED'; readonly text: StepText }
  | { readonly kind: 'CHECKED'; readonly reasons: readonly StepReason[] };

type Means = { readonly instances: Instances };

/** What else can be reached, now that a file cannot be restored. */
export async function offerOlder(
  { step }: Extract<Action, { kind: 'OFFER' }>,
  situation: Situation,
  { signal }: StepContext,
  { instances, store }: Means & { readonly store: Store<RestoreTables> },
): Promise<MarkOutcome> {
  const { execution, estate } = situation;
  const without = rottenFiles(execution.steps);
  const older = olderMark(execution, estate, without, await lookLocked(situation, signal, instances));
  if (older === undefined) return { kind: 'STUCK', stepId: step.stepId, reason: noOlderMark(step) };
  const here = estate.standby.instances.map(({ instanceName }) => instanceName);
  const timed = await store.read(db => listTimedRestores(db, execution.groupId));
  const speed = bytesPerSecond(
    estate,
    timed.filter(({ instance }) => here.includes(instance)),
  );
  return { kind: 'OFFERED', text: offerText(step, without, older, secondsFor(older.parts, speed)) };
}

/** Planned from where the databases stand now, not from where they stood when it was offered. */
export async function chooseOlder(
  { step }: Extract<Action, { kind: 'RECHOOSE' }>,
  situation: Situation,
  { signal }: StepContext,
  { instances }: Means,
): Promise<MarkOutcome> {
  const { execution, estate } = situation;
  if (step.work.kind !== 'OFFER') throw new Error(`${step.name} offers nothing.`);
  const seen = await lookLocked(situation, signal, instances);
  const older = olderMark(execution, estate, step.work.without, seen, step.work.mark);
  return older === undefined
    ? { kind: 'STUCK', stepId: step.stepId, reason: noOlderMark(step) }
    : { kind: 'CHOSEN', choice: { kind: 'CHOSEN', ...older } };
}

export async function chooseMark(
  { step }: Extract<Action, { kind: 'CHOOSE' }>,
  situation: Situation,
  { signal }: StepContext,
  { instances }: Means,
): Promise<MarkOutcome> {
  const { execution, estate } = situation;
  const choice = choose(execution, estate, await lookLocked(situation, signal, instances));
  return choice.kind === 'CHOSEN'
    ? { kind: 'CHOSEN', choice }
    : { kind: 'STUCK', stepId: step.stepId, reason: choice.reason };
}

/** An execution is given up only for what is seen under the lock as well. */
export async function confirmFailure(
  { step }: Extract<Action, { kind: 'FAIL' }>,
  situation: Situation,
  { signal }: StepContext,
  { instances }: Means,
): Promise<MarkOutcome> {
  const again = nextAction({ ...situation, seen: await lookLocked(situation, signal, instances) });
  return again?.kind === 'FAIL' && again.step.stepId === step.stepId
    ? { kind: 'STUCK', stepId: step.stepId, reason: again.reason }
    : { kind: 'LOOK_AGAIN' };
}

/** What each standby instance presumes of a distributed transaction that it finds prepared. */
export async function checkInDoubt({ estate: { standby } }: Situation, { instances }: Means): Promise<MarkOutcome> {
  const asked = standby.instances.map(async ({ instanceId, instanceName }) => ({
    instanceName,
    resolution: await instances.inDoubtResolution(instanceId as InstanceId),
  }));
  return { kind: 'CHECKED', reasons: inDoubtReasons(await settled(asked)) };
}

export async function verifyAll(
  { steps }: Extract<Action, { kind: 'VERIFY' }>,
  { execution, estate }: Situation,
  context: StepContext,
  { instances, ...record }: MoveMeans,
): Promise<BatchOutcome> {
  const { journal } = record;
  const members = membersOf(estate);
  const { mark } = markTarget(execution);
  const batch = openBatch(false, context, record);
  const verify = async ({ stepId, databaseId, databaseName }: Step): Promise<StepsEnd> => {
    const member = members.find(candidate => candidate.databaseId === databaseId);
    if (member === undefined) throw new Error(`The standby has no stream for ${databaseName ?? 'this step'} any more.`);
    if (!(await journal.note(started(stepId)))) return { kind: 'OVERTAKEN' };
    await context.checkpoint('begun');
    const reason = verifyMarks(member.databaseName, mark, await instances.marks(member, mark));
    if (reason !== undefined) return { kind: 'STUCK', stepId, reason };
    if (!(await journal.note(succeeded([stepId])))) return { kind: 'OVERTAKEN' };
    await context.checkpoint('noted');
    return { kind: 'DONE' };
  };
  // All at once: it is one small question each, and the connections to an instance are few and shared.
  await settled(steps.map(step => batch.attempt(step, () => verify(step))));
  return batch.outcome();
}

/** Under the locks of all instances at once: nobody of ours restores on any of them while positions are read. */
async function lookLocked(
  { execution, estate }: Situation,
  signal: AbortSignal,
  instances: Instances,
): Promise<SeenDatabases> {
  const byInstance = Map.groupBy(membersOf(estate), ({ instanceId }) => instanceId);
  return lockedAll(instances, execution, [...byInstance.keys()], signal, async locks =>
    together(await settled([...locks].map(([instanceId, lock]) => lock.look(byInstance.get(instanceId) ?? [])))),
  );
}
