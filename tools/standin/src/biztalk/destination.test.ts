/** A destination over two linked instances: what its jobs make of the history and the files of a source (biztalk-dr.md §3). */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startDestination, management, type DestinationFixture } from './destination-fixture.ts';
import { spellings } from './destination-names.ts';

const backupJob = `Backup BizTalk Server (${management})`;
let fixture: DestinationFixture;

async function insertOrder(note: string): Promise<void> {
  await fixture.source.rows(`INSERT INTO Orders.dbo.Notes VALUES (N'${note}')`);
}

async function enable(enabled: 0 | 1): Promise<void> {
  const { history, restore } = fixture.names.jobs;
  for (const name of [history, restore])
    await fixture.destination.rows(`EXEC msdb.dbo.sp_update_job @job_name = N'${name}', @enabled = ${enabled}`);
}

/** Table → its columns with their types, of what the schema script made. */
async function discovered(): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await fixture.destination.rows(
    `SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM master.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME LIKE 'bts[_]LogShipping%'
     ORDER BY TABLE_NAME, ORDINAL_POSITION`,
  );
  const tables = new Map<string, string[]>();
  for (const [table, column, type] of rows)
    tables.set(String(table), [...(tables.get(String(table)) ?? []), `${String(column)} ${String(type)}`]);
  return tables;
}

describe.each(spellings)('a destination in spelling %s', spelling => {
  beforeAll(async () => {
    fixture = await startDestination(['Orders'], { spelling });
    await fixture.source.rows('CREATE TABLE Orders.dbo.Notes (note nvarchar(20) NOT NULL)');
    await fixture.source
      .rows(`EXEC msdb.dbo.sp_add_job @job_name = N'Nightly', @description = N'It''s late', @category_name = N'Database Maintenance',
        @start_step_id = 2, @notify_level_eventlog = 3;
      EXEC msdb.dbo.sp_add_jobstep @job_name = N'Nightly', @step_name = N'Repair', @command = N'SELECT 1';
      EXEC msdb.dbo.sp_add_jobstep @job_name = N'Nightly', @step_name = N'Check', @command = N'SELECT 2', @on_success_action = 4, @on_success_step_id = 3,
        @on_fail_action = 4, @on_fail_step_id = 1, @retry_attempts = 3, @retry_interval = 5;
      EXEC msdb.dbo.sp_add_jobstep @job_name = N'Nightly', @step_name = N'Report', @command = N'SELECT 3'`);
  }, 30_000);
  afterAll(() => fixture.end());

  it('has the documented tables and columns, and others under its own names', async () => {
    const tables = await discovered();
    expect([...tables.keys()]).toEqual(
      expect.arrayContaining(['bts_LogShippingDatabases', 'bts_LogShippingHistory', 'bts_LogShippingLastRestoreSet']),
    );
    expect(tables).toHaveProperty('size', 5);
    const columns = (table: string): readonly string[] =>
      (tables.get(table) ?? []).map(text => text.split(' ')[0] ?? '');
    expect(columns('bts_LogShippingDatabases').slice(-2)).toEqual(['LogFileLocation', 'DBFileLocation']);
    const history = columns('bts_LogShippingHistory');
    const source = await fixture.source.rows(
      `SELECT COLUMN_NAME FROM ${management}.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = N'adm_BackupHistory' ORDER BY ORDINAL_POSITION`,
    );
    expect(history.slice(1)).toEqual([...source.flat(), 'Restored', 'RestoredDateTime']);
    const types =
      spelling === 'a' ? ['SourceID int', 'LastBackupSetId bigint'] : ['Source nvarchar', 'RestoredSetId int'];
    expect(tables.get('bts_LogShippingLastRestoreSet')).toEqual(types);
    for (const found of tables.values()) expect(found[0]).toBe(types[0]);
  });

  it('has three jobs, two of them every minute, and a server linked with RPC', async () => {
    const jobs = await fixture.destination.rows(
      `SELECT j.name, s.enabled, s.freq_subday_type, s.freq_subday_interval FROM msdb.dbo.sysjobs j
       LEFT JOIN msdb.dbo.sysjobschedules a ON a.job_id = j.job_id LEFT JOIN msdb.dbo.sysschedules s ON s.schedule_id = a.schedule_id ORDER BY j.name`,
    );
    const { history, restore, mark } = fixture.names.jobs;
    expect(jobs).toEqual(
      [
        [history, 1, 4, 1],
        [mark, null, null, null],
        [restore, 1, 4, 1],
      ].sort(([x], [y]) => (String(x) < String(y) ? -1 : 1)),
    );
    const linked = 'SELECT name, is_rpc_out_enabled FROM sys.servers WHERE is_linked = 1';
    expect(await fixture.destination.rows(linked)).toEqual([['SRC\\BTS', true]]);
  });

  it('waits for a full and a log set', async () => {
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    await fixture.full();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.states()).toEqual({});
    expect(await fixture.pointer()).toBeUndefined();
  });

  it('is always one log set behind', async () => {
    await insertOrder('before 2');
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.states()).toEqual({ [management]: 'RESTORING', Orders: 'RESTORING' });
    expect(await fixture.restored()).toEqual([1]);
    for (const note of ['before 3', 'before 4']) {
      await insertOrder(note);
      await fixture.log();
    }
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.restored()).toEqual([1, 2, 3]);
    expect(await fixture.pointer()).toBe(3);
  });

  it('is started every minute by its schedules', async () => {
    await fixture.source.rows(`EXEC ${management}.dbo.sp_MarkBTSLogs N'within 5'`);
    await insertOrder('behind the mark');
    await fixture.log();
    await enable(1);
    for (const minutes of [1, 1, 1]) {
      fixture.pass(minutes);
      await fixture.destination.look();
    }
    await enable(0);
    expect(await fixture.restored()).toEqual([1, 2, 3, 4]);
  });

  it('recovers every database at the mark of the last set, and makes the jobs of the source', async () => {
    // The log of set 5 has two marks; the one of the history counts.
    await fixture.destination.rows("UPDATE bts_LogShippingHistory SET MarkName = N'within 5' WHERE BackupSetId = 5");
    const { steps } = await fixture.destination.job(fixture.names.jobs.mark);
    expect(steps).toEqual([
      [1, 1],
      [2, 1],
      [0, 1],
    ]);
    expect(await fixture.states()).toEqual({ [management]: 'ONLINE', Orders: 'ONLINE' });
    expect(await fixture.restored()).toEqual([1, 2, 3, 4, 5]);
    const notes = await fixture.destination.rows('SELECT note FROM Orders.dbo.Notes ORDER BY note');
    expect(notes.flat()).toEqual(['before 2', 'before 3', 'before 4']);
    const marks = (database: string) =>
      fixture.destination.rows(`SELECT MarkName FROM ${database}.dbo.MarkLog ORDER BY 1`);
    expect(await marks('Orders')).toEqual(await marks(management));
    expect(await marks('Orders')).toHaveLength(4);
    const made = await fixture.destination.rows(
      `SELECT s.step_name, s.command, s.database_name, j.enabled FROM msdb.dbo.sysjobs j JOIN msdb.dbo.sysjobsteps s ON s.job_id = j.job_id
       WHERE j.name = N'${backupJob}' ORDER BY s.step_id`,
    );
    expect(made).toHaveLength(4);
    expect(made[2]).toEqual(['MarkAndBackupLog', "exec [dbo].[sp_MarkAll] 'BTS','\\\\share\\bts'", management, 0]);
  });

  it('makes a job as it was at the source, with the ways between its steps', async () => {
    const job = `SELECT j.description, j.start_step_id, j.notify_level_eventlog, c.name FROM msdb.dbo.sysjobs j
      JOIN msdb.dbo.syscategories c ON c.category_id = j.category_id WHERE j.name = N'Nightly'`;
    const steps = `SELECT s.step_id, s.on_success_action, s.on_success_step_id, s.on_fail_action, s.on_fail_step_id, s.retry_attempts, s.retry_interval
      FROM msdb.dbo.sysjobsteps s JOIN msdb.dbo.sysjobs j ON j.job_id = s.job_id WHERE j.name = N'Nightly' ORDER BY s.step_id`;
    expect(await fixture.destination.rows(job)).toEqual([["It's late", 2, 3, 'Database Maintenance']]);
    for (const each of [job, steps])
      expect(await fixture.destination.rows(each)).toEqual(await fixture.source.rows(each));
    expect((await fixture.destination.rows(steps))[1]).toEqual([2, 4, 3, 4, 1, 3, 5]);
  });

  it('can take no further logs once it is recovered', async () => {
    await fixture.log();
    await fixture.log();
    const failed = await fixture.ship();
    expect(failed.succeeded).toBe(false);
    expect(failed.message).toMatch(/\(Error 3117\).*\(Error 3013\)/);
  });

  it('begins anew after a cleaning', async () => {
    const [[id] = []] = await fixture.destination.rows(
      `SELECT ${fixture.names.source} FROM ${fixture.names.sourcesTable}`,
    );
    await fixture.destination.rows(`EXEC sp_LogShippingClean '${String(id)}'`);
    expect(await fixture.states()).toEqual({});
    expect(await fixture.pointer()).toBeUndefined();
    await fixture.full();
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.states()).toEqual({ [management]: 'RESTORING', Orders: 'RESTORING' });
    expect(await fixture.pointer()).toBe(8);
  });
});
