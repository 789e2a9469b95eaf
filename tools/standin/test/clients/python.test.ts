import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { password, startInstance, statistics, type Instance } from './instance.ts';
import { describeWith, type Client } from './packages.ts';
import { startPythonClient, type Answer, type PythonClient } from './python-client.ts';

const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

let instance: Instance;

beforeAll(async () => {
  instance = await startInstance([{ name: 'reader', roles: [] }]);
});

afterAll(async () => {
  expect(await statistics(instance)).toMatchObject({ broken: 0 });
  expect(await instance.stop()).toBe(0);
});

/** What both clients must see; where they tell things in their own way, a test says so. */
function tests(client: Client, python: string): void {
  const database = `Own_${client}`;
  let py: PythonClient;
  const login = (more: object = {}): Promise<Answer> =>
    py.ask({ op: 'connect', as: 'c', port: instance.port, user: 'sa', password, autocommit: true, ...more });
  const ask = (op: string, more: object = {}): Promise<Answer> => py.ask({ op, on: 'c', ...more });
  const run = (sql: string, parameters: readonly unknown[] = []): Promise<Answer> => ask('run', { sql, parameters });
  const ok = async (sql: string): Promise<void> => {
    expect([sql, (await run(sql)).error]).toEqual([sql, undefined]);
  };

  beforeAll(async () => {
    py = startPythonClient(python, client);
    expect(await login()).toEqual({});
    await ok(`CREATE DATABASE ${database}`);
    await ok(`USE ${database}`);
    await ok('CREATE TABLE t (id int PRIMARY KEY, v nvarchar(max), b varbinary(max))');
  });

  afterAll(() => py.end());

  it('is told why it may not log in', async () => {
    const wrong = await login({ as: 'x', password: 'no' });
    expect(JSON.stringify(wrong.error)).toMatch(/Login failed for user 'sa'/);
    expect((await login({ as: 'x', user: 'nobody' })).error?.number).toBe(18456);
    // pytds takes 4060 for a passing state and tries again until its time is up, which may be in the middle of a try.
    let absent: Answer;
    do absent = await login({ as: 'x', database: 'nowhere', login_timeout: 1 });
    while (absent.error?.number === null);
    // The last of two messages.
    expect(absent.error?.number).toBe(18456);
  });

  it('gets values at the limits of their types, exactly', async () => {
    const [row] = await py.rows(
      'c',
      `SELECT CAST(-9223372036854775808 AS bigint) a, CAST(2147483647 AS int) b, CAST(-32768 AS smallint) c,
        CAST(255 AS tinyint) d, CAST(1 AS bit) e, CAST('99999999999999999999999999999999999999' AS decimal(38,0)) f,
        CAST('-0.00000000000000000000000000000000000001' AS decimal(38,38)) g, CAST('34000000012300001' AS numeric(25,0)) h,
        CAST('922337203685477.5807' AS money) i, CAST('-922337203685477.5808' AS money) j,
        CAST('17530101' AS datetime) k, CAST('9999-12-31T23:59:59.997' AS datetime) l,
        CAST('0001-01-01' AS datetime2(7)) m, CAST('2026-02-28' AS date) n,
        CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) o, CAST(0x00FF10 AS varbinary(8)) p`,
    );
    expect(row?.map(value => value?.replace(/^(\d{4}-\d\d-\d\d) 00:00:00$/, '$1'))).toEqual([
      '-9223372036854775808',
      '2147483647',
      '-32768',
      '255',
      'True',
      '9'.repeat(38),
      '-1E-38',
      '34000000012300001',
      '922337203685477.5807',
      '-922337203685477.5808',
      '1753-01-01',
      '9999-12-31 23:59:59.997000',
      '0001-01-01',
      '2026-02-28',
      '6f9619ff-8b86-d011-b42d-00c04fc964ff',
      '0x00ff10',
    ]);
  });

  it('tells NULL from empty, and keeps what is beyond the first plane', async () => {
    const [row] = await py.rows(
      'c',
      `SELECT CAST(NULL AS int) a, CAST(NULL AS nvarchar(max)) b, CAST(NULL AS decimal(38,2)) c, CAST(NULL AS datetime2) d,
        N'' e, CAST('' AS varchar(max)) f, N'λ 𝒳 €' g, CAST(N'𝒳' AS nvarchar(max)) h, 'Köln' i`,
    );
    expect(row).toEqual([null, null, null, null, '', '', 'λ 𝒳 €', '𝒳', 'Köln']);
  });

  it('sends and gets values of 1 MB', async () => {
    const bytes = Buffer.alloc(1 << 20, Buffer.from('00ff1a0d', 'hex'));
    const text = 'λ𝒳'.repeat(1 << 18);
    await py.rows('c', 'INSERT t VALUES (1, %s, %s)', [
      { text: 'λ𝒳', repeat: 1 << 18 },
      { hex: '00ff1a0d', repeat: 1 << 18 },
    ]);
    const [row] = await py.rows('c', 'SELECT DATALENGTH(v), v, DATALENGTH(b), b FROM t WHERE id = 1');
    expect(row).toEqual([
      String(3 << 19),
      `${2 << 18} ${sha256(text)}`,
      String(1 << 20),
      `${1 << 20} ${sha256(bytes)}`,
    ]);
  });

  it('gets every result set, and no rows as none', async () => {
    const { sets } = await run('SELECT 1 AS a; SELECT 2 AS b, 3 AS c WHERE 1 = 0; SELECT 4 AS d UNION ALL SELECT 5');
    expect(sets).toEqual([
      { columns: ['a'], rows: [['1']] },
      { columns: ['b', 'c'], rows: [] },
      { columns: ['d'], rows: [['4'], ['5']] },
    ]);
  });

  it('gets the number, severity, state and line of an error, and goes on', async () => {
    const { error } = await run('SELECT 1\nSELECT 2\nSELECT * FROM dbo.nowhere');
    expect([error?.number, error?.text]).toEqual([208, expect.stringMatching(/Invalid object name 'dbo.nowhere'/)]);
    if (error?.severity !== undefined) expect([error.severity, error.state, error.line]).toEqual([16, 1, 3]);
    expect((await run('SELECT 1/0')).error?.number).toBe(8134);
    expect(await py.rows('c', 'SELECT 7')).toEqual([['7']]);
  });

  it('gets messages beside the rows', async () => {
    const { messages } = await ask('messages', { sql: "PRINT N'först'\nRAISERROR(N'då', 10, 3)" });
    expect(messages?.map(([state, , , text]) => [state, text])).toEqual([
      [expect.any(Number), 'först'],
      [3, 'då'],
    ]);
  });

  it('takes and restores a backup, with its progress', async () => {
    const path = `D:\\Backup\\${client}.bak`;
    const backup = await ask('messages', {
      sql: `BACKUP DATABASE ${database} TO DISK = N'${path}' WITH INIT, STATS = 50`,
    });
    const texts = backup.messages?.map(([, , , text]) => text) ?? [];
    expect(texts).toContain('100 percent processed.');
    expect(texts.at(-1)).toMatch(/^BACKUP DATABASE successfully processed \d+ pages in /);
    const header = await run(`RESTORE HEADERONLY FROM DISK = N'${path}'`);
    expect(header.sets?.[0]?.rows[0]?.[header.sets[0].columns.indexOf('DatabaseName')]).toBe(database);
    const copy = `${database}_copy`;
    const restore = await ask('messages', {
      sql: `RESTORE DATABASE ${copy} FROM DISK = N'${path}' WITH RECOVERY, MOVE N'${database}' TO N'D:\\Data\\${copy}.mdf',
        MOVE N'${database}_log' TO N'D:\\Data\\${copy}.ldf'`,
    });
    expect([restore.error, restore.messages?.at(-1)?.[3]]).toEqual([
      undefined,
      expect.stringMatching(/^RESTORE DATABASE successfully processed/),
    ]);
    expect(await py.rows('c', `SELECT COUNT(*) FROM ${copy}.dbo.t`)).toEqual([['1']]);
    const refused = await run(`BACKUP LOG nowhere TO DISK = N'${path}'`);
    // pymssql tells the number of the last, pytds that of the first.
    expect(refused.error?.number).toBe(client === 'pymssql' ? 911 : 3013);
  });

  it('is not served what its login may not do', async () => {
    expect(await login({ as: 'r', user: 'reader' })).toEqual({});
    const refused = await py.ask({ op: 'run', on: 'r', sql: 'CREATE DATABASE Forbidden' });
    expect(refused.error?.number).toBe(262);
    await py.ask({ op: 'close', on: 'r' });
  });

  it('calls procedures with their outputs and status', async () => {
    const answer = await ask('call', { procedure: 'msdb.dbo.sp_add_job', arguments: [`Job of ${client}`] });
    expect([answer.error, answer.status]).toEqual([undefined, 0]);
    const parameters = '@x int, @y int OUTPUT, @z nvarchar(40) OUTPUT';
    const execute = (statement: string): Promise<Answer> =>
      ask('call', {
        procedure: 'sp_executesql',
        arguments: [statement, parameters, 21, { output: 'int' }, { output: 'text' }],
      });
    const set = "SET @y = @x * 2; SET @z = N'λ𝒳'";
    expect(await execute(set)).toEqual({ sets: [], arguments: [set, parameters, '21', '42', 'λ𝒳'], status: 0 });
    const { sets } = await execute("SELECT @x + 1 AS n; SELECT N'second' AS s");
    expect(sets?.map(each => each.rows)).toEqual([[['22']], [['second']]]);
    const failed = await ask('call', { procedure: 'msdb.dbo.sp_start_job', arguments: ['no such job'] });
    expect(failed.error?.number).toBe(14262);
  });

  it('commits and rolls back, by requests and by statements', async () => {
    await ask('autocommit', { value: false });
    await ok("INSERT t (id, v) VALUES (10, N'kept')");
    await ask('commit');
    await ok("INSERT t (id, v) VALUES (11, N'lost')");
    await ask('rollback');
    await ask('autocommit', { value: true });
    await ok(
      "SET IMPLICIT_TRANSACTIONS ON; INSERT t (id, v) VALUES (12, N'lost too'); ROLLBACK; SET IMPLICIT_TRANSACTIONS OFF",
    );
    expect(await py.rows('c', 'SELECT id, @@TRANCOUNT FROM t WHERE id >= 10')).toEqual([['10', '0']]);
  });

  it('cancels a result that is under way, and goes on', async () => {
    const rows = Array.from({ length: 200 }, (_, at) => `(${at})`).join(', ');
    await ok('CREATE TABLE many (n int PRIMARY KEY)');
    await ok(`INSERT many VALUES ${rows}`);
    // 32 MB: far more than what two sockets hold while nobody reads.
    const { first, error } = await ask('cancel', {
      sql: "SELECT a.n, REPLICATE(N'x', 400) FROM many a CROSS JOIN many b ORDER BY a.n",
    });
    expect([first, error]).toEqual(['0', undefined]);
    expect(await py.rows('c', 'SELECT 8')).toEqual([['8']]);
  });

  it('gives up after its time limit, and the statement ends at the server', async () => {
    expect(await login({ as: 'slow', timeout: 1 })).toEqual({});
    await ask('run', { sql: `BEGIN TRAN; UPDATE ${database}.dbo.t SET v = N'held' WHERE id = 10` });
    const { error } = await py.ask({
      op: 'run',
      on: 'slow',
      sql: `UPDATE ${database}.dbo.t SET v = N'late' WHERE id = 10`,
    });
    expect(error).toBeDefined();
    // The client does not wait for the server to hear of it.
    const running = "SELECT COUNT(*) FROM sys.dm_exec_requests WHERE command = 'UPDATE'";
    while ((await py.rows('c', running))[0]?.[0] !== '0');
    await ok('ROLLBACK');
    expect(await py.rows('c', 'SELECT v FROM t WHERE id = 10')).toEqual([['kept']]);
  });
}

for (const client of ['pymssql', 'pytds'] as const) describeWith([client], client, python => tests(client, python));
