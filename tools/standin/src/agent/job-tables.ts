/**
 * The Agent's tables in msdb: columns and types of the Agent table pages of the SQL Server documentation (sqlserver.md §4.3 names the same
 * pages); what is NULL there, keys and first rows are unverified. Made when the instance starts, so that an older instance gets them too.
 */
import { tableOf } from '../engine/table-text.ts';
import type { Engine, Table, TableDefinition, Transaction } from '../contract.ts';
import { insert } from './job-store.ts';

const sysjobs = `job_id uniqueidentifier not null, originating_server_id int not null, name sysname, enabled tinyint not null,
  description nvarchar(512), start_step_id int not null, category_id int not null, owner_sid varbinary(85) not null,
  notify_level_eventlog int not null, notify_level_email int not null, notify_level_netsend int not null, notify_level_page int not null,
  notify_email_operator_id int not null, notify_netsend_operator_id int not null, notify_page_operator_id int not null,
  delete_level int not null, date_created datetime not null, date_modified datetime not null, version_number int not null`;

const sysjobsteps = `job_id uniqueidentifier not null, step_id int not null, step_name sysname, subsystem nvarchar(40) not null,
  command nvarchar(max), flags int not null, additional_parameters nvarchar(max), cmdexec_success_code int not null,
  on_success_action tinyint not null, on_success_step_id int not null, on_fail_action tinyint not null, on_fail_step_id int not null,
  server nvarchar(128), database_name nvarchar(128), database_user_name nvarchar(128), retry_attempts int not null, retry_interval int not null,
  os_run_priority int not null, output_file_name nvarchar(200), last_run_outcome int not null, last_run_duration int not null,
  last_run_retries int not null, last_run_date int not null, last_run_time int not null, proxy_id int, step_uid uniqueidentifier`;

const sysschedules = `schedule_id int identity, schedule_uid uniqueidentifier not null, originating_server_id int not null, name sysname,
  owner_sid varbinary(85) not null, enabled int not null, freq_type int not null, freq_interval int not null, freq_subday_type int not null,
  freq_subday_interval int not null, freq_relative_interval int not null, freq_recurrence_factor int not null, active_start_date int not null,
  active_end_date int not null, active_start_time int not null, active_end_time int not null, date_created datetime not null,
  date_modified datetime not null, version_number int not null`;

const sysjobschedules =
  'schedule_id int not null, job_id uniqueidentifier not null, next_run_date int not null, next_run_time int not null';

/** Characters that the outcome of a job's last run has room for. */
export const outcomeLength = 1024;

const sysjobservers = `job_id uniqueidentifier not null, server_id int not null, last_run_outcome tinyint not null,
  last_outcome_message nvarchar(${outcomeLength}), last_run_date int not null, last_run_time int not null, last_run_duration int not null`;

const sysjobhistory = `instance_id int identity, job_id uniqueidentifier not null, step_id int not null, step_name sysname, sql_message_id int not null,
  sql_severity int not null, message nvarchar(4000), run_status int not null, run_date int not null, run_time int not null,
  run_duration int not null, operator_id_emailed int not null, operator_id_netsent int not null, operator_id_paged int not null,
  retries_attempted int not null, server sysname`;

const sysjobactivity = `session_id int not null, job_id uniqueidentifier not null, run_requested_date datetime, run_requested_source nvarchar(128),
  queued_date datetime, start_execution_date datetime, last_executed_step_id int, last_executed_step_date datetime,
  stop_execution_date datetime, job_history_id int, next_scheduled_run_date datetime`;

export const jobTables: readonly TableDefinition[] = [
  tableOf('sysjobs', sysjobs, { primary: ['job_id'] }),
  tableOf('sysjobsteps', sysjobsteps, { primary: ['job_id', 'step_id'] }),
  tableOf('sysschedules', sysschedules, { primary: ['schedule_id'] }),
  tableOf('sysjobschedules', sysjobschedules, { primary: ['schedule_id', 'job_id'] }),
  tableOf('sysjobservers', sysjobservers, { primary: ['job_id', 'server_id'] }),
  tableOf('sysjobhistory', sysjobhistory, { primary: ['instance_id'] }),
  tableOf('sysjobactivity', sysjobactivity, { primary: ['session_id', 'job_id'] }),
  tableOf('syssessions', 'session_id int identity, agent_start_date datetime not null', { primary: ['session_id'] }),
  tableOf(
    'syscategories',
    'category_id int not null, category_class int not null, category_type tinyint not null, name sysname',
    { primary: ['category_id'] },
  ),
];

/** Category 0 takes the jobs without one; the Backup job is in the other (biztalk-dr.md §2.1). The numbers are unverified. */
const jobCategories = [
  { category_id: 0n, name: '[Uncategorized (Local)]' },
  { category_id: 3n, name: 'Database Maintenance' },
];

/** Makes the tables that are missing, and those of an earlier stand-in anew, which had fewer columns and could hold no jobs. */
export async function installJobTables(engine: Engine, transaction: Transaction): Promise<void> {
  const msdb = engine.database('msdb');
  if (msdb === undefined) throw new Error('the instance has no msdb');
  for (const definition of jobTables) {
    const existing = msdb.table('dbo', definition.name);
    if (existing !== undefined && sameColumns(existing, definition)) continue;
    if (existing !== undefined) {
      if (existing.rowCount > 0)
        throw new Error(`msdb.dbo.${definition.name} is not empty and not of this version: cannot start`);
      await transaction.dropTable(msdb, existing);
    }
    const table = await transaction.createTable(msdb, definition);
    if (definition.name === 'syscategories') {
      for (const category of jobCategories)
        await insert(transaction, table, { ...category, category_class: 1n, category_type: 1n });
    }
  }
}

function sameColumns(table: Table, definition: TableDefinition): boolean {
  const names = (each: TableDefinition): string => each.columns.map(column => column.name).join();
  return names(table.definition) === names(definition);
}
