/** Comparison and grouping keys. Text: case-insensitive, accent-sensitive, trailing blanks ignored (tech/standin.md, Shape). */
import type { SqlType, SqlValue } from '../values.ts';
import { compareDecimals, decimalText } from './decimal.ts';
import { utcTicks } from './datetime.ts';
import { isBinary } from './types.ts';

const collator = new Intl.Collator('en', { sensitivity: 'accent' });

function foldText(text: string): string {
  return text.replace(/ +$/, '').toLowerCase();
}

export function compareText(left: string, right: string): number {
  const a = foldText(left);
  const b = foldText(right);
  if (a === b) return 0;
  const order = collator.compare(a, b);
  // The collator ignores some characters that the server's order knows: two different texts are never equal.
  return order !== 0 ? order : a < b ? -1 : 1;
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.max(left.length, right.length);
  // Trailing zero bytes are ignored, like trailing blanks.
  for (let i = 0; i < length; i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A binary collation: code units, the shorter text padded with blanks. */
function compareBinaryText(left: string, right: string): number {
  const length = Math.max(left.length, right.length);
  return order(left.padEnd(length), right.padEnd(length));
}

/** Both values are of one type (convert first). NULLs sort first; callers decide what NULL means in a predicate. `binary`: isBinary of the type. */
export function compareSame(left: SqlValue, right: SqlValue, binary = false): number {
  if (left === null || right === null) return left === right ? 0 : left === null ? -1 : 1;
  if (typeof left === 'string' && typeof right === 'string')
    return binary ? compareBinaryText(left, right) : compareText(left, right);
  if (left instanceof Uint8Array && right instanceof Uint8Array) return compareBytes(left, right);
  if (typeof left === 'object' && typeof right === 'object' && 'kind' in left && 'kind' in right) {
    if (left.kind === 'decimal' && right.kind === 'decimal') return compareDecimals(left, right);
    if (left.kind === 'datetime' && right.kind === 'datetime') return order(utcTicks(left), utcTicks(right));
  }
  if (typeof left === typeof right && typeof left !== 'object' && typeof right !== 'object') return order(left, right);
  throw new Error(`values of different types were compared: ${typeof left} and ${typeof right}`);
}

function order<T extends bigint | number | boolean | string>(left: T, right: T): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Equal keys exactly when the values of one type compare equal: for hash joins, GROUP BY, DISTINCT. */
export function keyOf(value: SqlValue, binary = false): string {
  if (value === null) return '0';
  if (typeof value === 'string') return binary ? `s${value.replace(/ +$/, '')}` : `s${foldText(value)}`;
  if (value instanceof Uint8Array)
    return `x${Buffer.from(value)
      .toString('hex')
      .replace(/(00)+$/, '')}`;
  if (typeof value === 'object')
    return value.kind === 'datetime' ? `t${utcTicks(value)}` : `n${trimZeros(decimalText(value))}`;
  return typeof value === 'boolean' ? (value ? 'b1' : 'b0') : `n${value}`;
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** `columns`: what the values are, in their order. */
export function rowKey(values: readonly SqlValue[], columns: readonly { readonly type: SqlType }[]): string {
  return JSON.stringify(values.map((value, i) => keyOf(value, isBinary(columns[i]?.type))));
}
