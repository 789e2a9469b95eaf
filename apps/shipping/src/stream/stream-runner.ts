import type { InstanceId, StandbyId } from '@holdfast/domain';
import type { RunnerDefinition, StepContext } from '@holdfast/service/runner';
import { observeDatabases } from '@holdfast/sqlserver/observe';
import { listCopies } from '../copy/copy-store.ts';
import { isLost, NotAddressed, type StandbyConnections, whyNotAsked } from '../estate/connection-runner.ts';
import { loadSets } from '../estate/estate-store.ts';
import type { StandbyGate } from '../standby/gate.ts';
import { shippingReason } from '../standby/reason.ts';
import { type Claim, isHeld, type Standby, type StandbyInstance } from '../standby/standby.ts';
import { yieldStandby } from '../standby/standby-commands.ts';
import { findStandby, listStandbys } from '../standby/standby-store.ts';
import { assess, type Assessment, type InstanceLook, type RestoreStep, type StandbyView } from './assessment.ts';
import { type RestoreDependencies, restoreNext, type RestoreOutcome } from './restore-runner.ts';
import { isNews, isStreamNews, noteAssessment, noteProblem, noteRestored } from './stream-commands.ts';
import { listStreams } from './stream-store.ts';

export type StreamRunnerDependencies = RestoreDependencies & {
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
  | { readonly kind: 'YIELD'; readonly standby: Standby; readonly claim: Claim }
  | {
      readonly kind: 'NOTE';
      readonly standby: Standby;
      readonly looks: readonly InstanceLook[];
      readonly assessment: Assessment;
    }
  | { readonly kind: 'RESTORE'; readonly step: RestoreStep };
type Outcome = { readonly kind: 'DONE' } | RestoreOutcome;

/**
 * Keeps one standby instance rolling forward, one RESTORE at a time, and stops when the standby is claimed.
 *
 * Why it may be killed anywhere: positions are read from the server before every step and again on the locked connection, so a restore
 * that ended unseen is found done. A full that nobody saw end is known by `seedingFileId`, stored before it was sent; its evidence tells
 * whether it ended or is sent again. A claim is stored before anything stops: after a restart it is found, older sessions of ours are
 * ended by taking the lock, then it is answered. What a leader that was replaced still wants to record is dropped where others have moved on.
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
      if (decision.kind === 'YIELD' && outcome.kind === 'DONE')
        await yieldStandby(dependencies, decision.standby.id, decision.claim.executionId);
      if (decision.kind === 'NOTE')
        await noteAssessment(dependencies, decision.standby, decision.looks, decision.assessment);
      if (decision.kind !== 'RESTORE') return;
      if (outcome.kind === 'RESTORED') await noteRestored(dependencies, decision.step, outcome);
      if (outcome.kind === 'PROBLEM') await noteProblem(dependencies, decision.step, outcome);
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
  const { claim } = standby;
  // One answers for all instances: a second one would still be at a server when the first has answered.
  if (claim !== null)
    return claim.yieldedAt === null && standby.instances[0]?.instanceId === own
      ? { kind: 'YIELD', standby, claim }
      : undefined;
  if (standby.state === 'RECOVERED') return undefined;
  const assessment = assess({ ...observation, standby, nowMs });
  const note: Decision = { kind: 'NOTE', standby, looks, assessment };
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
      return letGo(dependencies, decision.standby, decision.claim, context);
    case 'RESTORE': {
      const { step } = decision;
      return dependencies.gate.inside(step.stream.standbyId, () => restoreNext(dependencies, step, context));
    }
  }
}

/** A restore under way ends first, a copy is cut short; then the locks go. */
async function letGo(
  { gate, connections, store }: StreamRunnerDependencies,
  standby: Standby,
  { executionId }: Claim,
  context: StepContext,
): Promise<Outcome> {
  await gate.drain(standby.id);
  await context.checkpoint('drained');
  const now = await store.read(db => findStandby(db, standby.id));
  // Answered by who leads now, or released: the server is not ours to touch any more, or again in use.
  if (now?.claim?.executionId !== executionId || now.claim.yieldedAt !== null) return { kind: 'OVERTAKEN' };
  for (const { instanceId } of standby.instances) {
    const lock = { groupId: standby.groupId, instanceId };
    if (!connections.holds(lock)) {
      // Who led before us may have died within a restore: taking the lock ends its session and sees it gone.
      const opened = await connections.exclusive(lock);
      if ('refused' in opened && opened.refused !== 'LockHeld') throw new Error(opened.message);
    }
    await connections.release(lock);
  }
  return { kind: 'DONE' };
}
