/** Whole rows from given values: column lists, defaults, identity. Shared by INSERT, OUTPUT … INTO and SELECT INTO. */
import { fail } from '../messages.ts';
import { Shared } from '../shared.ts';
import type { ColumnDefinition, ResultColumn, Table } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound } from './bound.ts';
import { bindConstraints } from './constraints.ts';
import { Loader } from './loader.ts';
import { requireTable } from './object-names.ts';
import { parseExpressionText } from './parser.ts';
import type { Run } from './session-state.ts';
import { storeValue, stored, type StoreTarget } from './store-value.ts';

/** The rows of a result set into a table: OUTPUT … INTO, SELECT INTO. */
export async function insertRows(
  run: Run,
  name: readonly string[],
  columnNames: readonly string[],
  from: readonly ResultColumn[],
  rows: readonly (readonly SqlValue[])[],
): Promise<void> {
  const resolved = requireTable(run, name);
  if (resolved.kind === 'virtual') throw fail(208, name.join('.'));
  const target: StoreTarget = {
    table: resolved.table,
    database: resolved.database,
    majorVersion: run.engine.majorVersion,
  };
  const columns = targetColumns(run, resolved.table, columnNames.length === 0 ? undefined : columnNames);
  if (columns.length !== from.length) throw fail(213);
  const fill = bindRest(run, target, columns, new Loader());
  const constraints = bindConstraints(run, resolved);
  for (const row of rows) {
    const whole = fill(
      columns.map((column, i) => storeValue(target, column, row[i] ?? null, from[i]?.type ?? column.type)),
    );
    await constraints.assertRow(whole, 'INSERT');
    await requireTransaction(run).insert(resolved.table, whole);
  }
}

export function requireTransaction(run: Run): NonNullable<Run['transaction']> {
  if (run.transaction === undefined) throw new Error('a statement writes outside of a transaction');
  return run.transaction;
}

/** The columns that get values, in the order of the values; without a list: all but the identity column. */
export function targetColumns(
  run: Run,
  table: Table,
  names: readonly string[] | undefined,
): readonly ColumnDefinition[] {
  const all = table.definition.columns;
  const identityAllowed = run.state.identityInsert?.table === table;
  if (names === undefined) return all.filter(column => column.identity === undefined);
  const seen = new Set<string>();
  return names.map(name => {
    const column = all.find(each => each.name.toLowerCase() === name.toLowerCase());
    if (column === undefined) throw fail(207, name);
    if (seen.has(column.name)) throw fail(264, name);
    seen.add(column.name);
    if (column.identity !== undefined && !identityAllowed) throw fail(544, table.definition.name);
    return column;
  });
}

/** Defaults and identity for the columns that the statement leaves out. */
export function bindRest(
  run: Run,
  target: StoreTarget,
  given: readonly ColumnDefinition[],
  loader: Loader,
): (values: readonly SqlValue[]) => SqlValue[] {
  const { table } = target;
  const makers = table.definition.columns.map((column): ((values: readonly SqlValue[]) => SqlValue) => {
    const position = given.indexOf(column);
    if (position >= 0) return values => values[position] ?? null;
    if (column.identity !== undefined)
      return () => identityValue(target, column, requireTransaction(run).nextIdentity(table));
    const fallback = defaultOf(run, target, column, loader);
    return () => fallback?.evaluate(EMPTY_FRAME) ?? null;
  });
  return values => makers.map(make => make(values));
}

function identityValue(target: StoreTarget, column: ColumnDefinition, value: bigint): SqlValue {
  return storeValue(target, column, value, { name: 'bigint' });
}

export function defaultOf(run: Run, target: StoreTarget, column: ColumnDefinition, loader: Loader): Bound | undefined {
  if (column.defaultText === undefined) return undefined;
  return stored(target, column, bindExpression({ run, scope: undefined, loader }, expressions.of(column.defaultText)));
}

/** Each text is parsed once: a history gets many rows with the same defaults. */
const expressions = new Shared(parseExpressionText);
