import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startBizTalkFixture, type BizTalkFixture } from './biztalk-fixture.ts';

const job = 'Backup BizTalk Server (BizTalkMgmtDb)';
const start = `EXEC msdb.dbo.sp_start_job @job_name = N'${job}'`;
let fixture: BizTalkFixture;

beforeEach(async () => {
  fixture = await startBizTalkFixture('2026-03-01T10:00:00Z', ['BizTalkMgmtDb', 'BizTalkMsgBoxDb']);
  await fixture.rows("EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @messageBox = N'BizTalkMsgBoxDb'");
});
afterEach(() => fixture.end());

async function createJob(rest = ", @path = N'\\\\share\\bts'"): Promise<void> {
  await fixture.rows(`EXEC sp_standin_create_backup_job @management = N'BizTalkMgmtDb'${rest}`);
}

/** Step and run_status of every row of the history: 1 succeeded, 0 failed. */
async function outcomes(): Promise<readonly unknown[]> {
  const rows = await fixture.rows(
    'SELECT step_id AS s, run_status AS r FROM msdb.dbo.sysjobhistory ORDER BY instance_id',
  );
  return rows.map(row => [Number(row['s']), Number(row['r'])]);
}

describe('the job', () => {
  it('is as shipped: four steps, every 15 minutes, disabled', async () => {
    await createJob();
    const [found] = await fixture.rows(
      `SELECT j.name AS name, j.enabled AS enabled, c.name AS category, SUSER_SNAME(j.owner_sid) AS owner
       FROM msdb.dbo.sysjobs j JOIN msdb.dbo.syscategories c ON c.category_id = j.category_id`,
    );
    expect(found).toEqual({ name: job, enabled: 0n, category: 'Database Maintenance', owner: 'sa' });
    const steps = await fixture.rows(
      'SELECT step_name AS n, command AS c, on_success_action AS s, on_fail_action AS f, database_name AS d FROM msdb.dbo.sysjobsteps ORDER BY step_id',
    );
    expect(steps.map(step => Object.values(step))).toEqual([
      ['Set Compression Option', 'exec [dbo].[sp_SetBackupCompression] @bCompression = 0', 3n, 3n, 'BizTalkMgmtDb'],
      [
        'BackupFull',
        "exec [dbo].[sp_BackupAllFull_Schedule] 'd','BTS','\\\\share\\bts',0,null",
        3n,
        2n,
        'BizTalkMgmtDb',
      ],
      ['MarkAndBackupLog', "exec [dbo].[sp_MarkAll] 'BTS','\\\\share\\bts'", 3n, 2n, 'BizTalkMgmtDb'],
      ['Clear Backup History', 'exec [dbo].[sp_DeleteBackupHistory] @DaysToKeep=14', 1n, 2n, 'BizTalkMgmtDb'],
    ]);
    const schedules = await fixture.rows(
      'SELECT name AS n, freq_type AS t, freq_subday_type AS u, freq_subday_interval AS i FROM msdb.dbo.sysschedules',
    );
    expect(schedules).toEqual([{ n: 'MarkAndBackupLogSched', t: 4n, u: 4n, i: 15n }]);
  });

  it('takes a full and a log set at its first run, and only a log set at the next', async () => {
    await createJob(", @path = N'\\\\share\\bts', @everySeconds = 20");
    await fixture.rows(`EXEC msdb.dbo.sp_update_job @job_name = N'${job}', @enabled = 1`);
    for (const second of ['00', '20']) await fixture.at(`2026-03-01T10:00:${second}Z`);
    await fixture.at('2026-03-01T10:00:40Z');
    const sets = await fixture.rows(
      'SELECT DISTINCT BackupSetId AS id, BackupType AS type FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE SetComplete = 1 ORDER BY id',
    );
    expect(sets.map(set => set['type'])).toEqual(['db', 'lg', 'lg']);
    expect(await readdir(fixture.share)).toHaveLength(6);
  });

  it('fails as long as it has no path, and leaves nothing but a burned id', async () => {
    await createJob('');
    await fixture.rows(start);
    await fixture.at('2026-03-01T10:00:01Z');
    expect(await outcomes()).toEqual([
      [1, 1],
      [2, 0],
      [0, 0],
    ]);
    const [failed] = await fixture.rows('SELECT message FROM msdb.dbo.sysjobhistory WHERE step_id = 2');
    expect(failed?.['message']).toMatch(
      /<destination path>.*3201.*Failed running the backup on TEST\\ONE.BizTalkMgmtDb.*Failed running sp_BackupAllFull/,
    );
    expect(await fixture.rows('SELECT * FROM BizTalkMgmtDb.dbo.adm_BackupHistory')).toEqual([]);
    expect(await fixture.rows('SELECT NextBackupSetId AS n FROM BizTalkMgmtDb.dbo.adm_BackupSetId')).toEqual([
      { n: 2n },
    ]);
  });

  it('succeeds although its first step fails', async () => {
    await createJob();
    await fixture.rows(
      `EXEC msdb.dbo.sp_update_jobstep @job_name = N'${job}', @step_id = 1, @command = N'exec dbo.sp_SetBackupCompression'`,
    );
    await fixture.rows(start);
    await fixture.at('2026-03-01T10:00:01Z');
    expect(await outcomes()).toEqual([
      [1, 0],
      [2, 1],
      [3, 1],
      [4, 1],
      [0, 1],
    ]);
  });

  it('is made whole or not at all', async () => {
    await createJob();
    const make = 'EXEC sp_standin_create_backup_job @management =';
    expect(await fixture.errors(`${make} N'BizTalkMgmtDb'`)).toEqual([expect.stringMatching(/^14261 /)]);
    expect(await fixture.errors(`${make} N'BizTalkMsgBoxDb'`)).toEqual([
      expect.stringMatching(/^50000 STANDIN-UNSUPPORTED/),
    ]);
    expect(await fixture.errors(`${make} N'BizTalkMgmtDb', @everyMinutes = 1, @everySeconds = 1`)).toHaveLength(1);
    await fixture.rows(`EXEC msdb.dbo.sp_delete_job @job_name = N'${job}'`);
    expect(await fixture.errors(`${make} N'BizTalkMgmtDb', @everySeconds = 0`)).toHaveLength(1);
    expect(await fixture.rows('SELECT name FROM msdb.dbo.sysjobs')).toEqual([]);
    expect(await fixture.rows('SELECT @@TRANCOUNT AS n')).toEqual([{ n: 0n }]);
  });
});
