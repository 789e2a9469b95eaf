/** INSERT: column list, defaults, identity, the three kinds of source, OUTPUT. */
import { fail, unsupported } from '../messages.ts';
import type { ColumnDefinition, Table } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { InsertStatement, ValueRow } from './ast.ts';
import { bindExpression, columnAt } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { bindConstraints } from './constraints.ts';
import { bindRest, defaultOf, insertRows, requireTransaction, targetColumns } from './insert-rows.ts';
import type { CapturedRows } from './capture.ts';
import { Loader } from './loader.ts';
import { requireTable } from './object-names.ts';
import { bindOutput } from './output.ts';
import type { Run } from './session-state.ts';
import { storeValue, stored, type StoreTarget } from './store-value.ts';
import type { ChangeResult } from './update.ts';

/** @param executed the result sets of INSERT … EXEC, which ran before the insert's own transaction began */
export async function runInsert(
  run: Run,
  statement: InsertStatement,
  executed: CapturedRows | undefined,
): Promise<ChangeResult> {
  const resolved = requireTable(run, statement.target.parts);
  if (resolved.kind === 'virtual') throw fail(208, statement.target.parts.join('.'));
  const { table } = resolved;
  const target: StoreTarget = { table, database: resolved.database, majorVersion: run.engine.majorVersion };
  const columns = targetColumns(run, table, statement.columns);
  const loader = new Loader();
  const fill = bindRest(run, target, columns, loader);
  const output = statement.output === undefined ? undefined : bindOutput(run, loader, statement.output, table, []);
  const constraints = bindConstraints(run, resolved);
  const rows = await sourceRows(run, statement, target, columns, loader, executed);
  const results: SqlValue[][] = [];
  for (const values of rows) {
    const row = fill(values);
    await constraints.assertRow(row, 'INSERT');
    await requireTransaction(run).insert(table, row);
    rememberIdentity(run, table, row);
    if (output !== undefined) results.push(output.row(row, [], []));
  }
  if (statement.output?.into !== undefined) {
    await insertRows(run, statement.output.into.parts, statement.output.intoColumns, output?.columns ?? [], results);
    return { count: BigInt(rows.length), columns: undefined, rows: [] };
  }
  return { count: BigInt(rows.length), columns: output?.columns, rows: results };
}

function rememberIdentity(run: Run, table: Table, row: readonly SqlValue[]): void {
  const position = table.definition.columns.findIndex(column => column.identity !== undefined);
  const value = position < 0 ? undefined : row[position];
  const number =
    typeof value === 'bigint'
      ? value
      : typeof value === 'object' && value !== null && 'unscaled' in value
        ? value.unscaled
        : undefined;
  if (number === undefined) return;
  run.scopeIdentity = number;
  run.state.identity = number;
}

async function sourceRows(
  run: Run,
  statement: InsertStatement,
  target: StoreTarget,
  columns: readonly ColumnDefinition[],
  loader: Loader,
  executed: CapturedRows | undefined,
): Promise<readonly (readonly SqlValue[])[]> {
  const { source } = statement;
  switch (source.kind) {
    case 'default values': {
      const defaults = columns.map(column => defaultOf(run, target, column, loader));
      await loader.load();
      return [defaults.map(each => each?.evaluate(EMPTY_FRAME) ?? null)];
    }
    case 'values':
      return valueRows(run, source.rows, { target, columns, loader, listed: statement.columns !== undefined });
    case 'query': {
      const query = run.binder.query(run, source.query, undefined, loader);
      checkCount(statement.columns !== undefined, columns.length, query.columns.length, 120, 121);
      const conversions = columns.map((column, i) => {
        const from = query.columns[i];
        const bound = columnAt(i, 0, from?.type ?? column.type, true);
        return stored(target, column, query.untypedNulls?.has(i) === true ? { ...bound, untypedNull: true } : bound);
      });
      await loader.load();
      return query.run(undefined).map(row => conversions.map(each => each.evaluate({ ...EMPTY_FRAME, row })));
    }
    case 'execute': {
      await loader.load();
      const sets = executed?.sets ?? [];
      for (const set of sets) if (set.columns.length !== columns.length) throw fail(213);
      return sets.flatMap(set =>
        set.rows.map(row =>
          columns.map((column, i) => storeValue(target, column, row[i] ?? null, set.columns[i]?.type ?? column.type)),
        ),
      );
    }
  }
}

type ValuesPlan = {
  readonly target: StoreTarget;
  readonly columns: readonly ColumnDefinition[];
  readonly loader: Loader;
  /** The statement has a column list: another number of values has an error of its own then. */
  readonly listed: boolean;
};

async function valueRows(
  run: Run,
  rows: readonly ValueRow[],
  { target, columns, loader, listed }: ValuesPlan,
): Promise<readonly (readonly SqlValue[])[]> {
  if (rows.length > 1000) throw unsupported('more than 1000 rows in VALUES');
  const bound = rows.map(row => {
    checkCount(listed, columns.length, row.length, 109, 110);
    return columns.map((column, i) => {
      const each = row[i];
      if (each === 'default' || each === undefined) return defaultOf(run, target, column, loader);
      return stored(target, column, bindExpression({ run, scope: undefined, loader }, each));
    });
  });
  await loader.load();
  return bound.map(row => row.map(each => each?.evaluate(EMPTY_FRAME) ?? null));
}

function checkCount(listed: boolean, expected: number, given: number, fewer: number, more: number): void {
  if (given === expected) return;
  throw listed ? fail(given < expected ? fewer : more) : fail(213);
}
