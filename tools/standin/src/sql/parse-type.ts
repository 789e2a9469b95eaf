/** Data types: `varchar(30)`, `numeric(25,0)`, `nvarchar(max)`, `sysname`. */
import { unsupported } from '../messages.ts';
import type { SqlType, SqlTypeName } from '../values.ts';
import { syntaxError } from './lexer.ts';
import type { Cursor } from './parser-core.ts';

const plain: Readonly<Record<string, SqlTypeName>> = {
  BIT: 'bit',
  TINYINT: 'tinyint',
  SMALLINT: 'smallint',
  INT: 'int',
  INTEGER: 'int',
  BIGINT: 'bigint',
  MONEY: 'money',
  REAL: 'real',
  TEXT: 'text',
  NTEXT: 'ntext',
  IMAGE: 'image',
  UNIQUEIDENTIFIER: 'uniqueidentifier',
  DATE: 'date',
  DATETIME: 'datetime',
};
const sized: Readonly<Record<string, SqlTypeName>> = {
  CHAR: 'char',
  CHARACTER: 'char',
  VARCHAR: 'varchar',
  NCHAR: 'nchar',
  NVARCHAR: 'nvarchar',
  BINARY: 'binary',
  VARBINARY: 'varbinary',
};
const timed: Readonly<Record<string, SqlTypeName>> = {
  TIME: 'time',
  DATETIME2: 'datetime2',
  DATETIMEOFFSET: 'datetimeoffset',
};
const refused = new Set([
  'SMALLDATETIME',
  'SMALLMONEY',
  'SQL_VARIANT',
  'XML',
  'TIMESTAMP',
  'ROWVERSION',
  'HIERARCHYID',
  'GEOGRAPHY',
  'GEOMETRY',
  'CURSOR',
]);

/** `defaultLength`: 1 in declarations and columns, 30 in CAST and CONVERT, when no length is written. */
export function parseType(cursor: Cursor, defaultLength: 1 | 30): SqlType {
  const line = cursor.line();
  let word = cursor.identifier().toUpperCase();
  if (word === 'SYS' && cursor.accept('.')) word = cursor.identifier().toUpperCase();
  if (word === 'NATIONAL') word = `N${cursor.identifier().toUpperCase()}`;
  if ((word === 'CHAR' || word === 'CHARACTER') && cursor.accept('VARYING')) word = 'VARCHAR';
  if (word === 'SYSNAME') return { name: 'nvarchar', length: 128 };
  const simple = plain[word];
  if (simple !== undefined) return { name: simple };
  const withLength = sized[word];
  if (withLength !== undefined) return { name: withLength, length: parseLength(cursor, withLength, defaultLength) };
  const withScale = timed[word];
  if (withScale !== undefined) return { name: withScale, scale: parseNumbers(cursor)[0] ?? 7 };
  if (word === 'DECIMAL' || word === 'NUMERIC' || word === 'DEC') {
    const [precision = 18, scale = 0] = parseNumbers(cursor);
    if (precision < 1 || precision > 38 || scale > precision) throw unsupported(`decimal(${precision},${scale})`);
    return { name: 'decimal', precision, scale };
  }
  if (word === 'FLOAT') return (parseNumbers(cursor)[0] ?? 53) <= 24 ? { name: 'real' } : { name: 'float' };
  if (word === 'DOUBLE' && cursor.accept('PRECISION')) return { name: 'float' };
  if (refused.has(word)) throw unsupported(`data type ${word}`);
  throw syntaxError(2715, line, word);
}

function parseLength(cursor: Cursor, name: SqlTypeName, defaultLength: number): number | 'max' {
  if (!cursor.accept('(')) return defaultLength;
  if (cursor.accept('MAX')) {
    cursor.expect(')');
    return 'max';
  }
  const length = integer(cursor);
  cursor.expect(')');
  const limit = name === 'nchar' || name === 'nvarchar' ? 4000 : 8000;
  if (length < 1 || length > limit) throw syntaxError(131, cursor.line(), String(length), name, String(limit));
  return length;
}

function parseNumbers(cursor: Cursor): number[] {
  if (!cursor.accept('(')) return [];
  const numbers = cursor.list(() => integer(cursor));
  cursor.expect(')');
  return numbers;
}

function integer(cursor: Cursor): number {
  const token = cursor.next();
  if (token.kind !== 'integer') throw cursor.error(token);
  return Number(token.text);
}
