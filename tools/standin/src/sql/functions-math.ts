/** Mathematical functions and the ones that make values from nothing. */
import { fail, unsupported } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import { convert } from './convert.ts';
import { decimal, decimalShape, power10, rescale } from './decimal.ts';
import { integer, type ScalarFunction } from './scalar-function.ts';
import { familyOf, FLOAT, inRange, INT, isNumber, typeName } from './types.ts';

/** Integers, decimals and floats keep their type; text becomes float. */
function numeric(args: readonly Bound[]): SqlType {
  const type = args[0]?.type ?? INT;
  if (!isNumber(type)) return FLOAT;
  return type.name === 'bit' ? FLOAT : type.name === 'real' ? FLOAT : type;
}

function perKind(
  value: SqlValue | undefined,
  type: SqlType,
  from: SqlType,
  ops: {
    whole(n: bigint): bigint;
    exact(unscaled: bigint, scale: number): { unscaled: bigint; scale: number };
    real(n: number): number;
  },
): SqlValue {
  const typed = convert(value ?? null, from, type);
  if (typeof typed === 'bigint') {
    const result = ops.whole(typed);
    if (!inRange(result, type)) throw fail(8115, 'expression', type.name);
    return result;
  }
  if (typeof typed === 'number') return ops.real(typed);
  if (typeof typed === 'object' && typed !== null && 'unscaled' in typed) {
    const { unscaled, scale } = ops.exact(typed.unscaled, typed.scale);
    return rescale(decimal(unscaled, scale), decimalShape(type).scale);
  }
  return typed;
}

function floor(unscaled: bigint, scale: number): bigint {
  const unit = power10(scale);
  const quotient = unscaled / unit;
  return unscaled < 0n && unscaled % unit !== 0n ? quotient - 1n : quotient;
}

function wholeType(args: readonly Bound[]): SqlType {
  const type = numeric(args);
  return type.name === 'decimal' ? { name: 'decimal', precision: type.precision ?? 18, scale: 0 } : type;
}

function unary(
  name: string,
  type: ScalarFunction['type'],
  ops: Parameters<typeof perKind>[3],
): readonly [string, ScalarFunction] {
  return [name, { arguments: [1, 1], type, evaluate: ([a], site) => perKind(a, site.type, site.types[0] ?? INT, ops) }];
}

function round(value: SqlValue, type: SqlType, from: SqlType, digits: number, cut: boolean): SqlValue {
  const roundExact = (unscaled: bigint, scale: number): { unscaled: bigint; scale: number } => {
    if (digits >= scale) return { unscaled, scale };
    const unit = power10(scale - digits);
    const kept = cut ? unscaled / unit : rescale(decimal(unscaled, scale - digits), 0).unscaled;
    return { unscaled: kept * unit, scale };
  };
  return perKind(value, type, from, {
    whole: n => roundExact(n, 0).unscaled,
    exact: roundExact,
    real: n => {
      const factor = 10 ** digits;
      return cut ? Math.trunc(n * factor) / factor : (Math.sign(n) * Math.round(Math.abs(n) * factor)) / factor;
    },
  });
}

export const mathFunctions: readonly (readonly [string, ScalarFunction])[] = [
  unary('ABS', numeric, {
    whole: n => (n < 0n ? -n : n),
    exact: (n, scale) => ({ unscaled: n < 0n ? -n : n, scale }),
    real: Math.abs,
  }),
  unary('SIGN', numeric, {
    whole: n => (n > 0n ? 1n : n < 0n ? -1n : 0n),
    exact: n => ({ unscaled: n > 0n ? 1n : n < 0n ? -1n : 0n, scale: 0 }),
    real: Math.sign,
  }),
  unary('FLOOR', wholeType, {
    whole: n => n,
    exact: (n, scale) => ({ unscaled: floor(n, scale), scale: 0 }),
    real: Math.floor,
  }),
  unary('CEILING', wholeType, {
    whole: n => n,
    exact: (n, scale) => ({ unscaled: -floor(-n, scale), scale: 0 }),
    real: Math.ceil,
  }),
  [
    'ROUND',
    {
      arguments: [2, 3],
      parameters: [undefined, INT, INT],
      type: numeric,
      evaluate: ([a, digits, cut], site) =>
        round(a ?? null, site.type, site.types[0] ?? INT, integer(digits), integer(cut) !== 0),
    },
  ],
  [
    'SQRT',
    {
      arguments: [1, 1],
      parameters: [FLOAT],
      type: FLOAT,
      evaluate: ([a]) => {
        if (typeof a !== 'number' || a < 0) throw fail(3623);
        return Math.sqrt(a);
      },
    },
  ],
  [
    'POWER',
    {
      arguments: [2, 2],
      parameters: [undefined, FLOAT],
      type: numeric,
      evaluate: ([a, b], site) => {
        if (familyOf(site.type) === 'decimal') throw unsupported(`POWER of ${typeName(site.type)}`);
        const base = convert(a ?? null, site.types[0] ?? INT, FLOAT);
        return convert(Number(base) ** Number(b), FLOAT, site.type);
      },
    },
  ],
  [
    'RAND',
    {
      arguments: [0, 1],
      parameters: [INT],
      type: FLOAT,
      evaluate: (values, site) => {
        if (values.length > 0) throw unsupported('RAND with a seed');
        return site.run.engine.random();
      },
    },
  ],
  [
    'NEWID',
    { arguments: [0, 0], type: { name: 'uniqueidentifier' }, evaluate: (_, site) => newGuid(site.run.engine.random) },
  ],
];

function newGuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16))
    .join('')
    .toUpperCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${'89AB'[Math.floor(random() * 4)] ?? '8'}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
