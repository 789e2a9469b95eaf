import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createRegistry, registerCatalogue } from './catalogue.ts';
import { collect, startFixture, type Fixture, type TestSession } from '../engine/engine-fixture.ts';
import { createExecutor } from '../sql/executor.ts';
import type { Executor, Login } from '../contract.ts';

let fixture: Fixture;
let executor: Executor;
let session: TestSession;

async function rows(text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const sink = collect();
  await executor.batch(session, text, sink);
  expect(sink.messages.filter(message => message.severity > 10)).toEqual([]);
  return sink.objects();
}

beforeAll(async () => {
  fixture = await startFixture({ majorVersion: 15 });
  const registry = createRegistry();
  registerCatalogue(registry, fixture.engine());
  executor = createExecutor(fixture.engine(), registry, { write: () => undefined });
  session = fixture.session();
  await rows('CREATE DATABASE App');
  await rows('CREATE TABLE App.dbo.Things (id int NOT NULL PRIMARY KEY, name nvarchar(40) NULL)');
});
afterAll(() => fixture.end());

describe('sys.databases and its neighbours', () => {
  it('show the position of a restoring database and only of that (sqlserver.md §4.2, §10.2)', async () => {
    await rows("BACKUP DATABASE App TO DISK = N'\\\\share\\bts\\a.bak'");
    await rows("BACKUP LOG App TO DISK = N'\\\\share\\bts\\t.bak' WITH NORECOVERY");
    const found = await rows(
      `SELECT d.name, d.state_desc, CONVERT(varchar(25), MIN(f.redo_start_lsn)) AS redo, COUNT(r.family_guid) AS started
       FROM sys.databases d LEFT JOIN sys.master_files f ON f.database_id = d.database_id AND f.type = 0
         LEFT JOIN sys.database_recovery_status r ON r.database_id = d.database_id
       WHERE d.name IN (N'App', N'msdb') GROUP BY d.name, d.state_desc ORDER BY d.name`,
    );
    const position = String(fixture.engine().database('App')?.redoStart?.lsn);
    expect(found).toEqual([
      { name: 'App', state_desc: 'RESTORING', redo: position, started: 0n },
      { name: 'msdb', state_desc: 'ONLINE', redo: null, started: 1n },
    ]);
    await rows('RESTORE DATABASE App WITH RECOVERY');
    const history = await rows("SELECT state_desc FROM sys.databases WHERE name = N'App'");
    expect(history).toEqual([{ state_desc: 'ONLINE' }]);
  });

  it('a header has 56 columns before 2022', async () => {
    const [header] = await rows("RESTORE HEADERONLY FROM DISK = N'\\\\share\\bts\\a.bak'");
    expect(Object.keys(header ?? {})).toHaveLength(56);
  });
});

describe('objects', () => {
  it('are those of the named database, in capitals or not', async () => {
    expect(await rows("SELECT name FROM app.SYS.tables WHERE name = N'things'")).toEqual([{ name: 'Things' }]);
    expect(await rows("SELECT name FROM master.sys.tables WHERE name = N'Things'")).toEqual([]);
    expect(
      await rows(
        "SELECT COLUMN_NAME, IS_NULLABLE FROM App.INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = N'Things' ORDER BY ORDINAL_POSITION",
      ),
    ).toEqual([
      { COLUMN_NAME: 'id', IS_NULLABLE: 'NO' },
      { COLUMN_NAME: 'name', IS_NULLABLE: 'YES' },
    ]);
  });
});

describe('activity', () => {
  it('shows who stands in a database (sqlserver.md §10.6)', async () => {
    const guest = fixture.session('App');
    const query = `SELECT s.session_id FROM sys.dm_exec_sessions s WHERE s.database_id = DB_ID(N'App') AND s.session_id <> @@SPID
      UNION ALL SELECT l.request_session_id FROM sys.dm_tran_locks l WHERE l.resource_type = 'DATABASE' AND l.resource_database_id = DB_ID(N'App')`;
    expect((await rows(query)).map(row => row['session_id'])).toEqual([BigInt(guest.spid), BigInt(guest.spid)]);
    await fixture.engine().detach(guest);
    expect(await rows(query)).toEqual([]);
  });
});

describe('files', () => {
  it('are seen through the mapped folders only', async () => {
    expect(await rows("SELECT * FROM sys.dm_os_file_exists(N'\\\\share\\bts\\a.bak')")).toEqual([
      { file_exists: 1n, file_is_a_directory: 0n, parent_directory_exists: 1n },
    ]);
    expect(await rows("EXEC master.dbo.xp_fileexist N'\\\\share\\bts\\none.bak'")).toEqual([
      { 'File Exists': 0n, 'File is a Directory': 0n, 'Parent Directory Exists': 1n },
    ]);
    const [volume] = await rows("SELECT total_bytes, available_bytes FROM sys.dm_os_volume_stats(DB_ID(N'App'), 1)");
    expect(Number(volume?.['available_bytes'])).toBeGreaterThan(0);
  });

  it.each([
    ['a.bak\\more', "22048 xp_create_subdir() returned error 3, 'The system cannot find the path specified.'"],
    ['a.bak', "22048 xp_create_subdir() returned error 183, 'Cannot create a file when that file already exists.'"],
  ])('%s is no place for a folder', async (name, error) => {
    const sink = collect();
    await executor.batch(session, `EXEC xp_create_subdir N'\\\\share\\bts\\${name}'`, sink);
    expect(sink.messages.map(({ number, text }) => `${number} ${text}`)).toEqual([error]);
  });
});

describe('server options', () => {
  const numbersOf = async (text: string, who = session): Promise<readonly number[]> => {
    const sink = collect();
    await executor.batch(who, text, sink);
    return sink.messages.filter(message => message.severity > 10).map(({ number }) => number);
  };

  it('are shown to everybody and changed by administrators', async () => {
    const login: Login = { name: 'poor', sid: Uint8Array.of(9), serverRoles: new Set(['dbcreator']) };
    const poor = Object.assign(fixture.session(), { login });
    expect(await numbersOf("EXEC sp_configure; EXEC sp_configure 'backup checksum default'", poor)).toEqual([]);
    expect(await numbersOf("EXEC sp_configure 'backup checksum default', 1", poor)).toEqual([15247]);
    expect(await numbersOf("EXEC sp_configure 'backup checksum default', 9", poor)).toEqual([15247]);
    expect(await numbersOf("EXEC sp_configure 'xp_cmdshell', 1", poor)).toEqual([15123]);
    expect(await numbersOf('RECONFIGURE', poor)).toEqual([5812]);
    expect(await rows("SELECT value FROM sys.configurations WHERE name = N'backup checksum default'")).toEqual([
      { value: 0n },
    ]);
    expect(await numbersOf('RECONFIGURE WITH OVERRIDE')).toEqual([]);
  });

  it('turn xp_cmdshell on, which is not built', async () => {
    const set = (value: number): Promise<unknown> =>
      rows(
        `EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'xp_cmdshell', ${value}; RECONFIGURE`,
      );
    expect(await numbersOf("EXEC xp_cmdshell N'dir'")).toEqual([15281]);
    await set(1);
    expect(await numbersOf("EXEC xp_cmdshell N'dir'")).toEqual([50_000]);
    await set(0);
    expect(await numbersOf("EXEC xp_cmdshell N'dir'")).toEqual([15281]);
  });
});

describe('application locks', () => {
  it('are return codes of sp_getapplock', async () => {
    const text = (wait: number): string =>
      `DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'holdfast:g', @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = ${wait}; SELECT @r AS r`;
    expect(await rows(text(0))).toEqual([{ r: 0n }]);
    const holder = session;
    session = fixture.session();
    expect(await rows(text(0))).toEqual([{ r: -1n }]);
    session = holder;
    expect(
      await rows(
        "DECLARE @r int; EXEC @r = sp_releaseapplock @Resource = N'holdfast:g', @LockOwner = N'Session'; SELECT @r AS r",
      ),
    ).toEqual([{ r: 0n }]);
  });
});
