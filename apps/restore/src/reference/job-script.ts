import { quoteScriptText } from '@holdfast/sqlserver/text';
import type { Job, StandbyJobs } from './facts.ts';

type Schedule = Job['schedules'][number];
type JobStep = Job['steps'][number];

export function switchJob({ name }: Pick<Job, 'name'>, enabled: boolean): string {
  return `EXEC msdb.dbo.sp_update_job @job_name = ${quoteScriptText(name)}, @enabled = ${enabled ? '1' : '0'};`;
}

/**
 * Makes the jobs again, all of them or none, and all disabled; one that is there already is left alone. Which parameters the
 * procedures take is unverified: they are Agent's own, and no domain document lists them.
 */
export function jobScript({ sources, jobs, others }: StandbyJobs): string {
  return [
    ...sources.map(({ name, observedAt }) =>
      comment(`Agent jobs of ${name}, as they were seen there at ${observedAt}.`),
    ),
    comment('All are made disabled; a job that is here already is left alone.'),
    comment(
      'Not known, and left as Agent gives it: owner (should be a sysadmin), category, description, notifications,',
    ),
    comment('start step, proxies, output files and exit codes of steps. unverified: tried on no real server yet.'),
    ...(others.length === 0
      ? []
      : [comment(`Not made, because nothing ties them to a database of the group: ${others.join(', ')}.`)]),
    // What the procedures refuse they raise, which alone would end neither transaction nor script.
    'BEGIN TRY',
    'BEGIN TRANSACTION;',
    ...jobs.map(jobText),
    'COMMIT TRANSACTION;',
    'END TRY',
    'BEGIN CATCH',
    'IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;',
    'THROW;',
    'END CATCH;',
  ].join('\n');
}

function jobText(job: Job): string {
  const jobName = quoteScriptText(job.name);
  return [
    `IF NOT EXISTS (SELECT 1 FROM msdb.dbo.sysjobs WHERE name = ${jobName})`,
    'BEGIN',
    `  EXEC msdb.dbo.sp_add_job @job_name = ${jobName}, @enabled = 0;`,
    ...job.steps.map(step => `  ${stepText(step, jobName)}`),
    ...job.schedules.map(schedule => `  ${scheduleText(schedule, jobName)}`),
    `  EXEC msdb.dbo.sp_add_jobserver @job_name = ${jobName};`,
    'END;',
  ].join('\n');
}

function stepText(step: JobStep, jobName: string): string {
  return call('sp_add_jobstep', [
    ['job_name', jobName],
    ['step_id', String(step.stepId)],
    ['step_name', quoteScriptText(step.name)],
    ['subsystem', quoteScriptText(step.subsystem)],
    ['command', step.command === null ? null : quoteScriptText(step.command)],
    ['on_success_action', String(step.onSuccessAction)],
    ['on_success_step_id', String(step.onSuccessStepId)],
    ['on_fail_action', String(step.onFailAction)],
    ['on_fail_step_id', String(step.onFailStepId)],
    ['database_name', step.databaseName === null ? null : quoteScriptText(step.databaseName)],
    ['retry_attempts', String(step.retryAttempts)],
    ['retry_interval', String(step.retryIntervalMinutes)],
  ]);
}

function scheduleText(schedule: Schedule, jobName: string): string {
  return call('sp_add_jobschedule', [
    ['job_name', jobName],
    ['name', quoteScriptText(schedule.name)],
    ['enabled', schedule.enabled ? '1' : '0'],
    ['freq_type', String(schedule.frequencyType)],
    ['freq_interval', String(schedule.frequencyInterval)],
    ['freq_subday_type', String(schedule.subdayType)],
    ['freq_subday_interval', String(schedule.subdayInterval)],
    ['freq_relative_interval', String(schedule.relativeInterval)],
    ['freq_recurrence_factor', String(schedule.recurrenceFactor)],
    ['active_start_date', String(schedule.activeStartDate)],
    ['active_end_date', String(schedule.activeEndDate)],
    ['active_start_time', String(schedule.activeStartTime)],
    ['active_end_time', String(schedule.activeEndTime)],
  ]);
}

/** null: not known, and left to the procedure. */
function call(procedure: string, parameters: readonly (readonly [string, string | null])[]): string {
  const given = parameters.flatMap(([name, value]) => (value === null ? [] : [`@${name} = ${value}`]));
  return `EXEC msdb.dbo.${procedure} ${given.join(', ')};`;
}

/** One line, whatever a name holds. */
function comment(line: string): string {
  return `-- ${line.replaceAll(/[\r\n]+/g, ' ')}`;
}
