/** Expression syntax → typed closures. */
import { fail, unsupported } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import { bindBinary, bindUnary } from './arithmetic.ts';
import type { Expression, Name } from './ast.ts';
import { isCondition } from './node-kind.ts';
import { bindAggregate, isAggregate } from './bind-aggregate.ts';
import type { Bound, BoundCondition, Frame, Scope } from './bound.ts';
import { compareSame } from './compare.ts';
import { convert } from './convert.ts';
import { bindFunction } from './functions.ts';
import { globalVariable } from './global-variables.ts';
import { printExpression, type BindContext } from './session-state.ts';
import { commonType, familyOf, INT, isBinary, typeName } from './types.ts';

export function bindExpression(context: BindContext, expression: Expression): Bound {
  const bind = (each: Expression): Bound => bindExpression(context, each);
  // An expression that GROUP BY names is read from the group's first row.
  if (context.grouping?.expressions.has(printExpression(expression)) === true)
    return bindExpression(withoutGrouping(context), expression);
  switch (expression.kind) {
    case 'literal':
      return bindLiteral(expression);
    case 'column':
      return bindColumn(context, expression.name);
    case 'variable':
      return bindVariable(context, expression.name);
    case 'global':
      return globalVariable(context.run, expression.name);
    case 'unary':
      return bindUnary(expression.operator, bind(expression.operand));
    case 'binary':
      return bindBinary(expression.operator, bind(expression.left), bind(expression.right));
    case 'case':
      return bindCase(context, expression);
    case 'iif':
      return choose(
        context.run.binder.condition(context, expression.condition),
        bind(expression.then),
        bind(expression.otherwise),
      );
    case 'cast':
      return bindCast(context, expression);
    case 'subquery':
      return bindScalarSubquery(context, expression);
    case 'call':
      return bindCall(context, expression);
  }
}

export function withoutGrouping(context: BindContext): BindContext {
  return { run: context.run, scope: context.scope, loader: context.loader };
}

function bindLiteral(expression: Extract<Expression, { kind: 'literal' }>): Bound {
  const { type, value } = expression.literal;
  return {
    type,
    nullable: value === null,
    constant: true,
    literal: value,
    evaluate: () => value,
    ...(value === null ? { untypedNull: true } : {}),
    ...(typeof value === 'bigint' ? { digits: value.toString().replace('-', '').length } : {}),
  };
}

function bindVariable(context: BindContext, name: string): Bound {
  const variable = context.run.variables.get(name.toLowerCase());
  if (variable === undefined) throw fail(137, name);
  return { type: variable.type, nullable: true, constant: true, evaluate: () => variable.value };
}

function same(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

/** The innermost query that knows the name wins; within it a name known twice is ambiguous. */
function bindColumn(context: BindContext, name: Name): Bound {
  let depth = 0;
  for (let scope = context.scope; scope !== undefined; scope = scope.parent, depth += 1) {
    const found = findColumn(scope, name);
    if (found === undefined) {
      scope.correlated = true;
      continue;
    }
    if (depth === 0 && context.grouping !== undefined && !context.grouping.columns.has(found.index))
      throw fail(8120, found.printed);
    return columnAt(found.index, depth, found.type, found.nullable);
  }
  if (name.parts.length > 1) throw fail(4104, name.parts.join('.'));
  throw fail(207, name.parts[0] ?? '');
}

type Found = { readonly index: number; readonly type: SqlType; readonly nullable: boolean; readonly printed: string };

export function findColumn(scope: Scope, name: Name): Found | undefined {
  const column = name.parts[name.parts.length - 1] ?? '';
  const qualifier = name.parts.slice(0, -1);
  const found: Found[] = [];
  for (const source of scope.sources) {
    if (qualifier.length > 0 && !matchesQualifier(source, qualifier)) continue;
    source.columns.forEach((each, i) => {
      if (same(each.name, column))
        found.push({
          index: source.offset + i,
          type: each.type,
          nullable: each.nullable,
          printed: source.alias === '' ? each.name : `${source.alias}.${each.name}`,
        });
    });
  }
  if (found.length > 1) throw fail(209, column);
  return found[0];
}

export function matchesQualifier(source: Scope['sources'][number], qualifier: readonly string[]): boolean {
  if (!same(source.alias, qualifier[qualifier.length - 1] ?? '')) return false;
  const outer = qualifier.slice(0, -1);
  const own = source.qualifier.slice(source.qualifier.length - outer.length);
  return outer.length <= source.qualifier.length && outer.every((part, i) => part === '' || same(part, own[i] ?? ''));
}

export function columnAt(index: number, depth: number, type: SqlType, nullable: boolean): Bound {
  const evaluate =
    depth === 0
      ? (frame: Frame): SqlValue => frame.row[index] ?? null
      : (frame: Frame): SqlValue => {
          let at: Frame | undefined = frame;
          for (let i = 0; i < depth; i += 1) at = at?.parent;
          return at?.row[index] ?? null;
        };
  return { type, nullable, constant: false, evaluate, ...(depth === 0 ? { column: index } : {}) };
}

/** `when ? then : otherwise` in the common type of both. */
function choose(when: BoundCondition, then: Bound, otherwise: Bound): Bound {
  const type = resultType([then, otherwise]);
  const a = converted(then, type);
  const b = converted(otherwise, type);
  return {
    type,
    nullable: then.nullable || otherwise.nullable,
    constant: when.constant && then.constant && otherwise.constant,
    evaluate: frame => (when.evaluate(frame) === true ? a.evaluate(frame) : b.evaluate(frame)),
  };
}

/** The common type of several alternatives; bare NULLs do not count. */
export function resultType(alternatives: readonly Bound[]): SqlType {
  const typed = alternatives.filter(each => each.untypedNull !== true).map(each => each.type);
  const [first = INT, ...rest] = typed;
  return rest.reduce((a, b) => commonType(a, b), first);
}

/** `bound` as a value of `type`. */
export function converted(bound: Bound, type: SqlType): Bound {
  const from = bound.type;
  if (bound.untypedNull === true) return { ...bound, type };
  if (
    from.name === type.name &&
    from.length === type.length &&
    from.precision === type.precision &&
    from.scale === type.scale
  )
    return bound;
  checkImplicit(from, type);
  return {
    type,
    nullable: bound.nullable,
    constant: bound.constant,
    evaluate: frame => convert(bound.evaluate(frame), from, type),
  };
}

/** Conversions that need CONVERT or do not exist at all. */
export function checkImplicit(from: SqlType, to: SqlType): void {
  const a = familyOf(from);
  const b = familyOf(to);
  if (a === 'text' && b === 'binary') throw fail(257, typeName(from), typeName(to));
  if (
    (a === 'time' && (b === 'decimal' || b === 'float' || b === 'integer' || b === 'bit' || b === 'money')) ||
    (a === 'guid' && !['text', 'binary', 'guid'].includes(b))
  ) {
    throw from.name === 'datetime' ? fail(257, typeName(from), typeName(to)) : fail(206, typeName(from), typeName(to));
  }
  if (b === 'guid' && !['text', 'binary', 'guid'].includes(a)) throw fail(206, typeName(from), typeName(to));
}

function bindCase(context: BindContext, expression: Extract<Expression, { kind: 'case' }>): Bound {
  const operand = expression.operand === undefined ? undefined : bindExpression(context, expression.operand);
  const branches = expression.branches.map(({ when, then }) => {
    const bound = bindExpression(context, then);
    if (isCondition(when)) return { when: context.run.binder.condition(context, when), then: bound };
    if (operand === undefined) throw new Error('a CASE without operand has conditions');
    return { when: equality(operand, bindExpression(context, when)), then: bound };
  });
  const otherwise = expression.otherwise === undefined ? undefined : bindExpression(context, expression.otherwise);
  const results = branches.map(each => each.then);
  const type = resultType(otherwise === undefined ? results : [...results, otherwise]);
  const typed = branches.map(each => ({ when: each.when, then: converted(each.then, type) }));
  const rest = otherwise === undefined ? undefined : converted(otherwise, type);
  return {
    type,
    nullable: rest === undefined || rest.nullable || results.some(each => each.nullable),
    constant: branches.every(each => each.when.constant && each.then.constant) && (otherwise?.constant ?? true),
    evaluate: frame => {
      for (const branch of typed) if (branch.when.evaluate(frame) === true) return branch.then.evaluate(frame);
      return rest === undefined ? null : rest.evaluate(frame);
    },
  };
}

function equality(left: Bound, right: Bound): BoundCondition {
  const type = resultType([left, right]);
  const a = converted(left, type);
  const b = converted(right, type);
  return {
    constant: left.constant && right.constant,
    evaluate: frame => {
      const x = a.evaluate(frame);
      const y = b.evaluate(frame);
      return x === null || y === null ? null : compareSame(x, y, isBinary(type)) === 0;
    },
  };
}

function bindCast(context: BindContext, expression: Extract<Expression, { kind: 'cast' }>): Bound {
  const operand = bindExpression(context, expression.operand);
  const style = expression.style === undefined ? undefined : bindExpression(context, expression.style);
  const { type } = expression;
  const attempt = (value: SqlValue, frame: Frame): SqlValue => {
    const number = style?.evaluate(frame);
    return convert(value, operand.type, type, typeof number === 'bigint' ? Number(number) : undefined);
  };
  return {
    type,
    nullable: operand.nullable || expression.onFailure === 'null',
    constant: operand.constant && (style?.constant ?? true),
    evaluate: frame => {
      const value = operand.evaluate(frame);
      if (value === null) return null;
      if (expression.onFailure === 'error') return attempt(value, frame);
      try {
        return attempt(value, frame);
      } catch (error) {
        if (error instanceof Error && error.name === 'SqlError') return null;
        throw error;
      }
    },
  };
}

function bindScalarSubquery(context: BindContext, expression: Extract<Expression, { kind: 'subquery' }>): Bound {
  const query = context.run.binder.query(context.run, expression.query, context.scope, context.loader);
  const column = query.columns[0];
  if (column === undefined || query.columns.length !== 1) throw fail(116);
  return {
    type: column.type,
    nullable: true,
    constant: query.constant,
    evaluate: frame => {
      const rows = query.run(frame);
      if (rows.length > 1) throw fail(512);
      return rows[0]?.[0] ?? null;
    },
  };
}

function bindCall(context: BindContext, expression: Extract<Expression, { kind: 'call' }>): Bound {
  if (expression.over !== undefined) return bindWindow(context, expression, expression.over);
  if (isAggregate(expression.name))
    return bindAggregate(context, expression, argument => bindExpression(withoutGrouping(context), argument));
  if (expression.star || expression.distinct) throw fail(102, expression.star ? '*' : 'DISTINCT');
  return bindFunction(context.run, expression, argument => bindExpression(context, argument), {
    resultType,
    converted,
  });
}

function bindWindow(
  context: BindContext,
  expression: Extract<Expression, { kind: 'call' }>,
  over: NonNullable<Extract<Expression, { kind: 'call' }>['over']>,
): Bound {
  const { windows } = context;
  if (!['ROW_NUMBER', 'RANK', 'DENSE_RANK', 'LAG', 'LEAD'].includes(expression.name) || windows === undefined)
    throw unsupported(`${expression.name} OVER`);
  const args = expression.arguments.map(each => bindExpression(context, each));
  if (args.length > 1) throw unsupported(`${expression.name} with an offset`);
  const index = windows.length;
  windows.push({
    name: expression.name,
    arguments: args,
    partitionBy: over.partitionBy.map(each => bindExpression(context, each)),
    orderBy: over.orderBy.map(each => ({ value: bindExpression(context, each.value), descending: each.descending })),
  });
  const type: SqlType = args[0]?.type ?? { name: 'bigint' };
  return { type, nullable: args.length > 0, constant: false, evaluate: frame => frame.windows[index] ?? null };
}
