import type { InstanceId } from '@holdfast/domain';
import type { Estate } from '../estate/estate.ts';
import type { ExecutionView } from './execution.ts';
import { type DrainAction, nextDrain, questionOf } from './drain.ts';
import { type Question, type SeenSource, type SeenSources, type Source, sourcesOf } from './source.ts';
import { isOpen, type ResolveInDoubt, type Step, type StepReason, type StepText } from './step.ts';
import { inDoubtStep, nextInDoubt, rolledBackAt } from './units-in-doubt.ts';

/** How the statements of the fence look; the catalogue that knows is a driver's, so it is passed in. */
export type FenceTexts = {
  enableJob(job: string, enabled: boolean): string;
  setOffline(databaseName: string): string;
  setOnline(databaseName: string): string;
};

export type FenceAction =
  /** What answered is looked at, and the steps for it are written down. */
  | { readonly kind: 'PLAN_FENCE' }
  /** Seen to be done already, whoever did it. */
  | { readonly kind: 'NOTE_FENCED'; readonly steps: readonly Step[]; readonly reasons: readonly StepReason[] }
  /** `reason`: what it waits for, when that is news. */
  | { readonly kind: 'NOTE_WAITING'; readonly step: Step; readonly reason: StepReason | null }
  /** `reason`: what was found, for people. */
  | {
      readonly kind: 'NOTE_FOUND';
      readonly step: Step;
      readonly work: ResolveInDoubt;
      readonly reason: StepReason;
    }
  | {
      readonly kind: 'ROLL_BACK_UNITS';
      readonly step: Step;
      readonly work: ResolveInDoubt;
      readonly due: readonly string[];
    }
  /** Steps at one instance, in their order, each with one statement. */
  | { readonly kind: 'FENCE' | 'UNFENCE'; readonly instanceId: InstanceId; readonly steps: readonly Step[] }
  | { readonly kind: 'ACCOUNT'; readonly instanceId: InstanceId; readonly evidence: string }
  | { readonly kind: 'END' };

/** Sources that answered their probe: those that are not accounted for otherwise. */
export function answering({ sources, steps }: ExecutionView, known: readonly Source[]): readonly Source[] {
  const probed = new Set(
    steps.flatMap(({ work, state }) => (work.kind === 'PROBE' && state === 'SUCCEEDED' ? [work.instanceId] : [])),
  );
  return known.filter(
    ({ instanceId }) =>
      probed.has(instanceId) &&
      !sources.some(record => record.instanceId === instanceId && record.outcome === 'DECLARED_UNREACHABLE'),
  );
}

/**
 * Job off, idle, databases off: in this order, because a set that is cut in its middle has no mark in all of its files. `drain`: what is done
 * between, while the databases are still there. `isOneGone`: what was prepared for a source that is gone for good is ended.
 */
export function fenceSteps(
  sources: readonly Source[],
  seen: SeenSources,
  texts: FenceTexts,
  { drain = [], isOneGone = false }: { readonly drain?: readonly StepText[]; readonly isOneGone?: boolean } = {},
): readonly StepText[] {
  const homes = sources.filter(({ management }) => management !== null);
  return [
    ...homes.map(source => disableStep(source, seenAt(seen, source), texts)),
    ...(isOneGone ? sources.map(inDoubtStep) : []),
    ...homes.flatMap(source => idleSteps(source, seenAt(seen, source))),
    ...drain,
    ...sources.flatMap(source => offlineSteps(source, seenAt(seen, source), texts)),
  ];
}

function disableStep({ instanceId, instanceName }: Source, { job }: SeenSource, texts: FenceTexts): StepText {
  return {
    work: {
      kind: 'DISABLE_JOB',
      instanceId,
      job: job?.name ?? null,
      before: job?.enabled === true ? 'ENABLED' : 'DISABLED',
    },
    name: 'Take the Backup job off its schedule',
    where: instanceName,
    why: 'A set that begins while its databases go away would be torn. The switch as it was found is kept for the way back.',
    command: job === null ? 'None: no Backup job was found there.' : texts.enableJob(job.name, false),
    expected: 'sysjobs.enabled is 0.',
    undo: job?.enabled === true ? texts.enableJob(job.name, true) : null,
  };
}

function idleSteps({ instanceId, instanceName }: Source, { job }: SeenSource): readonly StepText[] {
  if (job === null) return [];
  return [
    {
      work: { kind: 'AWAIT_IDLE', instanceId, job: job.name },
      name: 'Wait until the Backup job is idle',
      where: instanceName,
      why: 'The job is never stopped within a set: the set would be lost, and with it the newest mark.',
      command: 'Read sysjobactivity of the newest session of Agent; nothing is changed.',
      expected: 'The job does not run.',
      undo: null,
    },
  ];
}

function offlineSteps(
  { instanceId, instanceName, databases }: Source,
  { states }: SeenSource,
  texts: FenceTexts,
): readonly StepText[] {
  return databases.flatMap(database => {
    const before = states.get(database.databaseId) ?? null;
    // Dropped there: nobody can work in it.
    if (before === null) return [];
    const { databaseId, databaseName } = database;
    return [
      {
        work: { kind: 'SET_OFFLINE', instanceId, databaseId, before },
        name: `Take ${databaseName} out of service`,
        where: instanceName,
        why: 'Nobody may work in the old copy once the new one is open; OFFLINE survives a restart of the server.',
        command: texts.setOffline(databaseName),
        expected: `${databaseName} is OFFLINE.`,
        undo: before === 'OFFLINE' ? null : texts.setOnline(databaseName),
        database,
      },
    ];
  });
}

/** The next thing to do at the sources; undefined: wait for the job. 'DONE': every answering source is fenced and accounted for. */
export function nextFence(
  execution: ExecutionView,
  estate: Estate,
  seen: SeenSources,
  nowMs: number,
): FenceAction | DrainAction | undefined | 'DONE' {
  const step = execution.steps.find(({ work, state }) => isFence(work) && isOpen(state));
  if (step !== undefined) return nextStep(step, execution, estate, seen, nowMs);
  for (const { instanceId, instanceName } of answering(execution, sourcesOf(estate))) {
    if (execution.sources.some(source => source.instanceId === instanceId)) continue;
    return { kind: 'ACCOUNT', instanceId, evidence: fencedEvidence(execution, instanceId, instanceName) };
  }
  return 'DONE';
}

function nextStep(
  step: Step,
  execution: ExecutionView,
  estate: Estate,
  seen: SeenSources,
  nowMs: number,
): FenceAction | DrainAction | undefined {
  const { work } = step;
  switch (work.kind) {
    case 'DISABLE_JOB': {
      if (work.job === null) return { kind: 'NOTE_FENCED', steps: [step], reasons: [noJob(step.where)] };
      const { job } = seenAt(seen, work);
      return job?.enabled === true
        ? { kind: 'FENCE', instanceId: work.instanceId, steps: [step] }
        : { kind: 'NOTE_FENCED', steps: [step], reasons: [] };
    }
    case 'AWAIT_IDLE':
      if (seenAt(seen, work).job?.running !== true) return { kind: 'NOTE_FENCED', steps: [step], reasons: [] };
      return step.state === 'RUNNING' ? undefined : { kind: 'NOTE_WAITING', step, reason: null };
    case 'RESOLVE_IN_DOUBT':
      return nextInDoubt(step, work, seenAt(seen, work), nowMs);
    case 'CONFIRM':
      return undefined;
    case 'NO_SESSIONS':
    case 'LAST_RUN':
    case 'AWAIT_POINT':
      return nextDrain(step, seenAt(seen, work), estate);
    case 'SET_OFFLINE': {
      const { states } = seenAt(seen, work);
      const here = execution.steps.filter(
        other => other.work.kind === 'SET_OFFLINE' && other.work.instanceId === work.instanceId && isOpen(other.state),
      );
      const done = here.filter(({ databaseId }) => isFenced(databaseId === null ? null : states.get(databaseId)));
      if (done.length > 0) return { kind: 'NOTE_FENCED', steps: done, reasons: [] };
      return { kind: 'FENCE', instanceId: work.instanceId, steps: here };
    }
    default:
      throw new Error(`${step.name} is no step of a fence.`);
  }
}

/** Nobody can work in it: it is off, or it is not there any more. */
export function isFenced(state: string | null | undefined): boolean {
  return state === 'OFFLINE' || state === null || state === undefined;
}

/** What has to be taken back, the last thing first. Only what was begun by this execution: what it found so was somebody's intention. */
export function undoSteps({ steps }: ExecutionView, texts: FenceTexts): readonly StepText[] {
  return steps.toReversed().flatMap(({ work, attempts, where, databaseId, databaseName }): readonly StepText[] => {
    if (attempts === 0) return [];
    if (work.kind === 'SET_OFFLINE' && work.before !== 'OFFLINE' && databaseId !== null && databaseName !== null)
      return [
        {
          work: { kind: 'SET_ONLINE', instanceId: work.instanceId, databaseId },
          name: `Put ${databaseName} back into service`,
          where,
          why: 'The failover does not take place: the source goes on.',
          command: texts.setOnline(databaseName),
          expected: `${databaseName} is not OFFLINE any more.`,
          undo: texts.setOffline(databaseName),
          database: { databaseId, databaseName },
        },
      ];
    if (work.kind === 'DISABLE_JOB' && work.before === 'ENABLED' && work.job !== null)
      return [
        {
          work: { kind: 'ENABLE_JOB', instanceId: work.instanceId, job: work.job },
          name: 'Put the Backup job back on its schedule',
          where,
          why: 'It was on when the failover began; without it nothing is backed up any more.',
          command: texts.enableJob(work.job, true),
          expected: 'sysjobs.enabled is 1.',
          undo: texts.enableJob(work.job, false),
        },
      ];
    return [];
  });
}

/** On the way back: one instance after the other, in the order of the steps. */
export function nextUndo(execution: ExecutionView, seen: SeenSources): FenceAction {
  const step = execution.steps.find(({ work, state }) => isUndo(work) && isOpen(state));
  if (step === undefined) return { kind: 'END' };
  const { work } = step;
  if (work.kind === 'ENABLE_JOB') {
    return seenAt(seen, work).job?.enabled === false
      ? { kind: 'UNFENCE', instanceId: work.instanceId, steps: [step] }
      : { kind: 'NOTE_FENCED', steps: [step], reasons: [] };
  }
  if (work.kind !== 'SET_ONLINE') throw new Error(`${step.name} takes nothing back.`);
  const { states } = seenAt(seen, work);
  const here = execution.steps.filter(
    other => other.work.kind === 'SET_ONLINE' && other.work.instanceId === work.instanceId && isOpen(other.state),
  );
  const done = here.filter(({ databaseId }) => databaseId !== null && states.get(databaseId) !== 'OFFLINE');
  if (done.length > 0) return { kind: 'NOTE_FENCED', steps: done, reasons: [] };
  return { kind: 'UNFENCE', instanceId: work.instanceId, steps: here };
}

/** The instance that the next step asks, and what beside states and job; undefined when it asks none. */
export function lookedAt(
  execution: ExecutionView,
): { readonly instanceId: InstanceId; readonly question: Question | null } | undefined {
  const wanted = execution.ending === null ? isFence : isUndo;
  const step = execution.steps.find(({ work, state }) => wanted(work) && isOpen(state));
  if (step === undefined || !('instanceId' in step.work)) return undefined;
  return { instanceId: step.work.instanceId, question: questionOf(step.work) };
}

const fenceKinds: readonly Step['work']['kind'][] = [
  'CONFIRM',
  'DISABLE_JOB',
  'RESOLVE_IN_DOUBT',
  'AWAIT_IDLE',
  'NO_SESSIONS',
  'LAST_RUN',
  'AWAIT_POINT',
  'SET_OFFLINE',
];

export function isFence({ kind }: Step['work']): boolean {
  return fenceKinds.includes(kind);
}

export function isUndo({ kind }: Step['work']): boolean {
  return kind === 'SET_ONLINE' || kind === 'ENABLE_JOB';
}

function seenAt(seen: SeenSources, { instanceId }: { readonly instanceId: InstanceId }): SeenSource {
  const source = seen.get(instanceId);
  if (source === undefined) throw new Error(`Source instance ${instanceId} was not looked at.`);
  return source;
}

function fencedEvidence({ steps }: ExecutionView, instanceId: InstanceId, instanceName: string): string {
  const here = steps.filter(({ work }) => work.kind === 'SET_OFFLINE' && work.instanceId === instanceId);
  const named = (state: Step['state']) =>
    here.filter(step => step.state === state).map(({ databaseName }) => databaseName ?? '');
  const skipped = named('SKIPPED');
  return (
    `${instanceName}: ${named('SUCCEEDED').join(', ') || 'no database'} seen OFFLINE` +
    (skipped.length > 0 ? `; skipped by name: ${skipped.join(', ')}.` : '.') +
    rolledBackAt(steps, instanceId)
  );
}

function noJob(where: string): StepReason {
  return {
    code: 'BACKUP_JOB_NOT_FOUND',
    message: `No Backup job was found at ${where}.`,
    fix: 'If backups are taken there by another job, disable it by hand before the databases go offline.',
    evidence: null,
    since: null,
  };
}
