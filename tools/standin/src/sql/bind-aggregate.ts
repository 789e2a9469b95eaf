/** Aggregate functions: binding them to a slot of the group, and computing the slots. */
import { fail } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { CallExpression, Expression } from './ast.ts';
import type { Bound, Frame } from './bound.ts';
import { compareSame, keyOf } from './compare.ts';
import { plainText } from './convert.ts';
import { calculate, decimal, decimalShape, fitsPrecision, rescale } from './decimal.ts';
import type { AggregateCall, BindContext } from './session-state.ts';
import { familyOf, inRange, INT, isBinary, isNational, isNumber, typeName } from './types.ts';

const names = new Set(['COUNT', 'COUNT_BIG', 'SUM', 'MIN', 'MAX', 'AVG', 'STRING_AGG']);

export function isAggregate(name: string): boolean {
  return names.has(name);
}

export function bindAggregate(
  context: BindContext,
  call: CallExpression,
  bindArgument: (argument: Expression) => Bound,
): Bound {
  const { grouping } = context;
  if (grouping === undefined) throw fail(147);
  const [first, second] = call.arguments;
  if (call.star ? !call.name.startsWith('COUNT') : first === undefined) throw fail(174, call.name, '1');
  const argument = first === undefined ? undefined : bindArgument(first);
  const separator =
    second === undefined
      ? null
      : bindArgument(second).evaluate({ row: [], parent: undefined, aggregates: [], windows: [] });
  const type = aggregateType(call.name, argument);
  const index = grouping.aggregates.length;
  grouping.aggregates.push({ name: call.name, distinct: call.distinct, argument, separator, type });
  return {
    type,
    nullable: !call.name.startsWith('COUNT'),
    constant: false,
    evaluate: frame => frame.aggregates[index] ?? null,
  };
}

function aggregateType(name: string, argument: Bound | undefined): SqlType {
  if (name === 'COUNT') return INT;
  if (name === 'COUNT_BIG') return { name: 'bigint' };
  if (argument === undefined) throw new Error('only COUNT takes *');
  const { type } = argument;
  if (name === 'STRING_AGG')
    return { name: isNational(type) ? 'nvarchar' : 'varchar', length: isNational(type) ? 4000 : 8000 };
  if (name === 'MIN' || name === 'MAX') {
    if (type.name === 'bit') throw fail(8117, 'bit', name.toLowerCase());
    return type;
  }
  if (!isNumber(type) || type.name === 'bit') throw fail(8117, typeName(type), name.toLowerCase());
  if (type.name === 'decimal')
    return { name: 'decimal', precision: 38, scale: name === 'AVG' ? Math.max(6, type.scale ?? 0) : (type.scale ?? 0) };
  if (familyOf(type) === 'float') return { name: 'float' };
  return type.name === 'tinyint' || type.name === 'smallint' ? INT : type;
}

/** NULLs are left out; a group without values gives NULL (COUNT: 0). */
export function computeAggregate(call: AggregateCall, frames: readonly Frame[]): SqlValue {
  const { argument } = call;
  if (argument === undefined) return BigInt(frames.length);
  const binary = isBinary(argument.type);
  let values = frames.map(frame => argument.evaluate(frame)).filter(value => value !== null);
  if (call.distinct) {
    const seen = new Set<string>();
    values = values.filter(value => !seen.has(keyOf(value, binary)) && seen.add(keyOf(value, binary)));
  }
  if (call.name === 'COUNT' || call.name === 'COUNT_BIG') return BigInt(values.length);
  if (values.length === 0) return null;
  if (call.name === 'MIN' || call.name === 'MAX') {
    const sign = call.name === 'MIN' ? 1 : -1;
    return values.reduce((best, value) => (compareSame(value, best, binary) * sign < 0 ? value : best));
  }
  if (call.name === 'STRING_AGG') {
    return values.map(value => plainText(value, argument.type)).join(plainText(call.separator, { name: 'nvarchar' }));
  }
  return sum(call, argument.type, values);
}

function sum(call: AggregateCall, from: SqlType, values: readonly SqlValue[]): SqlValue {
  const { type } = call;
  const count = BigInt(values.length);
  if (type.name === 'float') {
    const total = values.reduce<number>((a, value) => a + Number(value), 0);
    return call.name === 'AVG' ? total / values.length : total;
  }
  if (type.name === 'decimal' || type.name === 'money') {
    const { scale } = decimalShape(from);
    let total = decimal(0n, scale);
    for (const value of values)
      if (typeof value === 'object' && value !== null && 'unscaled' in value)
        total = decimal(total.unscaled + rescale(value, scale).unscaled, scale);
    const target = decimalShape(type);
    const result =
      call.name === 'AVG' ? calculate('/', total, decimal(count, 0), target.scale) : rescale(total, target.scale);
    if (result === undefined || !fitsPrecision(result, target.precision))
      throw fail(8115, 'expression', typeName(type));
    return result;
  }
  const total = values.reduce<bigint>((a, value) => a + (typeof value === 'bigint' ? value : 0n), 0n);
  if (!inRange(total, type)) throw fail(8115, 'expression', type.name);
  return call.name === 'AVG' ? total / count : total;
}
