import { defineStatement } from './statement.ts';

// Agent keeps its tables in msdb; running ⇔ started and not stopped in its newest session (sqlserver.md §4.3).

type OneJob = { readonly job: string };

export const agentJobs = defineStatement({
  name: 'jobs of the instance',
  purpose: 'Every Agent job with its switch, whether it runs now, its last outcome and when it is due.',
  documentation:
    'sqlserver.md §4.3; biztalk-dr.md §1.8; dbo.sysjobactivity (next_scheduled_run_date: documentation page of the table)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT CONVERT(varchar(36), j.job_id) AS jobId, j.name AS name, CONVERT(int, j.enabled) AS enabled,
  CONVERT(varchar(23), a.start_execution_date, 126) AS startedAtRecorded, CONVERT(varchar(23), a.stop_execution_date, 126) AS stoppedAtRecorded,
  CONVERT(varchar(23), a.next_scheduled_run_date, 126) AS nextRunAtRecorded,
  h.run_status AS lastStatus, h.run_date AS lastRunDate, h.run_time AS lastRunTime
FROM msdb.dbo.sysjobs j
  LEFT JOIN msdb.dbo.sysjobactivity a ON a.job_id = j.job_id AND a.session_id = (SELECT MAX(s.session_id) FROM msdb.dbo.syssessions s)
  LEFT JOIN msdb.dbo.sysjobhistory h ON h.instance_id =
    (SELECT MAX(o.instance_id) FROM msdb.dbo.sysjobhistory o WHERE o.job_id = j.job_id AND o.step_id = 0)
ORDER BY j.name;`,
  inputs: {},
  columns: {
    jobId: 'uuid',
    name: 'text',
    enabled: 'flag',
    startedAtRecorded: 'text?',
    stoppedAtRecorded: 'text?',
    nextRunAtRecorded: 'text?',
    lastStatus: 'integer?',
    lastRunDate: 'integer?',
    lastRunTime: 'integer?',
  },
  example: {},
});

export const jobSteps = defineStatement({
  name: 'steps of a job',
  purpose: 'What the Backup job really runs: prefix, path, frequency and switches are in the text of its steps.',
  documentation:
    'sqlserver.md §4.3; biztalk-dr.md §2.1; dbo.sysjobsteps (step_name, on_fail_action, database_name: documentation page of the table)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT s.step_id AS stepId, s.step_name AS name, s.subsystem AS subsystem, s.database_name AS databaseName,
  CONVERT(int, s.on_fail_action) AS onFailAction, s.command AS command
FROM msdb.dbo.sysjobsteps s JOIN msdb.dbo.sysjobs j ON j.job_id = s.job_id
WHERE j.name = @job
ORDER BY s.step_id;`,
  inputs: { job: 'name' },
  columns: {
    stepId: 'integer',
    name: 'text',
    subsystem: 'text',
    databaseName: 'text?',
    onFailAction: 'integer',
    command: 'text?',
  },
  example: { job: 'Backup BizTalk Server (BizTalkMgmtDb)' },
});

export const jobSchedules = defineStatement({
  name: 'schedules of a job',
  purpose: 'How often the Backup job runs: the distance between two marks, and with it what can be lost.',
  documentation: 'biztalk-dr.md §2.1; sqlserver.md §4.3; dbo.sysschedules (freq_…: documentation page of the table)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT c.name AS name, CONVERT(int, c.enabled) AS enabled, c.freq_type AS frequencyType, c.freq_interval AS frequencyInterval,
  c.freq_subday_type AS subdayType, c.freq_subday_interval AS subdayInterval
FROM msdb.dbo.sysschedules c
  JOIN msdb.dbo.sysjobschedules l ON l.schedule_id = c.schedule_id
  JOIN msdb.dbo.sysjobs j ON j.job_id = l.job_id
WHERE j.name = @job
ORDER BY c.name;`,
  inputs: { job: 'name' },
  columns: {
    name: 'text',
    enabled: 'flag',
    frequencyType: 'integer',
    frequencyInterval: 'integer',
    subdayType: 'integer',
    subdayInterval: 'integer',
  },
  example: { job: 'Backup BizTalk Server (BizTalkMgmtDb)' },
});

export const allJobSteps = defineStatement({
  name: 'steps of all jobs',
  purpose: 'Job definitions are in no BizTalk backup: what is needed to make them again at the standby, disabled.',
  documentation: 'biztalk-dr.md §1.8; dbo.sysjobsteps (documentation page of the table)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT j.name AS job, s.step_id AS stepId, s.step_name AS name, s.subsystem AS subsystem, s.database_name AS databaseName,
  s.command AS command, CONVERT(int, s.on_success_action) AS onSuccessAction, s.on_success_step_id AS onSuccessStepId,
  CONVERT(int, s.on_fail_action) AS onFailAction, s.on_fail_step_id AS onFailStepId,
  s.retry_attempts AS retryAttempts, s.retry_interval AS retryIntervalMinutes
FROM msdb.dbo.sysjobsteps s JOIN msdb.dbo.sysjobs j ON j.job_id = s.job_id
ORDER BY j.name, s.step_id;`,
  inputs: {},
  columns: {
    job: 'text',
    stepId: 'integer',
    name: 'text',
    subsystem: 'text',
    databaseName: 'text?',
    command: 'text?',
    onSuccessAction: 'integer',
    onSuccessStepId: 'integer',
    onFailAction: 'integer',
    onFailStepId: 'integer',
    retryAttempts: 'integer',
    retryIntervalMinutes: 'integer',
  },
  example: {},
});

export const allJobSchedules = defineStatement({
  name: 'schedules of all jobs',
  purpose: 'The same for when they run.',
  documentation: 'biztalk-dr.md §1.8; dbo.sysschedules (documentation page of the table)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT j.name AS job, c.name AS name, CONVERT(int, c.enabled) AS enabled, c.freq_type AS frequencyType,
  c.freq_interval AS frequencyInterval, c.freq_subday_type AS subdayType, c.freq_subday_interval AS subdayInterval,
  c.freq_relative_interval AS relativeInterval, c.freq_recurrence_factor AS recurrenceFactor,
  c.active_start_date AS activeStartDate, c.active_end_date AS activeEndDate, c.active_start_time AS activeStartTime,
  c.active_end_time AS activeEndTime
FROM msdb.dbo.sysschedules c
  JOIN msdb.dbo.sysjobschedules l ON l.schedule_id = c.schedule_id
  JOIN msdb.dbo.sysjobs j ON j.job_id = l.job_id
ORDER BY j.name, c.name;`,
  inputs: {},
  columns: {
    job: 'text',
    name: 'text',
    enabled: 'flag',
    frequencyType: 'integer',
    frequencyInterval: 'integer',
    subdayType: 'integer',
    subdayInterval: 'integer',
    relativeInterval: 'integer',
    recurrenceFactor: 'integer',
    activeStartDate: 'integer',
    activeEndDate: 'integer',
    activeStartTime: 'integer',
    activeEndTime: 'integer',
  },
  example: {},
});

export const jobHistory = defineStatement({
  name: 'history of a job since',
  purpose: 'What each step of the runs after a row said; step 0 is the outcome of the whole run.',
  documentation: 'sqlserver.md §4.3',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT h.instance_id AS historyId, h.step_id AS stepId, h.step_name AS stepName, h.run_status AS status,
  h.run_date AS runDate, h.run_time AS runTime, h.message AS message
FROM msdb.dbo.sysjobhistory h JOIN msdb.dbo.sysjobs j ON j.job_id = h.job_id
WHERE j.name = @job AND h.instance_id > @afterId
ORDER BY h.instance_id;`,
  inputs: { job: 'name', afterId: 'integer' },
  columns: {
    historyId: 'integer',
    stepId: 'integer',
    stepName: 'text',
    status: 'integer',
    runDate: 'integer',
    runTime: 'integer',
    message: 'text?',
  },
  example: { job: 'Backup BizTalk Server (BizTalkMgmtDb)', afterId: 0 },
});

export const startJob = defineStatement({
  name: 'sp_start_job',
  purpose: 'Starts an Agent job and returns at once; refused with 22022 only while it is already running.',
  documentation: 'sqlserver.md §4.3',
  repeat: 'unsafe',
  channel: 'query',
  duration: 'short',
  text: (_: OneJob) => 'EXEC msdb.dbo.sp_start_job @job_name = @job;',
  inputs: { job: 'name' },
  columns: {},
  example: { job: 'Backup BizTalk Server (BizTalkMgmtDb)' },
});

export const enableJob = defineStatement({
  name: 'sp_update_job @enabled',
  purpose: 'Takes a job off its schedule or puts it back; a running execution goes on.',
  documentation: 'sqlserver.md §4.3',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ enabled }: OneJob & { readonly enabled: boolean }) =>
    `EXEC msdb.dbo.sp_update_job @job_name = @job, @enabled = ${enabled ? '1' : '0'};`,
  inputs: { job: 'name' },
  columns: {},
  example: { job: 'Backup BizTalk Server (BizTalkMgmtDb)', enabled: false },
});
