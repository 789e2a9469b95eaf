import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSql, type SqlFixture } from './sql-fixture.ts';

describe('scalar expressions', () => {
  let sql: SqlFixture;
  beforeAll(async () => {
    sql = await startSql({ clock: () => new Date('2026-03-01T10:20:30.456Z') });
  });
  afterAll(() => sql.end());

  const cases: readonly (readonly [expression: string, value: unknown])[] = [
    // Numbers: integer division, decimals that keep every digit, precision of literals.
    ['7 / 2', 3], ['-7 / 2', -3], ['7 % -4', 3], ['1.0 / 3', '0.333333'], ['2 * 1.50', '3.00'], ['CONVERT(numeric(25,0), \'34000000012300001\')', '34000000012300001'],
    ['CONVERT(varchar(25), CONVERT(numeric(25,0), 9999999999999999999999999))', '9999999999999999999999999'], ['CONVERT(decimal(5,2), 1.235)', '1.24'], ['CONVERT(int, 1.9)', 1],
    ['5 & 3', 1], ['5 | 3', 7], ['~0', -1], ['CONVERT(bigint, 8) * 1024 * 1024 * 1024', 8589934592],
    // Text: case and trailing blanks do not count, NULL swallows.
    ["CASE WHEN 'Abc  ' = N'aBC' THEN 1 ELSE 0 END", 1], ["'a' + NULL", null], ["CASE WHEN 'a_c' LIKE 'a[_]C' THEN 1 ELSE 0 END", 1], ["CASE WHEN 'axc' LIKE 'a[^b-d]c' THEN 1 ELSE 0 END", 1],
    ["CASE WHEN '50%' LIKE '%!%' ESCAPE '!' THEN 1 ELSE 0 END", 1], ["LEN(N'ab  ')", 2], ["DATALENGTH(N'ab')", 4], ["RIGHT('BTS_2026', 4)", '2026'], ["SUBSTRING('abcdef', 2, 3)", 'bcd'],
    ["CHARINDEX('C', 'abc')", 3], ["REPLACE('aXa', 'x', '-')", 'a-a'], ["STUFF('abc', 2, 1, 'ZZ')", 'aZZc'], ["QUOTENAME('a]b')", '[a]]b]'], ["CONCAT('a', NULL, 1)", 'a1'], ["UPPER(LTRIM(RTRIM(' a ')))", 'A'],
    // NULL functions take the right type.
    ["COALESCE(NULL, 'x')", 'x'], ["ISNULL(CONVERT(varchar(2), NULL), 'abc')", 'ab'], ['NULLIF(1, 1)', null], ['IIF(1 = 2, 1, 2)', 2],
    // Dates.
    ["CONVERT(varchar(23), CONVERT(datetime, '2026-11-21T04:00:00.122'), 126)", '2026-11-21T04:00:00.123'], ["CONVERT(varchar(23), CONVERT(datetime, '20261121'), 126)", '2026-11-21T00:00:00'],
    ['CONVERT(varchar(33), SYSDATETIMEOFFSET(), 127)', '2026-03-01T10:20:30.4560000Z'], ['CONVERT(varchar(30), GETDATE(), 121)', '2026-03-01 10:20:30.457'], ['CONVERT(varchar(8), GETDATE(), 112)', '20260301'],
    ["DATEDIFF(day, '2024-02-28', '2024-03-01')", 2], ["CONVERT(varchar(10), DATEADD(month, 1, CONVERT(date, '2026-01-31')), 23)", '2026-02-28'], ["DATEDIFF(minute, '2026-01-01T00:59:59', '2026-01-01T01:00:00')", 1],
    ["DATEPART(weekday, '2026-03-01')", 1], ['YEAR(GETDATE())', 2026],
    // Conversions.
    ['CONVERT(varchar(10), 0x4142)', 'AB'], ['CONVERT(varchar(10), 0x4142, 1)', '0x4142'], ["CONVERT(uniqueidentifier, 'a7b3c1d2-0000-4000-8000-000000000001')", 'A7B3C1D2-0000-4000-8000-000000000001'],
    ["TRY_CONVERT(int, 'x')", null], ["CONVERT(bit, 'true')", true], ['CAST(1 AS varchar)', '1'], ["CONVERT(varchar(3), 12345)", '*'], ['CONVERT(varchar(30), 1e6)', '1e+006'],
    // The server and the session.
    ['DB_NAME()', 'master'], ["DB_ID(N'nosuch')", null], ['SUSER_SNAME()', 'sa'], ["IS_SRVROLEMEMBER('sysadmin')", 1], ["SERVERPROPERTY('ProductMajorVersion')", '16'], ['@@TRANCOUNT', 0], ['ERROR_NUMBER()', null],
  ]; // prettier-ignore

  it.each(cases)('%s', async (expression, value) => {
    expect(await sql.rows(`SELECT ${expression}`)).toEqual([[value]]);
  });

  const failures: readonly (readonly [expression: string, number: number])[] = [
    ['1 / 0', 8134], ['1.0 / 0', 8134], ['2147483647 + 1', 8115], ['CONVERT(tinyint, 256)', 220], ['CONVERT(decimal(3,0), 1000)', 8115], ["CONVERT(int, 'abc')", 245], ["CONVERT(bigint, 'abc')", 8114],
    ["CONVERT(int, '99999999999')", 248], ["CONVERT(numeric(5,0), 'abc')", 8114], ["CONVERT(datetime, '2026-02-30')", 241], ["CONVERT(datetime, '1700-01-01')", 242], ["CONVERT(uniqueidentifier, 'x')", 8169],
    ["1 + 'a'", 245], ['nosuch', 207], ['nosuch()', 195], ['@nosuch', 137], ['CONVERT(nvarchar(2), 12345)', 8115], ['(SELECT 1 UNION ALL SELECT 2)', 512], ['(SELECT 1, 2)', 116], ['LEFT(\'a\', -1)', 537],
  ]; // prettier-ignore

  it.each(failures)('%s fails with %i', async (expression, number) => {
    expect(await sql.errors(`SELECT ${expression}`)).toEqual([number]);
  });

  it('keeps the types of its columns', async () => {
    const answer = await sql.run(
      "SELECT 1 + CONVERT(bigint, 1) a, N'x' + 'yz' b, 1.5 * 2 c, SUM(CONVERT(decimal(5,2), 1)) d, COUNT(*) e, AVG(1.0) f",
    );
    expect(answer.sets[0]?.columns.map(each => each.type)).toEqual([
      { name: 'bigint' },
      { name: 'nvarchar', length: 3 },
      { name: 'decimal', precision: 4, scale: 1 },
      { name: 'decimal', precision: 38, scale: 2 },
      { name: 'int' },
      { name: 'decimal', precision: 38, scale: 6 },
    ]);
  });
});
