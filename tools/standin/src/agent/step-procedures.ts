/** sp_add_jobstep and sp_update_jobstep: T-SQL steps alone. */
import { newGuid } from '../engine/guid.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import { fail, unsupported } from '../messages.ts';
import { guid, int, output, parameter, sysname, tinyint } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext, Transaction } from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';
import {
  findOwnJob,
  givenColumns,
  inTransaction,
  jobParameters,
  numberArgument,
  refuseOthers,
  stringArgument,
} from './job-arguments.ts';
import { change, insert, jobTable, numberOf, ofJob, sameText, select, textOf, type Values } from './job-store.ts';

const text: SqlType = { name: 'nvarchar', length: 'max' };
const subsystem: SqlType = { name: 'nvarchar', length: 40 };
/** Of a step that has not run yet. */
const unknownOutcome = 5n;

export const stepProcedures: readonly NativeProcedure[] = [
  {
    database: 'msdb',
    schema: 'dbo',
    name: 'sp_add_jobstep',
    parameters: [
      ...jobParameters,
      parameter('@step_id', int, null),
      parameter('@step_name', sysname),
      ...stepParameters({ subsystem: 'TSQL', zero: 0n, success: 1n, failure: 2n }),
      output('@step_uid', guid),
    ],
    run: addStep,
  },
  {
    database: 'msdb',
    schema: 'dbo',
    name: 'sp_update_jobstep',
    parameters: [
      ...jobParameters,
      parameter('@step_id', int),
      parameter('@step_name', sysname, null),
      ...stepParameters({ subsystem: null, zero: null, success: null, failure: null }),
    ],
    run: updateStep,
  },
];

type Defaults = {
  readonly subsystem: SqlValue;
  readonly zero: SqlValue;
  readonly success: SqlValue;
  readonly failure: SqlValue;
};

function stepParameters(defaults: Defaults): NativeProcedure['parameters'] {
  return [
    parameter('@subsystem', subsystem, defaults.subsystem),
    parameter('@command', text, null),
    parameter('@additional_parameters', text, null),
    parameter('@cmdexec_success_code', int, defaults.zero),
    parameter('@on_success_action', tinyint, defaults.success),
    parameter('@on_success_step_id', int, defaults.zero),
    parameter('@on_fail_action', tinyint, defaults.failure),
    parameter('@on_fail_step_id', int, defaults.zero),
    parameter('@server', sysname, null),
    parameter('@database_name', sysname, null),
    parameter('@database_user_name', sysname, null),
    parameter('@retry_attempts', int, defaults.zero),
    parameter('@retry_interval', int, defaults.zero),
    parameter('@os_run_priority', int, defaults.zero),
    parameter('@output_file_name', { name: 'nvarchar', length: 200 }, null),
    parameter('@flags', int, defaults.zero),
    parameter('@proxy_id', int, null),
    parameter('@proxy_name', sysname, null),
  ];
}

/** Other subsystems, other accounts, output files and tokens have nothing behind them here. */
function refuse(context: ProcedureContext, procedure: string): void {
  const kind = stringArgument(context, '@subsystem') ?? 'TSQL';
  if (!sameText(kind, 'TSQL')) throw unsupported(`job steps of subsystem ${kind}`);
  if (/\$\((?:ESCAPE_|[A-Z-]+\))/.test(stringArgument(context, '@command') ?? ''))
    throw unsupported('tokens in job steps');
  refuseOthers(context, procedure, {
    '@additional_parameters': [null],
    '@cmdexec_success_code': [0n, null],
    '@server': [null],
    '@database_user_name': [null],
    '@os_run_priority': [0n, null],
    '@output_file_name': [null],
    '@flags': [0n, null],
    '@proxy_id': [null],
    '@proxy_name': [null],
  });
  for (const name of ['@on_success_action', '@on_fail_action']) {
    const action = context.argument(name);
    if (typeof action === 'bigint' && (action < 1n || action > 4n)) throw fail(14266, name, '1, 2, 3, 4');
  }
}

async function addStep(context: ProcedureContext): Promise<number> {
  refuse(context, 'sp_add_jobstep');
  const { engine } = context;
  const uid = newGuid(engine.random);
  await inTransaction(context, async transaction => {
    const job = await findOwnJob(context, transaction);
    const steps = jobTable(engine, 'sysjobsteps');
    const jobId = textOf(job, 'job_id');
    const existing = await select(transaction, steps, ofJob(jobId));
    const name = stringArgument(context, '@step_name') ?? '';
    if (existing.some(step => sameText(textOf(step, 'step_name'), name))) throw fail(14261, '@step_name', name);
    const next = existing.length + 1;
    if ((numberArgument(context, '@step_id') ?? next) !== next)
      throw unsupported('sp_add_jobstep @step_id other than the next one');
    await insert(transaction, steps, {
      job_id: jobId,
      step_id: BigInt(next),
      step_name: name,
      subsystem: 'TSQL',
      command: context.argument('@command'),
      flags: 0n,
      cmdexec_success_code: 0n,
      on_success_action: context.argument('@on_success_action'),
      on_success_step_id: context.argument('@on_success_step_id'),
      on_fail_action: context.argument('@on_fail_action'),
      on_fail_step_id: context.argument('@on_fail_step_id'),
      database_name: context.argument('@database_name') ?? 'master',
      retry_attempts: context.argument('@retry_attempts'),
      retry_interval: context.argument('@retry_interval'),
      os_run_priority: 0n,
      last_run_outcome: unknownOutcome,
      last_run_duration: 0n,
      last_run_retries: 0n,
      last_run_date: 0n,
      last_run_time: 0n,
      step_uid: uid,
    });
    await touch(context, transaction, job);
  });
  context.output('@step_uid', uid);
  return 0;
}

async function updateStep(context: ProcedureContext): Promise<number> {
  refuse(context, 'sp_update_jobstep');
  const { engine } = context;
  const stepId = numberArgument(context, '@step_id') ?? 0;
  const changes = givenColumns(context, {
    '@step_name': 'step_name',
    '@command': 'command',
    '@on_success_action': 'on_success_action',
    '@on_success_step_id': 'on_success_step_id',
    '@on_fail_action': 'on_fail_action',
    '@on_fail_step_id': 'on_fail_step_id',
    '@database_name': 'database_name',
    '@retry_attempts': 'retry_attempts',
    '@retry_interval': 'retry_interval',
  });
  await inTransaction(context, async transaction => {
    const job = await findOwnJob(context, transaction);
    const isMeant = (row: Values): boolean => row['job_id'] === job['job_id'] && numberOf(row, 'step_id') === stepId;
    const count = await change(transaction, jobTable(engine, 'sysjobsteps'), isMeant, changes);
    if (count === 0) throw fail(14262, '@step_id', stepId);
    await touch(context, transaction, job);
  });
  return 0;
}

async function touch({ engine }: ProcedureContext, transaction: Transaction, job: Values): Promise<void> {
  await change(transaction, jobTable(engine, 'sysjobs'), ofJob(textOf(job, 'job_id')), {
    date_modified: toDatetimePrecision(engine.clock()),
    version_number: BigInt(numberOf(job, 'version_number') + 1),
  });
}
