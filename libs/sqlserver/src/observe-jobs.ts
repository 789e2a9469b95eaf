/** What SQL Server Agent says about its jobs (sqlserver.md §4.3). Times are local to the server. */
import { type Observed, observeRows } from './observe.ts';
import type { RecordedTime } from './recorded-time.ts';
import type { SqlServer } from './server.ts';
import * as statements from './statements-jobs.ts';

export type JobOutcome = 'FAILED' | 'SUCCEEDED' | 'RETRY' | 'CANCELED' | 'IN_PROGRESS';

export type JobFact = {
  readonly jobId: string;
  readonly name: string;
  readonly enabled: boolean;
  /** Null while it does not run. */
  readonly runningSince: RecordedTime | null;
  /** Of the last run that has ended; null when none has, or its history was purged. */
  readonly lastRun: { readonly startedAt: RecordedTime; readonly outcome: JobOutcome } | null;
  readonly nextRunAt: RecordedTime | null;
};

const outcomes: readonly JobOutcome[] = ['FAILED', 'SUCCEEDED', 'RETRY', 'CANCELED', 'IN_PROGRESS'];

const local = (recorded: string): RecordedTime => ({ recorded, basis: 'LOCAL' });

export const outcomeOf = (status: number): JobOutcome => {
  const outcome = outcomes[status];
  if (outcome === undefined) throw new RangeError(`Not a run_status of Agent: ${status}.`);
  return outcome;
};

/** `runDate` yyyymmdd and `runTime` hhmmss, as Agent's history keeps them. */
export const agentTime = (runDate: number, runTime: number): RecordedTime => {
  const date = /^(\d{4})(\d{2})(\d{2})$/.exec(String(runDate));
  const time = /^(\d{2})(\d{2})(\d{2})$/.exec(String(runTime).padStart(6, '0'));
  if (date === null || time === null) throw new RangeError(`Not a date and time of Agent: ${runDate}, ${runTime}.`);
  return local(`${date.slice(1).join('-')}T${time.slice(1).join(':')}`);
};

export const observeJobs = async (server: SqlServer): Promise<Observed & { readonly jobs: readonly JobFact[] }> => {
  const { observedAt, rows } = await observeRows(server, statements.agentJobs, {});
  const jobs = rows.map(({ jobId, name, enabled, ...row }) => ({
    jobId,
    name,
    enabled,
    runningSince:
      row.startedAtRecorded !== null && row.stoppedAtRecorded === null ? local(row.startedAtRecorded) : null,
    lastRun:
      row.lastStatus === null || row.lastRunDate === null || row.lastRunTime === null
        ? null
        : { startedAt: agentTime(row.lastRunDate, row.lastRunTime), outcome: outcomeOf(row.lastStatus) },
    nextRunAt: row.nextRunAtRecorded === null ? null : local(row.nextRunAtRecorded),
  }));
  return { observedAt, jobs };
};

/** The Backup job's name embeds the Management database's; it is looked for by its words, not by equality (biztalk-dr.md §1.8). */
export const findBackupJob = (jobs: readonly JobFact[], management: string): JobFact | undefined => {
  const backupJobs = jobs.filter(({ name }) => /^backup biztalk server\b/i.test(name));
  const own = backupJobs.filter(({ name }) => name.toLowerCase().includes(`(${management.toLowerCase()})`));
  return own[0] ?? (backupJobs.length === 1 ? backupJobs[0] : undefined);
};
