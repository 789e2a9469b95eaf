/**
 * What is done at source instances: asked whether they live, taken out of service, put back. Invariant: a statement is sent under the group's
 * lock on that instance, after the state was read on the connection that sends it, and its beginning is recorded before, so that an undo
 * knows what this execution may have done. Whether it was done is believed from the state read afterwards: both directions may be repeated.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { StepContext } from '@holdfast/service/runner';
import { statements } from '@holdfast/sqlserver';
import { type BatchMeans, StepFailed, type Stuck } from './batch-runner.ts';
import { started, succeeded } from './change.ts';
import type { Execution, ExecutionView, SourceRecord } from './execution.ts';
import { type Came, type DrainAction, drainSteps, foundEmpty, questionOf, stillConnected, stopHosts } from './drain.ts';
import { answering, type FenceAction, fenceSteps, isFenced } from './fence.ts';
import type { Instances, Locked } from './instance-runner.ts';
import type { Action, Situation } from './next-action.ts';
import { settled } from './side-by-side.ts';
import { type SeenSource, type Source, sourcesOf } from './source.ts';
import { fenceTexts, sendFence } from './source-runner.ts';
import { type Step, type StepReason, type StepText, takeOverSteps } from './step.ts';

export type FenceOutcome =
  | { readonly kind: 'LOOK_AGAIN' }
  | Stuck
  | { readonly kind: 'ACCOUNTED'; readonly source: SourceRecord }
  /** `sources`: those that are gone; all others answer. */
  | { readonly kind: 'PROBED'; readonly sources: readonly SourceRecord[] }
  | { readonly kind: 'SOMEBODY_CAME'; readonly came: readonly Came[] }
  | { readonly kind: 'PLANNED'; readonly next: readonly StepText[] };

const answerMs = 30_000;
// Agent begins what it was asked for within moments; should it not, the next look decides.
const beginMs = 10_000;

export type FenceMeans = BatchMeans & { readonly instances: Instances; readonly clock: () => number };

/** A declared instance must be silent; one that answers, declared or not, is fenced. */
export async function probeSources(
  { steps }: Extract<Action, { kind: 'PROBE' }>,
  situation: Situation,
  means: FenceMeans,
): Promise<FenceOutcome> {
  const probed = await settled(steps.map(step => probe(step, situation, means)));
  return (
    probed.find(outcome => outcome.kind === 'STUCK') ?? {
      kind: 'PROBED',
      sources: probed.flatMap(outcome => (outcome.kind === 'SILENT' ? [outcome.source] : [])),
    }
  );
}

async function probe(
  step: Step,
  { execution, estate }: Situation,
  { instances, clock }: FenceMeans,
): Promise<Stuck | { readonly kind: 'ANSWERS' } | { readonly kind: 'SILENT'; readonly source: SourceRecord }> {
  if (step.work.kind !== 'PROBE') throw new Error(`${step.name} is no probe.`);
  const { instanceId } = step.work;
  const { answer, evidence } = await instances.probe(instanceId);
  if (answer === 'ANSWERS') return { kind: 'ANSWERS' };
  const declared = execution.declared.find(declaration => declaration.instanceId === instanceId);
  if (answer !== 'SILENT' || declared === undefined)
    return { kind: 'STUCK', stepId: step.stepId, reason: notAccountedFor(step.where, evidence) };
  return {
    kind: 'SILENT',
    source: {
      instanceId,
      instanceName: estate.group.instances.find(instance => instance.instanceId === instanceId)?.name ?? step.where,
      outcome: 'DECLARED_UNREACHABLE',
      by: execution.requestedBy,
      at: new Date(clock()).toISOString(),
      evidence: `${declared.reason} · ${evidence}`,
      cameBackAt: null,
    },
  };
}

/** What the instances look like before anything is done there: it is what an undo goes back to. */
export async function planFence(
  { execution, estate }: Situation,
  { signal }: StepContext,
  { instances }: FenceMeans,
): Promise<FenceOutcome> {
  const sources = answering(execution, sourcesOf(estate));
  const looks = sources.map(source =>
    instances.locked(
      execution,
      source.instanceId,
      signal,
      async lock => [source.instanceId, await lock.source(source)] as const,
    ),
  );
  const seen = new Map(await settled(looks));
  const takeOver = takeOverSteps(estate.standby.instances.map(({ instanceName }) => instanceName));
  if (execution.mode === 'UNPLANNED') {
    const isOneGone = execution.sources.some(({ outcome }) => outcome === 'DECLARED_UNREACHABLE');
    return { kind: 'PLANNED', next: [...fenceSteps(sources, seen, fenceTexts, { isOneGone }), ...takeOver] };
  }
  const home = sources.find(({ management }) => management !== null);
  const job = home === undefined ? null : (seen.get(home.instanceId)?.job ?? null);
  const probe = execution.steps[0];
  if (home === undefined || probe === undefined) throw new Error(`${execution.groupName} has no source to plan for.`);
  if (job === null) return { kind: 'STUCK', stepId: probe.stepId, reason: noJobToRun(home.instanceName) };
  const drain = drainSteps(sources, job);
  return { kind: 'PLANNED', next: [stopHosts, ...fenceSteps(sources, seen, fenceTexts, { drain }), ...takeOver] };
}

export async function moveSource(
  { instanceId, steps }: Extract<FenceAction, { kind: 'FENCE' | 'UNFENCE' }>,
  { execution, estate }: Situation,
  context: StepContext,
  means: FenceMeans,
): Promise<FenceOutcome> {
  const source = sourcesOf(estate).find(candidate => candidate.instanceId === instanceId);
  if (source === undefined) throw new Error(`${execution.groupName} has no source instance ${instanceId} any more.`);
  return means.instances.locked(execution, instanceId, context.signal, async (lock): Promise<FenceOutcome> => {
    if (takesTheFirstOff(steps, execution)) {
      const came = await whoCame(execution, estate, async other =>
        other.instanceId === instanceId
          ? lock.source(source, { kind: 'SESSIONS' })
          : means.instances.source(other, { kind: 'SESSIONS' }),
      );
      if (came.length > 0) return { kind: 'SOMEBODY_CAME', came };
    }
    for (const step of steps) if (!(await carryOut(step, source, lock, context, means))) break;
    return { kind: 'LOOK_AGAIN' };
  });
}

/** The last run and its files may have taken long: until the first database goes off, somebody may have come back to work in them. */
function takesTheFirstOff([first]: readonly Step[], { mode, steps }: ExecutionView): boolean {
  const isOffline = ({ work }: Step) => work.kind === 'SET_OFFLINE';
  return (
    mode === 'PLANNED' &&
    first !== undefined &&
    isOffline(first) &&
    !steps.some(step => isOffline(step) && step.attempts > 0)
  );
}

async function whoCame(
  { steps }: ExecutionView,
  estate: Situation['estate'],
  ask: (source: Source) => Promise<SeenSource>,
): Promise<readonly Came[]> {
  const came: Came[] = [];
  for (const { stepId, where, work } of foundEmpty(steps)) {
    const source = sourcesOf(estate).find(({ instanceId }) => instanceId === work.instanceId);
    if (source === undefined) throw new Error(`The group has no source instance ${work.instanceId} any more.`);
    const { more } = await ask(source);
    const sessions = more?.kind === 'SESSIONS' ? more.sessions : [];
    if (sessions.length > 0) came.push({ stepId, reason: stillConnected(where, sessions) });
  }
  return came;
}

/** False: somebody else has moved the execution. */
async function carryOut(
  step: Step,
  source: Source,
  lock: Locked,
  context: StepContext,
  { journal }: FenceMeans,
): Promise<boolean> {
  const { stepId } = step;
  try {
    if (!isDone(step, await lock.source(source))) {
      await context.checkpoint('looked');
      if (!(await journal.note(started(stepId)))) return false;
      await context.checkpoint('begun');
      const sent = sendFence(lock.exclusive, step);
      // Its failure is read below; between here and there it must not count as unhandled.
      sent.catch(() => undefined);
      await context.checkpoint('sent');
      await answered(sent, step, lock);
      await context.checkpoint('answered');
      if (!isDone(step, await lock.source(source)))
        throw new Error(`${step.where} answered, and it is not so: ${step.expected}`);
    }
    if (!(await journal.note(succeeded([stepId])))) return false;
    await context.checkpoint('noted');
    return true;
  } catch (error) {
    throw new StepFailed(step, error);
  }
}

/** Bounded, so that a person is told what it waits for: cut after that, and tried again. */
export async function answered(sent: Promise<unknown>, step: Step, lock: Locked): Promise<void> {
  let cut: Promise<void> | undefined;
  const timer = setTimeout(() => {
    cut = lock.exclusive.release();
    // Awaited below; until then it must not count as unhandled.
    cut.catch(() => undefined);
  }, answerMs);
  try {
    await sent;
  } catch (error) {
    if (cut === undefined) throw error;
    await cut;
    throw new Error(
      `${step.where} has not answered within ${String(answerMs / 1000)} s. ROLLBACK IMMEDIATE does not end a distributed transaction that is prepared and` +
        ' whose coordinator has not decided (unverified on a real server). The step that ends transactions whose coordinator is gone comes before this' +
        ' one, and only where a source was declared unreachable: what came later, or is there otherwise, a database administrator must resolve' +
        ' (sys.dm_tran_locks, request_session_id -2), or the execution can be cancelled.',
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

function isDone({ work, databaseId }: Step, { states, job }: SeenSource): boolean {
  const state = databaseId === null ? null : (states.get(databaseId) ?? null);
  switch (work.kind) {
    case 'DISABLE_JOB':
      return job?.enabled !== true;
    case 'ENABLE_JOB':
      return job?.enabled !== false;
    case 'SET_OFFLINE':
      return isFenced(state);
    case 'SET_ONLINE':
      return state !== 'OFFLINE';
    default:
      return false;
  }
}

export function fencedSource(
  { instanceId, evidence }: Extract<FenceAction, { kind: 'ACCOUNT' }>,
  { execution, estate }: { readonly execution: Execution; readonly estate: Situation['estate'] },
  at: string,
): SourceRecord {
  return {
    instanceId,
    instanceName: estate.group.instances.find(instance => instance.instanceId === instanceId)?.name ?? instanceId,
    outcome: 'FENCED',
    by: execution.requestedBy,
    at,
    evidence,
    cameBackAt: null,
  };
}

/**
 * sp_start_job answers before the run has begun, and a second one would be a second run: sent only while neither a run nor its history shows,
 * then waited for until one of them does. Killed in between, the next look sees it.
 */
export async function startLastRun(
  { step, work }: Extract<DrainAction, { kind: 'START_LAST_RUN' }>,
  { execution, estate }: Situation,
  context: StepContext,
  { journal, instances, clock }: FenceMeans,
): Promise<FenceOutcome> {
  const source = sourcesOf(estate).find(({ instanceId }) => instanceId === work.instanceId);
  if (source === undefined)
    throw new Error(`${execution.groupName} has no source instance ${work.instanceId} any more.`);
  await instances.locked(execution, work.instanceId, context.signal, async lock => {
    const began = async () => {
      const { job, more } = await lock.source(source, questionOf(work));
      return job?.running === true || (more?.kind === 'RUNS' && more.runs.length > 0);
    };
    if (await began()) return;
    await context.checkpoint('looked');
    if (!(await journal.note(started(step.stepId)))) return;
    await context.checkpoint('begun');
    const sent = lock.exclusive.run(statements.startJob, { job: work.job });
    // Its failure is read below; between here and there it must not count as unhandled.
    sent.catch(() => undefined);
    await context.checkpoint('sent');
    await sent;
    await context.checkpoint('answered');
    for (const limitMs = clock() + beginMs; clock() < limitMs && !(await began());)
      await pause(50, undefined, { signal: context.signal });
  });
  return { kind: 'LOOK_AGAIN' };
}

function noJobToRun(instanceName: string): StepReason {
  return {
    code: 'BACKUP_JOB_NOT_FOUND',
    message: `No Backup job was found at ${instanceName}: without a last run a planned failover would lose work.`,
    fix: 'Register the job there as BizTalk names it, or fail over UNPLANNED to the newest mark.',
    evidence: null,
    since: null,
  };
}

function notAccountedFor(instanceName: string, evidence: string): StepReason {
  return {
    code: 'SOURCE_NOT_ACCOUNTED_FOR',
    message: `Source instance ${instanceName} neither lets us in to be fenced nor is it known to be gone.`,
    fix: 'Make sure that it cannot come back (power, network, services), then ask for the failover again and declare it unreachable.',
    evidence,
    since: null,
  };
}
