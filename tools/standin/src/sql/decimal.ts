/** Exact numbers: arithmetic on unscaled BigInts, rounding half away from zero as the server does. */
import type { Decimal, SqlType } from '../values.ts';

export function power10(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}

export function decimal(unscaled: bigint, scale: number): Decimal {
  return { kind: 'decimal', unscaled, scale };
}

/** Division that rounds half away from zero. */
function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const negative = dividend < 0n !== divisor < 0n;
  const a = dividend < 0n ? -dividend : dividend;
  const b = divisor < 0n ? -divisor : divisor;
  const rounded = (a * 2n + b) / (b * 2n);
  return negative ? -rounded : rounded;
}

export function rescale(value: Decimal, scale: number): Decimal {
  if (scale === value.scale) return value;
  if (scale > value.scale) return decimal(value.unscaled * power10(scale - value.scale), scale);
  return decimal(divideRounded(value.unscaled, power10(value.scale - scale)), scale);
}

/** Towards zero: decimal → integer types. */
export function truncated(value: Decimal): bigint {
  return value.unscaled / power10(value.scale);
}

export function compareDecimals(left: Decimal, right: Decimal): number {
  const scale = Math.max(left.scale, right.scale);
  const a = rescale(left, scale).unscaled;
  const b = rescale(right, scale).unscaled;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function decimalText(value: Decimal): string {
  const negative = value.unscaled < 0n;
  const digits = (negative ? -value.unscaled : value.unscaled).toString().padStart(value.scale + 1, '0');
  const whole = digits.slice(0, digits.length - value.scale);
  const fraction = value.scale === 0 ? '' : `.${digits.slice(digits.length - value.scale)}`;
  return `${negative ? '-' : ''}${whole}${fraction}`;
}

/** `-12.50`; undefined when the text is not a plain number. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = /^\s*([+-]?)(\d*)(?:\.(\d*))?\s*$/.exec(text);
  if (match === null || ((match[2] ?? '') === '' && (match[3] ?? '') === '')) return undefined;
  const fraction = match[3] ?? '';
  const unscaled = BigInt(`${match[2] ?? ''}${fraction}` || '0');
  return decimal(match[1] === '-' ? -unscaled : unscaled, fraction.length);
}

export function decimalFromNumber(value: number): Decimal | undefined {
  if (!Number.isFinite(value)) return undefined;
  // 17 significant digits reproduce every double.
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential(16));
  if (match === null) return undefined;
  const digits = `${match[2] ?? ''}${match[3] ?? ''}`;
  const exponent = Number(match[4]) - (digits.length - 1);
  const magnitude = exponent >= 0 ? decimal(BigInt(digits) * power10(exponent), 0) : decimal(BigInt(digits), -exponent);
  return match[1] === '-' ? decimal(-magnitude.unscaled, magnitude.scale) : magnitude;
}

export function decimalToNumber(value: Decimal): number {
  return Number(decimalText(value));
}

export function fitsPrecision(value: Decimal, precision: number): boolean {
  const magnitude = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  return magnitude < power10(precision);
}

export type DecimalShape = { readonly precision: number; readonly scale: number };

/** What an exact number becomes when it meets a decimal. */
export function decimalShape(type: SqlType): DecimalShape {
  switch (type.name) {
    case 'decimal':
      return { precision: type.precision ?? 18, scale: type.scale ?? 0 };
    case 'money':
      return { precision: 19, scale: 4 };
    case 'bigint':
      return { precision: 19, scale: 0 };
    case 'int':
      return { precision: 10, scale: 0 };
    case 'smallint':
      return { precision: 5, scale: 0 };
    case 'tinyint':
      return { precision: 3, scale: 0 };
    case 'bit':
      return { precision: 1, scale: 0 };
    default:
      return { precision: 38, scale: 0 };
  }
}

/**
 * Precision and scale of a result (learn.microsoft.com: Precision, scale, and length).
 * The cap at 38 keeps integral digits first and at least six of the scale in products and quotients.
 */
export function arithmeticShape(operator: '+' | '-' | '*' | '/' | '%', a: DecimalShape, b: DecimalShape): DecimalShape {
  const integralA = a.precision - a.scale;
  const integralB = b.precision - b.scale;
  if (operator === '+' || operator === '-') {
    const scale = Math.max(a.scale, b.scale);
    const integral = Math.max(integralA, integralB);
    const precision = scale + integral + 1;
    return precision <= 38
      ? { precision, scale }
      : { precision: 38, scale: Math.max(0, Math.min(scale, 38 - integral)) };
  }
  if (operator === '%') {
    const scale = Math.max(a.scale, b.scale);
    return { precision: Math.min(38, Math.min(integralA, integralB) + scale), scale };
  }
  const scale = operator === '*' ? a.scale + b.scale : Math.max(6, a.scale + b.precision + 1);
  const precision = operator === '*' ? a.precision + b.precision + 1 : integralA + b.scale + scale;
  if (precision <= 38) return { precision, scale };
  const integral = precision - scale;
  return { precision: 38, scale: integral < 32 ? Math.min(scale, 38 - integral) : Math.min(scale, 6) };
}

/** The operation itself; undefined: division by zero. */
export function calculate(
  operator: '+' | '-' | '*' | '/' | '%',
  left: Decimal,
  right: Decimal,
  scale: number,
): Decimal | undefined {
  const common = Math.max(left.scale, right.scale);
  const a = rescale(left, common).unscaled;
  const b = rescale(right, common).unscaled;
  switch (operator) {
    case '+':
      return rescale(decimal(a + b, common), scale);
    case '-':
      return rescale(decimal(a - b, common), scale);
    case '*':
      return rescale(decimal(left.unscaled * right.unscaled, left.scale + right.scale), scale);
    case '%':
      return b === 0n ? undefined : rescale(decimal(a % b, common), scale);
    // Quotients are cut, not rounded, at the result's scale.
    case '/':
      return b === 0n ? undefined : decimal((a * power10(scale)) / b, scale);
  }
}
