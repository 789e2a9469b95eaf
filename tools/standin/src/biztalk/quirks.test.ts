import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ProcedureContext } from '../contract.ts';
import { fail } from '../messages.ts';
import { startBizTalkFixture, type BizTalkFixture } from './biztalk-fixture.ts';
import { warnOfTimeout } from './group-servers.ts';
import { workerProcedures } from './worker-procedures.ts';

let fixture: BizTalkFixture;
const management = 'BizTalkMgmtDb.dbo';
const markAll = `EXEC ${management}.sp_MarkAll 'BTS', '\\\\share\\bts'`;
const full = `DECLARE @now datetime = GETUTCDATE(); EXEC ${management}.sp_BackupAllFull 'BTS', '\\\\share\\bts', @now`;

beforeAll(async () => {
  fixture = await startBizTalkFixture('2026-03-01T10:00:00.497Z', ['BizTalkMgmtDb', 'BizTalkDTADb', 'SSODB']);
  await fixture.rows(
    "EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @tracking = N'BizTalkDTADb', @sso = N'SSODB'",
  );
});
afterAll(() => fixture.end());

async function nextId(): Promise<unknown> {
  const [row] = await fixture.rows(`SELECT NextBackupSetId AS n FROM ${management}.adm_BackupSetId`);
  return row?.['n'];
}

describe('sp_MarkAll', () => {
  it('tells its failure by its error alone: it returns what the release of the lock returned', async () => {
    const sink = await fixture.run(
      `DECLARE @status int = 7; ${markAll.replace('EXEC', 'EXEC @status =')}; SELECT @status AS status`,
    );
    expect(sink.messages.map(({ number }) => number)).toEqual([4214, 3013, 50_000]);
    expect(sink.messages.at(-1)?.text).toBe('Failed running the log backup on TEST\\ONE.BizTalkDTADb');
    expect(sink.objects()).toEqual([{ status: 0n }]);
    expect(fixture.engine.locks().filter(({ resourceType }) => resourceType === 'APPLICATION')).toEqual([]);
    expect(await nextId()).toBe(2n);
    // The mark was committed before: it is in the databases although the set is not.
    expect(await fixture.rows('SELECT COUNT(*) AS n FROM SSODB.dbo.MarkLog')).toEqual([{ n: 1n }]);
  });

  it('is caught like any error', async () => {
    const caught = await fixture.rows(`BEGIN TRY ${markAll} END TRY BEGIN CATCH SELECT ERROR_NUMBER() AS n END CATCH`);
    expect(caught).toEqual([{ n: 50_000n }]);
  });

  it('fails on a server that no full step has linked', async () => {
    await fixture.rows(full);
    await fixture.rows(
      "EXEC sp_standin_cover_database @management = N'BizTalkMgmtDb', @database = N'Far', @server = N'FAR\\BTS'",
    );
    expect(await fixture.errors(markAll)).toEqual([
      expect.stringMatching(/^7202 .*'FAR\\BTS'/),
      '50000 sp_GetRemoteServerName failed to resolve server name FAR\\BTS',
      // The text raises it twice.
      '50000 sp_GetRemoteServerName failed to resolve server name FAR\\BTS',
      '50000 sp_MarkAll failed running sp_MarkBTSLogs',
    ]);
    expect(await fixture.rows('SELECT @@TRANCOUNT AS n')).toEqual([{ n: 0n }]);
  });

  it('fails on one that was linked without RPC Out, as the full step links it', async () => {
    const texts = await fixture.errors(full);
    expect(texts).toEqual([
      expect.stringMatching(/^7411 .*'FAR\\BTS' is not configured for RPC/),
      '50000 Failed running the backup on FAR\\BTS.Far',
    ]);
    const servers = await fixture.rows(
      "SELECT product, is_rpc_out_enabled AS r FROM sys.servers WHERE name = N'FAR\\BTS'",
    );
    expect(servers).toEqual([{ product: 'SQL Server', r: false }]);
    expect(await fixture.errors(markAll)).toEqual([
      expect.stringMatching(/^7411 /),
      expect.stringMatching(/^50000 sp_GetRemoteServerName/),
      expect.stringMatching(/^50000 sp_GetRemoteServerName/),
      expect.stringMatching(/^50000 sp_MarkAll/),
    ]);
    await fixture.rows(`DELETE FROM ${management}.adm_OtherBackupDatabases WHERE DatabaseName = N'Far'`);
  });

  it('goes by the local time of the instance when asked, which is UTC', async () => {
    fixture.setClock('2026-03-05T11:12:13.000Z');
    await fixture.rows(`${markAll}, @UseLocalTime = 1`);
    const [row] = await fixture.rows(
      `SELECT TOP (1) MarkName AS mark, DATEDIFF(second, BackupDateTime, GETDATE()) AS late FROM ${management}.adm_BackupHistory ORDER BY BackupId DESC`,
    );
    expect(row).toEqual({ mark: 'BTS_2026_03_05_11_12_13_000', late: 0n });
  });
});

describe('the marking', () => {
  it('takes WITH MARK once per server: again is 3920, and the name is written all the same', async () => {
    const session = fixture.session();
    const remote = "EXEC SSODB.dbo.sp_SetMarkRemote N'M1'";
    expect(await fixture.errors(`BEGIN TRAN; ${remote}; ${remote}`, session)).toEqual([
      '3920 WITH MARK option only applies to the first BEGIN TRAN WITH MARK. The option is ignored.',
    ]);
    expect(await fixture.rows('SELECT @@TRANCOUNT AS n; COMMIT', session)).toEqual([{ n: 1n }]);
    expect(await fixture.rows("SELECT COUNT(*) AS n FROM SSODB.dbo.MarkLog WHERE MarkName = N'M1'")).toEqual([
      { n: 2n },
    ]);
    expect(
      await fixture.rows("SELECT database_name AS d FROM msdb.dbo.logmarkhistory WHERE mark_name = N'M1'"),
    ).toEqual([{ d: 'SSODB' }]);
  });

  it('keeps the tracking service out while it lasts', async () => {
    const session = fixture.session();
    const insert = "SET LOCK_TIMEOUT 0; INSERT BizTalkDTADb.dbo.TDDS_StreamStatus VALUES (N'x', 1, 1, 1, NULL)";
    await fixture.rows(`BEGIN TRAN; EXEC ${management}.sp_BlockTDDS`, session);
    expect(await fixture.errors(insert)).toEqual([expect.stringMatching(/^1222 /)]);
    await fixture.rows('COMMIT', session);
    expect(await fixture.errors(insert)).toEqual([]);
  });

  it('knows a server by its real name', async () => {
    const [row] = await fixture.rows(
      `DECLARE @n nvarchar(128), @s int;
       EXEC @s = ${management}.sp_GetRemoteServerName N'TEST\\ONE', N'SSODB', @n OUTPUT; SELECT @n AS name, @s AS status`,
    );
    expect(row).toEqual({ name: 'TEST\\ONE', status: 0n });
  });
});

describe('the backup of one database', () => {
  it('is compressed when the settings say so, never for SSO', async () => {
    fixture.setClock('2026-03-06T10:00:00.000Z');
    await fixture.rows(`EXEC ${management}.sp_SetBackupCompression 1`);
    await fixture.rows(full);
    const files = (await readdir(fixture.share)).filter(name => name.endsWith('Full_BTS_2026_03_06_10_00_00_000.bak'));
    const compressed = [];
    for (const name of files.sort()) {
      const [header] = await fixture.rows(`RESTORE HEADERONLY FROM DISK = N'\\\\share\\bts\\${name}'`);
      compressed.push([header?.['DatabaseName'], header?.['Compressed']]);
    }
    expect(compressed).toEqual([
      ['BizTalkDTADb', 1n],
      ['BizTalkMgmtDb', 1n],
      ['SSODB', 0n],
    ]);
  });

  it.each([
    ['gives up after another error than 3013 and says that all is well', 3098, 1],
    ['is taken again without compression after 3013', 3013, 2],
  ])('%s', async (_, error, attempts) => {
    const asked: string[] = [];
    const outputs: unknown[] = [];
    const database = fixture.engine.database('BizTalkDTADb');
    const given: Readonly<Record<string, unknown>> = { '@seq': 'M', '@path': 'D:\\B', '@bCompression': true };
    const context = {
      engine: fixture.engine,
      database,
      argument: (name: string) => given[name],
      output: (name: string, value: unknown) => void outputs.push([name, value]),
      execute: (text: string) => {
        asked.push(text);
        return asked.length === 1 ? Promise.reject(fail(error, 'x', 'x')) : Promise.resolve();
      },
    } as unknown as ProcedureContext;
    const worker = workerProcedures.find(({ name }) => name === 'sp_BackupBizTalkLog');
    expect(await worker?.run(context)).toBe(0);
    expect(asked).toHaveLength(attempts);
    expect(outputs).toEqual([['@BackupLocation', 'D:\\B\\TEST_ONE_BizTalkDTADb_Log_M.bak']]);
  });
});

describe('the set-up', () => {
  it('refuses roles it does not know and servers without a database', async () => {
    expect(await fixture.errors("EXEC sp_standin_prepare_database @database = N'SSODB', @role = N'queen'")).toEqual([
      expect.stringMatching(/^50000 STANDIN-UNSUPPORTED.*queen/),
    ]);
    expect(
      await fixture.errors("EXEC sp_standin_setup_biztalk @management = N'SSODB', @trackingServer = N'FAR\\BTS'"),
    ).toEqual([expect.stringMatching(/^50000 STANDIN-UNSUPPORTED.*@trackingServer/)]);
    expect(await fixture.errors("EXEC sp_standin_prepare_database @database = N'None', @role = N'custom'")).toEqual([
      expect.stringMatching(/^911 /),
    ]);
  });

  it('gives a database its tables once, whatever its roles', async () => {
    await fixture.rows('CREATE DATABASE Two');
    const prepare = (role: string): string => `EXEC sp_standin_prepare_database @database = N'Two', @role = N'${role}'`;
    await fixture.rows(`${prepare('custom')}; ${prepare('tracking')}; ${prepare('tracking')}`);
    const tables = await fixture.rows('SELECT name FROM Two.sys.tables ORDER BY name');
    expect(tables.map(({ name }) => name)).toEqual(['MarkLog', 'TDDS_StreamStatus']);
  });

  it('adds host instances, with their computers and hosts, and each of them once', async () => {
    const add = (host: string, type: number, computer: string): string =>
      `EXEC sp_standin_add_host_instance @management = N'BizTalkMgmtDb', @host = N'${host}', @hostType = ${type}, @computer = N'${computer}'`;
    for (const each of [add('Send', 1, 'APP1'), add('Send', 1, 'APP2'), add('Web', 2, 'APP1')])
      expect(await fixture.errors(each)).toEqual([]);
    expect(await fixture.errors(add('Web', 1, 'APP2'))).toEqual([expect.stringMatching(/^50000 STANDIN-UNSUPPORTED/)]);
    expect(await fixture.errors(add('Send', 3, 'APP2'))).toEqual([expect.stringMatching(/^50000 STANDIN-UNSUPPORTED/)]);
    expect(await fixture.errors(add('Send', 1, 'APP1'))).toEqual([expect.stringMatching(/^2627 /)]);
    const query = `SELECT h.Name AS host, s.Name AS computer, i.Name AS name, i.ConfigurationState AS state, i.DisableHostInstance AS disabled
      FROM ${management}.adm_HostInstance i JOIN ${management}.adm_Server2HostMapping m ON m.Id = i.Svr2HostMappingId
        JOIN ${management}.adm_Host h ON h.Id = m.HostId JOIN ${management}.adm_Server s ON s.Id = m.ServerId ORDER BY h.Name, s.Name`;
    const row = (host: string, computer: string) => ({
      host,
      computer,
      name: `Microsoft BizTalk Server ${host} ${computer}`,
      state: 1n,
      disabled: 0n,
    });
    expect(await fixture.rows(query)).toEqual([row('Send', 'APP1'), row('Send', 'APP2'), row('Web', 'APP1')]);
  });

  it('lists a database under each spelling of its server', async () => {
    for (const server of ['FAR\\BTS', 'FAR,1499'])
      await fixture.rows(
        `EXEC sp_standin_cover_database @management = N'BizTalkMgmtDb', @database = N'Far', @server = N'${server}'`,
      );
    const covered = await fixture.rows(
      `SELECT ServerName AS s FROM ${management}.admv_BackupDatabases WHERE DatabaseName = N'Far' ORDER BY s`,
    );
    expect(covered.map(({ s }) => s)).toEqual(['FAR,1499', 'FAR\\BTS']);
  });
});

describe('what a destination and the job itself ask for', () => {
  it('are the databases of one server or of all, and where one lies by its default name', async () => {
    const ask = (rest: string): Promise<readonly unknown[]> => fixture.rows(`EXEC ${management}.${rest}`);
    const far = await ask("sp_GetBackupDatabasesForServer N'far\\bts'");
    expect(far).toEqual([{ ServerName: 'FAR\\BTS', DatabaseName: 'Far' }]);
    expect((await ask('sp_GetBackupDatabasesForServer')).length).toBeGreaterThan(far.length);
    expect(await ask("sp_GetBackupDatabaseLocation N'Far'")).toEqual(
      ['FAR\\BTS', 'FAR,1499'].map(ServerName => ({ ServerName, DatabaseName: 'Far' })),
    );
    expect(await ask("sp_GetBackupDatabaseLocation N'Nowhere'")).toEqual([]);
  });

  it('is a warning when the failure of a log backup took as long as a remote query may (F-15)', async () => {
    await fixture.rows("EXEC sp_configure 'remote query timeout (s)', 30; RECONFIGURE");
    expect(
      await fixture.rows(`DECLARE @s int; EXEC @s = ${management}.sp_GetLinkedServerQTimeout N'FAR'; SELECT @s AS s`),
    ).toEqual([{ s: 30n }]);
    const warned = (seconds: number, limit = 30): readonly unknown[] => {
      const raised: unknown[] = [];
      const context = {
        engine: {
          clock: () => new Date(seconds * 1000),
          serverOptions: { inUse: () => limit },
        },
        raise: ({ text, severity }: { readonly text: string; readonly severity: number }) =>
          void raised.push([severity, text]),
      } as unknown as ProcedureContext;
      warnOfTimeout(context, new Date(900));
      return raised;
    };
    // Begun seconds are counted, and a limit of 0 is a number like any other.
    const warning = [[0, 'Warning: A Remote Query Timeout may have occurred']];
    expect([warned(30), warned(1, 0)]).toEqual([warning, warning]);
    expect(warned(29)).toEqual([]);
  });
});
