/** What goes wrong at a destination, and how its jobs go on: rules S2–S11 of biztalk-dr.md §3.6 and failures of §7.2. */
import { copyFile, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  configureText,
  management,
  share,
  startDestination,
  type DestinationFixture,
  type DestinationOptions,
} from './destination-fixture.ts';

let fixture: DestinationFixture;
afterEach(() => fixture.end());

/** Set 1 is a full, 2 and 3 are log sets; 1 and 2 are restored. */
async function shipped(databases: readonly string[] = ['Orders'], options: DestinationOptions = {}): Promise<void> {
  fixture = await startDestination(databases, options);
  await fixture.full();
  for (let each = 0; each < 2; each += 1) await fixture.log();
  expect(await fixture.ship()).toMatchObject({ succeeded: true });
}

/** The file of a database in a set. */
async function fileOf(set: number, database: string): Promise<string> {
  const [[name] = []] = await fixture.source.rows(
    `SELECT BackupFileName FROM ${management}.dbo.adm_BackupHistory WHERE BackupSetId = ${set} AND DatabaseName = N'${database}'`,
  );
  return join(fixture.folder, String(name));
}

async function damage(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  const { size } = await handle.stat();
  await handle.truncate(Math.floor(size / 2));
  await handle.close();
}

describe('a set that cannot be restored', () => {
  it('is tried again at every run until its file is there (F-37)', async () => {
    await shipped();
    const file = await fileOf(3, 'Orders');
    await rename(file, `${file}.away`);
    await fixture.log();
    for (let run = 0; run < 2; run += 1) {
      const { succeeded, message } = await fixture.ship();
      expect(succeeded).toBe(false);
      expect(message).toMatch(/Cannot open backup device.*\(Error 3201\).*\(Error 3013\)/);
      expect(await fixture.pointer()).toBe(2);
    }
    // The other database of the set is done, and is not done again.
    const done = `SELECT DatabaseName FROM bts_LogShippingHistory WHERE BackupSetId = 3 AND Restored = 1`;
    expect(await fixture.destination.rows(done)).toEqual([[management]]);
    await rename(`${file}.away`, file);
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(3);
  });

  it('is repaired from the next full that has a later log set (S6)', async () => {
    await shipped();
    await damage(await fileOf(3, 'Orders'));
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: false });
    await fixture.full();
    expect(await fixture.ship()).toMatchObject({ succeeded: false });
    await fixture.log();
    await fixture.log();
    const repaired = await fixture.ship();
    expect(repaired.succeeded).toBe(true);
    expect(repaired.message).toMatch(/\(Message 50000\)/);
    expect(await fixture.pointer()).toBe(6);
    expect(await fixture.states()).toEqual({ [management]: 'RESTORING', Orders: 'RESTORING' });
    expect(await fixture.restored()).toEqual([1, 2, 3, 5, 6]);
  });

  it('is one after a hole in the history (S7, F-42)', async () => {
    await shipped();
    await fixture.log();
    await fixture.source.rows(`DELETE FROM ${management}.dbo.adm_BackupHistory WHERE BackupSetId = 4`);
    await fixture.log();
    await fixture.log();
    const { succeeded, message } = await fixture.ship();
    expect(succeeded).toBe(false);
    expect(message).toMatch(/\(Error 4305\)/);
    expect(await fixture.pointer()).toBe(3);
    await fixture.full();
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(7);
  });

  it('is every one of a database that somebody recovered, until it is cleaned (S1, F-41)', async () => {
    await shipped();
    await fixture.destination.rows('RESTORE DATABASE Orders WITH RECOVERY; CREATE TABLE Orders.dbo.Mine (id int)');
    await fixture.log();
    expect((await fixture.ship()).message).toMatch(/\(Error 3117\)/);
    await fixture.destination.rows("EXEC sp_LogShippingClean '1'");
    await fixture.full();
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.states()).toEqual({ [management]: 'RESTORING', Orders: 'RESTORING' });
  });

  it('does not stop a cleaned destination from taking the newest full', async () => {
    await shipped();
    expect(await fixture.destination.errors("EXEC sp_LogShippingClean 'SourceID'")).toEqual([
      expect.stringMatching(/^245 /),
    ]);
    await fixture.destination.rows("EXEC sp_LogShippingClean '7'");
    expect(await fixture.pointer()).toBe(2);
    await fixture.destination.rows("EXEC sp_LogShippingClean '1'");
    // The history stays: the full that it has will do.
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(2);
  });
});

describe('a partial set', () => {
  async function partialFull(): Promise<void> {
    await fixture.source.rows('ALTER DATABASE Orders SET OFFLINE');
    await expect(fixture.full()).rejects.toThrow(/942/);
    await fixture.source.rows('ALTER DATABASE Orders SET ONLINE');
    // Whoever failed keeps the writer lock.
    await fixture.source.rows(`EXEC ${management}.dbo.sp_ReleaseBackupWriterLock`);
  }

  /** Set 4 has the marks but only one file. */
  async function partialLog(): Promise<void> {
    await fixture.source.rows('ALTER DATABASE Orders SET RECOVERY SIMPLE; ALTER DATABASE Orders SET RECOVERY FULL');
    await expect(fixture.log()).rejects.toThrow(/4214/);
  }

  it('of logs, and all log sets after it, are left out until a full (S5)', async () => {
    await shipped();
    await partialLog();
    await fixture.source.rows(`BACKUP DATABASE Orders TO DISK = N'${share}\\by hand.bak'`);
    await fixture.log();
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(3);
    await fixture.full();
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(7);
  });

  it.each([
    ['only loses a base', '', 5],
    ['is as a partial log set in the other reading', ', @partialFullBreaks = 1', 3],
  ])('of fulls %s (§9 row 16)', async (_, setup, pointer) => {
    await shipped(['Orders'], { setup });
    await partialFull();
    await fixture.log();
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(pointer);
  });
});

describe('a database', () => {
  it('that is added to the job joins with its first full (S4, S11)', async () => {
    await shipped();
    await fixture.source.rows('CREATE DATABASE Billing');
    await fixture.source.rows(`EXEC sp_standin_cover_database @management = N'${management}', @database = N'Billing'`);
    await fixture.full();
    for (let each = 0; each < 2; each += 1) await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.states()).toMatchObject({ Billing: 'RESTORING', Orders: 'RESTORING' });
    expect(await fixture.pointer()).toBe(5);
    const fulls =
      'SELECT DatabaseName FROM bts_LogShippingHistory WHERE BackupSetId = 4 AND RestoredDateTime IS NOT NULL';
    expect(await fixture.destination.rows(fulls)).toEqual([['Billing']]);
  });

  it('is looked for where its columns say when files were moved (S10, F-43)', async () => {
    await shipped();
    const file = await fileOf(3, 'Orders');
    const moved = join(fixture.destination.member.engine.hostPath('D:\\Data') ?? '', file.split('/').at(-1) ?? '');
    await copyFile(file, moved);
    await rename(file, `${file}.away`);
    await fixture.log();
    expect(await fixture.ship()).toMatchObject({ succeeded: false });
    await fixture.destination.rows(
      "UPDATE bts_LogShippingDatabases SET LogFileLocation = N'D:\\Data' WHERE DatabaseName = N'Orders'",
    );
    expect(await fixture.ship()).toMatchObject({ succeeded: true });
    expect(await fixture.pointer()).toBe(3);
  });
});

describe('Get Backup History', () => {
  it('fails while the source is away; what was imported is restored all the same', async () => {
    await shipped();
    await fixture.log();
    await fixture.destination.job(fixture.names.jobs.history);
    await fixture.source.member.close();
    const { steps, message } = await fixture.destination.job(fixture.names.jobs.history);
    expect(steps).toEqual([
      [1, 0],
      [0, 0],
    ]);
    expect(message).toMatch(/\(Error 53\)/);
    const restore = await fixture.destination.job(fixture.names.jobs.restore);
    expect(restore.steps).toContainEqual([0, 1]);
    expect(await fixture.pointer()).toBe(3);
  });

  it('waits for a backup job that runs (F-44)', async () => {
    await shipped();
    await fixture.source.rows(`EXEC ${management}.dbo.sp_AcquireBackupWriterLock`);
    let ended = false;
    const waiting = fixture.destination.job(fixture.names.jobs.history).then(({ steps }) => {
      ended = true;
      return steps;
    });
    const waits = `SELECT COUNT(*) FROM sys.dm_tran_locks WHERE request_status = 'WAIT'`;
    while (Number((await fixture.source.rows(waits))[0]?.[0]) === 0) {
      expect(ended).toBe(false);
      await immediate();
    }
    await fixture.source.rows(`EXEC ${management}.dbo.sp_ReleaseBackupWriterLock`);
    expect(await waiting).toContainEqual([0, 1]);
  });

  it('needs RPC Out (F-21)', async () => {
    await shipped();
    await fixture.destination.rows("EXEC sp_serveroption N'SRC\\BTS', 'rpc out', 'false'");
    expect((await fixture.destination.job(fixture.names.jobs.history)).message).toMatch(/\(Error 7411\)/);
  });
});

describe('Restore To Mark', () => {
  it('succeeds and leaves a database restoring whose log has no such mark (F-34)', async () => {
    await shipped();
    await fixture.destination.rows(
      "UPDATE bts_LogShippingHistory SET MarkName = N'BTS_0' WHERE BackupSetId = 3 AND DatabaseName = N'Orders'",
    );
    const { steps } = await fixture.destination.job(fixture.names.jobs.mark);
    expect(steps.at(-1)).toEqual([0, 1]);
    expect(await fixture.states()).toEqual({ [management]: 'ONLINE', Orders: 'RESTORING' });
  });

  it('goes on with the rest when it is started again', async () => {
    await shipped();
    const file = await fileOf(3, 'Orders');
    await rename(file, `${file}.away`);
    const failed = await fixture.destination.job(fixture.names.jobs.mark);
    expect(failed.steps).toEqual([
      [1, 0],
      [0, 0],
    ]);
    expect(failed.message).toMatch(/\(Error 3201\)/);
    expect(await fixture.states()).toEqual({ [management]: 'ONLINE', Orders: 'RESTORING' });
    await rename(`${file}.away`, file);
    expect((await fixture.destination.job(fixture.names.jobs.mark)).steps.at(-1)).toEqual([0, 1]);
    expect(await fixture.states()).toEqual({ [management]: 'ONLINE', Orders: 'ONLINE' });
  });

  it('fails on a set whose predecessor was not restored', async () => {
    await shipped();
    await fixture.log();
    await fixture.log();
    await fixture.destination.job(fixture.names.jobs.history);
    expect((await fixture.destination.job(fixture.names.jobs.mark)).message).toMatch(/\(Error 4305\)/);
  });

  it('goes to the mark before the last one in the other reading, and makes no enabled job (§9 row 7, §10)', async () => {
    await shipped(['Orders'], { setup: ', @trailingSets = 2, @jobsEnabled = 0' });
    expect(await fixture.restored()).toEqual([1]);
    await fixture.source.rows(
      `EXEC msdb.dbo.sp_update_job @job_name = N'Backup BizTalk Server (${management})', @enabled = 1`,
    );
    await fixture.ship();
    expect((await fixture.destination.job(fixture.names.jobs.mark)).steps.at(-1)).toEqual([0, 1]);
    expect(await fixture.destination.rows('SELECT COUNT(*) FROM Orders.dbo.MarkLog')).toEqual([[1]]);
    const enabled = `SELECT enabled FROM msdb.dbo.sysjobs WHERE name LIKE 'Backup BizTalk%'`;
    expect(await fixture.destination.rows(enabled)).toEqual([[0]]);
  });
});

describe('the configuration', () => {
  it('that failed begins again with the schema script (F-20)', async () => {
    fixture = await startDestination(['Orders']);
    const off = "EXEC sp_configure 'Ad Hoc Distributed Queries', 0; RECONFIGURE";
    await fixture.destination.rows(`${off}; EXEC sp_standin_setup_destination`);
    const configure = configureText(fixture.names);
    expect(await fixture.destination.errors(configure)).toEqual([expect.stringMatching(/^15281 /)]);
    await fixture.destination.rows(off.replace('0;', '1;'));
    expect(await fixture.destination.errors(configure)).toEqual(['50000 The source is configured already.']);
    await fixture.destination.rows(`EXEC sp_standin_setup_destination; ${configure}`);
    const databases = 'SELECT ServerName, DatabaseName FROM bts_LogShippingDatabases ORDER BY DatabaseName';
    expect(await fixture.destination.rows(databases)).toEqual([
      ['SRC\\BTS', management],
      ['SRC\\BTS', 'Orders'],
    ]);
    // The other spelling's objects are gone with its tables.
    await fixture.destination.rows("EXEC sp_standin_setup_destination @spelling = 'b'");
    expect(await fixture.destination.errors(configure)).toEqual([expect.stringMatching(/^2812 /)]);
    expect(await fixture.destination.errors('EXEC sp_standin_setup_destination @trailingSets = 3')).toHaveLength(1);
    expect(await fixture.destination.errors("EXEC sp_standin_setup_destination @spelling = 'c'")).toHaveLength(1);
  });
});

describe('two destinations of two source servers', () => {
  it('do not know of each other: one goes on while the other waits for a full, then both agree (S8, S9)', async () => {
    fixture = await startDestination(['Orders'], { only: 'SRC\\BTS' });
    const [far, other] = [await fixture.start('FAR\\BTS'), await fixture.start('DR2\\BTS')];
    await far.rows("CREATE DATABASE Box; EXEC sp_standin_prepare_database @database = N'Box', @role = N'messageBox'");
    await fixture.source.rows("EXEC sp_addlinkedserver N'FAR\\BTS', N'SQL Server'");
    for (const option of ['rpc', 'rpc out'])
      await fixture.source.rows(`EXEC sp_serveroption N'FAR\\BTS', '${option}', 'true'`);
    await fixture.source.rows(
      `EXEC sp_standin_add_message_box @management = N'${management}', @database = N'Box', @server = N'FAR\\BTS'`,
    );
    await other.rows(
      `EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'Ad Hoc Distributed Queries', 1; RECONFIGURE;
       EXEC sp_standin_setup_destination; ${configureText(fixture.names, 'FAR\\BTS')}`,
    );
    const shipBoth = async (): Promise<readonly unknown[]> => {
      const { succeeded } = await fixture.ship();
      await other.job(fixture.names.jobs.history);
      const { steps } = await other.job(fixture.names.jobs.restore);
      const [row] = await other.rows('SELECT LastBackupSetId FROM bts_LogShippingLastRestoreSet');
      return [succeeded, await fixture.pointer(), steps.at(-1)?.[1] === 1, row?.[0]];
    };
    await fixture.full();
    for (let each = 0; each < 2; each += 1) await fixture.log();
    expect(await shipBoth()).toEqual([true, 2, true, 2]);
    expect(await other.rows('SELECT name, state_desc FROM sys.databases WHERE database_id > 4')).toEqual([
      ['Box', 'RESTORING'],
    ]);
    await damage(await fileOf(3, 'Box'));
    for (let each = 0; each < 2; each += 1) await fixture.log();
    expect(await shipBoth()).toEqual([true, 4, false, 2]);
    await fixture.full();
    expect(await shipBoth()).toEqual([true, 4, false, 2]);
    await fixture.log();
    expect(await shipBoth()).toEqual([true, 6, true, 6]);
  });
});
