/** sp_help_job and sp_help_jobstep: the result sets of their documentation pages (sqlserver.md §4.3). */
import { parseResultColumns } from '../engine/table-text.ts';
import { fail, unsupported } from '../messages.ts';
import { int, parameter, sysname, tinyint } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext, ResultColumn, Transaction } from '../contract.ts';
import type { Agent } from './agent.ts';
import {
  findJob,
  inTransaction,
  jobParameters,
  mayTouch,
  numberArgument,
  refuseOthers,
  stringArgument,
} from './job-arguments.ts';
import { jobTable, numberOf, ofJob, sameText, select, textOf, type Values } from './job-store.ts';
import { dateNumber, timeNumber } from './schedule.ts';

/** CurCmd of a SELECT (unverified). */
const selectCommand = 193;
const idle = 4n;

const jobColumns =
  parseResultColumns(`job_id uniqueidentifier, originating_server nvarchar(30), name sysname, enabled tinyint,
  description nvarchar(512), start_step_id int, category sysname, owner nvarchar(128), notify_level_eventlog int, notify_level_email int,
  notify_level_netsend int, notify_level_page int, notify_email_operator sysname, notify_netsend_operator sysname,
  notify_page_operator sysname, delete_level int, date_created datetime, date_modified datetime, version_number int, last_run_date int,
  last_run_time int, last_run_outcome int, next_run_date int, next_run_time int, next_run_schedule_id int, current_execution_status int,
  current_execution_step sysname, current_retry_attempt int, has_step int, has_schedule int, has_target int, type int`);

const stepColumns =
  parseResultColumns(`step_id int, step_name sysname, subsystem nvarchar(40), command nvarchar(max), flags int,
  cmdexec_success_code int, on_success_action tinyint, on_success_step_id int, on_fail_action tinyint, on_fail_step_id int,
  server nvarchar(128), database_name nvarchar(128), database_user_name nvarchar(128), retry_attempts int, retry_interval int,
  os_run_priority int, output_file_name nvarchar(200), last_run_outcome int, last_run_duration int, last_run_retries int, last_run_date int,
  last_run_time int, proxy_id int`);

export function helpProcedures(agent: Agent): readonly NativeProcedure[] {
  return [
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_help_job',
      parameters: [
        ...jobParameters,
        parameter('@job_aspect', { name: 'varchar', length: 9 }, null),
        parameter('@job_type', { name: 'varchar', length: 12 }, null),
        parameter('@owner_login_name', sysname, null),
        parameter('@subsystem', { name: 'nvarchar', length: 40 }, null),
        parameter('@category_name', sysname, null),
        parameter('@enabled', tinyint, null),
        parameter('@execution_status', int, null),
        parameter('@date_comparator', { name: 'char', length: 1 }, null),
        parameter('@date_created', { name: 'datetime' }, null),
        parameter('@date_last_modified', { name: 'datetime' }, null),
        parameter('@description', { name: 'nvarchar', length: 512 }, null),
      ],
      run: context => helpJob(context, agent),
    },
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_help_jobstep',
      parameters: [
        ...jobParameters,
        parameter('@step_id', int, null),
        parameter('@step_name', sysname, null),
        parameter('@suffix', { name: 'bit' }, false),
      ],
      run: helpStep,
    },
  ];
}

async function helpJob(context: ProcedureContext, agent: Agent): Promise<number> {
  const one = context.argument('@job_id') !== null || context.argument('@job_name') !== null;
  const aspect = stringArgument(context, '@job_aspect');
  // Without an aspect one job is described in four result sets.
  if (!sameText(aspect ?? (one ? 'ALL' : 'JOB'), 'JOB'))
    throw unsupported(`sp_help_job @job_aspect ${aspect ?? 'ALL'}`);
  refuseOthers(context, 'sp_help_job', {
    '@job_type': [null],
    '@owner_login_name': [null],
    '@subsystem': [null],
    '@category_name': [null],
    '@enabled': [null],
    '@execution_status': [null],
    '@date_comparator': [null],
    '@date_created': [null],
    '@date_last_modified': [null],
    '@description': [null],
  });
  const rows = await inTransaction(context, async transaction => {
    const all = one
      ? [await findJob(context, transaction)]
      : await select(transaction, jobTable(context.engine, 'sysjobs'), () => true);
    const visible = all.filter(job => mayTouch(context, job));
    return Promise.all(visible.map(job => describeJob(context, transaction, agent, job)));
  });
  answer(context, jobColumns, rows);
  return 0;
}

async function describeJob(
  context: ProcedureContext,
  transaction: Transaction,
  agent: Agent,
  job: Values,
): Promise<Values> {
  const { engine } = context;
  const jobId = textOf(job, 'job_id');
  const steps = await select(transaction, jobTable(engine, 'sysjobsteps'), ofJob(jobId));
  const schedules = await select(transaction, jobTable(engine, 'sysjobschedules'), ofJob(jobId));
  const servers = await select(transaction, jobTable(engine, 'sysjobservers'), ofJob(jobId));
  const [category] = await select(
    transaction,
    jobTable(engine, 'syscategories'),
    row => row['category_id'] === job['category_id'],
  );
  const owner = engine.logins().find(login => sameSid(login.sid, job['owner_sid'] ?? null));
  const [server] = servers;
  const run = agent.runOf(jobId);
  const next = agent.nextRun(jobId);
  return {
    ...job,
    originating_server: engine.serverName,
    category: category === undefined ? '' : textOf(category, 'name'),
    owner: owner?.name ?? null,
    // What stands there without an operator, and while no step runs, is unverified.
    notify_email_operator: '(unknown)',
    notify_netsend_operator: '(unknown)',
    notify_page_operator: '(unknown)',
    last_run_date: server?.['last_run_date'] ?? 0n,
    last_run_time: server?.['last_run_time'] ?? 0n,
    last_run_outcome: server?.['last_run_outcome'] ?? 5n,
    next_run_date: BigInt(next === undefined ? 0 : dateNumber(next.at)),
    next_run_time: BigInt(next === undefined ? 0 : timeNumber(next.at)),
    next_run_schedule_id: BigInt(next?.scheduleId ?? 0),
    current_execution_status: run === undefined ? idle : BigInt(run.status),
    current_execution_step: run?.step === undefined ? '0 (unknown)' : `${run.step.id} (${run.step.name})`,
    current_retry_attempt: BigInt(run?.retry ?? 0),
    has_step: BigInt(steps.length),
    has_schedule: BigInt(schedules.length),
    has_target: BigInt(servers.length),
    type: servers.length > 0 ? 1n : 0n,
  };
}

function sameSid(left: Uint8Array, right: Values[string]): boolean {
  return right instanceof Uint8Array && Buffer.compare(left, right) === 0;
}

async function helpStep(context: ProcedureContext): Promise<number> {
  refuseOthers(context, 'sp_help_jobstep', { '@suffix': [false, null] });
  const [id, name] = [numberArgument(context, '@step_id'), stringArgument(context, '@step_name')];
  const rows = await inTransaction(context, async transaction => {
    const job = await findJob(context, transaction);
    if (!mayTouch(context, job)) throw fail(14262, '@job_name', textOf(job, 'name'));
    return select(
      transaction,
      jobTable(context.engine, 'sysjobsteps'),
      row =>
        row['job_id'] === job['job_id'] &&
        (id === undefined || numberOf(row, 'step_id') === id) &&
        (name === undefined || sameText(textOf(row, 'step_name'), name)),
    );
  });
  if (rows.length === 0 && id !== undefined) throw fail(14262, '@step_id', id);
  if (rows.length === 0 && name !== undefined) throw fail(14262, '@step_name', name);
  answer(context, stepColumns, rows);
  return 0;
}

function answer({ sink }: ProcedureContext, columns: readonly ResultColumn[], rows: readonly Values[]): void {
  sink.columns(columns);
  for (const row of rows) sink.row(columns.map(column => row[column.name] ?? null));
  sink.done({ command: selectCommand, rowCount: BigInt(rows.length) });
}
