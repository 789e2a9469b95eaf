/** How the stand-in compares values: case-insensitive, accent-sensitive, trailing blanks ignored (tech/standin.md, Shape). */
import type { Decimal, SqlDateTime, SqlType, SqlValue } from '../values.ts';

const collator = new Intl.Collator('en', { sensitivity: 'accent' });
const ticksPerMinute = 600_000_000n;

/** The form in which two equal strings are the same string: upper case, without trailing blanks. */
export function foldText(text: string): string {
  return trimBlanks(text).toUpperCase();
}

/** Negative, 0 or positive. Equal exactly when `foldText` gives the same string, so that keys and comparisons can never disagree. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const a = foldText(left);
  const b = foldText(right);
  if (a === b) return 0;
  const order = collator.compare(a, b);
  return order === 0 ? (a < b ? -1 : 1) : order;
}

function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end -= 1;
  return text.slice(0, end);
}

/** A binary collation: code units, padded with blanks like any other (documentation of collations, BIN2; order beyond the BMP unverified). */
function compareBinaryText(left: string, right: string): number {
  const length = Math.max(left.length, right.length);
  const [a, b] = [left.padEnd(length), right.padEnd(length)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Negative, 0 or positive; NULL sorts first and equals NULL (the NULL logic of predicates is the caller's). Numbers of different kinds compare by
 * value. Throws for kinds that cannot meet (the caller converts first).
 */
export function compareValues(left: SqlValue, right: SqlValue, type?: SqlType): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? -1 : 1;
  if (typeof left === 'string' && typeof right === 'string')
    return type?.collation === 'binary' ? compareBinaryText(left, right) : compareText(left, right);
  if (isNumeric(left) && isNumeric(right)) return compareNumbers(left, right);
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right);
  if (isDateTime(left) && isDateTime(right)) return order(instant(left), instant(right));
  throw new Error(`values of kinds ${kindOf(left)} and ${kindOf(right)} cannot be compared`);
}

/** A string that is the same for equal values of one column: what key lookups are built on. */
export function keyText(value: SqlValue, type?: SqlType): string {
  if (value === null) return 'n';
  if (typeof value === 'string') return type?.collation === 'binary' ? `s${trimBlanks(value)}` : `s${foldText(value)}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  if (isDateTime(value)) return `t${instant(value)}`;
  if (isDecimal(value)) return `d${stripZeros(value)}`;
  if (typeof value === 'bigint') return `d${value}e0`;
  return typeof value === 'boolean' ? `b${value ? 1 : 0}` : `f${value}`;
}

type Numeric = boolean | bigint | number | Decimal;

function isNumeric(value: SqlValue): value is Numeric {
  return (
    typeof value === 'bigint' ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    (value !== null && isDecimal(value))
  );
}

function isDecimal(value: SqlValue): value is Decimal {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'decimal';
}

function isDateTime(value: SqlValue): value is SqlDateTime {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'datetime';
}

/** The moment in UTC: two datetimeoffset values of one moment are equal whatever their offsets. */
function instant(value: SqlDateTime): bigint {
  return value.ticks - BigInt(value.offsetMinutes ?? 0) * ticksPerMinute;
}

function compareNumbers(left: Numeric, right: Numeric): number {
  if (typeof left === 'number' || typeof right === 'number') return order(toNumber(left), toNumber(right));
  const a = toDecimal(left);
  const b = toDecimal(right);
  if (a.scale === b.scale) return order(a.unscaled, b.unscaled);
  const scale = Math.max(a.scale, b.scale);
  return order(a.unscaled * 10n ** BigInt(scale - a.scale), b.unscaled * 10n ** BigInt(scale - b.scale));
}

function toDecimal(value: boolean | bigint | Decimal): Decimal {
  if (typeof value === 'object') return value;
  return { kind: 'decimal', unscaled: BigInt(value), scale: 0 };
}

function toNumber(value: Numeric): number {
  return typeof value === 'object' ? Number(value.unscaled) / 10 ** value.scale : Number(value);
}

function stripZeros(value: Decimal): string {
  let { unscaled, scale } = value;
  while (scale > 0 && unscaled % 10n === 0n) {
    unscaled /= 10n;
    scale -= 1;
  }
  return `${unscaled}e${scale}`;
}

function order<T extends number | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function kindOf(value: SqlValue): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return 'binary';
  return typeof value === 'object' ? value.kind : typeof value;
}
