import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startPair, TWO, type Pair } from './linked-fixture.ts';

let pair: Pair;
const T = `[${TWO}].B.dbo.account`;

async function numbers(text: string): Promise<number[]> {
  return (await pair.one.run(text)).errors.map(each => each.number);
}

beforeAll(async () => {
  pair = await startPair();
  await pair.two.rows('CREATE DATABASE B; CREATE TABLE B.dbo.account (id int PRIMARY KEY, name nvarchar(20) NULL, balance decimal(9, 2) NOT NULL DEFAULT 0)');
  await pair.one.rows('CREATE DATABASE A; CREATE TABLE A.dbo.account (id int PRIMARY KEY, name nvarchar(20) NULL)');
  await pair.one.rows(`EXEC sp_addlinkedserver @server = N'${TWO}', @srvproduct = N'SQL Server'; EXEC sp_serveroption N'${TWO}', 'rpc out', 'true'`);
}); // prettier-ignore
beforeEach(async () => {
  await pair.one.run('IF @@TRANCOUNT > 0 ROLLBACK; SET XACT_ABORT OFF');
  await pair.two.rows("DELETE B.dbo.account; INSERT B.dbo.account VALUES (1, N'ann', 10), (2, N'bob', 20), (3, N'cay', 30)");
  await pair.one.rows("DELETE A.dbo.account; INSERT A.dbo.account VALUES (1, N'here'), (7, N'only here')");
  pair.asked.length = 0;
}); // prettier-ignore
afterAll(() => pair.end());

describe('a query of one linked server', () => {
  it('is asked there in its own words, with the variables it uses', async () => {
    const rows = await pair.one.rows(
      `DECLARE @id int = 1, @other int = 9; SELECT a.name, B.dbo.account.id, @@SERVERNAME FROM ${T} a JOIN ${T} ON B.dbo.account.id = a.id /* all */ WHERE a.id > @id ORDER BY a.id`,
    );
    expect(rows).toEqual([['bob', 2, 'TEST\\ONE'], ['cay', 3, 'TEST\\ONE']]); // prettier-ignore
    expect(pair.asked).toHaveLength(1);
    expect(pair.asked[0]?.text).toContain('FROM B.dbo.account a JOIN B.dbo.account ON');
    expect(pair.asked[0]?.parameters.map(each => each.name)).toEqual(['@p1', '@id', '@p3']);
  });

  it('counts, assigns and ends like one of this instance', async () => {
    const answer = await pair.one.run(`SELECT id FROM ${T} WHERE id < 3; SELECT @@ROWCOUNT AS n`);
    expect(answer.ends.map(each => [each.command, each.rowCount])).toEqual([[193, 2n], [193, 1n]]); // prettier-ignore
    expect(answer.sets[1]?.rows).toEqual([[2n]]);
    expect(
      await pair.one.rows(`DECLARE @n nvarchar(20), @c int = 5; SELECT @n = name, @c += 1 FROM ${T} WHERE id = 2; SELECT @n, @c, @@ROWCOUNT`),
    ).toEqual([['bob', 6, 1]]); // prettier-ignore
  });

  it.each([
    ['a condition', `IF EXISTS (SELECT 1 FROM ${T} WHERE id = 2) SELECT 'yes' ELSE SELECT 'no'`, [['yes']]],
    ['a loop', `DECLARE @i int = 0; WHILE @i < (SELECT COUNT(*) FROM ${T}) SET @i += 1; SELECT @i`, [[3]]],
    ['a variable', `DECLARE @n int = (SELECT MAX(id) FROM ${T}); SET @n = @n + (SELECT MIN(id) FROM ${T}); SELECT @n`, [[4]]],
    ['a CTE', `WITH r AS (SELECT id FROM ${T} WHERE id > 1) SELECT COUNT(*) FROM r`, [[2]]],
    ['a union', `SELECT id FROM ${T} WHERE id = 1 UNION ALL SELECT id FROM ${T} WHERE id = 3 ORDER BY id DESC`, [[3], [1]]],
  ])('may be %s', async (_, text, rows) => {
    expect(await pair.one.rows(text)).toEqual(rows);
  }); // prettier-ignore

  it.each([
    ['a join', `SELECT l.name, r.name FROM A.dbo.account l JOIN ${T} r ON r.id = l.id`, [['here', 'ann']]],
    ['a correlated subquery', `SELECT l.id FROM A.dbo.account l WHERE NOT EXISTS (SELECT 1 FROM ${T} r WHERE r.id = l.id)`, [[7]]],
    ['a derived table', `SELECT l.id, d.n FROM A.dbo.account l CROSS JOIN (SELECT COUNT(*) AS n FROM ${T}) d ORDER BY l.id`, [[1, 3], [7, 3]]],
    ['a table variable', `DECLARE @t table (id int); INSERT @t VALUES (2), (3); SELECT r.name FROM @t t JOIN ${T} r ON r.id = t.id ORDER BY r.id`, [['bob'], ['cay']]],
    ['SELECT INTO', `SELECT id INTO #x FROM ${T}; SELECT COUNT(*) FROM #x; DROP TABLE #x`, [[3]]],
    ['its own name', `SELECT id FROM [test\\one].A.dbo.account ORDER BY id`, [[1], [7]]],
  ])('stands beside local tables: %s', async (_, text, rows) => {
    expect(await pair.one.rows(text)).toEqual(rows);
  }); // prettier-ignore
});

describe('changes there', () => {
  it('are whole statements with their count', async () => {
    const rows = await pair.one.rows(
      `DECLARE @n decimal(9, 2) = 5, @was decimal(9, 2);
       UPDATE ${T} SET @was = balance, balance = balance - @n WHERE id = 2; SELECT @@ROWCOUNT, @was;`,
    );
    expect(rows).toEqual([[1, '20.00']]);
    const answer = await pair.one.run(
      `INSERT ${T} (id, balance) VALUES (4, DEFAULT), (5, 1); DELETE a FROM ${T} a WHERE a.id IN (SELECT id FROM ${T} WHERE id < 3)`,
    );
    expect(answer.ends.map(each => [each.command, each.rowCount])).toEqual([[195, 2n], [196, 2n]]); // prettier-ignore
    expect(await pair.two.rows('SELECT id, balance FROM B.dbo.account ORDER BY id')).toEqual([
      [3, '30.00'],
      [4, '0.00'],
      [5, '1.00'],
    ]);
  });

  it('take local rows in batches, all of them or none', async () => {
    await pair.one.rows('INSERT A.dbo.account VALUES (100, NULL); DECLARE @n int = 1; WHILE @n < 1000 BEGIN INSERT A.dbo.account SELECT id + @n, NULL FROM A.dbo.account WHERE id >= 100; SET @n *= 2 END');
    expect(
      await pair.one.rows(`INSERT ${T} (id, name, balance) SELECT id, NULL, 1 FROM A.dbo.account WHERE id >= 100; SELECT @@ROWCOUNT`),
    ).toEqual([[1024]]);
    expect(pair.asked.length).toBeGreaterThan(1);
    expect(pair.one.session.transaction).toBeUndefined();
    await pair.two.rows('DELETE B.dbo.account WHERE id BETWEEN 100 AND 1100');
    expect(await numbers(`INSERT ${T} (id, balance) SELECT id, 1 FROM A.dbo.account WHERE id >= 100`)).toEqual([2627]);
    expect(await pair.two.rows('SELECT COUNT(*) FROM B.dbo.account WHERE id BETWEEN 100 AND 1100')).toEqual([[0]]);
  }); // prettier-ignore

  it('and rows from there come here', async () => {
    await pair.one.rows(`INSERT A.dbo.account SELECT id + 10, name FROM ${T} WHERE id > 1`);
    await pair.one.rows(`INSERT A.dbo.account EXEC [${TWO}].master.dbo.sp_executesql N'SELECT id + 20, name FROM B.dbo.account WHERE id = 1'`);
    await pair.one.rows(`UPDATE l SET name = r.name FROM A.dbo.account l JOIN ${T} r ON r.id = l.id`);
    expect(await pair.one.rows('SELECT id, name FROM A.dbo.account ORDER BY id')).toEqual([
      [1, 'ann'], [7, 'only here'], [12, 'bob'], [13, 'cay'], [21, 'ann'],
    ]);
  }); // prettier-ignore

  it.each([
    [`UPDATE ${T} SET balance = 1 OUTPUT inserted.id WHERE id = 1`, 405],
    [`UPDATE r SET name = l.name FROM ${T} r JOIN A.dbo.account l ON l.id = r.id`, 50000],
    [`TRUNCATE TABLE ${T}`, 50000],
    [`SELECT SERVERPROPERTY('ServerName') FROM ${T}`, 50000],
    [`SELECT 1 FROM [${TWO}]..dbo.account`, 50000],
    ['SELECT 1 FROM [NO SUCH].B.dbo.account', 7202],
    [`SELECT nosuch FROM ${T}`, 207],
    [`INSERT ${T} VALUES (1, NULL, 0)`, 2627],
  ])('%s fails with %i', async (text, number) => {
    const { errors } = await pair.one.run(`\n${text}`);
    expect(errors.map(each => [each.number, each.line])).toEqual([[number, 2]]);
  });
});

describe('EXEC there', () => {
  it('brings result sets, outputs, status and messages', async () => {
    const answer = await pair.one.run(
      `DECLARE @rc int, @n int, @p nvarchar(200) = N'[${TWO}].B.dbo.sp_executesql';
       EXEC @rc = @p N'PRINT N''told''; SELECT @k AS k; SELECT @m = COUNT(*) FROM dbo.account', N'@k int, @m int OUTPUT', @k = 4, @m = @n OUTPUT;
       SELECT @rc, @n`,
    );
    expect(answer.errors).toEqual([]);
    expect(answer.infos.map(each => each.text)).toEqual(['told']);
    expect(answer.sets.map(each => each.rows)).toEqual([[[4n]], [[0n, 3n]]]);
  });

  it('as a text AT a server', async () => {
    expect(await pair.one.rows(`EXEC (N'SELECT DB_NAME(), @@SERVERNAME') AT [${TWO}]`)).toEqual([['master', TWO]]);
  });

  it('fails like a statement of its own, which TRY catches', async () => {
    const text = `EXEC [${TWO}].B.dbo.sp_executesql N'SELECT nosuch FROM dbo.account'`;
    expect(await pair.one.rows(`BEGIN TRY ${text} END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH`)).toEqual([[207]]);
    expect(await pair.one.rows(`BEGIN TRY SELECT nosuch FROM ${T} END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH`)).toEqual([[207]]);
    expect((await pair.one.run(`${text}; SELECT 1 AS went_on`)).sets.at(-1)?.rows).toEqual([[1n]]);
  }); // prettier-ignore

  it('needs rpc out', async () => {
    await pair.one.rows(`EXEC sp_serveroption N'${TWO}', 'rpc out', 'false'`);
    expect(await numbers(`EXEC [${TWO}].B.dbo.sp_executesql N'SELECT 1'`)).toEqual([7411]);
    await pair.one.rows(`EXEC sp_serveroption N'${TWO}', 'rpc out', 'true'`);
  });
});

describe('a distributed transaction', () => {
  const both = `UPDATE A.dbo.account SET name = N'x' WHERE id = 1; UPDATE ${T} SET name = N'x' WHERE id = 1`;
  const names = async (): Promise<unknown[][]> => [
    ...(await pair.one.rows('SELECT name FROM A.dbo.account WHERE id = 1')),
    ...(await pair.two.rows('SELECT name FROM B.dbo.account WHERE id = 1')),
  ];

  it.each(['BEGIN DISTRIBUTED TRAN', 'BEGIN DISTRIBUTED TRANSACTION named', 'BEGIN TRAN'])('%s ends on both', async begin => {
    await pair.one.rows(`SET XACT_ABORT ON; ${begin}; ${both}; ROLLBACK`);
    expect(await names()).toEqual([['here'], ['ann']]);
    await pair.one.rows(`SET XACT_ABORT ON; ${begin}; ${both}; COMMIT`);
    expect(await names()).toEqual([['x'], ['x']]);
  }); // prettier-ignore

  it('counts its BEGINs', async () => {
    expect(await pair.one.rows('BEGIN TRAN; BEGIN DISTRIBUTED TRAN; SELECT @@TRANCOUNT; COMMIT; ROLLBACK')).toEqual([
      [2],
    ]);
    expect(await numbers('BEGIN DISTRIBUTED TRAN m WITH MARK')).toEqual([102]);
  });

  it('has no savepoints', async () => {
    expect(await numbers('BEGIN DISTRIBUTED TRAN; SAVE TRAN s')).toEqual([627]);
  });

  it('needs XACT_ABORT ON for changes there, not for reading or EXEC', async () => {
    expect(await numbers(`BEGIN TRAN; DELETE ${T}`)).toEqual([7395]);
    expect(
      await numbers(`SELECT id FROM ${T}; EXEC [${TWO}].B.dbo.sp_executesql N'DELETE dbo.account'; ROLLBACK`),
    ).toEqual([]);
    expect(await pair.two.rows('SELECT COUNT(*) FROM B.dbo.account')).toEqual([[3]]);
  });

  it('is rolled back by a failure there', async () => {
    const text = `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; ${both}; INSERT ${T} VALUES (1, NULL, 0); COMMIT`;
    expect(await numbers(text)).toEqual([2627]);
    expect(pair.one.session.transaction).toBeUndefined();
    expect(await names()).toEqual([['here'], ['ann']]);
  });

  it('is doomed by it under TRY', async () => {
    const rows = await pair.one.rows(
      `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; ${both};
       BEGIN TRY INSERT ${T} VALUES (1, NULL, 0) END TRY BEGIN CATCH SELECT ERROR_NUMBER(), XACT_STATE(); ROLLBACK END CATCH`,
    );
    expect(rows).toEqual([[2627, -1]]);
    expect(await names()).toEqual([['here'], ['ann']]);
  });

  it('is marked by a BEGIN inside it, on each instance', async () => {
    const inner = 'BEGIN TRAN m1 WITH MARK; UPDATE B.dbo.account SET name = name; COMMIT';
    await pair.one.rows(
      `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; BEGIN TRAN m1 WITH MARK; UPDATE A.dbo.account SET name = name; COMMIT;
       EXEC [${TWO}].B.dbo.sp_executesql N'${inner}'; COMMIT`,
    );
    const marks = "SELECT database_name FROM msdb.dbo.logmarkhistory WHERE mark_name = N'm1'";
    expect([await pair.one.rows(marks), await pair.two.rows(marks)]).toEqual([[['A']], [['B']]]);
  });
});
