import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createRegistry, registerCatalogue } from '../catalogue/catalogue.ts';
import { collect, startFixture, type Collected, type Fixture, type TestSession } from '../engine/engine-fixture.ts';
import { createExecutor } from '../sql/executor.ts';
import type { Executor } from '../contract.ts';
import { registerBizTalk } from './biztalk.ts';

let fixture: Fixture;
let executor: Executor;
let session: TestSession;
let now = new Date('2026-03-01T10:00:00.497Z');

async function run(text: string): Promise<Collected> {
  const sink = collect();
  await executor.batch(session, text, sink);
  return sink;
}

async function rows(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const sink = await run(text);
  expect(sink.messages.filter(message => message.severity > 10)).toEqual([]);
  return sink.objects();
}

function errors(sink: Collected): readonly number[] {
  return sink.messages.filter(message => message.severity > 10).map(message => message.number);
}

beforeAll(async () => {
  fixture = await startFixture({ clock: () => now });
  const registry = createRegistry();
  registerCatalogue(registry, fixture.engine());
  registerBizTalk(registry, fixture.engine());
  executor = createExecutor(fixture.engine(), registry, { write: () => undefined });
  session = fixture.session();
  for (const name of ['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'SSODB']) {
    expect(errors(await run(`CREATE DATABASE ${name}`))).toEqual([]);
  }
  const setup = await run(
    "EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @group = N'Test', @messageBox = N'BizTalkMsgBoxDb', @sso = N'SSODB'",
  );
  expect(setup.messages).toEqual([]);
});
afterAll(() => fixture.end());

const schedule = "EXEC BizTalkMgmtDb.dbo.sp_BackupAllFull_Schedule 'd', 'BTS', '\\\\share\\bts', 0, NULL";
const mark = "EXEC BizTalkMgmtDb.dbo.sp_MarkAll 'BTS', '\\\\share\\bts'";
const history =
  'SELECT BackupSetId, MarkName, DatabaseName, BackupFileName, BackupType, SetComplete FROM BizTalkMgmtDb.dbo.adm_BackupHistory ORDER BY BackupId';

describe('the procedures of the stand-in itself', () => {
  it.each([
    "sp_standin_pad_database N'BizTalkMsgBoxDb', 1000000",
    "sp_standin_prepare_database N'SSODB', N'custom'",
    "sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @group = N'Mine'",
  ])('are for administrators: %s', async call => {
    const poor = Object.assign(fixture.session(), {
      login: { name: 'poor', sid: Uint8Array.of(9), serverRoles: new Set<'dbcreator'>(['dbcreator']) },
    });
    const sink = collect();
    await executor.batch(poor, `EXEC ${call}`, sink);
    expect(errors(sink)).toEqual([15247]);
  });
});

describe('the group', () => {
  it('covers the management database, the MessageBox and SSO', async () => {
    const covered = await rows('SELECT DatabaseName FROM BizTalkMgmtDb.dbo.admv_BackupDatabases ORDER BY DatabaseName');
    expect(covered.map(row => row['DatabaseName'])).toEqual(['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'SSODB']);
  });

  it('shows its objects in sys.objects of its own database only', async () => {
    const query = (database: string): string =>
      `SELECT o.name AS name FROM ${database}.sys.objects o WHERE o.name IN (N'adm_Group', N'admv_BackupDatabases', N'sp_MarkAll') ORDER BY o.name`;
    expect((await rows(query('BizTalkMgmtDb'))).map(row => row['name'])).toEqual([
      'adm_Group',
      'admv_BackupDatabases',
      'sp_MarkAll',
    ]);
    expect(await rows(query('SSODB'))).toEqual([]);
  });
});

describe('the Backup job', () => {
  it('writes a full set, then a mark and a log set, and repeats only the log', async () => {
    expect(errors(await run(schedule))).toEqual([]);
    expect(errors(await run(mark))).toEqual([]);
    expect(errors(await run(schedule))).toEqual([]);
    const found = await rows(history);
    expect(found.map(row => [row['BackupSetId'], row['DatabaseName'], row['BackupType'], row['SetComplete']])).toEqual([
      [1n, 'BizTalkMgmtDb', 'db', true],
      [1n, 'BizTalkMsgBoxDb', 'db', true],
      [1n, 'SSODB', 'db', true],
      [2n, 'BizTalkMgmtDb', 'lg', true],
      [2n, 'BizTalkMsgBoxDb', 'lg', true],
      [2n, 'SSODB', 'lg', true],
    ]);
    expect(found[0]?.['MarkName']).toBeNull();
    expect(found[3]?.['MarkName']).toBe('BTS_2026_03_01_10_00_00_497');
    expect(found[3]?.['BackupFileName']).toBe('TEST_ONE_BizTalkMgmtDb_Log_BTS_2026_03_01_10_00_00_497.bak');
    for (const row of found) await access(join(fixture.folder, 'share', String(row['BackupFileName'])));
  });

  it('leaves the mark in every log and its name in every MarkLog', async () => {
    const marks = await rows('SELECT database_name, mark_name FROM msdb.dbo.logmarkhistory ORDER BY database_name');
    expect(marks.map(row => row['database_name'])).toEqual(['BizTalkMgmtDb', 'BizTalkMsgBoxDb', 'SSODB']);
    expect(await rows('SELECT MarkName FROM SSODB.dbo.MarkLog')).toEqual([{ MarkName: 'BTS_2026_03_01_10_00_00_497' }]);
  });

  it('files can be read, carry no checksums, and hold the mark', async () => {
    const [row] = await rows(
      "SELECT BackupFileName FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE BackupSetId = 2 AND DatabaseName = 'SSODB'",
    );
    const [header] = await rows(`RESTORE HEADERONLY FROM DISK = N'\\\\share\\bts\\${String(row?.['BackupFileName'])}'`);
    expect(header).toMatchObject({
      DatabaseName: 'SSODB',
      HasBackupChecksums: false,
      BackupType: 2n,
      IsCopyOnly: false,
    });
  });

  it('takes another full in the next period, and at once when one is forced', async () => {
    now = new Date('2026-03-02T10:00:00Z');
    await run(schedule);
    await run('EXEC BizTalkMgmtDb.dbo.sp_ForceFullBackup');
    now = new Date('2026-03-02T10:15:00Z');
    await run(schedule);
    expect(await rows('SELECT MAX(BackupSetId) AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory')).toEqual([{ n: 4n }]);
    expect(await rows('SELECT ForceFull FROM BizTalkMgmtDb.dbo.adm_BackupSettings')).toEqual([{ ForceFull: false }]);
  });

  it('leaves a partial set when a database fails, burns its id, and says so', async () => {
    await run('ALTER DATABASE SSODB SET OFFLINE');
    now = new Date('2026-03-02T10:30:00Z');
    const failed = await run(
      "DECLARE @now datetime = GETUTCDATE(); EXEC BizTalkMgmtDb.dbo.sp_BackupAllFull 'BTS', '\\\\share\\bts', @now",
    );
    expect(errors(failed).at(-1)).toBe(50000);
    expect(errors(failed)).toContain(942);
    await run('ALTER DATABASE SSODB SET ONLINE');
    const partial = await rows(
      'SELECT DatabaseName, SetComplete FROM BizTalkMgmtDb.dbo.adm_BackupHistory WHERE BackupSetId = 5 ORDER BY BackupId',
    );
    expect(partial).toEqual([
      { DatabaseName: 'BizTalkMgmtDb', SetComplete: false },
      { DatabaseName: 'BizTalkMsgBoxDb', SetComplete: false },
    ]);
  });

  it('keeps the writer lock with the session that failed', async () => {
    const lock = fixture
      .engine()
      .locks()
      .find(each => each.resourceType === 'APPLICATION');
    expect(lock).toMatchObject({ spid: session.spid, mode: 'X' });
  });

  it('deletes history of sets older than the limit when a later full exists', async () => {
    now = new Date('2026-03-20T10:00:00Z');
    await run('EXEC BizTalkMgmtDb.dbo.sp_DeleteBackupHistory @DaysToKeep = 14');
    const left = await rows('SELECT DISTINCT BackupSetId AS n FROM BizTalkMgmtDb.dbo.adm_BackupHistory');
    expect(left).toEqual([{ n: 5n }]);
  });
});

describe('a restored management database', () => {
  it('has its procedures and its view', async () => {
    await rm(join(fixture.folder, 'share', 'one.bak'), { force: true });
    await run("BACKUP DATABASE BizTalkMgmtDb TO DISK = N'\\\\share\\bts\\one.bak' WITH INIT");
    const restored = await run(
      "RESTORE DATABASE Copy FROM DISK = N'\\\\share\\bts\\one.bak' WITH RECOVERY, MOVE N'BizTalkMgmtDb' TO N'D:\\Data\\c.mdf', MOVE N'BizTalkMgmtDb_log' TO N'D:\\Data\\c.ldf'",
    );
    expect(errors(restored)).toEqual([]);
    expect(await rows('SELECT COUNT(*) AS n FROM Copy.dbo.admv_BackupDatabases')).toHaveLength(1);
  });
});
