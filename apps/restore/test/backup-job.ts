import { setTimeout as pause } from 'node:timers/promises';
import { statements } from '@holdfast/sqlserver';
import type { TestServer } from '@holdfast/sqlserver/testing';
import { open, send } from './two-servers.ts';

const lastMark = 'BTS_2026_11_21_04_45_00_111';
const jobName = 'Backup BizTalk Server (BizTalkMgmtDb)';

/** On a schedule that does not come due here. */
export async function addBackupJob(source: TestServer): Promise<void> {
  const server = await open(source);
  await send(server, `EXEC msdb.dbo.sp_add_job @job_name = N'${jobName}', @enabled = 1;`);
  await send(
    server,
    `EXEC msdb.dbo.sp_add_jobstep @job_name = N'${jobName}', @step_name = N'one', @command = N'SELECT 1;', @database_name = N'master';`,
  );
  // As a job that has worked before.
  await send(server, `EXEC msdb.dbo.sp_add_jobserver @job_name = N'${jobName}';`);
  await send(server, `EXEC msdb.dbo.sp_start_job @job_name = N'${jobName}';`);
  const hasRun = async () =>
    (await server.query(statements.jobHistory, { job: jobName, afterId: 0 })).some(({ stepId }) => stepId === 0);
  while (!(await hasRun())) await pause(5);
  const markNext = `BEGIN TRAN [${lastMark}] WITH MARK N''BTS''; INSERT BizTalkMgmtDb.dbo.MarkLog (MarkName) VALUES (N''${lastMark}''); COMMIT TRAN;`;
  await send(
    server,
    `EXEC msdb.dbo.sp_update_jobstep @job_name = N'${jobName}', @step_id = 1, @command = N'${markNext}';`,
  );
  await server.close();
}
