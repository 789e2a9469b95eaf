import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { standinMain } from './standin-main.ts';

/** Asks until it is so; the test's own time limit ends a wait in vain. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 20));
}

let folder = '';
let child: ChildProcess | undefined;
let pool: mssql.ConnectionPool | undefined;
let controlPort = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'standin-agent-'));
});

afterEach(async () => {
  await stop('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function start(...args: readonly string[]): Promise<void> {
  const given = ['--data', join(folder, 'data'), '--name', 'P\\ONE', ...args];
  child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', standinMain, ...given], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, STANDIN_PASSWORD: 'secret', STANDIN_PARENT_PID: String(process.pid) },
  });
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes('\n')) break;
  }
  const ready = JSON.parse(text) as { readonly port: number; readonly controlPort: number };
  controlPort = ready.controlPort;
  const options = { encrypt: false, trustServerCertificate: true };
  pool = await new mssql.ConnectionPool({
    server: '127.0.0.1',
    port: ready.port,
    user: 'sa',
    password: 'secret',
    options,
  }).connect();
}

async function stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  await pool?.close();
  pool = undefined;
  const ended = child;
  child = undefined;
  if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return ended?.exitCode ?? null;
  const exited = new Promise<number | null>(resolve => ended.once('exit', resolve));
  ended.kill(signal);
  return exited;
}

async function query<T>(text: string): Promise<readonly T[]> {
  if (pool === undefined) throw new Error('not connected');
  return (await pool.request().query<T>(text)).recordset;
}

async function run(text: string): Promise<void> {
  await pool?.request().batch(text);
}

const startJob = "DECLARE @job nvarchar(128) = N'Backup'; EXEC msdb.dbo.sp_start_job @job_name = @job;";

async function makeJob(command: string): Promise<void> {
  await run("EXEC msdb.dbo.sp_add_job @job_name = N'Backup'");
  await run(
    `EXEC msdb.dbo.sp_add_jobstep @job_name = N'Backup', @step_name = N'one', @command = N'${command.replaceAll("'", "''")}'`,
  );
  await run("EXEC msdb.dbo.sp_add_jobserver @job_name = N'Backup'");
}

/** As a client sees it (sqlserver.md §4.3). */
async function runs(): Promise<boolean> {
  const rows = await query(
    `SELECT a.job_id FROM msdb.dbo.sysjobactivity a
     WHERE a.session_id = (SELECT MAX(s.session_id) FROM msdb.dbo.syssessions s) AND a.start_execution_date IS NOT NULL AND a.stop_execution_date IS NULL`,
  );
  return rows.length > 0;
}

async function outcomes(): Promise<readonly number[]> {
  const rows = await query<{ run_status: number }>(
    'SELECT run_status FROM msdb.dbo.sysjobhistory WHERE step_id = 0 ORDER BY instance_id',
  );
  return rows.map(row => row.run_status);
}

const untilEnded = (count: number): Promise<void> => until(async () => (await outcomes()).length === count);

async function statistics(): Promise<unknown> {
  return (await fetch(`http://127.0.0.1:${controlPort}/statistics`)).json();
}

describe('the Agent over the wire', () => {
  it('starts a job, shows it running, stops and disables it', async () => {
    await start();
    await makeJob('WHILE 1 = 1 SET NOCOUNT ON');
    const infos: number[] = [];
    const request = pool?.request();
    request?.on('info', (info: { readonly number: number }) => infos.push(info.number));
    await request?.query(startJob);
    expect(infos).toEqual([14243]);
    await until(runs);
    await expect(query(startJob)).rejects.toMatchObject({ number: 22022 });
    await query("DECLARE @job nvarchar(128) = N'Backup'; EXEC msdb.dbo.sp_update_job @job_name = @job, @enabled = 0;");
    expect(await runs()).toBe(true);
    const [status] = await query("EXEC msdb.dbo.sp_help_job @job_name = N'Backup', @job_aspect = 'JOB'");
    expect(status).toMatchObject({ enabled: 0, current_execution_status: 1 });
    const sessions = await query<{ program_name: string }>(
      "SELECT program_name FROM sys.dm_exec_sessions WHERE program_name LIKE N'SQLAgent - TSQL JobStep%'",
    );
    expect(sessions).toHaveLength(1);
    await run("EXEC msdb.dbo.sp_stop_job @job_name = N'Backup'");
    await untilEnded(1);
    expect([await outcomes(), await runs()]).toEqual([[3], false]);
    expect(await statistics()).toMatchObject({ unsupported: 0, broken: 0 });
    expect(await stop('SIGTERM')).toBe(0);
  });

  it('does not call a run running that died with the instance, and runs the job again', async () => {
    await start();
    await run('CREATE TABLE master.dbo.go_on (n int)');
    await makeJob('WHILE NOT EXISTS (SELECT * FROM master.dbo.go_on) SET NOCOUNT ON');
    await run(
      "EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Backup', @name = N'S', @freq_type = 4, @freq_subday_type = 2, @freq_subday_interval = 1",
    );
    await until(runs);
    await stop('SIGKILL');
    await start();
    const stopped = await query('SELECT stop_execution_date FROM msdb.dbo.sysjobactivity WHERE session_id = 1');
    expect(stopped).toEqual([{ stop_execution_date: null }]);
    expect(await outcomes()).toEqual([]);
    // The schedule goes on: the next second starts it.
    await until(runs);
    await run('INSERT master.dbo.go_on VALUES (1)');
    await until(async () => (await outcomes()).length > 0);
    expect((await outcomes())[0]).toBe(1);
    expect(await statistics()).toMatchObject({ unsupported: 0, broken: 0 });
  });

  it('stops in order while a job runs', async () => {
    await start();
    await makeJob('WHILE 1 = 1 SET NOCOUNT ON');
    await query(startJob);
    await until(runs);
    expect(await stop('SIGTERM')).toBe(0);
    await start();
    expect([await runs(), await outcomes()]).toEqual([false, []]);
  });

  it('is not there with --no-agent', async () => {
    await start('--no-agent');
    await makeJob('SELECT 1');
    await expect(query(startJob)).rejects.toMatchObject({
      number: 22022,
      message: 'SQLServerAgent is not currently running so it cannot be notified of this action.',
    });
  });
});
