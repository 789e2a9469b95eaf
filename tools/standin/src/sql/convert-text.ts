/** Any value → text, as CONVERT(varchar, x [, style]) prints it. */
import { fail } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import { formatDateTime } from './datetime-text.ts';
import { decimalText, rescale } from './decimal.ts';
import { isNational, typeName } from './types.ts';

export function textOf(value: SqlValue, from: SqlType, to: SqlType, style: number | undefined): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'bigint') return integerText(value, to);
  if (typeof value === 'number') return floatText(value, from, style ?? 0);
  if (value instanceof Uint8Array) return binaryText(value, to, style ?? 0);
  if (value.kind === 'decimal') {
    const text =
      from.name === 'money'
        ? moneyText(decimalText(rescale(value, style === 2 || style === 126 ? 4 : 2)), style ?? 0)
        : decimalText(value);
    if (typeof to.length === 'number' && text.length > to.length) throw fail(8115, typeName(from), to.name);
    return text;
  }
  const text = formatDateTime(value, from, style ?? defaultStyle(from));
  if (text === undefined) throw fail(281, String(style), from.name);
  return text;
}

/** datetime prints as 0 (mon dd yyyy hh:miAM), the newer types in ISO form. */
function defaultStyle(from: SqlType): number {
  return from.name === 'datetime' ? 0 : 121;
}

/** An integer that does not fit prints `*` in varchar and fails in nvarchar. */
function integerText(value: bigint, to: SqlType): string {
  const text = value.toString();
  if (typeof to.length !== 'number' || text.length <= to.length) return text;
  if (isNational(to)) throw fail(8115, 'expression', to.name);
  return '*';
}

/** Style 0: at most six digits, exponent when needed. 1: 8 digits, 2: 16, 3: 17; always with exponent. */
function floatText(value: number, from: SqlType, style: number): string {
  const exponentForm = (digits: number): string =>
    value
      .toExponential(digits - 1)
      .replace(/e([+-])(\d{1,2})$/, (_, sign: string, digitsOf: string) => `e${sign}${digitsOf.padStart(3, '0')}`);
  if (style === 1) return exponentForm(8);
  if (style === 2) return exponentForm(16);
  if (style === 3) return exponentForm(from.name === 'real' ? 9 : 17);
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4) return trimExponent(value.toExponential(5));
  return Math.abs(value) >= 1e6 ? trimExponent(value.toExponential(5)) : String(Number(value.toPrecision(6)));
}

function trimExponent(text: string): string {
  return text
    .replace(/\.?0+e/, 'e')
    .replace(/e([+-])(\d)$/, 'e$100$2')
    .replace(/e([+-])(\d\d)$/, 'e$10$2');
}

function moneyText(text: string, style: number): string {
  if (style !== 1) return text;
  const [whole = '', fraction = ''] = text.split('.');
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ',')}.${fraction}`;
}

function binaryText(bytes: Uint8Array, to: SqlType, style: number): string {
  const buffer = Buffer.from(bytes);
  if (style === 1) return `0x${buffer.toString('hex').toUpperCase()}`;
  if (style === 2) return buffer.toString('hex').toUpperCase();
  return isNational(to) ? buffer.toString('utf16le') : buffer.toString('latin1');
}
