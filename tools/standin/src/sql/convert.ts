/** Conversions between types, implicit and explicit; the errors are the server's. */
import { fail, unsupported, type SqlError } from '../messages.ts';
import type { Decimal, SqlType, SqlValue } from '../values.ts';
import { DAYS_TO_1900, dateTime, fitDateTime, TICKS_PER_DAY } from './datetime.ts';
import { parseDateTime } from './datetime-text.ts';
import {
  decimal,
  decimalFromNumber,
  decimalShape,
  decimalToNumber,
  fitsPrecision,
  parseDecimal,
  rescale,
  truncated,
} from './decimal.ts';
import { textOf } from './convert-text.ts';
import { familyOf, inRange, isNational, isText, typeName } from './types.ts';

/** NULL stays NULL. `style`: of CONVERT. Character targets are cut to their length (a column that would lose text is checked by its writer). */
export function convert(value: SqlValue, from: SqlType, to: SqlType, style?: number): SqlValue {
  if (value === null) return null;
  switch (familyOf(to)) {
    case 'text':
      return fitText(textOf(value, from, to, style), to);
    case 'integer':
      return toInteger(value, from, to);
    case 'bit':
      return toBit(value, from);
    case 'decimal':
    case 'money':
      return toDecimal(value, from, to);
    case 'float':
      return toFloat(value, from, to);
    case 'binary':
      return fitBinary(toBinary(value, from, style), to);
    case 'guid':
      return toGuid(value, from);
    case 'time':
      return toTime(value, from, to);
  }
}

/** Any value as text, '' for NULL. */
export function plainText(value: SqlValue, from: SqlType): string {
  return value === null ? '' : textOf(value, from, { name: 'nvarchar', length: 'max' }, undefined);
}

export function fitText(text: string, to: SqlType): string {
  if (to.length === undefined || to.length === 'max') return text;
  const cut = text.length > to.length ? text.slice(0, to.length) : text;
  return to.name === 'char' || to.name === 'nchar' ? cut.padEnd(to.length, ' ') : cut;
}

function fitBinary(bytes: Uint8Array, to: SqlType): Uint8Array {
  if (to.length === undefined || to.length === 'max') return bytes;
  if (bytes.length > to.length) return bytes.slice(0, to.length);
  if (to.name !== 'binary' || bytes.length === to.length) return bytes;
  const padded = new Uint8Array(to.length);
  padded.set(bytes);
  return padded;
}

function notAllowed(from: SqlType, to: SqlType): SqlError {
  return fail(529, typeName(from), typeName(to));
}

function isDecimal(value: SqlValue): value is Decimal {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'decimal';
}

function toInteger(value: SqlValue, from: SqlType, to: SqlType): bigint {
  if (typeof value === 'bigint') return checkInteger(value, to, from);
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || !inRange(BigInt(Math.trunc(value)), to)) throw fail(232, to.name, String(value));
    return BigInt(Math.trunc(value));
  }
  if (isDecimal(value)) {
    const whole = truncated(value);
    if (!inRange(whole, to)) throw fail(8115, typeName(from), to.name);
    return whole;
  }
  if (typeof value === 'string') return integerFromText(value, from, to);
  if (value instanceof Uint8Array) return integerFromBytes(value, to);
  const days = value === null ? 0n : value.ticks / TICKS_PER_DAY - DAYS_TO_1900;
  if (from.name !== 'datetime') throw notAllowed(from, to);
  return checkInteger(days + (((value?.ticks ?? 0n) % TICKS_PER_DAY) * 2n >= TICKS_PER_DAY ? 1n : 0n), to, from);
}

function checkInteger(value: bigint, to: SqlType, from: SqlType): bigint {
  if (inRange(value, to)) return value;
  if (to.name === 'tinyint' || to.name === 'smallint') throw fail(220, to.name, value);
  throw fail(8115, from.name === to.name || familyOf(from) === 'integer' ? 'expression' : typeName(from), to.name);
}

function integerFromText(text: string, from: SqlType, to: SqlType): bigint {
  const trimmed = text.trim();
  if (trimmed === '') return 0n;
  if (!/^[+-]?\s*\d+$/.test(trimmed)) {
    if (to.name === 'bigint') throw fail(8114, from.name, 'bigint');
    throw fail(245, from.name, text, to.name);
  }
  const value = BigInt(trimmed.replace(/^\+|\s/g, ''));
  if (inRange(value, to)) return value;
  if (to.name === 'bigint') throw fail(8115, from.name, to.name);
  throw to.name === 'int'
    ? fail(248, from.name, trimmed)
    : fail(244, from.name, trimmed, to.name === 'tinyint' ? 'INT1' : 'INT2');
}

function integerFromBytes(bytes: Uint8Array, to: SqlType): bigint {
  const width = to.name === 'bigint' ? 8 : to.name === 'int' ? 4 : to.name === 'smallint' ? 2 : 1;
  let value = 0n;
  for (const byte of bytes.slice(-width)) value = value * 256n + BigInt(byte);
  return to.name === 'tinyint' ? value : BigInt.asIntN(width * 8, value);
}

function toBit(value: SqlValue, from: SqlType): boolean {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (typeof value === 'number') return value !== 0;
  if (isDecimal(value)) return value.unscaled !== 0n;
  if (typeof value === 'string') {
    const word = value.trim().toLowerCase();
    if (word === 'true') return true;
    if (word === 'false' || word === '') return false;
    if (!/^[+-]?\d+$/.test(word)) throw fail(245, from.name, value, 'bit');
    return BigInt(word) !== 0n;
  }
  if (value instanceof Uint8Array) return value.some(byte => byte !== 0);
  throw notAllowed(from, { name: 'bit' });
}

function toDecimal(value: SqlValue, from: SqlType, to: SqlType): Decimal {
  const { precision, scale } = decimalShape(to);
  const exact = exactOf(value, from, to);
  const result = rescale(exact, scale);
  if (!fitsPrecision(result, precision))
    throw fail(8115, typeof value === 'object' || typeof value === 'string' ? typeName(from) : from.name, typeName(to));
  return result;
}

function exactOf(value: SqlValue, from: SqlType, to: SqlType): Decimal {
  if (isDecimal(value)) return value;
  if (typeof value === 'bigint') return decimal(value, 0);
  if (typeof value === 'boolean') return decimal(value ? 1n : 0n, 0);
  if (typeof value === 'number') {
    const exact = decimalFromNumber(value);
    if (exact === undefined) throw fail(8115, from.name, typeName(to));
    return exact;
  }
  if (typeof value === 'string') {
    const exact =
      to.name === 'money' && value.trim() === ''
        ? decimal(0n, 0)
        : parseDecimal(value.replace(/[$,]/g, c => (to.name === 'money' ? '' : c)));
    if (exact === undefined) throw to.name === 'money' ? fail(235) : fail(8114, from.name, 'numeric');
    return exact;
  }
  throw notAllowed(from, to);
}

function toFloat(value: SqlValue, from: SqlType, to: SqlType): number {
  const number = numberOf(value, from, to);
  return to.name === 'real' ? Math.fround(number) : number;
}

function numberOf(value: SqlValue, from: SqlType, to: SqlType): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (isDecimal(value)) return decimalToNumber(value);
  if (typeof value === 'string') {
    const trimmed = value.trim();
    if (trimmed === '') return 0;
    if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed)) throw fail(8114, from.name, to.name);
    return Number(trimmed);
  }
  throw notAllowed(from, to);
}

function toBinary(value: SqlValue, from: SqlType, style: number | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'string' && isText(from)) {
    if (style === 1 || style === 2) {
      const digits = style === 1 ? value.replace(/^0x/i, '') : value;
      if (!/^([0-9a-f]{2})*$/i.test(digits)) throw fail(8114, from.name, 'varbinary');
      return Uint8Array.from(Buffer.from(digits, 'hex'));
    }
    return Uint8Array.from(Buffer.from(value, isNational(from) ? 'utf16le' : 'latin1'));
  }
  if (typeof value === 'bigint' || typeof value === 'boolean') {
    const width = from.name === 'bigint' ? 8 : from.name === 'int' ? 4 : from.name === 'smallint' ? 2 : 1;
    const hex = BigInt.asUintN(width * 8, BigInt(value))
      .toString(16)
      .padStart(width * 2, '0');
    return Uint8Array.from(Buffer.from(hex, 'hex'));
  }
  if (typeof value === 'string') return guidBytes(value);
  throw unsupported(`conversion from ${typeName(from)} to varbinary`);
}

/** The first three groups are little-endian. */
function guidBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text.replace(/-/g, ''), 'hex');
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(i => bytes[i] ?? 0));
}

function toGuid(value: SqlValue, from: SqlType): string {
  if (typeof value === 'string') {
    const match = /^\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/i.exec(value);
    if (match === null) throw fail(8169);
    return (match[1] ?? '').toUpperCase();
  }
  if (value instanceof Uint8Array && value.length >= 16) {
    const hex = Buffer.from(guidBytes(Buffer.from(value.slice(0, 16)).toString('hex')))
      .toString('hex')
      .toUpperCase();
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }
  throw notAllowed(from, { name: 'uniqueidentifier' });
}

function toTime(value: SqlValue, from: SqlType, to: SqlType): SqlValue {
  if (typeof value === 'string') {
    const parsed = parseDateTime(value);
    if (parsed === undefined) throw fail(241);
    // A literal with a zone is no datetime; the others take its clock.
    if (parsed.offsetMinutes !== undefined && to.name === 'datetime') throw fail(241);
    const fitted = fitDateTime(parsed, { name: 'datetimeoffset' }, to);
    if (fitted === undefined) throw fail(242, from.name, to.name);
    return fitted;
  }
  if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'datetime') {
    const fitted = fitDateTime(value, from, to);
    if (fitted === undefined)
      throw from.name === 'time' ? fail(206, from.name, to.name) : fail(242, from.name, to.name);
    return fitted;
  }
  if (to.name === 'datetime' && typeof value === 'bigint') return dateTime((DAYS_TO_1900 + value) * TICKS_PER_DAY);
  throw notAllowed(from, to);
}
