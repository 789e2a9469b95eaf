import { quoteScriptText } from '@holdfast/sqlserver/text';
import type { MarkName } from '@holdfast/domain/mark';
import type { Estate } from '../estate/estate.ts';
import { publishedPositions } from '../estate/estate.ts';
import { reach } from './choice.ts';
import type { JobRun, Question, SeenJob, SeenSource, Source } from './source.ts';
import type { DrainWork, Step, StepId, StepReason, StepText } from './step.ts';

type NoSessions = Extract<DrainWork, { kind: 'NO_SESSIONS' }>;

export type DrainAction =
  /** What is found out once and rested on later is written into the step. */
  | { readonly kind: 'NOTE_FOUND'; readonly step: Step; readonly work: DrainWork; readonly reason: null }
  | { readonly kind: 'START_LAST_RUN'; readonly step: Step; readonly work: Extract<DrainWork, { kind: 'LAST_RUN' }> }
  | { readonly kind: 'NOTE_LAST_RUN'; readonly step: Step; readonly run: JobRun }
  | { readonly kind: 'NOTE_DRAINED'; readonly step: Step; readonly mark: MarkName }
  | { readonly kind: 'NOTE_FENCED'; readonly steps: readonly Step[]; readonly reasons: readonly StepReason[] }
  | { readonly kind: 'NOTE_WAITING'; readonly step: Step; readonly reason: StepReason | null }
  | { readonly kind: 'FAIL_SOURCE'; readonly step: Step; readonly reason: StepReason };

/** Said first: nothing else is worth doing while hosts still work (biztalk-dr.md §4.2). */
export const stopHosts: StepText = {
  work: { kind: 'CONFIRM' },
  name: 'Stop everything that works in the databases',
  where: 'every BizTalk server',
  why: 'What is committed after the last mark is lost. Only people know what runs on the BizTalk servers.',
  command:
    'Disable all receive locations; on each BizTalk server: net stop BTSSvc$<HostName> for every host instance, then ENTSSO, RuleEngineUpdateService,' +
    ' NS$BamAlerts and the IIS application pools; close consoles and other applications. Keep lists of what was running.',
  expected: 'No host instance runs. The step after the job shows who is still connected.',
  undo: 'Start again what the lists name.',
};

/** After the job is off and idle, before any database goes off: `job` is the one found at the instance of the Management database. */
export function drainSteps(sources: readonly Source[], job: SeenJob): readonly StepText[] {
  const home = sources.find(({ management }) => management !== null);
  if (home === undefined) throw new Error('No source instance holds the Management database.');
  const { instanceId, instanceName } = home;
  return [
    ...sources.map((source): StepText => ({
      work: { kind: 'NO_SESSIONS', instanceId: source.instanceId },
      name: `See that nobody works in the databases of ${source.instanceName}`,
      where: source.instanceName,
      why: 'Whoever still works there would lose what is committed after the last mark.',
      command: 'Read sys.dm_exec_sessions and sys.dm_tran_locks for every database of the group; nothing is changed.',
      expected:
        'No session but our own, now and once more right before the first database goes off. To go on all the same, skip this step: going offline rolls back what is open.',
      undo: null,
    })),
    {
      work: { kind: 'LAST_RUN', instanceId, job: job.name, afterId: null },
      name: 'Run the Backup job once more',
      where: instanceName,
      why: 'Its mark and its log backups hold everything that was ever committed here.',
      command: `EXEC msdb.dbo.sp_start_job @job_name = ${quoteScriptText(job.name)};`,
      expected: 'sysjobhistory holds one more run of the job, and it succeeded.',
      undo: 'None is needed: a set more does no harm.',
    },
    {
      work: { kind: 'AWAIT_POINT', instanceId, since: null, mark: null },
      name: 'Wait until the last mark can be reached at the standby',
      where: 'backup and shipping',
      why: 'A database that is off cannot be backed up again: first the files of the last set must lie, verified, at the standby.',
      command: 'Read logmarkhistory for the mark of the last run; wait for recoveryPoint.judged and file.copied.',
      expected: 'Every database can reach that mark with verified files.',
      undo: null,
    },
  ];
}

/** Who works in the databases of the source that this step had found empty. */
export type Came = { readonly stepId: StepId; readonly reason: StepReason };

/** Steps that had seen nobody, and of which none was left out by name. */
export function foundEmpty(steps: readonly Step[]): readonly (Step & { readonly work: NoSessions })[] {
  return steps.flatMap(step =>
    step.work.kind === 'NO_SESSIONS' && step.state === 'SUCCEEDED' ? [{ ...step, work: step.work }] : [],
  );
}

/** What has to be done again, because work after the last mark would be lost. What was left out by name stays so. */
export function backToWaiting(steps: readonly Step[], came: readonly Came[], now: string): readonly Step[] {
  return steps.flatMap((step): readonly Step[] => {
    const again = { ...step, state: 'WAITING', startedAt: null, finishedAt: null, reasons: [] } as const;
    const reason = came.find(({ stepId }) => stepId === step.stepId)?.reason;
    if (reason !== undefined)
      return [{ ...step, state: 'RUNNING', finishedAt: null, reasons: [{ ...reason, since: now }] }];
    if (step.state !== 'SUCCEEDED') return [];
    if (step.work.kind === 'LAST_RUN') return [{ ...again, work: { ...step.work, afterId: null } }];
    if (step.work.kind === 'AWAIT_POINT') return [{ ...again, work: { ...step.work, since: null, mark: null } }];
    return [];
  });
}

/** What the step wants to know beside states and job. */
export function questionOf(work: Step['work']): Question | null {
  if (work.kind === 'NO_SESSIONS') return { kind: 'SESSIONS' };
  if (work.kind === 'RESOLVE_IN_DOUBT') return { kind: 'UNITS' };
  if (work.kind === 'LAST_RUN') return { kind: 'RUNS', job: work.job, afterId: work.afterId ?? 0 };
  if (work.kind === 'AWAIT_POINT' && work.mark === null && work.since !== null)
    return { kind: 'MARKS', since: work.since };
  return null;
}

export function nextDrain(step: Step, seen: SeenSource, estate: Estate): DrainAction | undefined {
  const { work } = step;
  switch (work.kind) {
    case 'NO_SESSIONS': {
      const sessions = seen.more?.kind === 'SESSIONS' ? seen.more.sessions : [];
      return sessions.length === 0
        ? { kind: 'NOTE_FENCED', steps: [step], reasons: [] }
        : waiting(step, stillConnected(step.where, sessions));
    }
    case 'LAST_RUN':
      return nextRun(step, work, seen);
    case 'AWAIT_POINT':
      return nextPoint(step, work, seen, estate);
    default:
      throw new Error(`${step.name} does not drain anything.`);
  }
}

/**
 * sp_start_job cannot be repeated blindly (a second run), and its answer only says that Agent was asked. Whether ours ran is read from the
 * job's history after the newest row of before: the job is off its schedule, so nothing else starts it.
 */
function nextRun(
  step: Step,
  work: Extract<DrainWork, { kind: 'LAST_RUN' }>,
  { job, more }: SeenSource,
): DrainAction | undefined {
  const runs = more?.kind === 'RUNS' ? more.runs : [];
  if (work.afterId === null) {
    if (job?.running === true) return waiting(step, null);
    return { kind: 'NOTE_FOUND', step, work: { ...work, afterId: runs.at(-1)?.historyId ?? 0 }, reason: null };
  }
  const run = runs[0];
  if (run?.outcome === 'SUCCEEDED') return { kind: 'NOTE_LAST_RUN', step, run };
  if (run !== undefined) return { kind: 'FAIL_SOURCE', step, reason: runFailed(run) };
  return job?.running === true ? undefined : { kind: 'START_LAST_RUN', step, work };
}

function nextPoint(
  step: Step,
  work: Extract<DrainWork, { kind: 'AWAIT_POINT' }>,
  { more }: SeenSource,
  estate: Estate,
): DrainAction | undefined {
  if (work.mark === null) {
    const mark = more?.kind === 'MARKS' ? more.marks.at(-1) : undefined;
    return mark === undefined
      ? { kind: 'FAIL_SOURCE', step, reason: noMark(work.since) }
      : { kind: 'NOTE_FOUND', step, work: { ...work, mark }, reason: null };
  }
  const reachable = reach(estate, { kind: 'MARK', mark: work.mark }, publishedPositions(estate));
  if (reachable.kind === 'REACHABLE') return { kind: 'NOTE_DRAINED', step, mark: work.mark };
  return waiting(step, reachable.reasons[0] ?? null);
}

function waiting(step: Step, reason: StepReason | null): DrainAction | undefined {
  const isNews = reason !== null && step.reasons[0]?.message !== reason.message;
  return step.state === 'WAITING' || isNews ? { kind: 'NOTE_WAITING', step, reason } : undefined;
}

export function stillConnected(where: string, sessions: readonly string[]): StepReason {
  return {
    code: 'SESSIONS_IN_DATABASES',
    message: `At ${where}: ${sessions.join('; ')}.`,
    fix: 'End what they belong to, or skip this step by name: what they have not committed is rolled back when the databases go off.',
    evidence: null,
    since: null,
  };
}

function runFailed({ historyId, outcome, startedAt }: JobRun): StepReason {
  return {
    code: 'LAST_RUN_FAILED',
    message: `The last run of the Backup job ended ${outcome}: it may have left work without a backup.`,
    fix: "Read the job's history, correct what it names, then ask for the failover again. The job is put back on its schedule.",
    evidence: `sysjobhistory ${String(historyId)}, begun ${startedAt} (local to the server)`,
    since: null,
  };
}

function noMark(since: string | null): StepReason {
  return {
    code: 'LAST_RUN_WITHOUT_MARK',
    message: 'The last run of the Backup job made no mark.',
    fix: 'Look whether its step MarkAndBackUpLog ran, then ask for the failover again.',
    evidence: since === null ? null : `no mark in logmarkhistory since ${since} (local to the server)`,
    since: null,
  };
}
