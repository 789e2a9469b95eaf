import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Login } from '../contract.ts';
import { startAgentFixture, type AgentFixture } from './agent-fixture.ts';

let fixture: AgentFixture;

beforeEach(async () => {
  fixture = await startAgentFixture('2026-03-01T10:00:00Z');
});
afterEach(async () => {
  await fixture.end();
  expect(fixture.mistakes).toEqual([]);
});

async function addJob(name: string, steps: readonly string[], server = true): Promise<void> {
  await fixture.rows(`EXEC msdb.dbo.sp_add_job @job_name = N'${name}'`);
  for (const [at, step] of steps.entries())
    await fixture.rows(`EXEC msdb.dbo.sp_add_jobstep @job_name = N'${name}', @step_name = N's${at + 1}', ${step}`);
  if (server) await fixture.rows(`EXEC msdb.dbo.sp_add_jobserver @job_name = N'${name}'`);
}

const command = (text: string, ...others: readonly string[]): string =>
  [`@command = N'${text.replaceAll("'", "''")}'`, ...others].join(', ');

const start = (name: string): Promise<readonly string[]> =>
  fixture.errors(`EXEC msdb.dbo.sp_start_job @job_name = N'${name}'`);

async function startAndWait(name: string): Promise<void> {
  expect(await start(name)).toEqual([]);
  await fixture.agent().idle();
}

const history = (): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  fixture.rows('SELECT step_id, step_name, run_status, message FROM msdb.dbo.sysjobhistory ORDER BY instance_id');

const activity = (): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  fixture.rows(
    `SELECT a.last_executed_step_id AS step, CASE WHEN a.start_execution_date IS NOT NULL AND a.stop_execution_date IS NULL THEN 1 ELSE 0 END AS running,
       a.job_history_id AS history
     FROM msdb.dbo.sysjobactivity a WHERE a.session_id = (SELECT MAX(session_id) FROM msdb.dbo.syssessions)`,
  );

async function statuses(): Promise<readonly unknown[]> {
  return (await history()).map(row => `${String(row['step_id'])}:${String(row['run_status'])}`);
}

/** A step that runs until it is told to stop or a row appears. */
const endless = 'WHILE NOT EXISTS (SELECT * FROM master.dbo.stop) SET NOCOUNT ON';

const untilStep = async (): Promise<void> => {
  while (
    !fixture.instance
      .engine()
      .sessions()
      .some(session => session.request?.text.startsWith('WHILE') === true)
  )
    await new Promise(resolve => setImmediate(resolve));
};

describe('a job that is started', () => {
  it('runs its steps as its owner, in the step database, and leaves its history', async () => {
    await fixture.rows('CREATE DATABASE A');
    await fixture.rows('CREATE TABLE A.dbo.t (who nvarchar(128), program nvarchar(128), db nvarchar(128), open_ int)');
    await addJob('J', [
      command(
        'INSERT t SELECT SUSER_SNAME(), APP_NAME(), DB_NAME(), @@TRANCOUNT',
        "@database_name = N'A'",
        '@on_success_action = 3',
      ),
      command("PRINT 'done'"),
    ]);
    const sink = await fixture.run("EXEC msdb.dbo.sp_start_job @job_name = N'J'");
    expect(sink.messages.map(({ number, severity, text }) => [number, severity, text])).toEqual([
      [14243, 10, "Job 'J' started successfully."],
    ]);
    await fixture.agent().idle();
    expect(await history()).toEqual([
      { step_id: 1n, step_name: 's1', run_status: 1n, message: 'Executed as user: sa. The step succeeded.' },
      {
        step_id: 2n,
        step_name: 's2',
        run_status: 1n,
        message: 'Executed as user: sa. done [SQLSTATE 01000] (Message 0).  The step succeeded.',
      },
      {
        step_id: 0n,
        step_name: '(Job outcome)',
        run_status: 1n,
        message: 'The job succeeded.  The Job was invoked by User sa.  The last step to run was step 2 (s2).',
      },
    ]);
    const [row] = await fixture.rows('SELECT * FROM A.dbo.t');
    expect(row).toMatchObject({ who: 'sa', db: 'A', open_: 0n });
    const [job] = await fixture.rows(
      'SELECT CONVERT(varchar(40), CONVERT(varbinary(16), job_id), 1) AS id FROM msdb.dbo.sysjobs',
    );
    expect(row?.['program']).toBe(`SQLAgent - TSQL JobStep (Job ${String(job?.['id'])} : Step 1)`);
    expect(await activity()).toEqual([{ step: 2n, running: 0n, history: 3n }]);
  });

  it('is refused while it runs, by name when it is unknown, and without a server', async () => {
    await fixture.rows('CREATE TABLE master.dbo.stop (n int)');
    await addJob('J', [command(endless)]);
    await addJob('K', [command('SELECT 1')], false);
    expect(await start('J')).toEqual([]);
    expect(await start('J')).toEqual([
      '22022 SQLServerAgent Error: Request to run job J (from User sa) refused because the job is already running from a request by User sa.',
    ]);
    expect(await start('L')).toEqual(["14262 The specified @job_name ('L') does not exist."]);
    expect((await start('K')).map(text => text.slice(0, 5))).toEqual(['14256']);
    await untilStep();
    expect(await activity()).toEqual([{ step: null, running: 1n, history: null }]);
    const [status] = await fixture.rows("EXEC msdb.dbo.sp_help_job @job_name = N'J', @job_aspect = 'JOB'");
    expect(status).toMatchObject({
      current_execution_status: 1n,
      current_execution_step: '1 (s1)',
      last_run_outcome: 5n,
    });
    await fixture.rows('INSERT master.dbo.stop VALUES (1)');
    await fixture.agent().idle();
    expect(await statuses()).toEqual(['1:1', '0:1']);
    const [idle] = await fixture.rows("EXEC msdb.dbo.sp_help_job @job_name = N'J', @job_aspect = 'JOB'");
    expect(idle).toMatchObject({ current_execution_status: 4n, last_run_outcome: 1n, last_run_date: 20_260_301n });
  });

  it('goes on after sp_update_job disabled it, and can be started disabled', async () => {
    await fixture.rows('CREATE TABLE master.dbo.stop (n int)');
    await addJob('J', [command(endless)]);
    expect(await start('J')).toEqual([]);
    await fixture.rows("EXEC msdb.dbo.sp_update_job @job_name = N'J', @enabled = 0");
    expect((await activity())[0]).toMatchObject({ running: 1n });
    await fixture.rows('INSERT master.dbo.stop VALUES (1)');
    await fixture.agent().idle();
    await startAndWait('J');
    expect(await statuses()).toEqual(['1:1', '0:1', '1:1', '0:1']);
  });

  it('ends with the text of the error of the step that failed', async () => {
    await addJob('J', [command("RAISERROR('no room', 16, 1)", '@on_success_action = 3'), command('SELECT 1')]);
    await startAndWait('J');
    expect(
      await fixture.rows(
        'SELECT step_id, sql_message_id, sql_severity, run_status, message FROM msdb.dbo.sysjobhistory ORDER BY instance_id',
      ),
    ).toEqual([
      {
        step_id: 1n,
        sql_message_id: 50_000n,
        sql_severity: 16n,
        run_status: 0n,
        message: 'Executed as user: sa. no room [SQLSTATE 42000] (Error 50000).  The step failed.',
      },
      {
        step_id: 0n,
        sql_message_id: 0n,
        sql_severity: 0n,
        run_status: 0n,
        message: 'The job failed.  The Job was invoked by User sa.  The last step to run was step 1 (s1).',
      },
    ]);
  });

  it.each([
    [
      ['@on_fail_action = 3', ''],
      ['1:0', '2:1', '3:1', '0:1'],
    ],
    [
      ['@on_fail_action = 4', '@on_fail_step_id = 3'],
      ['1:0', '3:1', '0:1'],
    ],
    [
      ['@on_fail_action = 1', ''],
      ['1:0', '0:1'],
    ],
    [
      ['@on_fail_action = 2', ''],
      ['1:0', '0:0'],
    ],
  ])('goes where %j says after a failure', async (action, expected) => {
    await addJob('J', [
      command("RAISERROR('x', 16, 1)", ...action.filter(part => part !== '')),
      command('SELECT 1', '@on_success_action = 3'),
      command('SELECT 1'),
    ]);
    await startAndWait('J');
    expect(await statuses()).toEqual(expected);
  });

  it('tries a step again after its interval', async () => {
    await addJob('J', [command("RAISERROR('x', 16, 1)", '@retry_attempts = 1', '@retry_interval = 5')]);
    expect(await start('J')).toEqual([]);
    while (fixture.agent().runOf(await jobId('J'))?.status !== 3) await new Promise(resolve => setImmediate(resolve));
    expect(await statuses()).toEqual(['1:2']);
    await fixture.moveTo('2026-03-01T10:04:59Z');
    expect(await statuses()).toEqual(['1:2']);
    await fixture.at('2026-03-01T10:05:00Z');
    expect(await statuses()).toEqual(['1:2', '1:0', '0:0']);
  });

  it('tries again after its interval though the clock goes back', async () => {
    await addJob('J', [command("RAISERROR('x', 16, 1)", '@retry_attempts = 1', '@retry_interval = 5')]);
    await fixture.moveTo('2026-03-02T10:00:00Z');
    expect(await start('J')).toEqual([]);
    while (fixture.agent().runOf(await jobId('J'))?.status !== 3) await new Promise(resolve => setImmediate(resolve));
    await fixture.moveTo('2026-03-01T10:00:00Z');
    await fixture.moveTo('2026-03-01T10:04:59Z');
    expect(await statuses()).toEqual(['1:2']);
    await fixture.at('2026-03-01T10:05:00Z');
    expect(await statuses()).toEqual(['1:2', '1:0', '0:0']);
    const [outcome] = await fixture.rows('SELECT run_duration FROM msdb.dbo.sysjobhistory WHERE step_id = 0');
    expect(outcome).toEqual({ run_duration: 0n });
  });

  it('starts at the step that is named', async () => {
    await addJob('J', [command('SELECT 1', '@on_success_action = 3'), command('SELECT 2')]);
    await fixture.rows("EXEC msdb.dbo.sp_start_job @job_name = N'J', @step_name = N's2'");
    await fixture.agent().idle();
    expect(await statuses()).toEqual(['2:1', '0:1']);
  });

  it('fails in a database that cannot be entered', async () => {
    await addJob('J', [command('SELECT 1', "@database_name = N'Nowhere'")]);
    await startAndWait('J');
    expect(await statuses()).toEqual(['1:0', '0:0']);
  });

  it('fails when its step is killed', async () => {
    await addJob('J', [command(endless)]);
    await fixture.rows('CREATE TABLE master.dbo.stop (n int)');
    expect(await start('J')).toEqual([]);
    await untilStep();
    const [step] = await fixture.rows(
      "SELECT session_id FROM sys.dm_exec_sessions WHERE program_name LIKE N'SQLAgent - TSQL JobStep%'",
    );
    await fixture.rows(`KILL ${String(step?.['session_id'])}`);
    await fixture.agent().idle();
    expect(await statuses()).toEqual(['1:0', '0:0']);
    expect(await fixture.rows('SELECT sql_message_id FROM msdb.dbo.sysjobhistory WHERE step_id = 1')).toEqual([
      { sql_message_id: 596n },
    ]);
  });

  it('fails when nobody owns it any more', async () => {
    await addJob('J', [command('SELECT 1')]);
    await fixture.rows('UPDATE msdb.dbo.sysjobs SET owner_sid = 0x99');
    await startAndWait('J');
    expect(await history()).toEqual([
      {
        step_id: 0n,
        step_name: '(Job outcome)',
        run_status: 0n,
        message: 'The job failed.  The owner (99) of job J does not have server access.',
      },
    ]);
  });

  it('waits with its run until the transaction that started it has ended', async () => {
    await fixture.rows('BEGIN TRAN');
    await addJob('J', [command('SELECT 1')]);
    expect(await start('J')).toEqual([]);
    await fixture.rows('COMMIT');
    await fixture.agent().idle();
    expect(await statuses()).toEqual(['1:1', '0:1']);
  });

  it('leaves no transaction of a step open', async () => {
    await fixture.rows('CREATE TABLE master.dbo.t (n int)');
    await addJob('J', [command('BEGIN TRAN; INSERT master.dbo.t VALUES (1)')]);
    await startAndWait('J');
    expect(await fixture.rows('SELECT * FROM master.dbo.t')).toEqual([]);
  });
});

async function jobId(name: string): Promise<string> {
  const [row] = await fixture.rows(`SELECT job_id FROM msdb.dbo.sysjobs WHERE name = N'${name}'`);
  return String(row?.['job_id']);
}

describe('sp_stop_job', () => {
  it('cancels the step and the job', async () => {
    await fixture.rows('CREATE TABLE master.dbo.stop (n int)');
    await addJob('J', [command(endless, '@on_success_action = 3', '@on_fail_action = 3'), command('SELECT 1')]);
    expect(await start('J')).toEqual([]);
    await untilStep();
    const sink = await fixture.run("EXEC msdb.dbo.sp_stop_job @job_name = N'J'");
    expect(sink.messages.map(message => message.number)).toEqual([14254]);
    await fixture.agent().idle();
    expect(await history()).toMatchObject([
      {
        step_id: 1n,
        run_status: 3n,
        message: 'Executed as user: sa. The step was cancelled (stopped) as the result of a stop job request.',
      },
      {
        step_id: 0n,
        run_status: 3n,
        message:
          'The job was stopped prior to completion by User sa.  The Job was invoked by User sa.  The last step to run was step 1 (s1).',
      },
    ]);
    expect((await activity())[0]).toMatchObject({ running: 0n });
  });

  it('is refused for a job that does not run', async () => {
    await addJob('J', [command('SELECT 1')]);
    expect(await fixture.errors("EXEC msdb.dbo.sp_stop_job @job_name = N'J'")).toEqual([
      '22022 SQLServerAgent Error: Request to stop job J (from User sa) refused because the job is not currently running.',
    ]);
  });
});

describe('a schedule', () => {
  const everyQuarter =
    "@name = N'Q', @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = 15";

  async function scheduled(): Promise<void> {
    await addJob('J', [command('SELECT 1')]);
    await fixture.rows(`EXEC msdb.dbo.sp_add_jobschedule @job_name = N'J', ${everyQuarter}`);
    await fixture.at('2026-03-01T10:01:00Z');
  }

  it('starts its job when it is due, once', async () => {
    await scheduled();
    await fixture.at('2026-03-01T10:14:59Z');
    expect(await statuses()).toEqual([]);
    await fixture.at('2026-03-01T10:15:00Z');
    await fixture.at('2026-03-01T10:15:01Z');
    expect((await history()).map(row => row['message'])).toEqual([
      'Executed as user: sa. The step succeeded.',
      'The job succeeded.  The Job was invoked by Schedule 1 (Q).  The last step to run was step 1 (s1).',
    ]);
    await fixture.at('2026-03-01T10:30:00Z');
    expect(await statuses()).toEqual(['1:1', '0:1', '1:1', '0:1']);
    const [next] = await fixture.rows("EXEC msdb.dbo.sp_help_job @job_name = N'J', @job_aspect = 'JOB'");
    expect(next).toMatchObject({ next_run_date: 20_260_301n, next_run_time: 104_500n, next_run_schedule_id: 1n });
  });

  it('rests while the job or the schedule is disabled, and makes nothing up afterwards', async () => {
    await scheduled();
    await fixture.rows("EXEC msdb.dbo.sp_update_job @job_name = N'J', @enabled = 0");
    await fixture.at('2026-03-01T10:16:00Z');
    await fixture.rows("EXEC msdb.dbo.sp_update_job @job_name = N'J', @enabled = 1");
    await fixture.at('2026-03-01T10:17:00Z');
    expect(await statuses()).toEqual([]);
    await fixture.rows("EXEC msdb.dbo.sp_update_schedule @name = N'Q', @enabled = 0");
    await fixture.at('2026-03-01T10:31:00Z');
    expect(await statuses()).toEqual([]);
    await fixture.rows("EXEC msdb.dbo.sp_update_schedule @name = N'Q', @enabled = 1");
    await fixture.at('2026-03-01T10:32:00Z');
    await fixture.at('2026-03-01T10:45:00Z');
    expect(await statuses()).toEqual(['1:1', '0:1']);
  });

  it('goes on from now when the clock has gone back', async () => {
    await scheduled();
    await fixture.at('2026-03-02T10:01:00Z');
    expect(await statuses()).toEqual(['1:1', '0:1']);
    await fixture.at('2026-03-01T10:02:00Z');
    const [next] = await fixture.rows("EXEC msdb.dbo.sp_help_job @job_name = N'J', @job_aspect = 'JOB'");
    expect(next).toMatchObject({ next_run_date: 20_260_301n, next_run_time: 101_500n });
    expect(await statuses()).toEqual(['1:1', '0:1']);
    await fixture.at('2026-03-01T10:15:00Z');
    await fixture.at('2026-03-01T10:30:00Z');
    expect(await statuses()).toEqual(['1:1', '0:1', '1:1', '0:1', '1:1', '0:1']);
  });

  it('passes over a job that still runs', async () => {
    await fixture.rows('CREATE TABLE master.dbo.stop (n int)');
    await addJob('J', [command(endless)]);
    await fixture.rows(`EXEC msdb.dbo.sp_add_jobschedule @job_name = N'J', ${everyQuarter}`);
    await fixture.moveTo('2026-03-01T10:01:00Z');
    await fixture.moveTo('2026-03-01T10:15:00Z');
    await untilStep();
    await fixture.moveTo('2026-03-01T10:30:00Z');
    await fixture.rows('INSERT master.dbo.stop VALUES (1)');
    await fixture.agent().idle();
    expect(await statuses()).toEqual(['1:1', '0:1']);
  });

  it('can be shared by jobs and goes with the last of them', async () => {
    await fixture.rows(
      "EXEC msdb.dbo.sp_add_schedule @schedule_name = N'Night', @freq_type = 4, @freq_interval = 1, @active_start_time = 233000",
    );
    for (const name of ['J', 'K']) {
      await addJob(name, [command('SELECT 1')]);
      await fixture.rows(`EXEC msdb.dbo.sp_attach_schedule @job_name = N'${name}', @schedule_name = N'Night'`);
    }
    await fixture.at('2026-03-01T23:00:00Z');
    await fixture.at('2026-03-01T23:30:00Z');
    expect(await statuses()).toHaveLength(4);
    await fixture.rows("EXEC msdb.dbo.sp_delete_job @job_name = N'J'");
    expect(await fixture.rows('SELECT name FROM msdb.dbo.sysschedules')).toEqual([{ name: 'Night' }]);
    await fixture.rows("EXEC msdb.dbo.sp_delete_job @job_name = N'K'");
    for (const table of ['sysjobs', 'sysjobsteps', 'sysjobservers', 'sysjobschedules', 'sysschedules', 'sysjobhistory'])
      expect(await fixture.rows(`SELECT * FROM msdb.dbo.${table}`)).toEqual([]);
  });

  it('that cannot be followed is refused by name', async () => {
    expect(
      await fixture.errors("EXEC msdb.dbo.sp_add_schedule @schedule_name = N'W', @freq_type = 16, @freq_interval = 1"),
    ).toEqual(['50000 STANDIN-UNSUPPORTED: a schedule of freq_type 16']);
  });
});

describe('the next run of a job', () => {
  const next = async (): Promise<unknown> => {
    const [row] = await fixture.rows(
      'SELECT CONVERT(varchar(23), next_scheduled_run_date, 126) AS at, start_execution_date AS started FROM msdb.dbo.sysjobactivity',
    );
    return row?.['at'];
  };

  it('is shown before it ever ran, after each run, and no more once the job is disabled', async () => {
    await addJob('J', [command('SELECT 1')]);
    await fixture.rows(
      "EXEC msdb.dbo.sp_add_jobschedule @job_name = N'J', @name = N'Q', @freq_type = 4, @freq_subday_type = 4, @freq_subday_interval = 15",
    );
    await fixture.at('2026-03-01T10:01:00Z');
    expect(await next()).toBe('2026-03-01T10:15:00');
    expect(await statuses()).toEqual([]);
    await fixture.at('2026-03-01T10:15:00Z');
    expect(await next()).toBe('2026-03-01T10:30:00');
    expect(await statuses()).toEqual(['1:1', '0:1']);
    await fixture.rows("EXEC msdb.dbo.sp_update_job @job_name = N'J', @enabled = 0");
    await fixture.at('2026-03-01T10:16:00Z');
    expect(await next()).toBeNull();
    await fixture.rows("EXEC msdb.dbo.sp_delete_job @job_name = N'J'");
    await fixture.at('2026-03-01T10:17:00Z');
    expect(await fixture.rows('SELECT * FROM msdb.dbo.sysjobactivity')).toEqual([]);
  });

  it('keeps no schedule waiting while its row cannot be written', async () => {
    await fixture.rows('CREATE TABLE master.dbo.ran (n int)');
    for (const name of ['J', 'K']) {
      await addJob(name, [command('INSERT master.dbo.ran VALUES (1)')]);
      await fixture.rows(
        `EXEC msdb.dbo.sp_add_jobschedule @job_name = N'${name}', @name = N'${name}', @freq_type = 4, @freq_subday_type = 4, @freq_subday_interval = 15`,
      );
    }
    const holder = fixture.session();
    await fixture.run('BEGIN TRAN; UPDATE msdb.dbo.sysjobs SET enabled = 1', holder);
    await fixture.agent().look();
    await fixture.agent().look();
    await fixture.run('ROLLBACK', holder);
    await fixture.at('2026-03-01T10:15:00Z');
    expect(await fixture.rows('SELECT COUNT(*) AS n FROM master.dbo.ran')).toEqual([{ n: 2n }]);
  });
});

describe('after the instance stopped while a job ran', () => {
  it('the run counts as not running, has no outcome, and the schedule goes on', async () => {
    await fixture.rows('CREATE TABLE master.dbo.stop (n int)');
    await addJob('J', [command(endless)]);
    await fixture.rows(
      "EXEC msdb.dbo.sp_add_jobschedule @job_name = N'J', @name = N'Q', @freq_type = 4, @freq_subday_type = 8, @freq_subday_interval = 1",
    );
    expect(await start('J')).toEqual([]);
    await untilStep();
    await fixture.restart();
    expect(await fixture.rows('SELECT COUNT(*) AS n FROM msdb.dbo.syssessions')).toEqual([{ n: 2n }]);
    expect(await activity()).toEqual([]);
    expect(await fixture.rows('SELECT session_id, stop_execution_date FROM msdb.dbo.sysjobactivity')).toEqual([
      { session_id: 1n, stop_execution_date: null },
    ]);
    expect(await statuses()).toEqual([]);
    await fixture.rows('INSERT master.dbo.stop VALUES (1)');
    await fixture.at('2026-03-01T10:30:00Z');
    await fixture.at('2026-03-01T11:00:00Z');
    expect(await statuses()).toEqual(['1:1', '0:1']);
    expect(await activity()).toMatchObject([{ step: 1n, running: 0n }]);
  });
});

describe('the tables', () => {
  it('of an earlier stand-in are made anew while they are empty', async () => {
    await fixture.rows(
      'DROP TABLE msdb.dbo.sysjobs; CREATE TABLE msdb.dbo.sysjobs (job_id uniqueidentifier PRIMARY KEY)',
    );
    await fixture.restart();
    await addJob('J', [command('SELECT 1')]);
    await startAndWait('J');
    expect(await statuses()).toEqual(['1:1', '0:1']);
  });
});

describe('what is not built', () => {
  it.each([
    ["@subsystem = N'CmdExec'", 'job steps of subsystem CmdExec'],
    ["@subsystem = N'PowerShell'", 'job steps of subsystem PowerShell'],
    ["@output_file_name = N'x'", 'sp_add_jobstep @output_file_name'],
    ['@flags = 4', 'sp_add_jobstep @flags'],
    ["@command = N'SELECT 1 -- $(ESCAPE_SQUOTE(JOBID))'", 'tokens in job steps'],
  ])('%s is refused by name', async (argument, what) => {
    await addJob('J', []);
    expect(
      await fixture.errors(`EXEC msdb.dbo.sp_add_jobstep @job_name = N'J', @step_name = N's', ${argument}`),
    ).toEqual([`50000 STANDIN-UNSUPPORTED: ${what}`]);
    expect(await fixture.rows('SELECT * FROM msdb.dbo.sysjobsteps')).toEqual([]);
  });
});

describe('a job', () => {
  it('is made and changed by its procedures', async () => {
    await fixture.rows(
      "EXEC msdb.dbo.sp_add_job @job_name = N'J', @enabled = 0, @category_name = N'Database Maintenance', @owner_login_name = N'sa'",
    );
    expect(await fixture.errors("EXEC msdb.dbo.sp_add_job @job_name = N'j'")).toEqual([
      "14261 The specified @job_name ('j') already exists.",
    ]);
    await fixture.rows("EXEC msdb.dbo.sp_add_jobstep @job_name = N'J', @step_name = N's', @command = N'SELECT 1'");
    await fixture.rows(
      "EXEC msdb.dbo.sp_update_jobstep @job_name = N'J', @step_id = 1, @command = N'SELECT 2', @on_fail_action = 3",
    );
    expect(await fixture.rows("EXEC msdb.dbo.sp_help_jobstep @job_name = N'J'")).toMatchObject([
      {
        step_id: 1n,
        step_name: 's',
        command: 'SELECT 2',
        on_success_action: 1n,
        on_fail_action: 3n,
        database_name: 'master',
      },
    ]);
    await fixture.rows("EXEC msdb.dbo.sp_update_job @job_name = N'J', @enabled = 1, @new_name = N'K'");
    expect(await fixture.rows("EXEC msdb.dbo.sp_help_job @job_aspect = 'JOB'")).toMatchObject([
      { name: 'K', enabled: 1n, category: 'Database Maintenance', owner: 'sa', has_step: 1n, has_target: 0n, type: 0n },
    ]);
  });

  it('is undone with the transaction that made it', async () => {
    await fixture.rows("BEGIN TRAN; EXEC msdb.dbo.sp_add_job @job_name = N'J'; ROLLBACK");
    expect(await fixture.rows('SELECT * FROM msdb.dbo.sysjobs')).toEqual([]);
  });
});

describe('a login without sysadmin', () => {
  it('starts its own jobs only', async () => {
    await addJob('J', [command('SELECT 1')]);
    const poor: Login = { name: 'poor', sid: Uint8Array.of(9), serverRoles: new Set() };
    const session = Object.assign(fixture.session(), { login: poor });
    const start = "EXEC msdb.dbo.sp_start_job @job_name = N'J'";
    expect((await fixture.errors(start, session)).map(text => text.slice(0, 5))).toEqual(['14393']);
  });
});

describe('without the Agent', () => {
  it('sp_start_job says that it does not run', async () => {
    await fixture.end();
    fixture = await startAgentFixture('2026-03-01T10:00:00Z', { running: false });
    await addJob('J', [command('SELECT 1')]);
    for (const procedure of ['sp_start_job', 'sp_stop_job'])
      expect(await fixture.errors(`EXEC msdb.dbo.${procedure} @job_name = N'J'`)).toEqual([
        '22022 SQLServerAgent is not currently running so it cannot be notified of this action.',
      ]);
    expect(await start('L')).toEqual(["14262 The specified @job_name ('L') does not exist."]);
    expect(await fixture.rows('SELECT * FROM msdb.dbo.syssessions')).toEqual([]);
  });
});
