/** Character functions. */
import { fail } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import { convert, fitText } from './convert.ts';
import { integer, text, type ScalarFunction } from './scalar-function.ts';
import { familyOf, INT, isNational, isText } from './types.ts';

const ANY: SqlType = { name: 'nvarchar', length: 'max' };

/** The first argument's kind of text, with its length or another one. */
function like(length?: number | 'max'): (args: readonly Bound[]) => SqlType {
  return args => {
    const type = args[0]?.type ?? ANY;
    const name = isText(type) && !isNational(type) ? 'varchar' : 'nvarchar';
    const own = isText(type) ? (type.length ?? 'max') : 4000;
    return { name, length: length ?? own };
  };
}

function substring(value: string, start: number, length: number): string {
  if (length < 0) throw fail(537);
  const from = start - 1;
  return value.slice(Math.max(0, from), Math.max(0, from + length));
}

function charIndex(needle: string, hay: string, start: number): number {
  if (needle === '') return 0;
  return hay.toLowerCase().indexOf(needle.toLowerCase(), Math.max(0, start - 1)) + 1;
}

function replaceAll(value: string, from: string, to: string): string {
  if (from === '') return value;
  return value.replace(new RegExp(from.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'gi'), () => to);
}

function quoteName(value: string, quote: string): SqlValue {
  if (value.length > 128) return null;
  if (quote === "'" || quote === '"') return quote + value.split(quote).join(quote + quote) + quote;
  if (quote === '[' || quote === ']') return `[${value.split(']').join(']]')}]`;
  return null;
}

function byteLength(value: SqlValue, type: SqlType): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value === 'string' && isText(type)) return value.length * (isNational(type) ? 2 : 1);
  switch (type.name) {
    case 'bit':
    case 'tinyint':
      return 1;
    case 'smallint':
      return 2;
    case 'int':
    case 'real':
      return 4;
    case 'uniqueidentifier':
      return 16;
    case 'decimal':
      return (type.precision ?? 18) <= 9
        ? 5
        : (type.precision ?? 18) <= 19
          ? 9
          : (type.precision ?? 18) <= 28
            ? 13
            : 17;
    case 'date':
      return 3;
    default:
      return 8;
  }
}

const oneText = { arguments: [1, 1], parameters: [ANY], type: like() } as const;

export const textFunctions: readonly (readonly [string, ScalarFunction])[] = [
  [
    'LEN',
    { arguments: [1, 1], parameters: [ANY], type: INT, evaluate: ([a]) => BigInt(text(a).replace(/ +$/, '').length) },
  ],
  [
    'DATALENGTH',
    { arguments: [1, 1], type: INT, evaluate: ([a], site) => BigInt(byteLength(a ?? null, site.types[0] ?? ANY)) },
  ],
  [
    'LEFT',
    {
      arguments: [2, 2],
      parameters: [ANY, INT],
      type: like(),
      evaluate: ([a, n]) => substring(text(a), 1, integer(n)),
    },
  ],
  [
    'RIGHT',
    {
      arguments: [2, 2],
      parameters: [ANY, INT],
      type: like(),
      evaluate: ([a, n]) => {
        if (integer(n) < 0) throw fail(536, 'RIGHT');
        return integer(n) === 0 ? '' : text(a).slice(-integer(n));
      },
    },
  ],
  [
    'SUBSTRING',
    {
      arguments: [3, 3],
      parameters: [ANY, INT, INT],
      type: like(),
      evaluate: ([a, s, n]) => substring(text(a), integer(s), integer(n)),
    },
  ],
  ['UPPER', { ...oneText, evaluate: ([a]) => text(a).toUpperCase() }],
  ['LOWER', { ...oneText, evaluate: ([a]) => text(a).toLowerCase() }],
  ['LTRIM', { ...oneText, evaluate: ([a]) => text(a).replace(/^ +/, '') }],
  ['RTRIM', { ...oneText, evaluate: ([a]) => text(a).replace(/ +$/, '') }],
  ['TRIM', { ...oneText, evaluate: ([a]) => text(a).replace(/^ +| +$/g, '') }],
  ['REVERSE', { ...oneText, evaluate: ([a]) => Array.from(text(a)).reverse().join('') }],
  [
    'REPLACE',
    {
      arguments: [3, 3],
      parameters: [ANY],
      type: like(8000),
      evaluate: ([a, from, to]) => replaceAll(text(a), text(from), text(to)),
    },
  ],
  [
    'REPLICATE',
    {
      arguments: [2, 2],
      parameters: [ANY, INT],
      type: args => {
        const type = like()(args);
        return { name: type.name, length: type.length === 'max' ? 'max' : isNational(type) ? 4000 : 8000 };
      },
      evaluate: ([a, n], site) => (integer(n) < 0 ? null : fitText(text(a).repeat(integer(n)), site.type)),
    },
  ],
  [
    'SPACE',
    {
      arguments: [1, 1],
      parameters: [INT],
      type: { name: 'varchar', length: 8000 },
      evaluate: ([n]) => (integer(n) < 0 ? null : ' '.repeat(Math.min(8000, integer(n)))),
    },
  ],
  [
    'STUFF',
    {
      arguments: [4, 4],
      parameters: [ANY, INT, INT, ANY],
      type: like(8000),
      nulls: 'kept',
      evaluate: ([a, s, n, b]) => {
        if (a === null || s === null || n === null || integer(s) < 1 || integer(n) < 0 || integer(s) > text(a).length)
          return null;
        return text(a).slice(0, integer(s) - 1) + text(b) + text(a).slice(integer(s) - 1 + integer(n));
      },
    },
  ],
  [
    'CHARINDEX',
    {
      arguments: [2, 3],
      parameters: [ANY, ANY, INT],
      type: INT,
      evaluate: ([a, b, s]) => BigInt(charIndex(text(a), text(b), integer(s ?? 1n))),
    },
  ],
  [
    'CONCAT',
    {
      arguments: [2, 254],
      parameters: [ANY],
      nulls: 'kept',
      type: concatType,
      evaluate: values => values.map(text).join(''),
    },
  ],
  [
    'CONCAT_WS',
    {
      arguments: [3, 254],
      parameters: [ANY],
      nulls: 'kept',
      type: concatType,
      evaluate: ([separator, ...rest]) =>
        rest
          .filter(each => each !== null)
          .map(text)
          .join(text(separator)),
    },
  ],
  [
    'ASCII',
    {
      arguments: [1, 1],
      parameters: [ANY],
      type: INT,
      evaluate: ([a]) => (text(a) === '' ? null : BigInt(Buffer.from(text(a).slice(0, 1), 'latin1')[0] ?? 0)),
    },
  ],
  [
    'UNICODE',
    {
      arguments: [1, 1],
      parameters: [ANY],
      type: INT,
      evaluate: ([a]) => (text(a) === '' ? null : BigInt(text(a).charCodeAt(0))),
    },
  ],
  [
    'CHAR',
    {
      arguments: [1, 1],
      parameters: [INT],
      type: { name: 'char', length: 1 },
      evaluate: ([n]) => (integer(n) < 0 || integer(n) > 255 ? null : String.fromCharCode(integer(n))),
    },
  ],
  [
    'NCHAR',
    {
      arguments: [1, 1],
      parameters: [INT],
      type: { name: 'nchar', length: 1 },
      evaluate: ([n]) => (integer(n) < 0 || integer(n) > 65535 ? null : String.fromCharCode(integer(n))),
    },
  ],
  [
    'QUOTENAME',
    {
      arguments: [1, 2],
      parameters: [ANY],
      type: { name: 'nvarchar', length: 258 },
      evaluate: ([a, quote]) => quoteName(text(a), quote === undefined ? '[' : text(quote)),
    },
  ],
  [
    'ISNUMERIC',
    {
      arguments: [1, 1],
      nulls: 'kept',
      type: INT,
      evaluate: ([a], site) => {
        const type = site.types[0] ?? ANY;
        if (a === null || a === undefined) return 0n;
        if (typeof a !== 'string') return ['integer', 'decimal', 'money', 'float'].includes(familyOf(type)) ? 1n : 0n;
        return /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(a) ? 1n : 0n;
      },
    },
  ],
  [
    'ISDATE',
    {
      arguments: [1, 1],
      parameters: [ANY],
      nulls: 'kept',
      type: INT,
      evaluate: ([a]) => {
        if (a === null || a === undefined) return 0n;
        try {
          convert(a, ANY, { name: 'datetime' });
          return 1n;
        } catch (error) {
          // The conversion's refusal is the answer.
          if (error instanceof Error && error.name === 'SqlError') return 0n;
          throw error;
        }
      },
    },
  ],
];

function concatType(args: readonly Bound[]): SqlType {
  const national = args.some(arg => isNational(arg.type));
  return {
    name: national ? 'nvarchar' : 'varchar',
    length: args.some(arg => arg.type.length === 'max') ? 'max' : national ? 4000 : 8000,
  };
}
