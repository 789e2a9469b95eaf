/** `column operator constant` among the conjuncts of WHERE: what the scan of a large table may leave out, before rows are looked at one by one. */
import type { ColumnTest, Table } from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { Expression } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { isSimple, names, type SeekContext } from './seek.ts';
import { familyOf, isBinary } from './types.ts';

/** Evaluated when the rows are read: a value is known only then. */
export type ColumnTests = () => readonly ColumnTest[];

type Operator = ColumnTest['operator'];
type Test = { readonly column: number; readonly operator: Operator; readonly value: () => SqlValue | undefined };

const mirrored: Readonly<Record<Operator, Operator>> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

export function findTests(context: SeekContext, table: Table, alias: string): ColumnTests {
  const tests = context.filters.flatMap((filter): readonly Test[] => {
    if (filter.kind !== 'compare' || filter.operator === '<>') return [];
    const { left, right, operator } = filter;
    return [
      ...testOf(context, table, alias, { column: left, constant: right, operator }),
      ...testOf(context, table, alias, { column: right, constant: left, operator: mirrored[operator] }),
    ];
  });
  return () =>
    tests.flatMap(({ column, operator, value }) => {
      const found = value();
      return found === undefined ? [] : [{ column, operator, value: found }];
    });
}

function testOf(
  context: SeekContext,
  table: Table,
  alias: string,
  compared: { readonly column: Expression; readonly constant: Expression; readonly operator: Operator },
): readonly Test[] {
  if (!isSimple(compared.constant)) return [];
  const column = table.definition.columns.findIndex(({ name }) => names(compared.column, alias, name));
  const type = table.definition.columns[column]?.type;
  if (type === undefined || isBinary(type)) return [];
  const bound = bindExpression({ run: context.run, scope: undefined, loader: context.loader }, compared.constant);
  const value = comparable(type, bound.type);
  return value === undefined
    ? []
    : [{ column, operator: compared.operator, value: () => value(bound.evaluate(EMPTY_FRAME)) }];
}

/** How the constant is compared with the column without a conversion that could fail; undefined: not so. */
function comparable(column: SqlType, constant: SqlType): ((value: SqlValue) => SqlValue | undefined) | undefined {
  const family = familyOf(column);
  if (family === 'bit' && familyOf(constant) === 'integer')
    return value => (value === 0n ? false : value === 1n ? true : undefined);
  const same = familyOf(constant) === family && !isBinary(constant);
  if (same && (family === 'integer' || family === 'text' || family === 'bit')) return value => value;
  return column.name === constant.name && ['guid', 'time'].includes(family) ? value => value : undefined;
}
