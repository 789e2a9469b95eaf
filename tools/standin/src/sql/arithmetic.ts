/** Binary and unary operators on bound operands. */
import { fail } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import { convert, plainText } from './convert.ts';
import { dateTime, TICKS_PER_DAY } from './datetime.ts';
import {
  arithmeticShape,
  calculate,
  decimal,
  decimalShape,
  decimalToNumber,
  fitsPrecision,
  type DecimalShape,
} from './decimal.ts';
import { commonType, familyOf, inRange, isBinary, isNational, isNumber, isText, typeName } from './types.ts';
import type { Expression } from './ast.ts';

type Operator = Extract<Expression, { kind: 'binary' }>['operator'];
const words: Readonly<Record<Operator, string>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
  '%': 'modulo',
  '&': 'boolean AND',
  '|': 'boolean OR',
  '^': 'boolean XOR',
};

/** The operator with both sides converted to their common type; NULL in, NULL out. */
export function bindBinary(operator: Operator, left: Bound, right: Bound): Bound {
  const a = left.untypedNull === true ? { ...left, type: right.type } : left;
  const b = right.untypedNull === true ? { ...right, type: left.type } : right;
  if (operator === '+' && (isText(a.type) || familyOf(a.type) === 'binary') && familyOf(a.type) === familyOf(b.type))
    return bindConcatenation(a, b);
  if (familyOf(a.type) === 'time' || familyOf(b.type) === 'time') return bindDateArithmetic(operator, a, b);
  const type = commonType(a.type, b.type);
  if (!isNumber(type)) throw fail(402, typeName(a.type), typeName(b.type), words[operator]);
  if (familyOf(type) === 'bit' && !['&', '|', '^'].includes(operator)) throw fail(402, 'bit', 'bit', words[operator]);
  if (type.name === 'decimal' || type.name === 'money') return bindDecimal(operator, a, b, type);
  return combine(a, b, type, (x, y) => {
    const l = convert(x, a.type, type);
    const r = convert(y, b.type, type);
    return typeof l === 'number' && typeof r === 'number'
      ? floatOperation(operator, l, r, type)
      : integerOperation(operator, BigInt(l as bigint | boolean), BigInt(r as bigint | boolean), type);
  });
}

function combine(
  left: Bound,
  right: Bound,
  type: SqlType,
  operation: (left: SqlValue, right: SqlValue) => SqlValue,
): Bound {
  return {
    type,
    nullable: left.nullable || right.nullable,
    constant: left.constant && right.constant,
    evaluate: frame => {
      const a = left.evaluate(frame);
      const b = right.evaluate(frame);
      return a === null || b === null ? null : operation(a, b);
    },
  };
}

function bindConcatenation(left: Bound, right: Bound): Bound {
  const binary = familyOf(left.type) === 'binary';
  const national = isNational(left.type) || isNational(right.type);
  const limit = national ? 4000 : 8000;
  const lengths = [left.type.length, right.type.length];
  const sum = lengths.includes('max')
    ? 'max'
    : lengths.reduce<number>((total, each) => total + (typeof each === 'number' ? each : limit), 0);
  const type: SqlType = {
    name: binary ? 'varbinary' : national ? 'nvarchar' : 'varchar',
    length: sum === 'max' ? 'max' : Math.min(sum, limit),
    ...(isBinary(left.type) || isBinary(right.type) ? { collation: 'binary' } : {}),
  };
  return combine(left, right, type, (a, b) => {
    if (a instanceof Uint8Array && b instanceof Uint8Array) return Uint8Array.from([...a, ...b]);
    return convert(plainText(a, left.type) + plainText(b, right.type), type, type);
  });
}

function integerOperation(operator: Operator, left: bigint, right: bigint, type: SqlType): SqlValue {
  if ((operator === '/' || operator === '%') && right === 0n) throw fail(8134);
  const result = exactInteger(operator, left, right);
  if (familyOf(type) === 'bit') return result !== 0n;
  if (!inRange(result, type))
    throw type.name === 'tinyint' || type.name === 'smallint'
      ? fail(220, type.name, result)
      : fail(8115, 'expression', type.name);
  return result;
}

function exactInteger(operator: Operator, left: bigint, right: bigint): bigint {
  switch (operator) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/':
      return left / right;
    case '%':
      return left % right;
    case '&':
      return left & right;
    case '|':
      return left | right;
    case '^':
      return left ^ right;
  }
}

function floatOperation(operator: Operator, left: number, right: number, type: SqlType): number {
  if (operator === '/' && right === 0) throw fail(8134);
  const result =
    operator === '+'
      ? left + right
      : operator === '-'
        ? left - right
        : operator === '*'
          ? left * right
          : operator === '/'
            ? left / right
            : Number.NaN;
  // Bit operators and modulo do not exist for float.
  if (operator !== '+' && operator !== '-' && operator !== '*' && operator !== '/')
    throw fail(402, type.name, type.name, words[operator]);
  if (!Number.isFinite(result)) throw fail(8115, 'expression', type.name);
  return type.name === 'real' ? Math.fround(result) : result;
}

/** An integer literal takes the precision of its digits, not of its type: 1.0 / 3 has six decimals. */
function shapeOf(bound: Bound): DecimalShape {
  return bound.digits === undefined ? decimalShape(bound.type) : { precision: bound.digits, scale: 0 };
}

function bindDecimal(operator: Operator, left: Bound, right: Bound, common: SqlType): Bound {
  if (operator === '&' || operator === '|' || operator === '^')
    throw fail(402, typeName(left.type), typeName(right.type), words[operator]);
  const shape =
    common.name === 'money' ? { precision: 19, scale: 4 } : arithmeticShape(operator, shapeOf(left), shapeOf(right));
  const type: SqlType = common.name === 'money' ? common : { name: 'decimal', ...shape };
  const exact = (value: SqlValue, from: SqlType): ReturnType<typeof decimal> => {
    const scale = decimalShape(from).scale;
    const converted = convert(value, from, { name: 'decimal', precision: 38, scale });
    if (typeof converted !== 'object' || converted === null || !('unscaled' in converted))
      throw new Error('a number converts to a decimal');
    return converted;
  };
  return combine(left, right, type, (a, b) => {
    const result = calculate(operator, exact(a, left.type), exact(b, right.type), shape.scale);
    if (result === undefined) throw fail(8134);
    if (!fitsPrecision(result, shape.precision)) throw fail(8115, 'expression', typeName(type));
    return result;
  });
}

/** datetime ± number of days; the newer types take no operator. */
function bindDateArithmetic(operator: Operator, left: Bound, right: Bound): Bound {
  const [date, days] = familyOf(left.type) === 'time' ? [left, right] : [right, left];
  const twoDates = familyOf(left.type) === 'time' && familyOf(right.type) === 'time';
  const allowed =
    (operator === '+' || (operator === '-' && date === left)) &&
    date.type.name === 'datetime' &&
    isNumber(days.type) &&
    !twoDates;
  if (!allowed) throw fail(402, typeName(left.type), typeName(right.type), words[operator]);
  return combine(left, right, date.type, (a, b) => {
    const [start, count] = date === left ? [a, b] : [b, a];
    if (typeof start !== 'object' || start === null || !('ticks' in start)) throw new Error('a datetime is expected');
    const ticks = daysToTicks(count);
    return convert(dateTime(operator === '+' ? start.ticks + ticks : start.ticks - ticks), date.type, date.type);
  });
}

function daysToTicks(value: SqlValue): bigint {
  if (typeof value === 'bigint') return value * TICKS_PER_DAY;
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'object' && value !== null && 'unscaled' in value
        ? decimalToNumber(value)
        : 0;
  return BigInt(Math.round(number * Number(TICKS_PER_DAY)));
}

export function bindUnary(operator: '-' | '+' | '~', operand: Bound): Bound {
  if (operator === '+') return operand;
  if (operand.untypedNull === true) return operand;
  const type = operand.type.name === 'tinyint' && operator === '-' ? { name: 'smallint' as const } : operand.type;
  if (!isNumber(type)) {
    if (operator === '-' && isText(type)) throw fail(8117, typeName(type), 'minus');
    throw fail(8117, typeName(type), operator === '-' ? 'minus' : "'~'");
  }
  const evaluate = (value: SqlValue): SqlValue => {
    if (typeof value === 'bigint') return integerOperation('-', operator === '-' ? 0n : -1n, value, type);
    if (typeof value === 'boolean' && operator === '~') return !value;
    if (typeof value === 'number' && operator === '-') return -value;
    if (typeof value === 'object' && value !== null && 'unscaled' in value && operator === '-')
      return decimal(-value.unscaled, value.scale);
    throw fail(8117, typeName(type), operator === '-' ? 'minus' : "'~'");
  };
  return {
    type,
    nullable: operand.nullable,
    constant: operand.constant,
    ...(operand.digits === undefined ? {} : { digits: operand.digits }),
    ...(operator === '-' && typeof operand.literal === 'bigint' ? { literal: -operand.literal } : {}),
    evaluate: frame => {
      const value = operand.evaluate(frame);
      return value === null ? null : evaluate(value);
    },
  };
}

/** `@x += 1`: the operator without its equals sign. */
export function bindAssignment(operator: string, current: Bound, value: Bound): Bound {
  return operator === '=' ? value : bindBinary(operator.slice(0, 1) as Operator, current, value);
}
