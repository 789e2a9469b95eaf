import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { plain, startSql, type SqlFixture } from './sql-fixture.ts';

describe('changing rows', () => {
  let sql: SqlFixture;
  beforeAll(async () => {
    sql = await startSql();
    await sql.rows('CREATE DATABASE A; USE A');
  });
  afterAll(() => sql.end());
  beforeEach(async () => {
    await sql.rows(`DROP TABLE IF EXISTS dbo.t;
      CREATE TABLE dbo.t (id int IDENTITY(5, 5) CONSTRAINT PK_t PRIMARY KEY, code char(3) NOT NULL UNIQUE, n decimal(5,1) NULL DEFAULT 1.5, note varchar(6));
      INSERT dbo.t (code, note) VALUES ('a', 'one'), ('b', NULL);`);
  });

  it('fills identity and defaults and pads char', async () => {
    expect(await sql.rows('SELECT id, code, n, note FROM dbo.t')).toEqual([
      [5, 'a  ', '1.5', 'one'],
      [10, 'b  ', '1.5', null],
    ]);
    expect(await sql.rows('SELECT SCOPE_IDENTITY(), @@IDENTITY')).toEqual([['10', '10']]);
  });

  it('takes values, queries, defaults and the rows of EXEC', async () => {
    await sql.rows(
      "INSERT INTO t (code, n) SELECT 'q' + code, n + 1 FROM t; INSERT t (code, n) VALUES ('z', DEFAULT); INSERT t (code, note) EXEC (N'SELECT ''x1'', 1; SELECT ''x2'', NULL')",
    );
    expect(await sql.rows("SELECT code, n, note FROM t WHERE id > 10 ORDER BY id")).toEqual([
      ['qa ', '2.5', null],
      ['qb ', '2.5', null],
      ['z  ', '1.5', null],
      ['x1 ', '1.5', '1'],
      ['x2 ', '1.5', null],
    ]); // prettier-ignore
  });

  it('tells OUTPUT rows and counts', async () => {
    const answer = await sql.run(
      "UPDATE t SET n += 1, note = N'x' OUTPUT deleted.n AS old, inserted.n AS new WHERE code = 'A'; DELETE t OUTPUT deleted.id",
    );
    expect(answer.sets.map(set => set.rows.map(row => row.map(plain)))).toEqual([[['1.5', '2.5']], [[5], [10]]]);
    expect(answer.ends).toEqual([
      { command: 197, rowCount: 1n },
      { command: 196, rowCount: 2n },
    ]);
  });

  it('keeps OUTPUT rows in a table variable', async () => {
    expect(
      await sql.rows(
        'DECLARE @gone TABLE (id int, code char(3)); DELETE t OUTPUT deleted.id, deleted.code INTO @gone WHERE id = 5; SELECT * FROM @gone',
      ),
    ).toEqual([[5, 'a  ']]);
  });

  it('updates and deletes through FROM, TOP and common tables', async () => {
    await sql.rows(
      "UPDATE x SET note = d.v FROM t AS x JOIN (VALUES ('a', 'AA'), ('a', 'never')) d (code, v) ON d.code = x.code",
    );
    expect(await sql.rows('SELECT note FROM t ORDER BY id')).toEqual([['AA'], [null]]);
    await sql.rows(
      'WITH old AS (SELECT id FROM t WHERE note IS NULL) DELETE FROM t WHERE id IN (SELECT id FROM old); DELETE TOP (0) FROM t; DELETE z FROM t z WHERE z.id = 99',
    );
    expect(await sql.rows('SELECT id FROM t')).toEqual([[5]]);
    await sql.rows("DECLARE @v decimal(9,1); UPDATE t SET @v = n = n * 2; INSERT t (code, n) VALUES ('v', @v + 1)");
    expect(await sql.rows('SELECT n FROM t ORDER BY id')).toEqual([['3.0'], ['4.0']]);
  });

  const failures: readonly (readonly [statement: string, number: number])[] = [
    ["INSERT t (code) VALUES ('A')", 2627], ['INSERT t (code) VALUES (NULL)', 515], ["INSERT t (code, note) VALUES ('c', 'far too long')", 2628], ["INSERT t (code) VALUES ('c', 1)", 110], ['INSERT t (code, n) VALUES (1)', 109],
    ["INSERT t VALUES ('c', 1)", 213], ["INSERT t (id, code) VALUES (1, 'c')", 544], ['UPDATE t SET id = 1', 8102], ['UPDATE t SET nosuch = 1', 207], ['UPDATE t SET n = 1, n = 2', 264], ['UPDATE t SET n = 99999', 8115],
    ["UPDATE t SET n = 'x'", 8114], ['INSERT nosuch VALUES (1)', 208], ['UPDATE t SET code = \'a\'', 2627], ['CREATE TABLE t (a int)', 2714], ['DROP TABLE nosuch', 3701], ['CREATE TABLE u (a int, A int)', 2705],
    ['INSERT t (code) SELECT code, n FROM t', 121],
  ]; // prettier-ignore

  it.each(failures)('%s fails with %i and changes nothing', async (statement, number) => {
    const before = await sql.rows('SELECT * FROM t');
    expect(await sql.errors(statement)).toEqual([number]);
    expect(await sql.rows('SELECT * FROM t')).toEqual(before);
  });

  it('undoes the rows of a failing statement alone', async () => {
    expect(
      await sql.errors("BEGIN TRAN; INSERT t (code) VALUES ('k'); INSERT t (code) VALUES ('l'), ('a'); COMMIT"),
    ).toEqual([2627]);
    expect(await sql.rows('SELECT code FROM t ORDER BY id')).toEqual([['a  '], ['b  '], ['k  ']]);
  });

  it('inserts explicit identities when asked', async () => {
    await sql.rows("SET IDENTITY_INSERT t ON; INSERT t (id, code) VALUES (77, 'c'); SET IDENTITY_INSERT t OFF");
    expect(await sql.rows("SELECT id FROM t WHERE code = 'c'")).toEqual([[77]]);
  });

  it('gives each session its own #t and drops that of a procedure level', async () => {
    const other = sql.engine.session('A');
    await sql.rows('CREATE TABLE #t (a int); INSERT #t VALUES (1)');
    await sql.rows('CREATE TABLE #t (b int); INSERT #t VALUES (2)', other);
    expect(await sql.rows('SELECT a FROM #t')).toEqual([[1]]);
    expect(await sql.errors("EXEC (N'CREATE TABLE #inner (a int)'); SELECT * FROM #inner")).toEqual([208]);
    expect(await sql.rows("EXEC (N'SELECT a FROM #t')")).toEqual([[1]]);
    await sql.executor.reset?.(other);
    expect(await sql.errors('SELECT * FROM #t', other)).toEqual([208]);
  });
});
