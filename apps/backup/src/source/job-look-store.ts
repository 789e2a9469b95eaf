import { type SqlServer, statements } from '@holdfast/sqlserver';
import { findBackupJob, observeJobs } from '@holdfast/sqlserver/jobs';
import { observeBackupSettings } from '@holdfast/sqlserver/management';
import { observeServer } from '@holdfast/sqlserver/observe';
import { intervalOf, type JobFacts, parseSteps } from '../backup-job/backup-job.ts';

/** The backup job as Agent of the Management instance has it; null when there is none. */
export async function readJob(server: SqlServer, management: string): Promise<JobFacts | null> {
  const found = findBackupJob((await observeJobs(server)).jobs, management);
  if (found === undefined) return null;
  const { name, enabled, runningSince, lastRun } = found;
  const steps = await server.query(statements.jobSteps, { job: name });
  const schedules = await server.query(statements.jobSchedules, { job: name });
  const { settings } = await observeBackupSettings(server, management);
  const { utcOffsetMinutes: offsetMinutes } = await observeServer(server);
  return {
    name,
    enabled,
    runningSinceRecorded: runningSince?.recorded ?? null,
    lastRun: lastRun && { startedAtRecorded: lastRun.startedAt.recorded, outcome: lastRun.outcome },
    configuration: parseSteps(steps),
    intervalSeconds: intervalOf(schedules),
    fullForced: settings?.forceFull ?? null,
    offsetMinutes,
  };
}
