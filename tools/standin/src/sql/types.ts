/** Families, precedence and printed names of the SQL types. */
import { decimalShape } from './decimal.ts';
import type { SqlType, SqlTypeName } from '../values.ts';

export type Family = 'text' | 'integer' | 'bit' | 'decimal' | 'money' | 'float' | 'binary' | 'guid' | 'time';

const families: Readonly<Record<SqlTypeName, Family>> = {
  bit: 'bit',
  tinyint: 'integer',
  smallint: 'integer',
  int: 'integer',
  bigint: 'integer',
  decimal: 'decimal',
  money: 'money',
  real: 'float',
  float: 'float',
  char: 'text',
  varchar: 'text',
  nchar: 'text',
  nvarchar: 'text',
  text: 'text',
  ntext: 'text',
  binary: 'binary',
  varbinary: 'binary',
  image: 'binary',
  uniqueidentifier: 'guid',
  date: 'time',
  time: 'time',
  datetime: 'time',
  datetime2: 'time',
  datetimeoffset: 'time',
};

/** From high to low: of two operands the lower one is converted (learn.microsoft.com: Data type precedence). */
const precedence: readonly SqlTypeName[] = [
  'datetimeoffset',
  'datetime2',
  'datetime',
  'date',
  'time',
  'float',
  'real',
  'decimal',
  'money',
  'bigint',
  'int',
  'smallint',
  'tinyint',
  'bit',
  'ntext',
  'text',
  'image',
  'uniqueidentifier',
  'nvarchar',
  'nchar',
  'varchar',
  'char',
  'varbinary',
  'binary',
];

export const INT: SqlType = { name: 'int' };
export const BIGINT: SqlType = { name: 'bigint' };
export const FLOAT: SqlType = { name: 'float' };
export const NAME: SqlType = { name: 'nvarchar', length: 128 };
export const DATETIME: SqlType = { name: 'datetime' };
export const BIT: SqlType = { name: 'bit' };

export function familyOf(type: SqlType): Family {
  return families[type.name];
}

export function isText(type: SqlType): boolean {
  return familyOf(type) === 'text';
}

export function isNumber(type: SqlType): boolean {
  const family = familyOf(type);
  return family === 'integer' || family === 'bit' || family === 'decimal' || family === 'money' || family === 'float';
}

/** Compared by code units: the collation of a column, which outranks that of what it is compared with. */
export function isBinary(type: SqlType | undefined): boolean {
  return type?.collation === 'binary';
}

export function isNational(type: SqlType): boolean {
  return type.name === 'nchar' || type.name === 'nvarchar' || type.name === 'ntext';
}

/** The name in messages: `numeric` for decimal, no length. */
export function typeName(type: SqlType): string {
  return type.name === 'decimal' ? 'numeric' : type.name;
}

export function precedes(left: SqlType, right: SqlType): boolean {
  return precedence.indexOf(left.name) <= precedence.indexOf(right.name);
}

function longest(left: SqlType, right: SqlType): number | 'max' {
  if (left.length === 'max' || right.length === 'max') return 'max';
  return Math.max(left.length ?? 1, right.length ?? 1);
}

/** The one type that both values are converted to in a comparison, CASE, COALESCE or UNION. */
export function commonType(left: SqlType, right: SqlType): SqlType {
  const winner = precedes(left, right) ? left : right;
  const loser = winner === left ? right : left;
  const family = familyOf(winner);
  if (family === 'text' && familyOf(loser) === 'text')
    return {
      name: winner.name,
      length: longest(left, right),
      ...(isBinary(left) || isBinary(right) ? { collation: 'binary' } : {}),
    };
  if (family === 'binary' && familyOf(loser) === 'binary') return { name: winner.name, length: longest(left, right) };
  if (winner.name === 'decimal' && isNumber(loser) && familyOf(loser) !== 'float') {
    const a = decimalShape(winner);
    const b = decimalShape(loser);
    const scale = Math.max(a.scale, b.scale);
    const precision = Math.max(a.precision - a.scale, b.precision - b.scale) + scale;
    return precision <= 38
      ? { name: 'decimal', precision, scale }
      : { name: 'decimal', precision: 38, scale: Math.max(0, scale - (precision - 38)) };
  }
  if (winner.scale !== undefined && winner.name === loser.name)
    return { name: winner.name, scale: Math.max(winner.scale, loser.scale ?? 0) };
  return winner;
}

const ranges: Partial<Readonly<Record<SqlTypeName, readonly [bigint, bigint]>>> = {
  tinyint: [0n, 255n],
  smallint: [-32768n, 32767n],
  int: [-2147483648n, 2147483647n],
  bigint: [-9223372036854775808n, 9223372036854775807n],
};

export function inRange(value: bigint, type: SqlType): boolean {
  const range = ranges[type.name];
  return range === undefined || (value >= range[0] && value <= range[1]);
}

/** How many characters the printed form of any value of the type may take: the length of `CONVERT(varchar, x)`. */
export function textLength(type: SqlType): number {
  switch (type.name) {
    case 'bit':
      return 1;
    case 'tinyint':
      return 3;
    case 'smallint':
      return 6;
    case 'int':
      return 11;
    case 'bigint':
      return 20;
    case 'decimal':
      return (type.precision ?? 18) + 2;
    case 'uniqueidentifier':
      return 36;
    default:
      return typeof type.length === 'number' ? type.length : 40;
  }
}
