/** FROM: what each table reference offers, and its rows. Joins are in joins.ts. */
import { fail, unsupported } from '../messages.ts';
import type { ResultColumn, Table } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { Condition, TableReference } from './ast.ts';
import { bindExpression, converted, resultType } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound, type Frame, type Scope, type ScopeSource } from './bound.ts';
import type { Loader } from './loader.ts';
import { requireTable, resolveTable } from './object-names.ts';
import { readRows, type ReadPlan } from './read-rows.ts';
import { serverOf } from './remote-plan.ts';
import { findTests } from './column-tests.ts';
import { findSeek } from './seek.ts';
import type { Run } from './session-state.ts';

export type BoundFrom = {
  /** Offsets count from the first column of this reference. */
  readonly sources: readonly ScopeSource[];
  readonly width: number;
  readonly constant: boolean;
  rows(parent: Frame | undefined): readonly (readonly SqlValue[])[];
};

export type FromContext = {
  readonly run: Run;
  readonly loader: Loader;
  readonly parent: Scope | undefined;
  /** Conjuncts of WHERE: a key compared with constants is looked up instead of read through. */
  readonly filters: readonly Condition[];
  /** The reference that UPDATE or DELETE changes: read with update locks, with the row's id as a hidden last column. */
  readonly target: TargetRead | undefined;
};

export type TargetRead = {
  readonly reference: TableReference;
  readonly table: Table;
  rows: readonly { readonly id: number; readonly row: readonly SqlValue[] }[];
};

export function source(
  alias: string,
  columns: readonly ResultColumn[],
  qualifier: readonly string[] = [],
): ScopeSource {
  return { alias, qualifier, columns, offset: 0 };
}

export function bindSource(context: FromContext, reference: Exclude<TableReference, { kind: 'join' }>): BoundFrom {
  switch (reference.kind) {
    case 'table':
      return bindTable(context, reference);
    case 'function':
      return bindTableFunction(context, reference);
    case 'derived':
      return bindDerived(context, reference.query, reference.alias, reference.columns);
    case 'values':
      return bindValues(context, reference);
  }
}

function bindTable(context: FromContext, reference: Extract<TableReference, { kind: 'table' }>): BoundFrom {
  const { run, loader } = context;
  const { parts } = reference.name;
  const common = parts.length === 1 ? loader.common.get((parts[0] ?? '').toLowerCase()) : undefined;
  if (common !== undefined) {
    const name = common.name.toLowerCase();
    if (loader.binding.has(name)) throw unsupported('recursive common table expression');
    loader.binding.add(name);
    try {
      return bindDerived(
        { ...context, parent: undefined },
        common.query,
        reference.alias ?? common.name,
        common.columns,
      );
    } finally {
      loader.binding.delete(name);
    }
  }
  const fetched = run.fetched?.get(reference);
  if (fetched !== undefined) {
    const visible = source(
      reference.alias ?? parts[parts.length - 1] ?? '',
      fetched.columns,
      reference.alias === undefined ? parts.slice(1, 3) : [],
    );
    return { sources: [visible], width: fetched.columns.length, constant: true, rows: () => fetched.rows };
  }
  const resolved = requireTable(run, parts);
  const alias = reference.alias ?? parts[parts.length - 1] ?? '';
  const qualifier =
    reference.alias === undefined
      ? [resolved.database.name, resolved.kind === 'stored' ? resolved.table.definition.schema : resolved.table.schema]
      : [];
  if (resolved.kind === 'virtual') {
    const { table } = resolved;
    const loaded = loader.add(async () => table.rows(run.session));
    return {
      sources: [source(alias, table.columns, qualifier)],
      width: table.columns.length,
      constant: true,
      rows: () => loaded.rows,
    };
  }
  const { table } = resolved;
  const columns = table.definition.columns.map(({ name, type, nullable }) => ({ name, type, nullable }));
  if (context.target?.reference === reference)
    return bindTarget(context, context.target, reference, source(alias, columns, qualifier));
  const plan: ReadPlan = {
    hints: reference.hints,
    seek: findSeek(context, table, alias),
    tests: findTests(context, table, alias),
    intent: 'read',
  };
  const loaded = loader.add(async () => (await readRows(run, table, plan)).map(({ row }) => row));
  return {
    sources: [source(alias, columns, qualifier)],
    width: columns.length,
    constant: true,
    rows: () => loaded.rows,
  };
}

/** The hidden column has no name that a statement could write. */
function bindTarget(
  context: FromContext,
  target: TargetRead,
  reference: Extract<TableReference, { kind: 'table' }>,
  visible: ScopeSource,
): BoundFrom {
  const { run, loader } = context;
  const plan: ReadPlan = {
    hints: reference.hints,
    seek: findSeek(context, target.table, visible.alias),
    tests: findTests(context, target.table, visible.alias),
    intent: 'update',
  };
  const loaded = loader.add(async () => {
    target.rows = await readRows(run, target.table, plan);
    return target.rows.map(({ id, row }) => [...row, BigInt(id)]);
  });
  return { sources: [visible], width: visible.columns.length + 1, constant: true, rows: () => loaded.rows };
}

function bindTableFunction(context: FromContext, reference: Extract<TableReference, { kind: 'function' }>): BoundFrom {
  const { run, loader, parent } = context;
  const { parts } = reference.name;
  const name = parts[parts.length - 1] ?? '';
  const found = run.registry.findFunction(parts.length > 1 ? (parts[parts.length - 2] ?? '') : 'dbo', name);
  if (found === undefined) throw fail(208, parts.join('.'));
  const args = reference.arguments.map(argument => bindExpression({ run, scope: parent, loader }, argument));
  const evaluate = (frame: Frame): Parameters<typeof found.rows>[1] =>
    args.map(arg => ({ type: arg.type, value: arg.evaluate(frame) }));
  const shape = { sources: [source(reference.alias ?? name, found.columns)], width: found.columns.length };
  if (args.every(arg => arg.constant)) {
    const loaded = loader.add(async () => found.rows(run.session, evaluate(EMPTY_FRAME)));
    return { ...shape, constant: true, rows: () => loaded.rows };
  }
  // The arguments look at the row beside the function (CROSS APPLY): its rows must be there at once.
  const rows = (frame: Frame | undefined): readonly (readonly SqlValue[])[] => {
    const result = found.rows(run.session, evaluate(frame ?? EMPTY_FRAME));
    if (result instanceof Promise) throw unsupported(`${name} with columns as arguments`);
    return [...result];
  };
  return { ...shape, constant: false, rows };
}

function bindDerived(
  context: FromContext,
  query: Parameters<Run['binder']['query']>[1],
  alias: string,
  names: readonly string[],
): BoundFrom {
  const bound = context.run.binder.query(context.run, query, context.parent, context.loader);
  const columns = renamed(bound.columns, names, alias);
  return {
    sources: [source(alias, columns)],
    width: columns.length,
    constant: bound.constant,
    rows: parent => bound.run(parent),
  };
}

function renamed(columns: readonly ResultColumn[], names: readonly string[], alias: string): readonly ResultColumn[] {
  if (names.length > columns.length) throw fail(8159, alias);
  if (names.length > 0 && names.length < columns.length) throw fail(8158, alias);
  const result =
    names.length === 0 ? columns : columns.map((column, i) => ({ ...column, name: names[i] ?? column.name }));
  const seen = new Set<string>();
  result.forEach(({ name }, i) => {
    if (name === '') throw fail(8155, String(i + 1), alias);
    if (seen.has(name.toLowerCase())) throw fail(8156, name, alias);
    seen.add(name.toLowerCase());
  });
  return result;
}

function bindValues(context: FromContext, reference: Extract<TableReference, { kind: 'values' }>): BoundFrom {
  const { run, loader, parent } = context;
  const rows = reference.rows.map(row =>
    row.map((each): Bound => {
      if (each === 'default') throw fail(156, 'DEFAULT');
      return bindExpression({ run, scope: parent, loader }, each);
    }),
  );
  const types = (rows[0] ?? []).map((_, i) => resultType(rows.map(row => row[i] ?? failedRow())));
  const typed = rows.map(row => row.map((each, i) => converted(each, types[i] ?? each.type)));
  const columns = renamed(
    types.map(type => ({ name: '', type, nullable: true })),
    reference.columns,
    reference.alias,
  );
  return {
    sources: [source(reference.alias, columns)],
    width: columns.length,
    constant: rows.every(row => row.every(each => each.constant)),
    rows: frame => typed.map(row => row.map(each => each.evaluate(frame ?? EMPTY_FRAME))),
  };
}

function failedRow(): never {
  throw fail(10709);
}

/** The table that a FROM clause's reference names, to find the target of UPDATE … FROM. */
export function tableOfReference(run: Run, reference: TableReference): Table | undefined {
  if (reference.kind !== 'table' || serverOf(run, reference.name.parts) !== undefined) return undefined;
  const resolved = resolveTable(run, reference.name.parts);
  return resolved?.kind === 'stored' ? resolved.table : undefined;
}
