/** ALTER TABLE … ADD columns and CREATE INDEX: another definition for a table that has rows. */
import { fail, unsupported } from '../messages.ts';
import type { IndexDefinition, Table } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { ColumnSyntax, Name, Statement } from './ast.ts';
import { EMPTY_FRAME } from './bound.ts';
import { defaultOf } from './insert-rows.ts';
import { Loader } from './loader.ts';
import { resolveTable, type ResolvedTable } from './object-names.ts';
import type { Run } from './session-state.ts';
import type { StoreTarget } from './store-value.ts';
import { columnOf, workingTransaction } from './tables-run.ts';

type Stored = Extract<ResolvedTable, { kind: 'stored' }>;

function resolved(run: Run, name: Name): Stored {
  const table = resolveTable(run, name.parts);
  if (table?.kind !== 'stored') throw fail(4902, name.parts.join('.'));
  if (table.temporary) throw unsupported('ALTER TABLE or CREATE INDEX of a temporary table');
  return table;
}

/** Rows that are there get the default where the new column takes no NULL, and NULL where it does (documentation page of ALTER TABLE). */
export async function alterTable(run: Run, statement: Extract<Statement, { kind: 'alter table' }>): Promise<void> {
  const { table, database } = resolved(run, statement.table);
  const { definition } = table;
  const names = new Set(definition.columns.map(({ name }) => name.toLowerCase()));
  for (const { name } of statement.columns) {
    if (names.has(name.toLowerCase())) throw fail(2705, name, definition.name);
    names.add(name.toLowerCase());
  }
  const target: StoreTarget = { table, database, majorVersion: run.engine.majorVersion };
  const fill: SqlValue[] = [];
  for (const column of statement.columns) fill.push(await fillOf(run, target, column));
  const columns = [...definition.columns, ...statement.columns.map(column => columnOf(column))];
  await workingTransaction(run).alterTable(table, { ...definition, columns }, fill);
}

async function fillOf(run: Run, target: StoreTarget, column: ColumnSyntax): Promise<SqlValue> {
  if (column.identity !== undefined) throw unsupported('ALTER TABLE … ADD of an identity column');
  if (column.nullable !== false) return null;
  const loader = new Loader();
  const value = defaultOf(run, target, columnOf(column), loader);
  if (value === undefined && target.table.rowCount > 0) throw fail(4901, column.name, target.table.definition.name);
  await loader.load();
  return value?.evaluate(EMPTY_FRAME) ?? null;
}

export async function createIndex(run: Run, statement: Extract<Statement, { kind: 'create index' }>): Promise<void> {
  const { table } = resolved(run, statement.table);
  const { definition } = table;
  const indexes = definition.indexes ?? [];
  const shown = `${definition.schema}.${definition.name}`;
  const names = [definition.primaryKey, ...definition.uniques, ...indexes].map(each => each?.name.toLowerCase());
  if (names.includes(statement.name.toLowerCase())) throw fail(1913, statement.name, shown);
  const filter = statement.filter.map(({ column, isNull }) => ({ column: positionOf(table, column), isNull }));
  const index: IndexDefinition = {
    name: statement.name,
    unique: statement.unique,
    columns: statement.columns.map(column => positionOf(table, column)),
    ...(filter.length === 0 ? {} : { filter }),
  };
  await workingTransaction(run).alterTable(table, { ...definition, indexes: [...indexes, index] }, []);
}

function positionOf(table: Table, name: string): number {
  const position = table.definition.columns.findIndex(column => column.name.toLowerCase() === name.toLowerCase());
  if (position < 0) throw fail(1911, name);
  return position;
}
