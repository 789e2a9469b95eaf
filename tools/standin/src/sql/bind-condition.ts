/** Conditions → three-valued closures. */
import { holds } from '../comparison.ts';
import { fail } from '../messages.ts';
import type { SqlValue } from '../values.ts';
import type { ComparisonOperator, Condition, Expression } from './ast.ts';
import { bindExpression, converted, resultType } from './bind-expression.ts';
import type { Bound, BoundCondition, Frame } from './bound.ts';
import { compareSame, keyOf } from './compare.ts';
import { likeMatcher } from './like.ts';
import type { BindContext } from './session-state.ts';
import { isBinary, isText, typeName } from './types.ts';

export function bindCondition(context: BindContext, condition: Condition): BoundCondition {
  const bind = (expression: Expression): Bound => bindExpression(context, expression);
  switch (condition.kind) {
    case 'and':
    case 'or':
      return bindLogic(condition.kind, bindCondition(context, condition.left), bindCondition(context, condition.right));
    case 'not':
      return negate(bindCondition(context, condition.operand));
    case 'compare':
      return comparison(condition.operator, bind(condition.left), bind(condition.right));
    case 'is null':
      return bindIsNull(bind(condition.operand), condition.not);
    case 'between': {
      const operand = bind(condition.operand);
      const both = bindLogic(
        'and',
        comparison('>=', operand, bind(condition.low)),
        comparison('<=', operand, bind(condition.high)),
      );
      return condition.not ? negate(both) : both;
    }
    case 'in list':
      return bindInList(bind(condition.operand), condition.items.map(bind), condition.not);
    case 'in query':
      return bindInQuery(context, condition);
    case 'quantified':
      return bindQuantified(context, condition);
    case 'like':
      return bindLike(
        bind(condition.operand),
        bind(condition.pattern),
        condition.escape === undefined ? undefined : bind(condition.escape),
        condition.not,
      );
    case 'exists': {
      const query = context.run.binder.query(context.run, condition.query, context.scope, context.loader);
      return { constant: query.constant, evaluate: frame => query.run(frame).length > 0 };
    }
  }
}

function bindLogic(kind: 'and' | 'or', left: BoundCondition, right: BoundCondition): BoundCondition {
  const deciding = kind === 'or';
  return {
    constant: left.constant && right.constant,
    evaluate: frame => {
      const a = left.evaluate(frame);
      if (a === deciding) return deciding;
      const b = right.evaluate(frame);
      if (b === deciding) return deciding;
      return a === null || b === null ? null : !deciding;
    },
  };
}

function negate(operand: BoundCondition): BoundCondition {
  return {
    constant: operand.constant,
    evaluate: frame => {
      const value = operand.evaluate(frame);
      return value === null ? null : !value;
    },
  };
}

/** Both sides in their common type; text types are never comparable with (n)text and image. */
export function comparison(operator: ComparisonOperator, left: Bound, right: Bound): BoundCondition {
  for (const each of [left, right])
    if (['text', 'ntext', 'image'].includes(each.type.name))
      throw fail(402, typeName(left.type), typeName(right.type), comparisonWord(operator));
  const type = isText(left.type) && isText(right.type) ? left.type : resultType([left, right]);
  const bothText = isText(left.type) && isText(right.type);
  const binary = isBinary(left.type) || isBinary(right.type);
  const a = bothText ? left : converted(left, type);
  const b = bothText ? right : converted(right, type);
  return {
    constant: left.constant && right.constant,
    evaluate: frame => {
      const x = a.evaluate(frame);
      const y = b.evaluate(frame);
      return x === null || y === null ? null : holds(operator, compareSame(x, y, binary));
    },
  };
}

function comparisonWord(operator: ComparisonOperator): string {
  return {
    '=': 'equal to',
    '<>': 'not equal to',
    '<': 'less than',
    '<=': 'less than or equal to',
    '>': 'greater than',
    '>=': 'greater than or equal to',
  }[operator];
}

function bindIsNull(operand: Bound, not: boolean): BoundCondition {
  return { constant: operand.constant, evaluate: frame => (operand.evaluate(frame) === null) !== not };
}

/** x IN (a, b) is x = a OR x = b: one UNKNOWN among them makes a miss UNKNOWN. */
function anyOf(tests: readonly (boolean | null)[]): boolean | null {
  return tests.includes(true) ? true : tests.includes(null) ? null : false;
}

function bindInList(operand: Bound, items: readonly Bound[], not: boolean): BoundCondition {
  const tests = items.map(item => comparison('=', operand, item));
  const any: BoundCondition = {
    constant: operand.constant && items.every(item => item.constant),
    evaluate: frame => anyOf(tests.map(test => test.evaluate(frame))),
  };
  return not ? negate(any) : any;
}

/** The rows of a subquery that does not look at the outer row are fetched once a statement. */
function onceWhenConstant<T>(constant: boolean, make: (frame: Frame) => T): (frame: Frame) => T {
  let kept: { readonly value: T } | undefined;
  return frame => {
    if (!constant) return make(frame);
    kept ??= { value: make(frame) };
    return kept.value;
  };
}

function bindInQuery(context: BindContext, condition: Extract<Condition, { kind: 'in query' }>): BoundCondition {
  const query = context.run.binder.query(context.run, condition.query, context.scope, context.loader);
  const column = query.columns[0];
  if (column === undefined || query.columns.length !== 1) throw fail(116);
  const operand = bindExpression(context, condition.operand);
  const item: Bound = { type: column.type, nullable: true, constant: false, evaluate: frame => frame.row[0] ?? null };
  const type = resultType([operand, item]);
  const left = converted(operand, type);
  const right = converted(item, type);
  const keys = onceWhenConstant(
    query.constant,
    frame =>
      new Set(
        query
          .run(frame)
          .map(row => keyOf(right.evaluate({ row, parent: undefined, aggregates: [], windows: [] }), isBinary(type))),
      ),
  );
  const isIn: BoundCondition = {
    constant: operand.constant && query.constant,
    evaluate: frame => {
      const found = keys(frame);
      if (found.size === 0) return false;
      const value = left.evaluate(frame);
      if (value === null) return null;
      return found.has(keyOf(value, isBinary(type))) ? true : found.has(keyOf(null)) ? null : false;
    },
  };
  return condition.not ? negate(isIn) : isIn;
}

function bindQuantified(context: BindContext, condition: Extract<Condition, { kind: 'quantified' }>): BoundCondition {
  const query = context.run.binder.query(context.run, condition.query, context.scope, context.loader);
  const column = query.columns[0];
  if (column === undefined || query.columns.length !== 1) throw fail(116);
  const operand = bindExpression(context, condition.left);
  let current: SqlValue = null;
  const item: Bound = { type: column.type, nullable: true, constant: false, evaluate: () => current };
  const test = comparison(condition.operator, operand, item);
  return {
    constant: operand.constant && query.constant,
    evaluate: frame => {
      const results = query.run(frame).map(row => {
        current = row[0] ?? null;
        return test.evaluate(frame);
      });
      if (!condition.all) return anyOf(results);
      return results.includes(false) ? false : results.includes(null) ? null : true;
    },
  };
}

function bindLike(operand: Bound, pattern: Bound, escape: Bound | undefined, not: boolean): BoundCondition {
  const text = { name: 'nvarchar', length: 'max' } as const;
  const [value, wanted] = [converted(operand, text), converted(pattern, text)];
  const matches: BoundCondition = {
    constant: operand.constant && pattern.constant,
    evaluate: frame => {
      const a = value.evaluate(frame);
      const b = wanted.evaluate(frame);
      if (typeof a !== 'string' || typeof b !== 'string') return null;
      const mark = escape?.evaluate(frame);
      return likeMatcher(b, typeof mark === 'string' ? mark : undefined, isBinary(operand.type))(a);
    },
  };
  return not ? negate(matches) : matches;
}
