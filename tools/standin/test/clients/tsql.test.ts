import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startInstance, statistics, type Instance } from './instance.ts';
import { describeWith } from './packages.ts';
import { tsql, type Spoken, type TsqlOptions } from './tsql.ts';

describeWith(['tsql'], 'tsql', () => {
  let instance: Instance;
  const speak = (batches: readonly string[], more: Partial<TsqlOptions> = {}): Promise<Spoken> =>
    tsql({ ...instance, ...more }, batches);

  beforeAll(async () => {
    instance = await startInstance([{ name: 'reader', roles: [] }]);
  });

  afterAll(async () => {
    expect(await statistics(instance)).toMatchObject({ broken: 0 });
    expect(await instance.stop()).toBe(0);
  });

  it('is told why it may not log in', async () => {
    expect(await speak(['SELECT 1'], { password: 'no' })).toEqual({
      rows: [],
      messages: ["18456/14/1 1 Login failed for user 'sa'."],
      exitCode: 1,
    });
    const absent = await speak(['SELECT 1'], { database: 'nowhere' });
    expect(absent.messages).toEqual([
      '4060/11/1 1 Cannot open database "nowhere" requested by the login. The login failed.',
      "18456/14/1 1 Login failed for user 'sa'.",
    ]);
    const refused = await speak(["BACKUP DATABASE msdb TO DISK = 'D:\\Backup\\no.bak'"], { user: 'reader' });
    expect(refused.messages[0]).toMatch(/^262\/14\/1 1 BACKUP DATABASE permission denied in database 'msdb'/);
  });

  it.each(['7.0', '7.1', '7.2'])('of TDS %s is refused in words', async version => {
    const { messages, exitCode } = await speak(['SELECT 1'], { version });
    expect([messages, exitCode]).toEqual([
      [expect.stringMatching(/^50000\/16\/255 1 STANDIN-UNSUPPORTED: TDS version/)],
      1,
    ]);
  });

  it.each([
    ['off', '7.3', 'FALSE'],
    // A real server's FALSE or TRUE where the login alone is encrypted: see the README, Known differences.
    ['request', '7.4', expect.any(String)],
    ['require', '7.4', 'TRUE'],
  ])('with encryption %s of TDS %s is served, %s', async (encryption, version, expected) => {
    const asked = ['SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID'];
    const { rows } = await speak(asked, { encryption, version });
    expect(rows).toEqual(['encrypt_option', expected]);
  });

  it('gets values at the limits of their types', async () => {
    const { rows } = await speak([
      `SELECT CAST('-9223372036854775808' AS bigint) a, CAST('99999999999999999999999999999999999999' AS decimal(38,0)) b,
        CAST('922337203685477.5807' AS money) c, CAST(0x00ff AS varbinary(max)) d, CAST('' AS nvarchar(max)) e,
        CAST(NULL AS nvarchar(max)) f, N'λ𝒳' g, CAST(NULL AS decimal(38,5)) h,
        CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) i`,
    ]);
    expect(rows).toEqual([
      'a|b|c|d|e|f|g|h|i',
      `-9223372036854775808|${'9'.repeat(38)}|922337203685477.5807|00ff||NULL|λ𝒳|NULL|6F9619FF-8B86-D011-B42D-00C04FC964FF`,
    ]);
  });

  it('gets several results, messages and errors with their lines, and goes on', async () => {
    const { rows, messages, exitCode } = await speak([
      "SELECT 1 AS a\nPRINT N'λ'\nSELECT 2 AS b",
      "SELECT 3 AS c\n\nRAISERROR(N'hej', 12, 3)",
      '\nSELECT *\nFROM nowhere',
      'SELECT 1/0',
      'SELECT 4 AS d',
    ]);
    expect([rows, exitCode]).toEqual([['a', '1', 'b', '2', 'c', '3', 'd', '4'], 0]);
    expect(messages).toEqual([
      '50000/12/3 3 hej',
      "208/16/1 2 Invalid object name 'nowhere'.",
      '8134/16/1 1 Divide by zero error encountered.',
    ]);
  });

  it('commits and rolls back', async () => {
    const { rows } = await speak([
      'CREATE DATABASE Tsql',
      'USE Tsql',
      'CREATE TABLE t (id int PRIMARY KEY)',
      'BEGIN TRAN; INSERT t VALUES (1); COMMIT',
      'BEGIN TRAN; INSERT t VALUES (2); ROLLBACK',
      'SET IMPLICIT_TRANSACTIONS ON',
      'INSERT t VALUES (3)',
      'SELECT @@TRANCOUNT AS open_now; ROLLBACK',
      'SET IMPLICIT_TRANSACTIONS OFF',
      'SELECT id FROM t',
    ]);
    expect(rows).toEqual(['open_now', '1', 'id', '1']);
  });

  it('takes backups, restores to a mark, and sees the progress', async () => {
    const { messages } = await speak([
      'CREATE DATABASE Marked',
      "BACKUP DATABASE Marked TO DISK = N'D:\\Backup\\marked.bak' WITH STATS = 50",
      'USE Marked',
      'CREATE TABLE t (id int PRIMARY KEY)',
      "BEGIN TRAN one WITH MARK N'first'; INSERT t VALUES (1); COMMIT",
      'INSERT t VALUES (2)',
      'USE master',
      "BACKUP LOG Marked TO DISK = N'D:\\Backup\\marked.trn'",
      "RESTORE DATABASE Marked FROM DISK = N'D:\\Backup\\marked.bak' WITH NORECOVERY, REPLACE",
      'SELECT 1 FROM Marked.dbo.t',
      "RESTORE LOG Marked FROM DISK = N'D:\\Backup\\marked.trn' WITH STOPATMARK = N'one', RECOVERY",
    ]);
    const numbers = messages.map(each => each.split('/')[0]);
    expect(numbers.filter(number => number !== '3211')).toEqual([
      '4035',
      '4035',
      '3014',
      '4035',
      '3014',
      '4035',
      '4035',
      '3014',
      '927',
      '4035',
      '4035',
      '3014',
    ]);
    expect(messages).toContain('3211/0/1 1 100 percent processed.');
    expect((await speak(['SELECT id FROM t'], { database: 'Marked' })).rows).toEqual(['id', '1']);
  });
});
