/** sp_add_job, sp_update_job, sp_delete_job, sp_add_jobserver (sqlserver.md §4.3; arguments as in their documentation pages). */
import { newGuid } from '../engine/guid.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import { fail, unsupported } from '../messages.ts';
import { guid, int, output, parameter, sysname, tinyint } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext, Transaction } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { Agent } from './agent.ts';
import {
  findOwnJob,
  givenColumns,
  inTransaction,
  jobParameters,
  numberArgument,
  ownerSid,
  refuseOthers,
  stringArgument,
} from './job-arguments.ts';
import {
  change,
  insert,
  jobTable,
  numberOf,
  ofJob,
  remove,
  sameText,
  select,
  textOf,
  type Values,
} from './job-store.ts';
import { removeUnusedSchedules } from './schedule-procedures.ts';

const description = { name: 'nvarchar', length: 512 } as const;
const defaultDescription = 'No description available.';
const localServer = '(LOCAL)';
const localServerId = 0n;
/** Of a job that has not run yet. */
const unknownOutcome = 5n;

export function jobProcedures(agent: Agent): readonly NativeProcedure[] {
  return [
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_add_job',
      parameters: [
        parameter('@job_name', sysname),
        parameter('@enabled', tinyint, 1n),
        parameter('@description', description, null),
        parameter('@start_step_id', int, 1n),
        parameter('@category_name', sysname, null),
        parameter('@category_id', int, null),
        parameter('@owner_login_name', sysname, null),
        ...notification(2n, 0n),
        output('@job_id', guid),
      ],
      run: addJob,
    },
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_update_job',
      parameters: [
        ...jobParameters,
        parameter('@new_name', sysname, null),
        parameter('@enabled', tinyint, null),
        parameter('@description', description, null),
        parameter('@start_step_id', int, null),
        parameter('@category_name', sysname, null),
        parameter('@owner_login_name', sysname, null),
        ...notification(null, null),
      ],
      run: updateJob,
    },
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_delete_job',
      parameters: [
        ...jobParameters,
        parameter('@originating_server', sysname, null),
        parameter('@delete_history', { name: 'bit' }, true),
        parameter('@delete_unused_schedule', { name: 'bit' }, true),
      ],
      run: context => deleteJob(context, agent),
    },
    {
      database: 'msdb',
      schema: 'dbo',
      name: 'sp_add_jobserver',
      parameters: [...jobParameters, parameter('@server_name', sysname, localServer)],
      run: addJobServer,
    },
  ];
}

/** There is no event log to write: the level is kept, as a script of the job would show it. Mail, net send and pagers are refused. */
function notification(eventLog: SqlValue, others: SqlValue): NativeProcedure['parameters'] {
  return [
    parameter('@notify_level_eventlog', int, eventLog),
    parameter('@notify_level_email', int, others),
    parameter('@notify_level_netsend', int, others),
    parameter('@notify_level_page', int, others),
    parameter('@notify_email_operator_name', sysname, null),
    parameter('@notify_netsend_operator_name', sysname, null),
    parameter('@notify_page_operator_name', sysname, null),
    parameter('@delete_level', int, others),
  ];
}

function refuseNotification(context: ProcedureContext, procedure: string): void {
  const off = [0n, null];
  refuseOthers(context, procedure, {
    '@notify_level_eventlog': [0n, 1n, 2n, 3n, null],
    '@notify_level_email': off,
    '@notify_level_netsend': off,
    '@notify_level_page': off,
    '@notify_email_operator_name': [null],
    '@notify_netsend_operator_name': [null],
    '@notify_page_operator_name': [null],
    '@delete_level': off,
  });
}

async function addJob(context: ProcedureContext): Promise<number> {
  refuseNotification(context, 'sp_add_job');
  const { engine } = context;
  const name = stringArgument(context, '@job_name') ?? '';
  const jobId = newGuid(engine.random);
  const now = toDatetimePrecision(engine.clock());
  const owner = ownerSid(context, '@owner_login_name');
  await inTransaction(context, async transaction => {
    await assertNameFree(context, transaction, name, undefined);
    await insert(transaction, jobTable(engine, 'sysjobs'), {
      job_id: jobId,
      originating_server_id: localServerId,
      name,
      enabled: flag(context.argument('@enabled')),
      description: context.argument('@description') ?? defaultDescription,
      start_step_id: context.argument('@start_step_id'),
      category_id: await categoryOf(context, transaction),
      owner_sid: owner,
      notify_level_eventlog: context.argument('@notify_level_eventlog') ?? 0n,
      notify_level_email: 0n,
      notify_level_netsend: 0n,
      notify_level_page: 0n,
      notify_email_operator_id: 0n,
      notify_netsend_operator_id: 0n,
      notify_page_operator_id: 0n,
      delete_level: 0n,
      date_created: now,
      date_modified: now,
      version_number: 1n,
    });
  });
  context.output('@job_id', jobId);
  return 0;
}

/** Only stops or resumes the schedules: a running execution goes on (sqlserver.md §4.3). */
async function updateJob(context: ProcedureContext): Promise<number> {
  refuseNotification(context, 'sp_update_job');
  const { engine } = context;
  const newName = stringArgument(context, '@new_name');
  await inTransaction(context, async transaction => {
    const job = await findOwnJob(context, transaction);
    const jobId = textOf(job, 'job_id');
    if (newName !== undefined) await assertNameFree(context, transaction, newName, jobId);
    const given = givenColumns(context, {
      '@new_name': 'name',
      '@enabled': 'enabled',
      '@description': 'description',
      '@start_step_id': 'start_step_id',
      '@notify_level_eventlog': 'notify_level_eventlog',
    });
    const named = (argument: string): boolean => context.argument(argument) !== null;
    await change(transaction, jobTable(engine, 'sysjobs'), ofJob(jobId), {
      ...given,
      ...(given['enabled'] === undefined ? {} : { enabled: flag(given['enabled']) }),
      ...(named('@category_name') ? { category_id: await categoryOf(context, transaction) } : {}),
      ...(named('@owner_login_name') ? { owner_sid: ownerSid(context, '@owner_login_name') } : {}),
      date_modified: toDatetimePrecision(engine.clock()),
      version_number: BigInt(numberOf(job, 'version_number') + 1),
    });
  });
  return 0;
}

/** Of a running job it is refused: what the real Agent does to the run is not sourced. */
async function deleteJob(context: ProcedureContext, agent: Agent): Promise<number> {
  refuseOthers(context, 'sp_delete_job', { '@originating_server': [null] });
  const { engine } = context;
  await inTransaction(context, async transaction => {
    const jobId = textOf(await findOwnJob(context, transaction), 'job_id');
    if (agent.runOf(jobId) !== undefined) throw unsupported('sp_delete_job of a running job');
    const links = await select(transaction, jobTable(engine, 'sysjobschedules'), ofJob(jobId));
    for (const name of ['sysjobschedules', 'sysjobservers', 'sysjobsteps', 'sysjobactivity', 'sysjobs'] as const)
      await remove(transaction, jobTable(engine, name), ofJob(jobId));
    if (context.argument('@delete_history') === true)
      await remove(transaction, jobTable(engine, 'sysjobhistory'), ofJob(jobId));
    if (context.argument('@delete_unused_schedule') === true)
      await removeUnusedSchedules(
        engine,
        transaction,
        links.map(link => numberOf(link, 'schedule_id')),
      );
  });
  return 0;
}

async function addJobServer(context: ProcedureContext): Promise<number> {
  const { engine } = context;
  const server = stringArgument(context, '@server_name') ?? localServer;
  if (!sameText(server, localServer) && !sameText(server, engine.serverName))
    throw unsupported('sp_add_jobserver for another server');
  await inTransaction(context, async transaction => {
    const job = await findOwnJob(context, transaction);
    const servers = jobTable(engine, 'sysjobservers');
    const jobId = textOf(job, 'job_id');
    if ((await select(transaction, servers, ofJob(jobId))).length > 0) throw fail(14269, textOf(job, 'name'), server);
    await insert(transaction, servers, {
      job_id: jobId,
      server_id: localServerId,
      last_run_outcome: unknownOutcome,
      last_run_date: 0n,
      last_run_time: 0n,
      last_run_duration: 0n,
    });
  });
  return 0;
}

async function assertNameFree(
  { engine }: ProcedureContext,
  transaction: Transaction,
  name: string,
  jobId: string | undefined,
): Promise<void> {
  const taken = (row: Values): boolean => sameText(textOf(row, 'name'), name) && textOf(row, 'job_id') !== jobId;
  const found = await select(transaction, jobTable(engine, 'sysjobs'), taken);
  if (found.length > 0) throw fail(14261, '@job_name', name);
}

async function categoryOf(context: ProcedureContext, transaction: Transaction): Promise<bigint> {
  const name = stringArgument(context, '@category_name');
  const id = numberOrZero(context);
  const isMeant = (row: Values): boolean =>
    name === undefined ? numberOf(row, 'category_id') === id : sameText(textOf(row, 'name'), name);
  const [category] = await select(transaction, jobTable(context.engine, 'syscategories'), isMeant);
  if (category === undefined)
    throw fail(14262, name === undefined ? '@category_id' : '@category_name', name ?? String(id));
  return BigInt(numberOf(category, 'category_id'));
}

/** sp_update_job has no @category_id. */
function numberOrZero(context: ProcedureContext): number {
  return context.argument('@category_name') === null ? (numberArgument(context, '@category_id') ?? 0) : 0;
}

function flag(value: SqlValue | undefined): bigint {
  return value === 0n || value === null ? 0n : 1n;
}
