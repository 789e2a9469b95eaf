import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { recordingSink, startSql, type Answer, type SqlFixture } from './sql-fixture.ts';

describe('transactions and the fate of failures', () => {
  let sql: SqlFixture;
  beforeAll(async () => {
    sql = await startSql();
    await sql.rows(
      'CREATE DATABASE A; CREATE DATABASE B; CREATE TABLE A.dbo.t (id int PRIMARY KEY, n int NOT NULL); CREATE TABLE B.dbo.t (id int PRIMARY KEY, n int NOT NULL)',
    );
  });
  afterAll(() => sql.end());
  beforeEach(async () => {
    await sql.rows(
      'SET XACT_ABORT OFF; SET IMPLICIT_TRANSACTIONS OFF; IF @@TRANCOUNT > 0 ROLLBACK; DELETE A.dbo.t; DELETE B.dbo.t; INSERT A.dbo.t VALUES (1, 10), (2, 20)',
    );
  });

  const ids = async (): Promise<unknown> => (await sql.rows('SELECT id FROM A.dbo.t ORDER BY id')).flat();
  const told = (answer: Answer): readonly number[] => answer.errors.map(each => each.number);

  it('goes on after a failing statement and keeps the transaction', async () => {
    const answer = await sql.run(
      'BEGIN TRAN; INSERT A.dbo.t VALUES (3, 1); INSERT A.dbo.t VALUES (3, 1); SELECT @@ERROR, @@TRANCOUNT; COMMIT',
    );
    expect([told(answer), answer.sets[0]?.rows]).toEqual([[2627], [[2627n, 1n]]]);
    expect(await ids()).toEqual([1, 2, 3]);
  });

  it('ends batch and transaction with XACT_ABORT', async () => {
    const answer = await sql.run(
      'SET XACT_ABORT ON; BEGIN TRAN; INSERT A.dbo.t VALUES (3, 1); INSERT A.dbo.t VALUES (3, 1); SELECT 1',
    );
    expect([told(answer), answer.sets.length, answer.changes]).toEqual([[2627], 0, ['begin', 'rollback']]);
    expect(await ids()).toEqual([1, 2]);
  });

  it('dooms the transaction inside TRY with XACT_ABORT', async () => {
    const answer =
      await sql.run(`SET XACT_ABORT ON; BEGIN TRY BEGIN TRAN; UPDATE A.dbo.t SET n = 0; INSERT A.dbo.t VALUES (1, 1); COMMIT; END TRY
      BEGIN CATCH SELECT XACT_STATE(), ERROR_NUMBER(), ERROR_LINE(); INSERT A.dbo.t VALUES (9, 9); END CATCH`);
    expect([answer.sets[0]?.rows, told(answer)]).toEqual([[[-1n, 2627n, 1n]], [3930]]);
    expect(await sql.rows('SELECT SUM(n), @@TRANCOUNT FROM A.dbo.t')).toEqual([[30, 0]]);
  });

  it('rolls a doomed transaction back at the end of its batch', async () => {
    expect(
      await sql.errors("BEGIN TRAN; BEGIN TRY SELECT CONVERT(int, 'x') END TRY BEGIN CATCH PRINT 'caught' END CATCH"),
    ).toEqual([3998]);
    expect(await sql.rows('SELECT @@TRANCOUNT')).toEqual([[0]]);
  });

  it('runs the usual pattern: TRY, COMMIT, CATCH, ROLLBACK, THROW', async () => {
    const batch = (
      key: number,
    ): string => `SET XACT_ABORT ON; SET NOCOUNT ON; BEGIN TRY BEGIN TRANSACTION; UPDATE A.dbo.t SET n = n - 1 WHERE id = 1;
      INSERT B.dbo.t (id, n) VALUES (${key}, 1); COMMIT TRANSACTION; END TRY BEGIN CATCH IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; THROW; END CATCH`;
    expect(told(await sql.run(batch(1)))).toEqual([]);
    const second = await sql.run(batch(1));
    expect(second.errors).toMatchObject([{ number: 2627, severity: 14, line: 2 }]);
    expect(await sql.rows('SELECT a.n, (SELECT COUNT(*) FROM B.dbo.t) FROM A.dbo.t a WHERE a.id = 1')).toEqual([
      [9, 1],
    ]);
  });

  it('nests, saves and rolls back by name', async () => {
    await sql.rows(
      'BEGIN TRAN a; BEGIN TRAN b; INSERT A.dbo.t VALUES (3, 1); COMMIT; SAVE TRAN s; DELETE A.dbo.t; ROLLBACK TRAN s; COMMIT',
    );
    expect(await ids()).toEqual([1, 2, 3]);
    expect(
      await sql.errors('BEGIN TRAN a; ROLLBACK TRAN nosuch; ROLLBACK TRAN a; ROLLBACK; COMMIT; SAVE TRAN x'),
    ).toEqual([6401, 3903, 3902, 628]);
  });

  it('marks the databases it updates', async () => {
    const longName = 'x'.repeat(40);
    await sql.rows(
      `DECLARE @m varchar(60) = '${longName}'; BEGIN TRAN @m WITH MARK N'why'; UPDATE A.dbo.t SET n = 1; INSERT B.dbo.t VALUES (1, 1); COMMIT`,
    );
    expect(
      await sql.rows(
        'SELECT database_name, mark_name, description FROM msdb.dbo.logmarkhistory ORDER BY database_name',
      ),
    ).toEqual([
      ['A', 'x'.repeat(32), 'why'],
      ['B', 'x'.repeat(32), 'why'],
    ]);
    expect(
      await sql.errors('BEGIN TRAN m WITH MARK; BEGIN TRAN n WITH MARK; SELECT @@TRANCOUNT; COMMIT; COMMIT'),
    ).toEqual([3920]);
  });

  it('opens transactions by itself when asked', async () => {
    expect(await sql.rows('SET IMPLICIT_TRANSACTIONS ON; INSERT A.dbo.t VALUES (4, 4); SELECT @@TRANCOUNT; ')).toEqual([
      [1],
    ]);
    await sql.rows('ROLLBACK');
    expect(await sql.rows('SET IMPLICIT_TRANSACTIONS OFF; SELECT COUNT(*) FROM A.dbo.t')).toEqual([[2]]);
  });

  it('cannot catch a missing table at its own level, but one level up', async () => {
    expect(await sql.errors("BEGIN TRY SELECT * FROM nosuch END TRY BEGIN CATCH SELECT 'caught' END CATCH")).toEqual([
      208,
    ]);
    expect(
      await sql.rows("BEGIN TRY EXEC (N'SELECT * FROM nosuch') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH"),
    ).toEqual([[208]]);
    expect(await sql.rows("BEGIN TRY EXEC (N'SELEC') END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH")).toEqual([
      [2812],
    ]);
  });

  it('ends an inner batch alone when that batch cannot be compiled', async () => {
    const answer = await sql.run("EXEC (N'SELECT * FROM nosuch; SELECT 1'); SELECT 2");
    expect([told(answer), answer.sets.map(set => set.rows)]).toEqual([[208], [[[2n]]]]);
  });

  it('keeps RAISERROR apart from XACT_ABORT and lets THROW end the batch', async () => {
    const answer = await sql.run(
      "SET XACT_ABORT ON; RAISERROR (N'no %s %d%%', 16, 3, N'way', 5); SELECT 'on'; THROW 50007, N'enough', 2; SELECT 'never'",
    );
    expect(answer.errors.map(each => [each.number, each.severity, each.state, each.text])).toEqual([
      [50000, 16, 3, 'no way 5%'],
      [50007, 16, 2, 'enough'],
    ]);
    expect(answer.sets.map(set => set.rows)).toEqual([[['on']]]);
    expect((await sql.run("RAISERROR ('%05d|%-4s|%x', 10, 1, 42, 'a', 255) WITH NOWAIT")).infos).toMatchObject([
      { number: 50000, severity: 10, text: '00042|a   |ff' },
    ]);
  });

  it('waits for the row it names and for no other', async () => {
    const other = sql.engine.session('A');
    await sql.rows('BEGIN TRAN; UPDATE A.dbo.t SET n = 11 WHERE id = 1');
    expect(await sql.rows('UPDATE dbo.t SET n = 21 WHERE id = 2; SELECT n FROM dbo.t WHERE id = 2', other)).toEqual([
      [21],
    ]);
    expect(
      await sql.errors(
        'SET LOCK_TIMEOUT 10; SELECT n FROM dbo.t WHERE id = 1; UPDATE dbo.t SET n = 0 WHERE id = 1',
        other,
      ),
    ).toEqual([1222, 1222]);
    expect(await sql.rows('SELECT n FROM dbo.t WITH (NOLOCK) WHERE id = 1', other)).toEqual([[11]]);
    expect(await sql.rows('SELECT id FROM dbo.t WITH (READPAST)', other)).toEqual([[2]]);
    const waiting = sql.rows('SET LOCK_TIMEOUT -1; SELECT n FROM dbo.t WHERE id = 1', other);
    await sql.rows('COMMIT');
    expect(await waiting).toEqual([[11]]);
  });

  it('rolls one of two deadlocked transactions back and lets the other finish', async () => {
    const [a, b] = [sql.engine.session('A'), sql.engine.session('A')];
    await sql.rows('BEGIN TRAN; UPDATE dbo.t SET n = 1 WHERE id = 1', a);
    await sql.rows('BEGIN TRAN; UPDATE dbo.t SET n = 2 WHERE id = 2', b);
    const first = sql.run('UPDATE dbo.t SET n = 1 WHERE id = 2; IF @@TRANCOUNT > 0 COMMIT', a);
    const second = sql.run('UPDATE dbo.t SET n = 2 WHERE id = 1; IF @@TRANCOUNT > 0 COMMIT', b);
    const answers = await Promise.all([first, second]);
    expect(answers.map(told).sort()).toEqual([[], [1205]]);
    const winner = answers[0].errors.length === 0 ? 1 : 2;
    expect(await sql.rows('SELECT n FROM A.dbo.t')).toEqual([[winner], [winner]]);
    expect([a.nesting, b.nesting]).toEqual([0, 0]);
  });

  it('loses no update of many sessions', async () => {
    const sessions = Array.from({ length: 8 }, () => sql.engine.session('A'));
    await Promise.all(sessions.map(async session => {
      for (let i = 0; i < 10; i += 1) await sql.rows('BEGIN TRAN; UPDATE dbo.t SET n = n + 1 WHERE n >= 20 AND id = 2; COMMIT', session);
    })); // prettier-ignore
    expect(await sql.rows('SELECT n FROM A.dbo.t WHERE id = 2')).toEqual([[100]]);
  });

  it('stops when the request is aborted, and rolls back with XACT_ABORT alone', async () => {
    const session = sql.engine.session('A');
    const ended = sql.run(
      "INSERT dbo.t VALUES (7, 7); BEGIN TRAN; INSERT dbo.t VALUES (8, 8); WAITFOR DELAY '01:00:00'; INSERT dbo.t VALUES (9, 9)",
      session,
    );
    while (session.nesting === 0) await new Promise(resolve => setImmediate(resolve));
    session.abort('attention');
    const answer = await ended;
    expect([answer.errors, answer.changes]).toEqual([[], ['begin']]);
    expect(session.nesting).toBe(1);
    await session.transaction?.rollback();
  });

  it('runs the transaction-manager requests of drivers', async () => {
    const session = sql.engine.session('A');
    const { sink, answer } = recordingSink();
    await sql.executor.transactionManager(session, { operation: 'begin', name: 'x' }, sink);
    await sql.rows('INSERT dbo.t VALUES (5, 5)', session);
    await sql.executor.transactionManager(session, { operation: 'save', name: 's' }, sink);
    await sql.rows('INSERT dbo.t VALUES (6, 6)', session);
    await sql.executor.transactionManager(session, { operation: 'rollback', name: 's' }, sink);
    await sql.executor.transactionManager(session, { operation: 'commit', name: '', beginNext: true }, sink);
    await sql.executor.transactionManager(session, { operation: 'rollback', name: '' }, sink);
    expect(answer.changes).toEqual(['begin', 'commit', 'begin', 'rollback']);
    expect(await ids()).toEqual([1, 2, 5]);
  });
});
