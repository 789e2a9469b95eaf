/** CREATE, DROP and TRUNCATE TABLE, table variables, SELECT … INTO; temporary tables live in tempdb under a name of their own. */
import { fail } from '../messages.ts';
import type {
  ColumnDefinition,
  Database,
  ReferenceDefinition,
  ResultColumn,
  Table,
  TableDefinition,
} from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { ColumnSyntax, ConstraintSyntax, Name, Statement } from './ast.ts';
import { stableId } from './functions-system.ts';
import { referrers } from './constraints.ts';
import { insertRows } from './insert-rows.ts';
import { isTemporary, requireTable, resolveTable, splitParts, temporaryDatabase } from './object-names.ts';
import type { Run } from './session-state.ts';
import { withinTransaction } from './transactions.ts';

let temporaryTables = 0;

type Shape = { readonly columns: readonly ColumnSyntax[]; readonly constraints: readonly ConstraintSyntax[] };

export async function createTable(run: Run, name: Name, shape: Shape): Promise<void> {
  const last = name.parts[name.parts.length - 1] ?? '';
  if (resolveExisting(run, name)) throw fail(2714, last);
  if (isTemporary(last)) {
    run.state.temporary.set(last.toLowerCase(), await createTemporary(run, last, shape));
    run.temporary.push(last.toLowerCase());
    return;
  }
  const { database, schema } = splitParts(run, name.parts);
  const transaction = workingTransaction(run);
  await transaction.createTable(
    database,
    definitionOf({ schema, name: last, shownName: last }, shape, referenced(run, database)),
  );
}

/** The table of a foreign key: of the same database. */
function referenced(run: Run, database: Database): (name: Name) => Table | undefined {
  return name => {
    const resolved = resolveTable(run, name.parts);
    return resolved?.kind === 'stored' && resolved.database === database ? resolved.table : undefined;
  };
}

function resolveExisting(run: Run, name: Name): boolean {
  return resolveTable(run, name.parts)?.kind === 'stored';
}

export function workingTransaction(run: Run): NonNullable<Run['transaction']> {
  if (run.transaction === undefined) throw new Error('a table is made outside of a transaction');
  return run.transaction;
}

/** Unique in the instance: two sessions may each have their #t. */
async function createTemporary(run: Run, name: string, shape: Shape): Promise<Table> {
  temporaryTables += 1;
  const unique = `${name}${'_'.repeat(Math.max(2, 116 - name.length))}${temporaryTables.toString(16).toUpperCase().padStart(12, '0')}`;
  return workingTransaction(run).createTable(
    temporaryDatabase(run),
    definitionOf({ schema: 'dbo', name: unique, shownName: name }, shape, () => undefined),
  );
}

export async function declareTable(run: Run, statement: Extract<Statement, { kind: 'declare table' }>): Promise<void> {
  const key = statement.name.toLowerCase();
  if (run.tableVariables.has(key) || run.variables.has(key)) throw fail(134, statement.name);
  run.tableVariables.set(key, await createTemporary(run, statement.name, statement));
}

export function definitionOf(
  { schema, name, shownName }: { readonly schema: string; readonly name: string; readonly shownName: string },
  { columns, constraints }: Shape,
  target: (name: Name) => Table | undefined,
): TableDefinition {
  const seen = new Set<string>();
  for (const column of columns) {
    if (seen.has(column.name.toLowerCase())) throw fail(2705, column.name, shownName);
    seen.add(column.name.toLowerCase());
  }
  const positions = (names: readonly string[]): number[] =>
    names.map(each => {
      const position = columns.findIndex(column => column.name.toLowerCase() === each.toLowerCase());
      if (position < 0) throw fail(1911, each);
      return position;
    });
  const named = constraints.map(each => ({ ...each, name: each.name ?? generatedName(each, shownName) }));
  const keys = named.flatMap(each =>
    each.kind === 'primary key' || each.kind === 'unique' ? [{ ...each, positions: positions(each.columns) }] : [],
  );
  const checks = named.flatMap(each => (each.kind === 'check' ? [{ name: each.name, text: each.text }] : []));
  const references = named.flatMap(each =>
    each.kind === 'foreign key' ? [referenceOf(each, positions(each.columns), target(each.table))] : [],
  );
  const primary = keys.filter(each => each.kind === 'primary key');
  if (primary.length > 1) throw fail(8110, shownName);
  const primaryColumns = new Set(primary[0]?.positions ?? []);
  return {
    schema,
    name,
    columns: columns.map((column, i) => columnOf(column, primaryColumns.has(i))),
    ...(primary[0] === undefined ? {} : { primaryKey: { name: primary[0].name, columns: primary[0].positions } }),
    uniques: keys.filter(each => each.kind === 'unique').map(each => ({ name: each.name, columns: each.positions })),
    ...(checks.length === 0 ? {} : { checks }),
    ...(references.length === 0 ? {} : { references }),
  };
}

export function columnOf(column: ColumnSyntax, inPrimaryKey = false): ColumnDefinition {
  return {
    name: column.name,
    type: column.type,
    nullable: column.identity === undefined && !inPrimaryKey && (column.nullable ?? true),
    ...(column.identity === undefined ? {} : { identity: column.identity }),
    ...(column.defaultText === undefined ? {} : { defaultText: column.defaultText }),
  };
}

/** @param to undefined when there is no such table */
function referenceOf(
  { name, table, toColumns }: Extract<ConstraintSyntax, { kind: 'foreign key' }> & { readonly name: string },
  columns: readonly number[],
  to: Table | undefined,
): ReferenceDefinition {
  const shown = table.parts.join('.');
  if (to === undefined) throw fail(1767, name, shown);
  const { definition } = to;
  const positions =
    toColumns === undefined
      ? (definition.primaryKey?.columns ?? [])
      : toColumns.map(each => definition.columns.findIndex(column => column.name.toLowerCase() === each.toLowerCase()));
  const keys = [...(definition.primaryKey === undefined ? [] : [definition.primaryKey]), ...definition.uniques];
  const fits = keys.some(
    key => key.columns.length === positions.length && key.columns.every((c, i) => c === positions[i]),
  );
  if (!fits || positions.length !== columns.length) throw fail(1776, shown, name);
  return { name, columns, schema: definition.schema, table: definition.name, toColumns: positions };
}

const prefixes = { 'primary key': 'PK', unique: 'UQ', check: 'CK', 'foreign key': 'FK' } as const;

function generatedName(constraint: ConstraintSyntax, table: string): string {
  const { kind, columns } = constraint;
  const hash = stableId(`${table}.${columns.join('.')}${kind === 'check' ? constraint.text : ''}`)
    .toString(16)
    .toUpperCase()
    .padStart(16, '0');
  return `${prefixes[kind]}__${table.slice(0, 9)}__${hash}`;
}

export async function dropTables(run: Run, statement: Extract<Statement, { kind: 'drop' }>): Promise<void> {
  for (const name of statement.names) {
    const resolved = resolveTable(run, name.parts);
    const shown = name.parts.join('.');
    if (resolved === undefined && statement.ifExists) continue;
    if (resolved === undefined) throw fail(3701, 'table', shown);
    if (resolved.kind === 'virtual') throw fail(3708, 'table', shown, 'table');
    if (referrers(resolved.database, resolved.table).some(each => each.table !== resolved.table))
      throw fail(3726, shown);
    await workingTransaction(run).dropTable(resolved.database, resolved.table);
    if (resolved.temporary) run.state.temporary.delete((name.parts[name.parts.length - 1] ?? '').toLowerCase());
  }
}

export async function truncateTable(run: Run, name: Name): Promise<void> {
  const resolved = requireTable(run, name.parts);
  if (resolved.kind === 'virtual') throw fail(208, name.parts.join('.'));
  if (referrers(resolved.database, resolved.table).some(each => each.table !== resolved.table))
    throw fail(4712, name.parts.join('.'));
  await workingTransaction(run).truncateTable(resolved.table);
}

export async function selectInto(
  run: Run,
  name: Name,
  columns: readonly ResultColumn[],
  rows: readonly (readonly SqlValue[])[],
): Promise<void> {
  if (columns.some(column => column.name === '')) throw fail(1038);
  const shape: Shape = {
    columns: columns.map(column => ({
      name: column.name,
      type: column.type,
      nullable: column.nullable,
      identity: undefined,
      defaultText: undefined,
    })),
    constraints: [],
  };
  await createTable(run, name, shape);
  await insertRows(run, name.parts, [], columns, rows);
}

/** The end of a level: what it made is gone. */
export async function dropTemporary(run: Run): Promise<void> {
  const tables: Table[] = [...run.tableVariables.values()];
  for (const name of run.temporary) {
    const table = run.state.temporary.get(name);
    if (table !== undefined) tables.push(table);
    run.state.temporary.delete(name);
  }
  await dropAll(run, tables);
}

export async function dropAll(run: Run, tables: readonly Table[]): Promise<void> {
  const database = temporaryDatabase(run);
  const existing = tables.filter(table => database.table(table.definition.schema, table.definition.name) === table);
  // A doomed transaction takes them away itself when it is rolled back.
  if (existing.length === 0 || run.session.transaction?.state === 'doomed') return;
  await withinTransaction(run, true, async () => {
    for (const table of existing) await workingTransaction(run).dropTable(database, table);
  });
}
