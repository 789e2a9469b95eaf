import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSql, type SqlFixture } from './sql-fixture.ts';

describe('queries', () => {
  let sql: SqlFixture;
  beforeAll(async () => {
    sql = await startSql();
    await sql.rows(`CREATE DATABASE A;
      CREATE TABLE A.dbo.customer (id int NOT NULL PRIMARY KEY, name nvarchar(20) NOT NULL, city nvarchar(20));
      CREATE TABLE A.dbo.orders (id int NOT NULL PRIMARY KEY, customer int NOT NULL, amount decimal(10,2));
      INSERT A.dbo.customer VALUES (1, N'Ada', N'Bergen'), (2, N'ben', NULL), (3, N'Cleo', N'bergen ');
      INSERT A.dbo.orders VALUES (10, 1, 5), (11, 1, 7.5), (12, 3, NULL), (13, 9, 1);`);
  });
  afterAll(() => sql.end());

  const cases: readonly (readonly [query: string, rows: unknown[][]])[] = [
    ['SELECT name FROM A.dbo.customer WHERE id = 2', [['ben']]],
    ["SELECT id FROM A.dbo.customer WHERE city = 'BERGEN' ORDER BY id DESC", [[3], [1]]],
    ['SELECT id FROM A.dbo.customer WHERE NOT city = N\'Bergen\'', []],
    ['SELECT c.name, o.id FROM A.dbo.customer c JOIN A.dbo.orders o ON o.customer = c.id ORDER BY o.id', [['Ada', 10], ['Ada', 11], ['Cleo', 12]]],
    ['SELECT c.id, o.id FROM A.dbo.customer c LEFT JOIN A.dbo.orders o ON o.customer = c.id AND o.amount > 5 ORDER BY c.id', [[1, 11], [2, null], [3, null]]],
    ['SELECT c.id, o.id FROM A.dbo.customer c FULL JOIN A.dbo.orders o ON o.customer = c.id ORDER BY 1, 2', [[null, 13], [1, 10], [1, 11], [2, null], [3, 12]]],
    ['SELECT COUNT(*) FROM A.dbo.customer, A.dbo.orders', [[12]]],
    ['SELECT customer, COUNT(*), SUM(amount), MAX(amount) FROM A.dbo.orders GROUP BY customer HAVING COUNT(amount) >= 0 ORDER BY customer', [[1, 2, '12.50', '7.50'], [3, 1, null, null], [9, 1, '1.00', '1.00']]],
    ['SELECT UPPER(city) u, COUNT(*) FROM A.dbo.customer GROUP BY UPPER(city) ORDER BY u', [[null, 1], ['BERGEN', 2]]],
    ['SELECT COUNT(*), SUM(amount), MIN(id) FROM A.dbo.orders WHERE 1 = 0', [[0, null, null]]],
    ['SELECT DISTINCT city FROM A.dbo.customer ORDER BY city', [[null], ['Bergen']]],
    ['SELECT TOP (2) id FROM A.dbo.orders ORDER BY amount DESC', [[11], [10]]],
    ['SELECT TOP 1 WITH TIES customer FROM A.dbo.orders ORDER BY customer', [[1], [1]]],
    ['SELECT id FROM A.dbo.orders ORDER BY id OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY', [[11], [12]]],
    ['SELECT id FROM A.dbo.customer c WHERE EXISTS (SELECT 1 FROM A.dbo.orders o WHERE o.customer = c.id AND o.amount > 6)', [[1]]],
    ['SELECT id FROM A.dbo.customer WHERE id NOT IN (SELECT customer FROM A.dbo.orders)', [[2]]],
    ['SELECT id FROM A.dbo.orders WHERE amount NOT IN (5, NULL)', []],
    ['SELECT id FROM A.dbo.orders WHERE amount >= ALL (SELECT amount FROM A.dbo.orders WHERE amount IS NOT NULL)', [[11]]],
    ['SELECT c.id, (SELECT COUNT(*) FROM A.dbo.orders o WHERE o.customer = c.id) n FROM A.dbo.customer c ORDER BY n DESC, c.id', [[1, 2], [3, 1], [2, 0]]],
    ['SELECT d.n FROM (SELECT customer, COUNT(*) n FROM A.dbo.orders GROUP BY customer) d WHERE d.customer = 1', [[2]]],
    ['WITH x AS (SELECT id FROM A.dbo.customer WHERE id > 1), y (k) AS (SELECT MAX(id) FROM x) SELECT x.id, y.k FROM x CROSS JOIN y ORDER BY x.id', [[2, 3], [3, 3]]],
    ['SELECT c.id, t.n FROM A.dbo.customer c CROSS APPLY (SELECT COUNT(*) n FROM A.dbo.orders o WHERE o.customer = c.id) t WHERE t.n > 0 ORDER BY 1', [[1, 2], [3, 1]]],
    ["SELECT v.a FROM (VALUES (1, 'x'), (2, 'y')) v (a, b) WHERE v.b = 'Y'", [[2]]],
    ['SELECT 1 UNION SELECT 1 UNION ALL SELECT 3 ORDER BY 1 DESC', [[3], [1]]],
    ['SELECT NULL UNION ALL SELECT N\'a\' ORDER BY 1', [[null], ['a']]],
    ['SELECT id FROM A.dbo.customer EXCEPT SELECT customer FROM A.dbo.orders', [[2]]],
    ['SELECT id, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY id DESC) r, LAG(id) OVER (ORDER BY id) p FROM A.dbo.orders ORDER BY id', [[10, 2, null], [11, 1, 10], [12, 1, 11], [13, 1, 12]]],
    ["SELECT STRING_AGG(name, ',') FROM A.dbo.customer", [['Ada,ben,Cleo']]],
    ['SELECT dbo.customer.id FROM A.dbo.customer WHERE A.dbo.customer.id = 1', [[1]]],
    ["DECLARE @s varchar(20) = ''; SELECT @s = @s + CONVERT(varchar(5), id) + ';' FROM A.dbo.orders WHERE id < 12 ORDER BY id DESC; SELECT @s, @@ROWCOUNT", [['11;10;', 2]]],
    ['SELECT id INTO #few FROM A.dbo.orders WHERE amount IS NULL; SELECT * FROM #few', [[12]]],
  ]; // prettier-ignore

  it.each(cases)('%s', async (query, rows) => {
    expect(await sql.rows(query)).toEqual(rows);
  });

  const failures: readonly (readonly [query: string, number: number])[] = [
    ['SELECT city, COUNT(*) FROM A.dbo.customer', 8120], ['SELECT id FROM A.dbo.customer WHERE COUNT(*) > 1', 147], ['SELECT id FROM A.dbo.customer a, A.dbo.orders b', 209],
    ['SELECT x.id FROM A.dbo.customer c', 4104], ['SELECT * FROM A.dbo.nosuch', 208], ['SELECT * FROM nosuch.dbo.t', 208], ['SELECT 1 a UNION SELECT 1, 2', 205], ['SELECT DISTINCT name FROM A.dbo.customer ORDER BY id', 145],
    ['SELECT * FROM A.dbo.customer a JOIN A.dbo.orders a ON 1 = 1', 1012], ['SELECT * FROM (SELECT 1) d', 8155], ['SELECT * FROM OTHER.A.dbo.customer', 7202],
    ['WITH r AS (SELECT 1 a UNION ALL SELECT a + 1 FROM r) SELECT * FROM r', 50000],
  ]; // prettier-ignore

  it.each(failures)('%s fails with %i', async (query, number) => {
    expect((await sql.errors(query))[0]).toBe(number);
  });
});
