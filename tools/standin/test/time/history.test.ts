/** Days of a BizTalk group in a moment: its job is run by the Agent on a clock that is moved by hand (biztalk-dr.md §2.1, §2.2). */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import type mssql from 'mssql';
import { connect, control, StandInProcess, temporaryFolder } from './process.ts';

const days = process.env['HOLDFAST_TESTS'] === 'long' ? 40 : 2;
const dayMs = 86_400_000;
const runsADay = 96;
const keptDays = 14;
const management = 'BizTalkMgmtDb';
const share = '\\\\share\\bts';
const others = ['BAMAlertsApplication', 'BAMAlertsNSMain', 'EsbExceptionDb', 'EsbItineraryDb', 'Orders', 'Billing'];
const databases = [
  ...[management, 'BizTalkMsgBoxDb', 'BizTalkRuleEngineDb', 'SSODB', 'BAMPrimaryImport', 'BizTalkMsgBoxDb2'],
  ...['BizTalkDTADb', ...others],
];

async function setUp(pool: mssql.ConnectionPool): Promise<void> {
  const within = `@management = N'${management}'`;
  const texts = [
    ...databases.map(name => `CREATE DATABASE ${name}`),
    `EXEC sp_standin_setup_biztalk ${within}, @messageBox = N'BizTalkMsgBoxDb', @tracking = N'BizTalkDTADb', @sso = N'SSODB',
       @ruleEngine = N'BizTalkRuleEngineDb', @bamPrimaryImport = N'BAMPrimaryImport'`,
    `EXEC sp_standin_add_message_box ${within}, @database = N'BizTalkMsgBoxDb2', @server = N'BTSDB1\\BTS'`,
    ...others.map(name => `EXEC sp_standin_cover_database ${within}, @database = N'${name}'`),
    `EXEC sp_standin_create_backup_job ${within}, @path = N'${share}'`,
    `EXEC msdb.dbo.sp_update_job @job_name = N'Backup BizTalk Server (${management})', @enabled = 1`,
  ];
  for (const text of texts) await pool.request().batch(text);
}

it(`makes ${days} days of daily fulls and 15-minute logs of 13 databases`, async () => {
  await temporaryFolder(async folder => {
    await mkdir(join(folder, 'share'));
    const instance = new StandInProcess([
      ...['--data', join(folder, 'data'), '--name', 'BTSDB1\\BTS', '--map', `${share}=${join(folder, 'share')}`],
      ...['--clock', '2026-03-01T00:00:00Z', '--clock-mode', 'manual', '--no-sync'],
    ]);
    const { port, controlPort } = await instance.line();
    const pool = await connect(port);
    await setUp(pool);
    const query = async (text: string): Promise<unknown> => [...(await pool.request().query(text)).recordset];
    const cpu = [instance.cpuSeconds() ?? 0];
    const started = performance.now();
    for (let day = 1; day <= days; day += 1) {
      const [status, clock] = await control(controlPort, '/clock', { advanceMs: dayMs });
      expect([status, clock]).toEqual([200, { now: new Date(Date.UTC(2026, 2, 1 + day)).toISOString(), rate: 0 }]);
      cpu.push(instance.cpuSeconds() ?? 0);
    }
    const seconds = cpu.slice(1).map((total, day) => total - (cpu[day] ?? 0));
    const took = Math.round((performance.now() - started) / 1000);
    if (days > 2) console.log(`${took} s; CPU seconds of each day: ${seconds.map(each => each.toFixed(1)).join(' ')}`);

    const [runs, count] = [days * runsADay, databases.length];
    // The last run, at the end of the last day, is the first one of the next: its full too.
    const fulls = (days + 1) * count;
    expect(await query('SELECT type, COUNT(*) AS n FROM msdb.dbo.backupset GROUP BY type ORDER BY type')).toEqual([
      { type: 'D', n: fulls },
      { type: 'L', n: runs * count },
    ]);
    expect(await readdir(join(folder, 'share'))).toHaveLength(fulls + runs * count);
    expect(
      await query('SELECT COUNT(*) AS n, COUNT(DISTINCT mark_name) AS names FROM msdb.dbo.logmarkhistory'),
    ).toEqual([{ n: runs * count, names: runs }]);
    expect(
      await query(
        'SELECT step_id, run_status, COUNT(*) AS n FROM msdb.dbo.sysjobhistory GROUP BY step_id, run_status ORDER BY step_id',
      ),
    ).toEqual([0, 1, 2, 3, 4].map(step => ({ step_id: step, run_status: 1, n: runs })));
    // Day edges: the first run of a day has the full, the last one of the day before has none.
    expect(
      await query(
        `SELECT CONVERT(varchar(19), MIN(backup_start_date), 126) AS first, COUNT(*) AS n FROM msdb.dbo.backupset
         WHERE type = 'D' AND database_name = N'Orders' GROUP BY CONVERT(varchar(10), backup_start_date, 126) ORDER BY first`,
      ),
    ).toEqual(
      Array.from({ length: days + 1 }, (_, day) => ({
        first: new Date(Date.UTC(2026, 2, 1 + day, 0, day === 0 ? 15 : 0)).toISOString().slice(0, 19),
        n: 1,
      })),
    );
    expect(
      await query(
        `SELECT run_time, run_duration, COUNT(*) AS n FROM msdb.dbo.sysjobhistory WHERE step_id = 0 AND run_time IN (0, 120000, 234500)
         GROUP BY run_time, run_duration ORDER BY run_time`,
      ),
    ).toEqual([0, 120_000, 234_500].map(time => ({ run_time: time, run_duration: 0, n: days })));
    // The job's last step keeps 14 days of its own history, and msdb all of it.
    expect(await query(`SELECT COUNT(DISTINCT BackupSetId) AS n FROM ${management}.dbo.adm_BackupHistory`)).toEqual([
      { n: days <= keptDays ? runs + days + 1 : keptDays * (runsADay + 1) + 2 },
    ]);
    expect(await control(controlPort, '/statistics')).toMatchObject([200, { unsupported: 0, broken: 0 }]);
    await pool.close();
    expect(await instance.end('SIGTERM')).toBe(0);
    // A history that grows must not make each run slower: that would be hours for a year.
    if (days > 20) expect(sum(seconds.slice(-8))).toBeLessThan(2 * sum(seconds.slice(4, 12)));
  });
}, 1_800_000);

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
