import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RpcParameter } from '../contract.ts';
import type { TypedValue } from '../values.ts';
import { plain, recordingSink, startSql, type SqlFixture } from './sql-fixture.ts';

describe('procedures', () => {
  let sql: SqlFixture;
  beforeAll(async () => {
    sql = await startSql();
    await sql.rows('CREATE DATABASE A; CREATE TABLE A.dbo.t (id int PRIMARY KEY, n int)');
    sql.registry.procedure({
      database: 'A',
      schema: 'dbo',
      name: 'sp_Add',
      parameters: [
        { name: '@id', type: { name: 'int' } },
        { name: '@n', type: { name: 'int' }, default: 7n },
        { name: '@seen', type: { name: 'nvarchar', length: 50 }, output: true },
      ],
      run: async context => {
        const parameters = {
          '@id': { type: { name: 'int' }, value: context.argument('@id') },
          n: { type: { name: 'int' }, value: context.argument('n') },
        } as const;
        await context.execute('INSERT t VALUES (@id, @n); SELECT DB_NAME() AS db', parameters);
        const rows = await context.query('SELECT COUNT(*) AS c FROM t');
        context.output('@seen', `rows ${String(plain(rows[0]?.['c'] ?? null))}`);
        context.raise({ number: 50000, severity: 10, state: 1, text: 'said' });
        return 3;
      },
    });
    sql.registry.procedure({ schema: 'sys', name: 'sp_fails', parameters: [], run: async context => {
      await context.execute('SELECT 1/0');
      return 0;
    } }); // prettier-ignore
    sql.registry.procedure({ schema: 'sys', name: 'sp_leaves', parameters: [], run: async context => {
      await context.execute('BEGIN TRAN');
      return 0;
    } }); // prettier-ignore
  });
  afterAll(() => sql.end());

  it('takes named, positional and default arguments, outputs and a status', async () => {
    const answer = await sql.run(
      'DECLARE @s nvarchar(50), @r int; EXEC @r = A.dbo.sp_add 1, @seen = @s OUTPUT; SELECT @r, @s; EXEC A.dbo.sp_Add @n = DEFAULT, @id = 2',
    );
    expect(answer.errors).toEqual([]);
    expect(answer.sets.map(set => set.rows.map(row => row.map(plain)))).toEqual([[['A']], [[3, 'rows 1']], [['A']]]);
    expect(answer.infos.map(each => [each.text, each.procedure])).toEqual([
      ['said', 'sp_Add'],
      ['said', 'sp_Add'],
    ]);
    expect(await sql.rows('SELECT * FROM A.dbo.t')).toEqual([
      [1, 7],
      [2, 7],
    ]);
  });

  it('says what is wrong with a call', async () => {
    expect(await sql.errors('EXEC A.dbo.sp_Add')).toEqual([201]);
    expect(await sql.errors("EXEC A.dbo.sp_Add 1, 2, N'x', 4")).toEqual([8144]);
    expect(await sql.errors('EXEC A.dbo.sp_Add @id = 1, @what = 2')).toEqual([8145]);
    expect(await sql.errors('DECLARE @x int; EXEC A.dbo.sp_Add @id = @x OUTPUT')).toEqual([8162]);
    expect(await sql.errors('EXEC nosuch.dbo.p; EXEC nosuch; SELECT 1')).toEqual([2812, 2812]);
    expect((await sql.errors("EXEC A.dbo.sp_Add 'x'"))[0]).toBe(245);
  });

  it('tells a failure with its procedure and goes on, or lets CATCH have it', async () => {
    const answer = await sql.run('EXEC sp_fails; SELECT 1');
    expect(answer.errors).toMatchObject([{ number: 8134, line: 1, procedure: 'sp_fails' }]);
    expect(answer.sets.map(set => set.rows).at(-1)).toEqual([[1n]]);
    expect(
      await sql.rows('BEGIN TRY EXEC sp_fails END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_PROCEDURE() END CATCH'),
    ).toEqual([[8134, 'sp_fails']]);
  });

  it('tells 266 when a procedure leaves a transaction behind', async () => {
    expect(await sql.errors('EXEC sp_leaves; IF @@TRANCOUNT = 1 ROLLBACK')).toEqual([266]);
  });

  it('gives SET options and the database back when a level ends', async () => {
    expect(await sql.errors("EXEC (N'BEGIN TRAN'); ROLLBACK")).toEqual([266]);
    const inner = 'SET LOCK_TIMEOUT 5; SET XACT_ABORT ON; USE A; SELECT @@LOCK_TIMEOUT, DB_NAME()';
    expect(await sql.rows(`EXEC sp_executesql N'${inner}'`)).toEqual([[5, 'A']]);
    expect(await sql.rows('SELECT @@LOCK_TIMEOUT, DB_NAME()')).toEqual([[-1, 'master']]);
  });

  it('feeds INSERT … EXEC', async () => {
    expect(
      await sql.rows(
        'CREATE TABLE #d (db nvarchar(128)); DECLARE @s nvarchar(50); INSERT #d EXEC A.dbo.sp_Add 3, 3, @s OUTPUT; SELECT * FROM #d',
      ),
    ).toEqual([['A']]);
  });

  const call = async (
    procedure: string,
    parameters: readonly RpcParameter[],
  ): Promise<{ rows: unknown; outputs: unknown; status: number; errors: number[] }> => {
    const { sink, answer } = recordingSink();
    const result = await sql.executor.call(sql.session, procedure, parameters, sink);
    return {
      rows: answer.sets.map(set => set.rows.map(row => row.map(plain))),
      outputs: result.outputs.map(each => [each.name, plain(each.value.value)]),
      status: result.status,
      errors: answer.errors.map(each => each.number),
    };
  };
  const text = (value: string): TypedValue => ({ type: { name: 'nvarchar', length: 4000 }, value });
  const int = (value: bigint | null): TypedValue => ({ type: { name: 'int' }, value });
  const given = (value: TypedValue, name = '', output = false): RpcParameter => ({ name, output, value });

  it('runs sp_executesql over RPC with outputs', async () => {
    const parameters = [
      given(text('SET @b = @a * 2; SELECT @b AS b')),
      given(text('@a int, @b int OUTPUT')),
      given(int(21n), '@a'),
      given(int(null), '@b', true),
    ];
    expect(await call('sp_executesql', parameters)).toEqual({
      rows: [[[42]]],
      outputs: [['@b', 42]],
      status: 0,
      errors: [],
    });
    expect(await call('sp_executesql', [given(text('SELECT 1'))])).toMatchObject({ rows: [[[1]]] });
    expect(await call('sp_executesql', parameters.slice(0, 3))).toMatchObject({ errors: [8178] });
  });

  it('prepares, executes with unnamed values, and forgets', async () => {
    const prepared = await call('sp_prepare', [
      given(int(null), '', true),
      given(text('@a int')),
      given(text('SELECT @a + 1 AS n')),
    ]);
    const handle = (prepared.outputs as [string, number][])[0]?.[1] ?? 0;
    expect(await call('sp_execute', [given(int(BigInt(handle))), given(int(4n))])).toMatchObject({ rows: [[[5]]] });
    expect(await call('sp_unprepare', [given(int(BigInt(handle)))])).toMatchObject({ status: 0, errors: [] });
    expect(await call('sp_execute', [given(int(BigInt(handle))), given(int(4n))])).toMatchObject({ errors: [8179] });
    expect(
      await call('sp_prepexec', [
        given(int(null), '', true),
        given(text('@a int')),
        given(text('SELECT @a')),
        given(int(9n), '@a'),
      ]),
    ).toMatchObject({ rows: [[[9]]] });
  });

  it('runs a named procedure over RPC', async () => {
    expect(await call('[A].[dbo].[sp_Add]', [given(int(8n), '@id'), given(text(''), '@seen', true)])).toMatchObject({
      status: 3,
      outputs: [['@seen', 'rows 4']],
      errors: [],
    });
    expect(await call('nosuch', [])).toMatchObject({ errors: [2812] });
  });

  it('writes what ran to the log, and how it ended', async () => {
    sql.log.length = 0;
    await sql.run('DECLARE @a int = 1; SELECT 1/0');
    await sql.run('SELECT');
    await sql.run('GRANT');
    expect(sql.log.map(each => [each.outcome, each.text, each.errors])).toEqual([
      ['started', 'SELECT 1/0', []], ['failed', 'SELECT 1/0', [8134]], ['failed', 'SELECT', [156]], ['unsupported', 'GRANT', [50000]],
    ]); // prettier-ignore
  });
});
