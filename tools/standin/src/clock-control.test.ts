/** The clock moved by hand under a real Agent: what falls due runs in the order of the times, and the answer comes when it has ended. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { startAgentFixture, type AgentFixture } from './agent/agent-fixture.ts';
import { ClockControl } from './clock-control.ts';

const minuteMs = 60_000;
let fixture: AgentFixture;
let clock: ClockControl;
let mayGoBack = false;

beforeEach(async () => {
  fixture = await startAgentFixture('2026-03-01T00:00:00Z');
  mayGoBack = false;
  clock = new ClockControl({ clock: fixture.clock, schedules: fixture.agent(), mayGoBack: () => mayGoBack });
  await fixture.rows('CREATE TABLE master.dbo.happened (at datetime, what nvarchar(40))');
});

afterEach(async () => {
  expect(fixture.mistakes).toEqual([]);
  await fixture.end();
});

async function makeJob(name: string, command: string, everyMinutes: number, step = ''): Promise<void> {
  const jobs = [
    `EXEC msdb.dbo.sp_add_job @job_name = N'${name}'`,
    `EXEC msdb.dbo.sp_add_jobstep @job_name = N'${name}', @step_name = N'one', @command = N'${command.replaceAll("'", "''")}'${step}`,
    `EXEC msdb.dbo.sp_add_jobserver @job_name = N'${name}'`,
    `EXEC msdb.dbo.sp_add_jobschedule @job_name = N'${name}', @name = N'S', @freq_type = 4, @freq_interval = 1, @freq_subday_type = 4, @freq_subday_interval = ${everyMinutes}`,
  ];
  for (const text of jobs) await fixture.rows(text);
}

const note = (what: string): string => `INSERT master.dbo.happened VALUES (GETDATE(), N'${what}')`;

async function happened(): Promise<readonly string[]> {
  const rows = await fixture.rows(
    'SELECT CONVERT(varchar(19), at, 126) AS at, what FROM master.dbo.happened ORDER BY at',
  );
  return rows.map(({ at, what }) => `${String(at).slice(11, 16)} ${String(what)}`);
}

it('runs what falls due at its own time, in order, and answers when all has ended', async () => {
  await makeJob('slow', note('slow'), 20);
  await makeJob('quick', note('quick'), 15);
  expect(await clock.change({ advanceMs: 45 * minuteMs })).toEqual({ now: '2026-03-01T00:45:00.000Z', rate: 0 });
  expect(await happened()).toEqual(['00:15 quick', '00:20 slow', '00:30 quick', '00:40 slow', '00:45 quick']);
  const [row] = await fixture.rows('SELECT COUNT(*) AS n FROM msdb.dbo.sysjobhistory WHERE step_id = 0');
  expect(row).toEqual({ n: 5n });
});

it('lets a step sleep by the clock, and a retry wait for it', async () => {
  await makeJob('sleeper', `WAITFOR DELAY '00:10'; ${note('woke')}`, 60);
  await makeJob(
    'failing',
    `${note('tried')}; RAISERROR('no', 16, 1)`,
    60,
    ', @retry_attempts = 1, @retry_interval = 5',
  );
  await clock.change({ advanceMs: 61 * minuteMs });
  expect(await happened()).toEqual(['01:00 tried']);
  await clock.change({ advanceMs: 60 * minuteMs - minuteMs });
  expect(await happened()).toEqual(['01:00 tried', '01:05 tried', '01:10 woke', '02:00 tried']);
});

it('wakes WAITFOR of a session at its time', async () => {
  const waiting = fixture.run(`WAITFOR TIME '00:30'; ${note('woke')}`, fixture.session());
  while (fixture.clock.nextWait() === undefined) await new Promise(resolve => setImmediate(resolve));
  await clock.change({ advanceMs: 29 * minuteMs });
  expect(await happened()).toEqual([]);
  await clock.change({ advanceMs: 31 * minuteMs });
  await waiting;
  // Who is not of the Agent is woken in time and not waited for.
  expect(await happened()).toHaveLength(1);
});

it('stops where a run hangs, says which, and goes on when it has ended', async () => {
  await makeJob('stuck', note('stuck'), 30);
  const holder = fixture.session();
  await fixture.run('BEGIN TRAN; SELECT * FROM master.dbo.happened WITH (TABLOCKX, HOLDLOCK)', holder);
  const refusal = await clock.change({ advanceMs: 60 * minuteMs, timeoutMs: 20 });
  expect(refusal).toEqual({
    code: 'RUN_HANGS',
    message: 'stuck did not end within 20 ms: the clock stays where it was started.',
    clock: { now: '2026-03-01T00:30:00.000Z', rate: 0 },
  });
  await fixture.run('ROLLBACK', holder);
  expect(await clock.change({ advanceMs: 30 * minuteMs })).toMatchObject({ now: '2026-03-01T01:00:00.000Z' });
  expect(await happened()).toEqual(['00:30 stuck', '01:00 stuck']);
});

it('jumps with setTo: what was due on the way runs once', async () => {
  await makeJob('often', note('ran'), 15);
  await fixture.agent().lookNow();
  expect(await clock.change({ setTo: '2026-03-02T00:00:00Z' })).toEqual({ now: '2026-03-02T00:00:00.000Z', rate: 0 });
  await fixture.agent().idle();
  expect(await happened()).toEqual(['00:00 ran']);
});

it('never goes back, but for the fault', async () => {
  const before = { setTo: '2026-02-28T23:59:59.999Z' };
  expect(await clock.change(before)).toMatchObject({
    code: 'CLOCK_GOES_BACK',
    clock: { now: '2026-03-01T00:00:00.000Z' },
  });
  mayGoBack = true;
  expect(await clock.change(before)).toEqual({ now: '2026-02-28T23:59:59.999Z', rate: 0 });
});

it('refuses what it does not understand, and to be pushed while it runs or is moved', async () => {
  const wrong = [
    ...[undefined, 5, {}, { advanceMs: 0 }, { advanceMs: 1.5 }, { advanceMs: '5' }, { advanceMs: 8e15 }, { rate: -1 }],
    ...[{ rate: 86_401 }, { rate: '1' }, { setTo: 'tomorrow' }, { setTo: '2026-03-01T00:00:00' }, { setTo: 5 }],
    ...[
      { setTo: '2026-02-31T99:00:00Z' },
      { rate: 0, advanceMs: 5 },
      { rate: 1, timeoutMs: 5 },
      { advanceMs: 5, timeoutMs: 0 },
    ],
  ];
  for (const request of wrong) expect(await clock.change(request)).toMatchObject({ code: 'BAD_REQUEST' });
  const both = await Promise.all([clock.change({ advanceMs: 1 }), clock.change({ advanceMs: 1 })]);
  expect(both).toMatchObject([{ now: '2026-03-01T00:00:00.001Z' }, { code: 'CLOCK_IS_MOVED' }]);
  expect(await clock.change({ rate: 60 })).toMatchObject({ rate: 60 });
  expect(await clock.change({ advanceMs: 1 })).toMatchObject({ code: 'CLOCK_RUNS' });
  await clock.change({ rate: 0 });
});
