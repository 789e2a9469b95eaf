import type { StandbyId, StreamId } from '@holdfast/domain';
import type { RunnerDefinition, StepContext } from '@holdfast/service/runner';
import type { Reader } from '@holdfast/store';
import { whyNotAsked } from '../estate/connection-runner.ts';
import type { StandbyGate } from '../standby/gate.ts';
import { endPause, noteStopped } from '../standby/pause-commands.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import { type Claim, type Pause, rests, type Standby, type StandbyInstance } from '../standby/standby.ts';
import { yieldStandby } from '../standby/standby-commands.ts';
import { findStandby, findTrace, listStandbys } from '../standby/standby-store.ts';
import type { ShippingTables } from '../tables.ts';
import type { Assessment, InstanceLook, RestoreStep } from './assessment.ts';
import { observeStandby, type StandbyObservation } from './look-runner.ts';
import { type RestoreDependencies, restoreNext, type RestoreOutcome } from './restore-runner.ts';
import { shared } from './shared.ts';
import { samePosition } from './stream.ts';
import { isNews, isStreamNews, noteAssessment, noteProblem, noteRestored } from './stream-commands.ts';
import { listStreams } from './stream-store.ts';

export type StreamRunnerDependencies = RestoreDependencies & {
  readonly gate: StandbyGate;
  /** How old a stored observation may get while nothing changes. */
  readonly noteEveryMs: number;
};

/** Of a standby as a whole, or of one of its databases. */
type Subject = { readonly standbyId: StandbyId; readonly streamId: StreamId | null };
type Observation = StandbyObservation & { readonly subject: Subject };
type Decision =
  | { readonly kind: 'YIELD'; readonly standby: Standby; readonly claim: Claim }
  | { readonly kind: 'PAUSE'; readonly standby: Standby; readonly pause: Pause }
  | { readonly kind: 'RESUME'; readonly standby: Standby; readonly pause: Pause }
  | {
      readonly kind: 'NOTE';
      readonly standby: Standby;
      readonly looks: readonly InstanceLook[];
      readonly assessment: Assessment;
    }
  | { readonly kind: 'RESTORE'; readonly step: RestoreStep };
type Stopping = Extract<Decision, { readonly kind: 'YIELD' | 'PAUSE' }>;
type Outcome =
  | { readonly kind: 'DONE' }
  | { readonly kind: 'STOPPED'; readonly unasked: readonly ShippingReason[] }
  | RestoreOutcome;

/**
 * Keeps a standby rolling forward, its databases side by side, and stops when it is claimed. The standby itself is a subject, which notes what
 * was seen and answers claims, and so is every database, which is restored one step at a time; all of them share their looks.
 *
 * Why it may be killed anywhere: positions are read from the server before every step and again on the connection that sends it, so a restore
 * that ended unseen is found done. A full that nobody saw end is known by `seedingFileId`, stored before it was sent; its evidence tells
 * whether it ended or is sent again. A claim or a pause is stored before anything stops: after a restart it is found, older sessions of ours
 * are ended by taking the lock, then it is answered. What a leader that was replaced still wants to record is dropped where others have moved on.
 */
export function streamRunner(
  dependencies: StreamRunnerDependencies,
): RunnerDefinition<Subject, Observation, Decision, Outcome> {
  const { store, noteEveryMs } = dependencies;
  const look = shared((standbyId: StandbyId) => observeStandby(dependencies, standbyId));
  return {
    name: 'stream',
    subjects: () => store.read(db => subjectsOf(db, dependencies.clock())),
    key: ({ standbyId, streamId }) => (streamId === null ? standbyId : `${standbyId}/${streamId}`),
    trace: ({ standbyId }) => store.read(db => findTrace(db, standbyId)),
    observe: subject =>
      dependencies.gate.inside(subject.standbyId, async () => ({ subject, ...(await look(subject.standbyId)) })),
    decide: (observation, now) => decide(observation, now, noteEveryMs),
    step: decision => (decision.kind === 'RESTORE' ? nameOf(decision.step) : decision.kind.toLowerCase()),
    act: (decision, context) => act(dependencies, decision, context),
    record: async (decision, outcome) => {
      if (decision.kind === 'YIELD' && outcome.kind === 'STOPPED')
        await yieldStandby(dependencies, decision.standby.id, decision.claim.executionId);
      if (decision.kind === 'PAUSE' && outcome.kind === 'STOPPED')
        await noteStopped(dependencies, decision.standby.id, decision.pause, outcome.unasked);
      if (decision.kind === 'RESUME') await endPause(dependencies, decision.standby.id, decision.pause);
      if (decision.kind === 'NOTE')
        await noteAssessment(dependencies, decision.standby, decision.looks, decision.assessment);
      if (decision.kind !== 'RESTORE') return;
      if (outcome.kind === 'RESTORED') await noteRestored(dependencies, decision.step, outcome);
      if (outcome.kind === 'PROBLEM') await noteProblem(dependencies, decision.step, outcome);
    },
  };
}

/** The standby comes before its databases: where subjects wait for a place, a claim must not. */
async function subjectsOf(db: Reader<ShippingTables>, nowMs: number): Promise<readonly Subject[]> {
  const active = (await listStandbys(db)).filter(({ claim, state, pause }) => {
    if (claim !== null) return claim.yieldedAt === null;
    return pause === null ? state !== 'RECOVERED' : pause.stoppedAt === null || isOver(pause, nowMs);
  });
  const free = active.filter(standby => !rests(standby)).map(({ id }) => id);
  return [
    ...active.map(({ id: standbyId }) => ({ standbyId, streamId: null })),
    ...(await listStreams(db, free)).map(({ standbyId, id: streamId }) => ({ standbyId, streamId })),
  ];
}

function decide(observation: Observation, nowMs: number, noteEveryMs: number): Decision | undefined {
  const { standby, looks, assessment, subject } = observation;
  if (standby === undefined) return undefined;
  const { streamId } = subject;
  const { claim, pause } = standby;
  if (claim !== null)
    return claim.yieldedAt === null && streamId === null ? { kind: 'YIELD', standby, claim } : undefined;
  if (pause !== null) {
    if (streamId !== null) return undefined;
    if (isOver(pause, nowMs)) return { kind: 'RESUME', standby, pause };
    return pause.stoppedAt === null ? { kind: 'PAUSE', standby, pause } : undefined;
  }
  if (assessment === undefined) return undefined;
  if (streamId === null) {
    const due = standby.instances.some(instance => isDue(instance, looks, nowMs - noteEveryMs));
    const news = isNews(standby, assessment) || assessment.streams.some(isStreamNews);
    return due || news ? { kind: 'NOTE', standby, looks, assessment } : undefined;
  }
  // What a step brings about is recorded for the position it began at: that one is noted first.
  const seen = assessment.streams.find(({ stream }) => stream.id === streamId);
  if (seen === undefined || !samePosition(seen.stream.position, seen.position)) return undefined;
  const step = assessment.steps.find(({ stream }) => stream.id === streamId);
  return step === undefined ? undefined : { kind: 'RESTORE', step };
}

/** An unreachable instance keeps its old age: noting it again would say nothing new. */
function isDue(instance: StandbyInstance, looks: readonly InstanceLook[], before: number): boolean {
  const seen = looks.find(({ instanceId }) => instanceId === instance.instanceId);
  if (!seen?.reachable) return false;
  return instance.error !== null || instance.observedAt === null || Date.parse(instance.observedAt) <= before;
}

async function act(dependencies: StreamRunnerDependencies, decision: Decision, context: StepContext): Promise<Outcome> {
  switch (decision.kind) {
    case 'NOTE':
    case 'RESUME':
      return { kind: 'DONE' };
    case 'YIELD':
    case 'PAUSE':
      return letGo(dependencies, decision, context);
    case 'RESTORE': {
      const { step } = decision;
      return dependencies.gate.inside(step.stream.standbyId, signal =>
        restoreNext(dependencies, step, context, signal),
      );
    }
  }
}

function nameOf({ kind, stream }: RestoreStep): string {
  return stream.reseed === null ? kind.toLowerCase() : 'reseed';
}

function isOver({ until }: Pause, nowMs: number): boolean {
  return until !== null && Date.parse(until) <= nowMs;
}

/**
 * A restore under way ends first, a copy is cut short; then the locks go. What an older leader left at an instance that cannot be asked keeps a
 * claim from being answered, because who claims relies on it; a pause holds without it, and says so.
 */
async function letGo(
  { gate, connections, store }: StreamRunnerDependencies,
  decision: Stopping,
  context: StepContext,
): Promise<Outcome> {
  const { groupId, id, instances } = decision.standby;
  await gate.drain(id);
  await context.checkpoint('drained');
  const now = await store.read(db => findStandby(db, id));
  // Answered by who leads now, released or resumed: the server is not ours to touch any more, or again in use.
  if (now === undefined || !isStillAsked(decision, now)) return { kind: 'OVERTAKEN' };
  const unasked: ShippingReason[] = [];
  for (const { instanceId, instanceName: instance } of instances) {
    try {
      await connections.leave({ groupId, instanceId });
    } catch (error) {
      const cause = whyNotAsked(error);
      if (decision.kind === 'YIELD' || cause === undefined) throw error;
      unasked.push(shippingReason('SESSIONS_NOT_ENDED', { instance, cause }));
    }
  }
  return { kind: 'STOPPED', unasked };
}

function isStillAsked(decision: Stopping, { claim, pause }: Standby): boolean {
  return decision.kind === 'YIELD'
    ? claim?.executionId === decision.claim.executionId && claim.yieldedAt === null
    : claim === null && pause?.at === decision.pause.at && pause.stoppedAt === null;
}
