import { type Bench } from './bench.ts';
import type { Strikes } from './strike.ts';

/** The jobs A and B: one step that adds a row to the database of that name. B and its schedule are the bystanders. */
export async function makeJobs(bench: Bench): Promise<void> {
  for (const name of ['A', 'B'])
    await bench.rows(
      `USE msdb;
       EXEC dbo.sp_add_job @job_name = N'${name}';
       EXEC dbo.sp_add_jobstep @job_name = N'${name}', @step_name = N'Add', @command = N'INSERT ${name}.dbo.t (v) VALUES (N''job'')';
       EXEC dbo.sp_add_jobserver @job_name = N'${name}';
       EXEC dbo.sp_add_jobschedule @job_name = N'${name}', @name = N'Minute ${name}', @enabled = 0, @freq_type = 4,
         @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 1;
       USE master;`,
    );
}

const rowsOf = (bench: Bench, job: string): Promise<number> => bench.count(`${job}.dbo.t WHERE v = N'job'`);
const historyOf = (bench: Bench, job: string): Promise<number> =>
  bench.count(`msdb.dbo.sysjobhistory h JOIN msdb.dbo.sysjobs j ON j.job_id = h.job_id WHERE j.name = N'${job}'`);

/** What msdb takes for the last outcome: 0 failed, 1 succeeded, 3 cancelled. */
async function outcomeOf(bench: Bench, job: string): Promise<unknown> {
  const [row] = await bench.rows(
    `SELECT s.last_run_outcome AS o FROM msdb.dbo.sysjobservers s JOIN msdb.dbo.sysjobs j ON j.job_id = s.job_id WHERE j.name = N'${job}'`,
  );
  return row?.['o'];
}

/** Errors of the start, rows that the step added, rows of history, last outcome. */
async function runJob(bench: Bench, job: string): Promise<unknown> {
  const [rows, history] = [await rowsOf(bench, job), await historyOf(bench, job)];
  const errors = await bench.errors(`EXEC msdb.dbo.sp_start_job @job_name = N'${job}'`);
  await bench.agent.idle();
  const added = [(await rowsOf(bench, job)) - rows, (await historyOf(bench, job)) - history];
  return [errors, ...added, await outcomeOf(bench, job)];
}

/** The same for a step that hangs while the fault is set: it is stopped when it is seen to run. */
async function runOrStop(bench: Bench, job: string): Promise<unknown> {
  if (!bench.isSet('job-hangs') || job !== 'A') return runJob(bench, job);
  const rows = await rowsOf(bench, job);
  const errors = await bench.errors(`EXEC msdb.dbo.sp_start_job @job_name = N'${job}'`);
  while (!bench.engine.sessions().some(({ programName }) => programName.includes('TSQL JobStep')))
    await new Promise(resolve => setTimeout(resolve, 5));
  await bench.rows(`EXEC msdb.dbo.sp_stop_job @job_name = N'${job}'`);
  await bench.agent.idle();
  return [errors, (await rowsOf(bench, job)) - rows, await outcomeOf(bench, job)];
}

/** Due every minute, for one minute. */
async function waitForSchedule(bench: Bench, job: string): Promise<unknown> {
  const before = await rowsOf(bench, job);
  const enable = (on: 0 | 1): Promise<unknown> =>
    bench.rows(`EXEC msdb.dbo.sp_update_schedule @name = N'Minute ${job}', @enabled = ${on}`);
  await enable(1);
  // The first look sees the schedule, the second that it is due.
  await bench.pass(0);
  await bench.pass(1);
  await enable(0);
  await bench.pass(0);
  return (await rowsOf(bench, job)) - before;
}

const worked = [[], 1, 2, 1n];

export const jobStrikes: Strikes<Bench> = {
  'agent-down': {
    act: async (bench, place) => [await runJob(bench, place), await waitForSchedule(bench, place)],
    normal: [worked, 1],
    faulty: [[['22022'], 0, 0, 1n], 0],
  },
  'job-start-lost': { parameters: { job: 'A' }, act: runJob, normal: worked, faulty: [[], 0, 0, 1n], sparesB: true },
  'job-schedule-skipped': { parameters: { job: 'A' }, act: waitForSchedule, normal: 1, faulty: 0, sparesB: true },
  'job-step-not-run': {
    parameters: { job: 'A', step: 'Add' },
    act: runJob,
    normal: worked,
    faulty: [[], 0, 2, 1n],
    sparesB: true,
  },
  'job-login-fails': { parameters: { job: 'A' }, act: runJob, normal: worked, faulty: [[], 0, 2, 0n], sparesB: true },
  'job-owner-lost': { parameters: { job: 'A' }, act: runJob, normal: worked, faulty: [[], 0, 1, 0n], sparesB: true },
  'job-history-lost': { parameters: { job: 'A' }, act: runJob, normal: worked, faulty: [[], 1, 0, 1n], sparesB: true },
  'job-hangs': { parameters: { job: 'A' }, act: runOrStop, normal: worked, faulty: [[], 0, 3n], sparesB: true },
};
