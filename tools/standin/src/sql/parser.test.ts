import { describe, expect, it } from '@jest/globals';
import { SqlError } from '../messages.ts';
import { parseBatch, statementText } from './parser.ts';
import { parseParameters } from './parse-parameters.ts';

function refusal(text: string): string {
  try {
    parseBatch(text);
  } catch (error) {
    if (error instanceof SqlError)
      return error.messages.map(each => `${each.number} L${each.line} ${each.text}`).join(' | ');
    throw error;
  }
  return 'accepted';
}

describe('the parser', () => {
  it('reads statements of every kind', () => {
    const kinds = (text: string): string[] => parseBatch(text).map(each => each.kind);
    expect(
      kinds(`USE master; DECLARE @a int = 1, @b nvarchar(max); SET @a += 2; SET NOCOUNT, XACT_ABORT ON
        SELECT 1 UPDATE t SET a = 1 DELETE FROM t INSERT t VALUES (1) TRUNCATE TABLE t
        CREATE TABLE #x (a int) DROP TABLE IF EXISTS #x CREATE DATABASE d ALTER DATABASE d SET OFFLINE WITH ROLLBACK IMMEDIATE DROP DATABASE d
        BEGIN TRAN m WITH MARK 'x' SAVE TRAN s ROLLBACK TRAN s COMMIT
        IF 1 = 1 PRINT 'a' ELSE BEGIN PRINT 'b' END WHILE 1 = 0 BREAK
        BEGIN TRY THROW 50001, 'x', 1 END TRY BEGIN CATCH RAISERROR ('x', 16, 1) END CATCH
        EXEC p @a, @b = N'x' OUTPUT; EXECUTE (N'select 1') KILL 57 WAITFOR DELAY '00:00:01' RETURN`),
    ).toEqual([
      'use', 'declare', 'set variable', 'set', 'select', 'update', 'delete', 'insert', 'truncate', 'create table', 'drop', 'create database', 'alter database', 'drop',
      'begin transaction', 'save', 'rollback', 'commit', 'if', 'while', 'try', 'execute procedure', 'execute text', 'kill', 'waitfor', 'return',
    ]); // prettier-ignore
  });

  it('keeps the text and the line of each statement', () => {
    const [first, second] = parseBatch('select 1;\n-- why\n  select /* a /* nested */ comment */ 2\n');
    expect([first?.line, second?.line]).toEqual([1, 3]);
    expect(second && statementText(second)).toBe('select /* a /* nested */ comment */ 2');
  });

  it('knows the options of BACKUP and RESTORE and no others', () => {
    const [backup, restore] = parseBatch(
      "BACKUP LOG @d TO DISK = N'D:\\a.bak', DISK = @f WITH COPY_ONLY, NAME = 'x', STATS = 5; RESTORE LOG [a b] FROM DISK = 'x' WITH FILE = 2, NORECOVERY, MOVE 'a' TO 'b', STOPATMARK = 'm' AFTER '2020-01-01'",
    );
    expect(backup).toMatchObject({ kind: 'backup', what: 'log', database: { kind: 'variable', name: '@d' } });
    expect(restore).toMatchObject({ database: { kind: 'text', text: 'a b' } });
    expect(restore?.kind === 'restore' && restore.options.map(each => each.name)).toEqual([
      'FILE',
      'NORECOVERY',
      'MOVE',
      'STOPATMARK',
    ]);
    expect(refusal("BACKUP DATABASE d TO DISK = 'x' WITH FOO")).toBe("155 L1 'FOO' is not a recognized BACKUP option.");
  });

  it('names what it cannot read', () => {
    expect(refusal('SELECT 1 +')).toBe("102 L1 Incorrect syntax near '+'.");
    expect(refusal('SELECT\nFROM t')).toBe("156 L2 Incorrect syntax near the keyword 'FROM'.");
    expect(refusal("SELECT 'abc")).toBe(
      "105 L1 Unclosed quotation mark after the character string 'abc'. | 102 L1 Incorrect syntax near 'abc'.",
    );
    expect(refusal('/* never ends')).toMatch(/^113 /);
    expect(refusal('SELECT a FROM t WHERE a')).toMatch(/^4145 /);
    expect(refusal(`BEGIN TRAN ${'x'.repeat(33)}`)).toMatch(/^103 /);
    expect(refusal('GRANT SELECT ON t TO u')).toBe('50000 L1 STANDIN-UNSUPPORTED: GRANT'.replace('L1', 'Lundefined'));
  });

  it('takes brackets for a condition or an expression', () => {
    expect(refusal('SELECT 1 WHERE ((1 + 2) * 3 = 9 AND (1 = 1 OR (2) IN (1, 2)))')).toBe('accepted');
  });

  it('reads the parameter lists of drivers', () => {
    expect(
      parseParameters("@a int, @b numeric(25,0) OUTPUT, @c nvarchar(max) = N'x'").map(each => [
        each.name,
        each.type,
        each.output,
      ]),
    ).toEqual([
      ['@a', { name: 'int' }, false],
      ['@b', { name: 'decimal', precision: 25, scale: 0 }, true],
      ['@c', { name: 'nvarchar', length: 'max' }, false],
    ]);
  });
});
