import type { InstanceId, StandbyId } from '@holdfast/domain';
import type { Position } from '@holdfast/domain/chain';
import { type RunnerDefinition, type StepContext } from '@holdfast/service/runner';
import { type Exclusive, LockLost, restoreFull, restoreLog, SqlServerError } from '@holdfast/sqlserver';
import { observeDatabase, observeDatabases } from '@holdfast/sqlserver/observe';
import { listCopies } from '../copy/copy-store.ts';
import { isLost, NotAddressed, type StandbyConnections, whyNotAsked } from '../estate/connection-runner.ts';
import { loadSets } from '../estate/estate-store.ts';
import type { StandbyGate } from '../standby/gate.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import { isHeld, type Standby, type StandbyInstance } from '../standby/standby.ts';
import { type CommandDependencies, yieldStandby } from '../standby/standby-commands.ts';
import { findStandby, listStandbys } from '../standby/standby-store.ts';
import { assess, type Assessment, type InstanceLook, type RestoreStep, type StandbyView } from './assessment.ts';
import {
  beginSeeding,
  isNews,
  isStreamNews,
  noteAssessment,
  noteProblem,
  noteRestored,
  restoreFailed,
} from './stream-commands.ts';
import { listStreams } from './stream-store.ts';

export type StreamRunnerDependencies = CommandDependencies & {
  readonly connections: StandbyConnections;
  readonly gate: StandbyGate;
  /** How old a stored observation may get while nothing changes. */
  readonly noteEveryMs: number;
};

type Subject = { readonly standbyId: StandbyId; readonly instanceId: InstanceId };
type Observation = Omit<StandbyView, 'nowMs' | 'standby'> & {
  readonly standby: Standby | undefined;
  readonly own: InstanceId;
};
type Decision =
  | { readonly kind: 'YIELD'; readonly standby: Standby }
  | {
      readonly kind: 'NOTE';
      readonly standbyId: StandbyId;
      readonly looks: readonly InstanceLook[];
      readonly assessment: Assessment;
    }
  | { readonly kind: 'RESTORE'; readonly step: RestoreStep };
type Outcome =
  | { readonly kind: 'DONE' }
  /** Something else is true than the step was planned for: look again. */
  | { readonly kind: 'OVERTAKEN' }
  | { readonly kind: 'RESTORED'; readonly position: Position; readonly observedAt: string }
  | { readonly kind: 'PROBLEM'; readonly reason: ShippingReason };

/**
 * Keeps one standby instance rolling forward, one RESTORE at a time, and stops when the standby is claimed.
 *
 * Why it may be killed anywhere: positions are read from the server before every step and again on the locked connection, so a restore
 * that ended unseen is found done. A full that did not end is known by `seedingFileId`, stored before it was sent, and is sent again. A
 * claim is stored before anything stops: after a restart it is found, older sessions of ours are ended by taking the lock, then answered.
 */
export function streamRunner(
  dependencies: StreamRunnerDependencies,
): RunnerDefinition<Subject, Observation, Decision, Outcome> {
  const { store, clock, noteEveryMs } = dependencies;
  return {
    name: 'stream',
    subjects: async () =>
      (await store.read(db => listStandbys(db)))
        .filter(({ claim, state }) => (claim === null ? state !== 'RECOVERED' : claim.yieldedAt === null))
        .flatMap(({ id, instances }) => instances.map(({ instanceId }) => ({ standbyId: id, instanceId }))),
    key: ({ standbyId, instanceId }) => `${standbyId}/${instanceId}`,
    observe: subject => dependencies.gate.inside(subject.standbyId, () => observe(dependencies, subject)),
    decide: (observation, now) => decide(observation, now, noteEveryMs),
    step: decision => (decision.kind === 'RESTORE' ? decision.step.kind.toLowerCase() : decision.kind.toLowerCase()),
    act: (decision, context) => act(dependencies, decision, context),
    record: async (decision, outcome) => {
      if (decision.kind === 'YIELD') return yieldStandby(dependencies, decision.standby.id);
      if (decision.kind === 'NOTE') {
        const { standbyId, looks, assessment } = decision;
        return noteAssessment(dependencies, standbyId, looks, assessment);
      }
      if (outcome.kind === 'RESTORED')
        await noteRestored(dependencies, decision.step, outcome.position, outcome.observedAt);
      if (outcome.kind === 'PROBLEM') await noteProblem(dependencies, decision.step, outcome.reason);
    },
  };

  async function observe(
    { connections }: StreamRunnerDependencies,
    { standbyId, instanceId }: Subject,
  ): Promise<Observation> {
    const stored = await store.read(async db => {
      const standby = await findStandby(db, standbyId);
      if (standby === undefined) return { standby, streams: [], sets: [], copies: [] };
      const streams = await listStreams(db, [standbyId]);
      return { standby, streams, sets: await loadSets(db, standby.groupId), copies: await listCopies(db, [standbyId]) };
    });
    const { standby } = stored;
    // A claimed standby is not even looked at: the answer promises that nothing is sent there any more.
    const instances = standby === undefined || isHeld(standby) ? [] : standby.instances;
    const looks = await Promise.all(instances.map(instance => look(connections, instance, clock())));
    return { ...stored, looks, own: instanceId };
  }
}

function decide(observation: Observation, nowMs: number, noteEveryMs: number): Decision | undefined {
  const { standby, looks, own } = observation;
  if (standby === undefined) return undefined;
  if (standby.claim !== null) return standby.claim.yieldedAt === null ? { kind: 'YIELD', standby } : undefined;
  if (standby.state === 'RECOVERED') return undefined;
  const assessment = assess({ ...observation, standby, nowMs });
  const note: Decision = { kind: 'NOTE', standbyId: standby.id, looks, assessment };
  if (isNews(standby, assessment) || assessment.streams.some(isStreamNews)) return note;
  const step = assessment.steps.find(({ stream }) => stream.instanceId === own);
  if (step !== undefined) return { kind: 'RESTORE', step };
  return standby.instances.some(instance => isDue(instance, looks, nowMs - noteEveryMs)) ? note : undefined;
}

/** An unreachable instance keeps its old age: noting it again would say nothing new. */
function isDue(instance: StandbyInstance, looks: readonly InstanceLook[], before: number): boolean {
  const seen = looks.find(({ instanceId }) => instanceId === instance.instanceId);
  if (!seen?.reachable) return false;
  return instance.error !== null || instance.observedAt === null || Date.parse(instance.observedAt) <= before;
}

async function look(connections: StandbyConnections, instance: StandbyInstance, nowMs: number): Promise<InstanceLook> {
  const { instanceId, instanceName } = instance;
  try {
    const { server } = await connections.to(instanceId);
    const { observedAt, databases } = await observeDatabases(server);
    return { instanceId, observedAt, reachable: true, databases };
  } catch (error) {
    const cause = whyNotAsked(error);
    if (cause === undefined) throw error;
    if (isLost(error)) await connections.drop(instanceId);
    const reason =
      error instanceof NotAddressed
        ? shippingReason('STANDBY_NOT_ADDRESSED', { instance: instanceName })
        : shippingReason('STANDBY_UNREACHABLE', { instance: instanceName, cause });
    return { instanceId, observedAt: new Date(nowMs).toISOString(), reachable: false, reason };
  }
}

async function act(dependencies: StreamRunnerDependencies, decision: Decision, context: StepContext): Promise<Outcome> {
  switch (decision.kind) {
    case 'NOTE':
      return { kind: 'DONE' };
    case 'YIELD':
      await letGo(dependencies, decision.standby);
      return { kind: 'DONE' };
    case 'RESTORE': {
      const { step } = decision;
      return dependencies.gate.inside(step.stream.standbyId, () => restore(dependencies, step, context));
    }
  }
}

/** A restore under way ends first, a copy is cut short; then the locks go. */
async function letGo({ gate, connections }: StreamRunnerDependencies, standby: Standby): Promise<void> {
  await gate.drain(standby.id);
  for (const { instanceId } of standby.instances) {
    const lock = { groupId: standby.groupId, instanceId };
    if (!connections.holds(lock)) {
      // Who led before us may have died within a restore: taking the lock ends its session and sees it gone.
      const opened = await connections.exclusive(lock);
      if ('refused' in opened && opened.refused !== 'LockHeld') throw new Error(opened.message);
    }
    await connections.release(lock);
  }
}

async function restore(
  dependencies: StreamRunnerDependencies,
  step: RestoreStep,
  context: StepContext,
): Promise<Outcome> {
  const { store, connections } = dependencies;
  const { standbyId, instanceId, groupId, databaseName: database } = step.stream;
  const standby = await store.read(db => findStandby(db, standbyId));
  if (standby === undefined || isHeld(standby)) return { kind: 'OVERTAKEN' };
  try {
    const exclusive = await connections.exclusive({ groupId, instanceId });
    if ('refused' in exclusive) {
      if (exclusive.refused === 'Superseded') throw new Error(exclusive.message);
      const instance = standby.instances.find(one => one.instanceId === instanceId)?.instanceName ?? instanceId;
      return { kind: 'PROBLEM', reason: shippingReason('GROUP_LOCKED', { instance, holder: exclusive.message }) };
    }
    const { server } = await connections.to(instanceId);
    // Once more, now that nobody else of ours can move it.
    const before = (await observeDatabase(server, database)).database;
    if (before !== null && before.state !== 'RESTORING') return { kind: 'OVERTAKEN' };
    if (step.from !== null && before?.redoStartLsn !== step.from.lsn) return { kind: 'OVERTAKEN' };
    const interrupted = before !== null && step.stream.seedingFileId !== null;
    if (step.from === null && before?.redoStartLsn != null && !interrupted) return { kind: 'OVERTAKEN' };

    if (step.kind === 'RESTORE_FULL') await beginSeeding(dependencies, step.stream.id, step.file.fileId);
    await context.checkpoint('sending');
    await send(exclusive, step, interrupted);
    await context.checkpoint('answered');
    const after = await observeDatabase(server, database);
    return judge(step, after.database, after.observedAt);
  } catch (error) {
    if (isLost(error) || error instanceof LockLost) await connections.drop(instanceId);
    else if (error instanceof SqlServerError) return { kind: 'PROBLEM', reason: restoreFailed(step, error.message) };
    throw error;
  }
}

async function send(exclusive: Exclusive, { kind, stream, file }: RestoreStep, interrupted: boolean): Promise<void> {
  const { path, position, checksum } = file;
  const source = { path, position, checksum };
  const database = stream.databaseName;
  // REPLACE only over what a full of ours left half done (sqlserver.md §2.3); anything else is the server's to refuse.
  if (kind === 'RESTORE_FULL') await restoreFull(exclusive, { database, source, replace: interrupted });
  else await restoreLog(exclusive, { database, source });
}

function judge(
  step: RestoreStep,
  after: { readonly redoStartLsn: Position['lsn'] | null; readonly redoStartForkGuid: string | null } | null,
  observedAt: string,
): Outcome {
  const lsn = after?.redoStartLsn ?? null;
  // Where a full leaves the position is inferred, not documented (sqlserver.md §2.6): what was read counts.
  const arrived = lsn !== null && (step.kind === 'RESTORE_FULL' || lsn === step.reaches);
  if (!arrived) {
    const error = `the server reported success, but the position is ${lsn ?? 'unknown'} and not ${step.reaches}`;
    return { kind: 'PROBLEM', reason: restoreFailed(step, error) };
  }
  return { kind: 'RESTORED', position: { lsn, forkGuid: after?.redoStartForkGuid ?? null }, observedAt };
}
