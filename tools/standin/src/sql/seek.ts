/**
 * Finding `key column = constant` for all columns of a primary or unique key among the conjuncts of WHERE. It is not only speed: a statement
 * that names one row must wait for that row's lock alone, as it does on a real server with an index.
 */
import type { Table } from '../contract.ts';
import type { SqlType } from '../values.ts';
import type { Condition, Expression } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound } from './bound.ts';
import { convert } from './convert.ts';
import type { Loader } from './loader.ts';
import type { Seek } from './read-rows.ts';
import type { Run } from './session-state.ts';
import { familyOf } from './types.ts';

/** a AND b AND c → [a, b, c] */
export function conjuncts(condition: Condition | undefined): readonly Condition[] {
  if (condition === undefined) return [];
  return condition.kind === 'and' ? [...conjuncts(condition.left), ...conjuncts(condition.right)] : [condition];
}

export function isSimple(expression: Expression): boolean {
  switch (expression.kind) {
    case 'literal':
    case 'variable':
    case 'global':
      return true;
    case 'cast':
      return isSimple(expression.operand) && (expression.style === undefined || isSimple(expression.style));
    case 'unary':
      return isSimple(expression.operand);
    default:
      return false;
  }
}

export type SeekContext = { readonly run: Run; readonly loader: Loader; readonly filters: readonly Condition[] };

export function findSeek(context: SeekContext, table: Table, alias: string): Seek | undefined {
  const { definition } = table;
  const keys = [...(definition.primaryKey === undefined ? [] : [definition.primaryKey]), ...definition.uniques];
  for (const key of keys) {
    const values: (() => ReturnType<Bound['evaluate']>)[] = [];
    for (const position of key.columns) {
      const column = definition.columns[position];
      const value = column === undefined ? undefined : constantFor(context, alias, column.name, column.type);
      if (value === undefined) break;
      values.push(value);
    }
    if (values.length === key.columns.length && values.length > 0)
      return { columns: key.columns, values: () => values.map(each => each()) };
  }
  return undefined;
}

function constantFor(
  context: SeekContext,
  alias: string,
  column: string,
  type: SqlType,
): (() => ReturnType<Bound['evaluate']>) | undefined {
  for (const filter of context.filters) {
    if (filter.kind !== 'compare' || filter.operator !== '=') continue;
    const other = names(filter.left, alias, column)
      ? filter.right
      : names(filter.right, alias, column)
        ? filter.left
        : undefined;
    if (other === undefined || !isSimple(other)) continue;
    const bound = bindExpression({ run: context.run, scope: undefined, loader: context.loader }, other);
    const sameFamily = familyOf(bound.type) === familyOf(type);
    if (sameFamily && (familyOf(type) === 'integer' || familyOf(type) === 'text'))
      return () => bound.evaluate(EMPTY_FRAME);
    if (bound.type.name === type.name && familyOf(type) === 'guid') return () => bound.evaluate(EMPTY_FRAME);
    // A GUID is often written as text; one that is not a GUID must fail as the comparison would.
    if (familyOf(type) === 'guid' && familyOf(bound.type) === 'text')
      return () => convert(bound.evaluate(EMPTY_FRAME), bound.type, type);
  }
  return undefined;
}

/** A bare name that another table of this FROM has too is ambiguous (209) and fails elsewhere, so it names this one. */
export function names(expression: Expression, alias: string, column: string): boolean {
  if (expression.kind !== 'column') return false;
  const { parts } = expression.name;
  const last = parts[parts.length - 1] ?? '';
  if (last.toLowerCase() !== column.toLowerCase()) return false;
  return parts.length === 1 || (parts[parts.length - 2] ?? '').toLowerCase() === alias.toLowerCase();
}
