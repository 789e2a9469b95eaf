/** sp_add_schedule, sp_attach_schedule, sp_add_jobschedule and sp_update_schedule. */
import { newGuid } from '../engine/guid.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import { fail, unsupported } from '../messages.ts';
import { guid, int, output, parameter, sysname, tinyint } from '../procedure-parameters.ts';
import type { Engine, NativeProcedure, ProcedureContext, Transaction } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import {
  findOwnJob,
  givenColumns,
  inTransaction,
  jobParameters,
  mayTouch,
  numberArgument,
  ownerSid,
  refuseOthers,
  stringArgument,
} from './job-arguments.ts';
import { change, insert, jobTable, numberOf, remove, sameText, select, textOf, type Values } from './job-store.ts';
import { readSchedule } from './schedule-rows.ts';
import { dateNumber, strangeness } from './schedule.ts';

const forEver = 99_991_231n;
const endOfDay = 235_959n;

/** Argument and column have the same name. */
const frequencies = [
  '@freq_type',
  '@freq_interval',
  '@freq_subday_type',
  '@freq_subday_interval',
  '@freq_relative_interval',
  '@freq_recurrence_factor',
  '@active_start_date',
  '@active_end_date',
  '@active_start_time',
  '@active_end_time',
] as const;

export const scheduleProcedures: readonly NativeProcedure[] = [
  {
    database: 'msdb',
    schema: 'dbo',
    name: 'sp_add_schedule',
    parameters: [
      parameter('@schedule_name', sysname),
      parameter('@enabled', tinyint, 1n),
      ...frequencyParameters(),
      parameter('@owner_login_name', sysname, null),
      output('@schedule_uid', guid),
      output('@schedule_id', int),
      parameter('@originating_server', sysname, null),
    ],
    run: async context => {
      refuseOthers(context, 'sp_add_schedule', { '@originating_server': [null] });
      const name = stringArgument(context, '@schedule_name') ?? '';
      const owner = ownerSid(context, '@owner_login_name');
      tell(context, await inTransaction(context, transaction => addSchedule(context, transaction, name, owner)));
      return 0;
    },
  },
  {
    database: 'msdb',
    schema: 'dbo',
    name: 'sp_attach_schedule',
    parameters: [...jobParameters, parameter('@schedule_id', int, null), parameter('@schedule_name', sysname, null)],
    run: async context => {
      await inTransaction(context, async transaction => {
        const job = await findOwnJob(context, transaction);
        const schedule = await findSchedule(context, transaction, '@schedule_name');
        await attach(context, transaction, job, schedule);
      });
      return 0;
    },
  },
  {
    database: 'msdb',
    schema: 'dbo',
    name: 'sp_add_jobschedule',
    parameters: [
      ...jobParameters,
      parameter('@name', sysname),
      parameter('@enabled', tinyint, 1n),
      ...frequencyParameters(),
      output('@schedule_id', int),
      output('@schedule_uid', guid),
    ],
    run: async context => {
      const name = stringArgument(context, '@name') ?? '';
      const added = await inTransaction(context, async transaction => {
        const job = await findOwnJob(context, transaction);
        const schedule = await addSchedule(context, transaction, name, context.session.login.sid);
        await attach(context, transaction, job, schedule);
        return schedule;
      });
      tell(context, added);
      return 0;
    },
  },
  {
    database: 'msdb',
    schema: 'dbo',
    name: 'sp_update_schedule',
    parameters: [
      parameter('@schedule_id', int, null),
      parameter('@name', sysname, null),
      parameter('@new_name', sysname, null),
      parameter('@enabled', tinyint, null),
      ...frequencies.map(name => parameter(name, int, null)),
      parameter('@owner_login_name', sysname, null),
    ],
    run: updateSchedule,
  },
];

/** Defaults of sp_add_schedule; a schedule needs a freq_type (0 is refused by name). */
function frequencyParameters(): NativeProcedure['parameters'] {
  const defaults: Readonly<Partial<Record<(typeof frequencies)[number], SqlValue>>> = {
    '@freq_interval': 1n,
    '@active_start_date': null,
    '@active_end_date': forEver,
    '@active_end_time': endOfDay,
  };
  return frequencies.map(name => parameter(name, int, name in defaults ? (defaults[name] ?? null) : 0n));
}

async function addSchedule(
  context: ProcedureContext,
  transaction: Transaction,
  name: string,
  owner: Uint8Array,
): Promise<Values> {
  const { engine } = context;
  const moment = engine.clock();
  const now = toDatetimePrecision(moment);
  const given = Object.fromEntries(frequencies.map(each => [each.slice(1), context.argument(each)]));
  const values: Values = {
    ...given,
    // What comes of 0 ("unused") for a day's only run: at the specified time (unverified).
    freq_subday_type: given['freq_subday_type'] === 0n ? 1n : (given['freq_subday_type'] ?? 1n),
    active_start_date: given['active_start_date'] ?? BigInt(dateNumber(moment)),
  };
  assertFollowed(values);
  return insert(transaction, jobTable(engine, 'sysschedules'), {
    ...values,
    schedule_uid: newGuid(engine.random),
    originating_server_id: 0n,
    name,
    owner_sid: owner,
    enabled: context.argument('@enabled') === 0n ? 0n : 1n,
    date_created: now,
    date_modified: now,
    version_number: 1n,
  });
}

async function updateSchedule(context: ProcedureContext): Promise<number> {
  const { engine } = context;
  await inTransaction(context, async transaction => {
    const schedule = await findSchedule(context, transaction, '@name');
    const changes = givenColumns(context, {
      '@new_name': 'name',
      '@enabled': 'enabled',
      ...Object.fromEntries(frequencies.map(name => [name, name.slice(1)])),
    });
    assertFollowed({ ...schedule, ...changes });
    const owner =
      context.argument('@owner_login_name') === null ? {} : { owner_sid: ownerSid(context, '@owner_login_name') };
    await change(transaction, jobTable(engine, 'sysschedules'), row => row['schedule_id'] === schedule['schedule_id'], {
      ...changes,
      ...owner,
      date_modified: toDatetimePrecision(engine.clock()),
      version_number: BigInt(numberOf(schedule, 'version_number') + 1),
    });
  });
  return 0;
}

function assertFollowed(values: Values): void {
  const reason = strangeness(readSchedule(values));
  if (reason !== undefined) throw unsupported(reason);
}

function tell(context: ProcedureContext, schedule: Values): void {
  context.output('@schedule_id', schedule['schedule_id'] ?? null);
  context.output('@schedule_uid', schedule['schedule_uid'] ?? null);
}

async function findSchedule(
  context: ProcedureContext,
  transaction: Transaction,
  nameArgument: '@name' | '@schedule_name',
): Promise<Values> {
  const [id, name] = [numberArgument(context, '@schedule_id'), stringArgument(context, nameArgument)];
  if ((id === undefined) === (name === undefined)) throw fail(14373, '@schedule_id', nameArgument);
  const found = await select(transaction, jobTable(context.engine, 'sysschedules'), row =>
    id === undefined ? sameText(textOf(row, 'name'), name ?? '') : numberOf(row, 'schedule_id') === id,
  );
  if (found.length > 1) throw fail(14371, name ?? '', '@schedule_id', nameArgument);
  const [schedule] = found;
  if (schedule === undefined) throw fail(14262, id === undefined ? nameArgument : '@schedule_id', name ?? id ?? '');
  if (!mayTouch(context, schedule)) throw fail(14525);
  return schedule;
}

/** Attaching it twice changes nothing (unverified). */
async function attach(
  { engine }: ProcedureContext,
  transaction: Transaction,
  job: Values,
  schedule: Values,
): Promise<void> {
  const links = jobTable(engine, 'sysjobschedules');
  const [jobId, scheduleId] = [job['job_id'] ?? null, schedule['schedule_id'] ?? null];
  const same = (row: Values): boolean => row['job_id'] === jobId && row['schedule_id'] === scheduleId;
  if ((await select(transaction, links, same)).length > 0) return;
  await insert(transaction, links, {
    job_id: jobId,
    schedule_id: scheduleId,
    next_run_date: 0n,
    next_run_time: 0n,
  });
}

/** Those of `scheduleIds` that no job uses any more. */
export async function removeUnusedSchedules(
  engine: Engine,
  transaction: Transaction,
  scheduleIds: readonly number[],
): Promise<void> {
  const links = await select(transaction, jobTable(engine, 'sysjobschedules'), () => true);
  const used = new Set(links.map(link => numberOf(link, 'schedule_id')));
  const unused = new Set(scheduleIds.filter(id => !used.has(id)));
  await remove(transaction, jobTable(engine, 'sysschedules'), row => unused.has(numberOf(row, 'schedule_id')));
}
