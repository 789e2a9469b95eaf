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

/** Where a type stands: of the columns, parameters or variables of one statement, counted from 1; in CAST and CONVERT it is none of them. */
type Declared = { readonly ordinal: number; readonly column?: string };

/** `declared`: of a column, parameter or variable; left out in CAST and CONVERT, where a length that is not written is 30 and not 1. */
export function parseType(cursor: Cursor, declared?: Declared): SqlType {
  const line = cursor.line();
  let written = cursor.identifier();
  if (written.toUpperCase() === 'SYS' && cursor.accept('.')) written = cursor.identifier();
  let word = written.toUpperCase();
  if (word === 'NATIONAL') word = `N${cursor.identifier().toUpperCase()}`;
  if ((word === 'CHAR' || word === 'CHARACTER') && cursor.accept('VARYING')) word = 'VARCHAR';
  if (word === 'SYSNAME') return { name: 'nvarchar', length: 128 };
  const simple = plain[word];
  if (simple !== undefined) return { name: simple };
  const withLength = sized[word];
  if (withLength !== undefined) return { name: withLength, length: parseLength(cursor, withLength, declared) };
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
  throw declared === undefined
    ? syntaxError(243, line, written)
    : syntaxError(2715, line, String(declared.ordinal), written);
}

function parseLength(cursor: Cursor, name: SqlTypeName, declared: Declared | undefined): number | 'max' {
  if (!cursor.accept('(')) return declared === undefined ? 30 : 1;
  if (cursor.accept('MAX')) {
    cursor.expect(')');
    return 'max';
  }
  const length = integer(cursor);
  cursor.expect(')');
  const line = cursor.line();
  if (length < 1) throw syntaxError(1001, line, String(line), String(length));
  const limit = name === 'nchar' || name === 'nvarchar' ? 4000 : 8000;
  if (length <= limit) return length;
  const whose = declared?.column === undefined ? ['type', name] : ['column', declared.column];
  throw syntaxError(limit === 8000 ? 131 : 2717, line, String(length), ...whose, String(limit));
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
