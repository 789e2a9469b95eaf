/** A large table is not looked at row by row where WHERE compares a column with a constant; what is seen and who waits stays the same. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startSql, type SqlFixture } from './sql-fixture.ts';

let sql: SqlFixture;
const rows = 200;

beforeAll(async () => {
  sql = await startSql();
  await sql.run('CREATE DATABASE A');
  await sql.run(
    'CREATE TABLE A.dbo.T (id int PRIMARY KEY, kind nvarchar(10), size bigint, at datetime, done bit, exact nvarchar(10) COLLATE Latin1_General_BIN2)',
  );
  const values = Array.from({ length: rows }, (_, i) => {
    const kind = i % 10 === 0 ? 'NULL' : `N'k${i % 10}'`;
    return `(${i}, ${kind}, ${i % 4}, DATEADD(minute, ${i}, '2026-03-01'), ${i % 50 === 0 ? 1 : 0}, N'${i % 2 === 0 ? 'x' : 'X'}')`;
  });
  await sql.run(`INSERT A.dbo.T VALUES ${values.join(', ')}`);
}, 60_000);

afterAll(() => sql.end());

const count = async (where: string): Promise<unknown> =>
  (await sql.rows(`SELECT COUNT(*) FROM A.dbo.T WHERE ${where}`))[0]?.[0];

it.each([
  ["kind = N'K3 '", 20],
  ["N'k3' = kind AND size = 1", 10],
  ['kind = NULL', 0],
  ['size = 3', 50],
  ['size = 99', 0],
  ['done = 1', 4],
  ['done = 0', 196],
  ['done = 2', 0],
  ["at < CONVERT(datetime, '2026-03-01T00:10:00', 126)", 10],
  ["CONVERT(datetime, '2026-03-01T00:10:00', 126) >= at", 11],
  ["kind > 'k8'", 20],
  ["size >= 2 AND kind <= 'k1'", 10],
  ["exact = N'x'", 100],
  ["kind = 'k3' OR size = 3", 60],
  ["NOT kind = 'k3'", 160],
])('finds the rows of %s', async (where, expected) => {
  expect(await count(where)).toBe(expected);
});

it('keeps key order, and follows changes, deletions and what is rolled back', async () => {
  const ids = async (): Promise<unknown[]> =>
    (await sql.rows("SELECT id FROM A.dbo.T WHERE kind = N'k7'")).map(([id]) => id);
  const before = await ids();
  expect(before).toEqual(Array.from({ length: 20 }, (_, i) => i * 10 + 7));
  await sql.run("UPDATE A.dbo.T SET kind = N'k7' WHERE id = 3; DELETE A.dbo.T WHERE id = 7");
  expect(await ids()).toEqual([3, ...before.slice(1)]);
  await sql.run("BEGIN TRAN; UPDATE A.dbo.T SET kind = N'k1' WHERE kind = N'k7'; DELETE A.dbo.T WHERE id = 17");
  expect(await ids()).toEqual([]);
  await sql.run('ROLLBACK');
  expect(await ids()).toEqual([3, ...before.slice(1)]);
  await sql.run(
    "UPDATE A.dbo.T SET kind = N'k3' WHERE id = 3; INSERT A.dbo.T VALUES (7, N'k7', 3, '2026-03-01T00:07:00', 0, N'X')",
  );
  expect(await ids()).toEqual(before);
});

it('follows a history that grows at its end and is cut at its beginning', async () => {
  const span = async (): Promise<unknown> => [
    await count("at < CONVERT(datetime, '2026-03-01T00:10:00', 126)"),
    await count("at >= CONVERT(datetime, '2026-03-01T03:10:00', 126)"),
  ];
  expect(await span()).toEqual([10, 10]);
  await sql.run("INSERT A.dbo.T VALUES (1000, N'new', 3, '2026-03-02', 0, N'X')");
  await sql.run("DELETE A.dbo.T WHERE at < CONVERT(datetime, '2026-03-01T00:04:00', 126)");
  expect(await span()).toEqual([6, 11]);
  await sql.run("UPDATE A.dbo.T SET at = '2026-03-01' WHERE id = 1000; UPDATE A.dbo.T SET at = NULL WHERE id = 5");
  expect(await span()).toEqual([6, 10]);
  await sql.run('DELETE A.dbo.T WHERE id = 1000');
  await sql.run("UPDATE A.dbo.T SET at = '2026-03-01T00:05:00' WHERE id = 5");
  const lost = Array.from(
    { length: 4 },
    (_, i) => `(${i}, ${i === 0 ? 'NULL' : `N'k${i}'`}, ${i}, DATEADD(minute, ${i}, '2026-03-01'), 0, N'x')`,
  );
  await sql.run(`INSERT A.dbo.T VALUES ${lost.join(', ')}`);
  expect(await span()).toEqual([10, 10]);
});

it('waits for a row that another transaction changes, whatever it holds, as a scan does', async () => {
  const other = sql.engine.session();
  await sql.run('BEGIN TRAN; UPDATE A.dbo.T SET size = 9 WHERE id = 12', other);
  const reader = sql.engine.session();
  await sql.run('SET LOCK_TIMEOUT 0', reader);
  expect(await sql.errors("SELECT id FROM A.dbo.T WHERE kind = N'k7'", reader)).toEqual([1222]);
  expect(await sql.errors("UPDATE A.dbo.T SET done = 0 WHERE kind = N'k7'", reader)).toEqual([1222]);
  expect(
    await sql.errors("SELECT id FROM A.dbo.T WHERE kind = N'k7'; SELECT id FROM A.dbo.T WHERE id = 13", reader),
  ).toEqual([1222]);
  await sql.run('ROLLBACK', other);
  expect(await sql.errors("SELECT id FROM A.dbo.T WHERE kind = N'k7'", reader)).toEqual([]);
  expect(await count('size = 9')).toBe(0);
});
