/** The job "Backup BizTalk Server" as BizTalk's configuration leaves it: four steps, every 15 minutes, disabled (biztalk-dr.md §2.1). */
import { fail, unsupported } from '../messages.ts';
import { isManagement, numberOf, textOf, typedText } from './group-context.ts';
import { int, nvarchar, parameter } from '../procedure-parameters.ts';
import type { ProcedureContext } from '../contract.ts';
import type { TypedValue } from '../values.ts';

/** What the shipped steps have for a path: the job fails until somebody replaces it. */
const placeholder = '<destination path>';

/** freq_subday_type. */
const inSeconds = 2;
const inMinutes = 4;

/** on_success_action and on_fail_action. */
const quitWithSuccess = 1;
const quitWithFailure = 2;
const nextStep = 3;

export const backupJobParameters = [
  parameter('@management', nvarchar(128)),
  parameter('@path', nvarchar(128), null),
  parameter('@everyMinutes', int, null),
  parameter('@everySeconds', int, null),
];

/** Within a transaction: a job without its steps could be started. */
export async function createBackupJob(context: ProcedureContext): Promise<number> {
  const management = context.engine.database(textOf(context, '@management'));
  if (management === undefined) throw fail(911, textOf(context, '@management'));
  if (!isManagement(management))
    throw unsupported(`a backup job in ${management.name}, which is no Management database`);
  const [minutes, seconds] = [numberOf(context, '@everyMinutes'), numberOf(context, '@everySeconds')];
  if (minutes !== undefined && seconds !== undefined) throw unsupported('@everyMinutes beside @everySeconds');
  const path = textOf(context, '@path');
  await context.query(
    `EXEC msdb.dbo.sp_add_job @job_name = @job, @enabled = 0, @category_name = N'Database Maintenance', @owner_login_name = N'sa';
     ${stepsOf(path === '' ? placeholder : path)
       .map(renderStep)
       .join('\n')}
     EXEC msdb.dbo.sp_add_jobschedule @job_name = @job, @name = N'MarkAndBackupLogSched', @freq_type = 4, @freq_interval = 1,
       @freq_subday_type = ${seconds === undefined ? inMinutes : inSeconds}, @freq_subday_interval = ${seconds ?? minutes ?? 15};
     EXEC msdb.dbo.sp_add_jobserver @job_name = @job;`,
    { job: jobName(management.name), database: typedText(management.name, 128) },
  );
  return 0;
}

function jobName(management: string): TypedValue {
  return typedText(`Backup BizTalk Server (${management})`, 128);
}

type Step = { readonly name: string; readonly command: string; readonly onSuccess: number; readonly onFailure: number };

/** Step 1 goes on when it fails: its failure is invisible in the job's outcome. */
function stepsOf(path: string): readonly Step[] {
  const folder = path.replaceAll("'", "''");
  return [
    {
      name: 'Set Compression Option',
      command: 'exec [dbo].[sp_SetBackupCompression] @bCompression = 0',
      onSuccess: nextStep,
      onFailure: nextStep,
    },
    {
      name: 'BackupFull',
      command: `exec [dbo].[sp_BackupAllFull_Schedule] 'd','BTS','${folder}',0,null`,
      onSuccess: nextStep,
      onFailure: quitWithFailure,
    },
    {
      name: 'MarkAndBackupLog',
      command: `exec [dbo].[sp_MarkAll] 'BTS','${folder}'`,
      onSuccess: nextStep,
      onFailure: quitWithFailure,
    },
    {
      name: 'Clear Backup History',
      command: 'exec [dbo].[sp_DeleteBackupHistory] @DaysToKeep=14',
      onSuccess: quitWithSuccess,
      onFailure: quitWithFailure,
    },
  ];
}

function renderStep({ name, command, onSuccess, onFailure }: Step): string {
  const text = command.replaceAll("'", "''");
  return `EXEC msdb.dbo.sp_add_jobstep @job_name = @job, @step_name = N'${name}', @command = N'${text}', @database_name = @database,
       @on_success_action = ${onSuccess}, @on_fail_action = ${onFailure};`;
}
