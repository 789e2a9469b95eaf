/** The job Get Backup History: new rows of the source's history, new databases, and its Agent jobs (biztalk-dr.md §3.4, §3.5). */
import { compareText } from '../engine/compare.ts';
import { isServer, quoted, stringOf, typedBigint } from './group-context.ts';
import { procedureAt } from './covered-databases.ts';
import { DestinationStore, type Source, type SourceJob } from './destination-store.ts';
import type { DestinationNames } from './destination-names.ts';
import type { ProcedureContext } from '../contract.ts';

type Rows = Awaited<ReturnType<ProcedureContext['query']>>;

/** Through sp_GetBackupHistory, which waits for a running backup job (biztalk-dr.md §7.2 F-44). A set comes whole or not at all. */
export async function importHistory(context: ProcedureContext, names: DestinationNames): Promise<number> {
  const store = new DestinationStore(context, names);
  for (const source of await store.sources()) {
    const rows = await context.query(`EXEC ${procedureAt(context, source, 'sp_GetBackupHistory').name} @last`, {
      last: typedBigint(await store.newestImported(source)),
    });
    // A server that was renamed never matches again (biztalk-dr.md §7.2 F-45).
    const own = rows.filter(
      row => source.only === undefined || compareText(stringOf(row['ServerName']), source.only) === 0,
    );
    const jobs = await sourceJobs(context, source);
    await context.query('BEGIN TRANSACTION');
    try {
      for (const row of own) {
        await store.addHistory(source, row);
        await store.addDatabase(source, stringOf(row['ServerName']), stringOf(row['DatabaseName']));
      }
      await store.replaceJobs(source, jobs);
      await context.query('COMMIT TRANSACTION');
    } catch (failure) {
      if (context.session.nesting > 0) await context.query('ROLLBACK TRANSACTION');
      throw failure;
    }
  }
  return 0;
}

/** Of a step, its numbers, which sp_add_jobstep takes under the same names. */
const stepNumbers = [
  'on_success_action',
  'on_success_step_id',
  'on_fail_action',
  'on_fail_step_id',
  'retry_attempts',
  'retry_interval',
] as const;
const scheduleColumns = `freq_type, freq_interval, freq_subday_type, freq_subday_interval, freq_relative_interval, freq_recurrence_factor,
  active_start_date, active_end_date, active_start_time, active_end_time`;

/** Those of the Management server that are not log shipping's own (which ones a real destination takes: unverified). */
async function sourceJobs(context: ProcedureContext, source: Source): Promise<readonly SourceJob[]> {
  const jobs = await ask(
    context,
    source,
    `SELECT CONVERT(nvarchar(36), j.job_id) AS id, j.name, j.enabled, SUSER_SNAME(j.owner_sid) AS owner, j.description, j.start_step_id,
       j.notify_level_eventlog, c.name AS category
     FROM msdb.dbo.sysjobs j LEFT JOIN msdb.dbo.syscategories c ON c.category_id = j.category_id`,
  );
  const steps = await ask(
    context,
    source,
    `SELECT CONVERT(nvarchar(36), job_id) AS id, step_id, step_name, command, database_name, ${stepNumbers.join(', ')}
     FROM msdb.dbo.sysjobsteps ORDER BY step_id`,
  );
  const schedules = await ask(
    context,
    source,
    `SELECT CONVERT(nvarchar(36), a.job_id) AS id, s.name, s.enabled, ${scheduleColumns.replaceAll(/\b(freq|active)/g, 's.$1')}
     FROM msdb.dbo.sysjobschedules a JOIN msdb.dbo.sysschedules s ON s.schedule_id = a.schedule_id`,
  );
  return jobs
    .filter(({ name }) => !stringOf(name).includes('Log Shipping'))
    .map(job => {
      const own = (rows: Rows): Rows => rows.filter(({ id }) => id === job['id']);
      return {
        name: stringOf(job['name']),
        enabled: Number(job['enabled']) === 1,
        script: scriptOf(job, own(steps), own(schedules)),
      };
    });
}

/** @enabled of the job is the script's only variable. */
function scriptOf(job: Rows[number], steps: Rows, schedules: Rows): string {
  const name = literal(job['name']);
  return [
    `EXEC msdb.dbo.sp_add_job @job_name = ${name}, @enabled = @enabled, @owner_login_name = ${literal(job['owner'])}, ` +
      `@description = ${literal(job['description'])}, @category_name = ${literal(job['category'])}, ` +
      `@start_step_id = ${Number(job['start_step_id'])}, @notify_level_eventlog = ${Number(job['notify_level_eventlog'])}`,
    ...steps.map(
      step =>
        `EXEC msdb.dbo.sp_add_jobstep @job_name = ${name}, @step_name = ${literal(step['step_name'])}, @command = ${literal(step['command'])}, ` +
        `@database_name = ${literal(step['database_name'])}, ${numbers(step, stepNumbers)}`,
    ),
    ...schedules.map(
      schedule =>
        `EXEC msdb.dbo.sp_add_jobschedule @job_name = ${name}, @name = ${literal(schedule['name'])}, @enabled = ${Number(schedule['enabled'])}, ` +
        numbers(schedule, scheduleColumns.split(/,\s*/)),
    ),
    `EXEC msdb.dbo.sp_add_jobserver @job_name = ${name}`,
  ].join(';\n');
}

function numbers(row: Rows[number], columns: readonly string[]): string {
  return columns.map(column => `@${column} = ${Number(row[column])}`).join(', ');
}

function literal(value: Rows[number][string] | undefined): string {
  if (value === null || value === undefined) return 'NULL';
  return `N'${stringOf(value).replaceAll("'", "''")}'`;
}

/** Runs there as a whole: its functions are that server's. */
function ask(context: ProcedureContext, { server }: Source, text: string): Promise<Rows> {
  if (isServer(context.engine, server)) return context.query(text);
  return context.query(`EXEC (N'${text.replaceAll("'", "''")}') AT ${quoted(server)}`);
}
