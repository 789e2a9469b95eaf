import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ONE, startPair, TWO, type Pair } from '../sql/linked-fixture.ts';

let pair: Pair;
const list =
  'SELECT server_id, name, product, data_source, is_linked, is_remote_login_enabled, is_rpc_out_enabled, is_data_access_enabled FROM sys.servers ORDER BY server_id';

async function numbers(text: string): Promise<number[]> {
  return (await pair.one.run(text)).errors.map(each => each.number);
} // prettier-ignore

beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair.end());

describe('linked servers', () => {
  it('are listed behind the instance itself', async () => {
    const own = [0, ONE, 'SQL Server', ONE, false, true, true, false];
    expect(await pair.one.rows(list)).toEqual([own]);
    await pair.one.rows(`EXEC sp_addlinkedserver '${TWO}'`);
    expect(await pair.one.rows(list)).toEqual([own, [1, TWO, 'SQL Server', TWO, true, false, false, true]]);
    await pair.one.rows(`EXEC sp_serveroption '${TWO}', 'RPC', 'true'; EXEC sp_serveroption N'${TWO}', N'rpc out', N'ON'; EXEC sp_serveroption '${TWO}', 'data access', 'off'`);
    expect((await pair.one.rows(list))[1]?.slice(5)).toEqual([true, true, false]);
    expect(await pair.one.rows('EXEC sp_linkedservers')).toEqual([
      [ONE, 'SQLNCLI', 'SQL Server', ONE, null, null, null],
      [TWO, 'SQLNCLI', 'SQL Server', TWO, null, null, null],
    ]);
  }); // prettier-ignore

  it('are tested and mapped to the same login', async () => {
    await pair.one.rows(`EXEC sp_addlinkedsrvlogin N'${TWO}', 'true'; EXEC sp_testlinkedserver N'${TWO}'`);
    expect(pair.asked.map(each => each.kind)).toEqual(['procedure']);
  });

  it('may have another name than their instance', async () => {
    await pair.one.rows(`EXEC sp_addlinkedserver @server = N'ALIAS', @srvproduct = N'', @provider = N'SQLNCLI', @datasrc = N'${TWO}'`);
    expect(await pair.one.rows("SELECT product, data_source FROM sys.servers WHERE name = 'alias'")).toEqual([['', TWO]]);
    await pair.one.rows("EXEC sp_dropserver 'ALIAS', 'droplogins'");
    expect(await pair.one.rows("SELECT 1 FROM sys.servers WHERE name = 'alias'")).toEqual([]);
  }); // prettier-ignore

  it.each([
    [`EXEC sp_addlinkedserver N'${TWO}', N'SQL Server'`, 15028],
    [`EXEC sp_addlinkedserver N'${ONE}', N'SQL Server'`, 15028],
    ["EXEC sp_addlinkedserver N'X', N'SQL Server', N'SQLNCLI'", 15428],
    ["EXEC sp_addlinkedserver N'X', N'Oracle'", 15427],
    ["EXEC sp_addlinkedserver @server = N'X', @provider = N'SQLNCLI', @datasrc = N'Y'", 15429],
    ["EXEC sp_addlinkedserver N'X', N'', N'MSDAORA'", 50000],
    ["BEGIN TRAN; EXEC sp_addlinkedserver N'X'; ROLLBACK", 15002],
    ["EXEC sp_dropserver 'X'", 15015],
    ["EXEC sp_serveroption 'X', 'rpc', 'true'", 15015],
    [`EXEC sp_serveroption '${TWO}', 'rpc', 'maybe'`, 15600],
    [`EXEC sp_serveroption '${TWO}', 'query timeout', 'true'`, 50000],
    [`EXEC sp_addlinkedsrvlogin '${TWO}', 'false', NULL, 'sa', 'secret'`, 50000],
  ])('%s fails with %i', async (text, number) => {
    expect(await numbers(text)).toEqual([number]);
  });

  it('are for administrators', async () => {
    const { session } = pair.one;
    const roles = [...session.login.serverRoles];
    const login = session.login.serverRoles as Set<(typeof roles)[number]>;
    login.clear();
    expect(await numbers("EXEC sp_addlinkedserver N'X'")).toEqual([15247]);
    for (const role of roles) login.add(role);
  });
});
