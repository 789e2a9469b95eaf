/** UPDATE and DELETE, with FROM, TOP and OUTPUT. */
import { fail, unsupported } from '../messages.ts';
import type { ResultColumn } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import { bindAssignment } from './arithmetic.ts';
import type { Assignment, Name, OutputClause, Statement, TableReference } from './ast.ts';
import { bindCondition } from './bind-condition.ts';
import { bindExpression, columnAt, converted } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound, type Frame, type Scope } from './bound.ts';
import { bindConstraints, type Constraints } from './constraints.ts';
import { insertRows } from './insert-rows.ts';
import { bindFrom } from './joins.ts';
import { Loader } from './loader.ts';
import { requireTable, type ResolvedTable } from './object-names.ts';
import { bindOutput, type BoundOutput } from './output.ts';
import { parseExpressionText } from './parser.ts';
import { isKept } from './read-rows.ts';
import { conjuncts } from './seek.ts';
import { topCount } from './select.ts';
import type { Run } from './session-state.ts';
import { tableOfReference, type BoundFrom, type TargetRead } from './sources.ts';
import { stored, type StoreTarget } from './store-value.ts';

/** What a changing statement did: the rows of its OUTPUT clause go to the client when there are columns. */
export type ChangeResult = {
  readonly count: bigint;
  readonly columns: readonly ResultColumn[] | undefined;
  readonly rows: readonly (readonly SqlValue[])[];
};

type ChangeStatement = Extract<Statement, { kind: 'update' | 'delete' }>;
type Stored = Extract<ResolvedTable, { kind: 'stored' }>;

type Bindings = {
  readonly run: Run;
  readonly loader: Loader;
  readonly target: TargetRead;
  readonly from: BoundFrom;
  readonly scope: Scope;
  readonly offset: number;
  readonly statement: ChangeStatement;
  readonly storeTarget: StoreTarget;
  readonly output: BoundOutput | undefined;
  readonly constraints: Constraints;
};

type Matched = { readonly id: number; readonly row: readonly SqlValue[]; readonly frame: Frame };

export async function runUpdate(run: Run, statement: Extract<Statement, { kind: 'update' }>): Promise<ChangeResult> {
  const bindings = bind(run, statement);
  const assignments = bindAssignments(bindings, statement.assignments);
  return change(bindings, async (match, transaction) => {
    const row = [...match.row];
    for (const each of assignments) {
      const value = each.value.evaluate(match.frame);
      if (each.column !== undefined) row[each.column] = value;
      const variable = each.variable === undefined ? undefined : run.variables.get(each.variable);
      if (variable !== undefined) variable.value = each.toVariable(value);
    }
    await bindings.constraints.assertRow(row, 'UPDATE');
    await bindings.constraints.assertUnreferenced(match.row, row);
    await transaction.update(bindings.target.table, match.id, row);
    return { inserted: row, deleted: match.row };
  });
}

export async function runDelete(run: Run, statement: Extract<Statement, { kind: 'delete' }>): Promise<ChangeResult> {
  const bindings = bind(run, statement);
  return change(bindings, async (match, transaction) => {
    await bindings.constraints.assertUnreferenced(match.row, undefined);
    await transaction.delete(bindings.target.table, match.id);
    return { inserted: [], deleted: match.row };
  });
}

function bind(run: Run, statement: ChangeStatement): Bindings {
  const loader = new Loader();
  for (const common of statement.with) loader.common.set(common.name.toLowerCase(), common);
  const { references, reference, resolved } = findTarget(run, statement);
  const target: TargetRead = { reference, table: resolved.table, rows: [] };
  const from = bindFrom({ run, loader, parent: undefined, filters: conjuncts(statement.where), target }, references);
  const scope: Scope = { sources: from.sources, parent: undefined, correlated: false };
  const offset = targetOffset(from, reference);
  const output =
    statement.output === undefined
      ? undefined
      : bindOutput(run, loader, statement.output, target.table, statement.from.length > 0 ? from.sources : []);
  return {
    run,
    loader,
    target,
    from,
    scope,
    offset,
    statement,
    output,
    constraints: bindConstraints(run, resolved),
    storeTarget: { table: resolved.table, database: resolved.database, majorVersion: run.engine.majorVersion },
  };
}

/** The FROM clause with the reference that is changed: named by its alias, by the table's name, or not in FROM at all. */
function findTarget(
  run: Run,
  statement: ChangeStatement,
): { readonly references: readonly TableReference[]; readonly reference: TableReference; readonly resolved: Stored } {
  const { parts } = statement.target;
  const isCommon = statement.with.some(each => each.name.toLowerCase() === parts[0]?.toLowerCase());
  if (parts.length === 1 && isCommon) throw unsupported(`${statement.kind.toUpperCase()} of a common table expression`);
  const candidates = statement.from.flatMap(tables);
  const alias =
    parts.length === 1
      ? candidates.find(each => each.alias?.toLowerCase() === (parts[0] ?? '').toLowerCase())
      : undefined;
  const found = alias ?? sameTable(run, statement.target, candidates);
  const reference: Extract<TableReference, { kind: 'table' }> = found ?? {
    kind: 'table',
    name: statement.target,
    alias: undefined,
    hints: [],
  };
  const resolved = requireTable(run, reference.name.parts);
  if (resolved.kind === 'virtual') throw fail(208, parts.join('.'));
  const hinted =
    statement.hints.length === 0 ? reference : { ...reference, hints: [...reference.hints, ...statement.hints] };
  const references =
    found === undefined ? [hinted, ...statement.from] : statement.from.map(each => replaced(each, reference, hinted));
  return { references, reference: hinted, resolved };
}

function tables(reference: TableReference): Extract<TableReference, { kind: 'table' }>[] {
  if (reference.kind === 'join') return [...tables(reference.left), ...tables(reference.right)];
  return reference.kind === 'table' ? [reference] : [];
}

function sameTable(
  run: Run,
  target: Name,
  candidates: readonly Extract<TableReference, { kind: 'table' }>[],
): Extract<TableReference, { kind: 'table' }> | undefined {
  if (candidates.length === 0) return undefined;
  const table = tableOfReference(run, { kind: 'table', name: target, alias: undefined, hints: [] });
  return table === undefined ? undefined : candidates.find(each => tableOfReference(run, each) === table);
}

function replaced(tree: TableReference, from: TableReference, to: TableReference): TableReference {
  if (tree === from) return to;
  return tree.kind === 'join'
    ? { ...tree, left: replaced(tree.left, from, to), right: replaced(tree.right, from, to) }
    : tree;
}

/** Where the target's columns begin in the joined row. */
function targetOffset(from: BoundFrom, reference: TableReference): number {
  if (reference.kind !== 'table') throw new Error('only a table can be changed');
  const alias = (reference.alias ?? reference.name.parts[reference.name.parts.length - 1] ?? '').toLowerCase();
  const found = from.sources.find(source => source.alias.toLowerCase() === alias);
  if (found === undefined) throw new Error('the changed table is among the sources');
  return found.offset;
}

type BoundAssignment = {
  readonly column: number | undefined;
  readonly value: Bound;
  readonly variable: string | undefined;
  toVariable(value: SqlValue): SqlValue;
};

function bindAssignments(bindings: Bindings, assignments: readonly Assignment[]): BoundAssignment[] {
  const { run, scope, loader, target } = bindings;
  const context = { run, scope, loader };
  const seen = new Set<number>();
  return assignments.map((assignment): BoundAssignment => {
    if (assignment.kind === 'variable') {
      const variable = run.variables.get(assignment.name.toLowerCase());
      if (variable === undefined) throw fail(137, assignment.name);
      const current: Bound = { type: variable.type, nullable: true, constant: false, evaluate: () => variable.value };
      const value = converted(
        bindAssignment(assignment.operator, current, bindExpression(context, assignment.value)),
        variable.type,
      );
      return { column: undefined, value, variable: assignment.name.toLowerCase(), toVariable: each => each };
    }
    const name = assignment.column.parts[assignment.column.parts.length - 1] ?? '';
    const position = target.table.definition.columns.findIndex(
      column => column.name.toLowerCase() === name.toLowerCase(),
    );
    const column = target.table.definition.columns[position];
    if (column === undefined) throw fail(207, name);
    if (seen.has(position)) throw fail(264, name);
    seen.add(position);
    if (column.identity !== undefined) throw fail(8102, column.name);
    const expression =
      assignment.value === 'default' ? parseExpressionText(column.defaultText ?? 'NULL') : assignment.value;
    const current = columnAt(bindings.offset + position, 0, column.type, column.nullable);
    const value = stored(
      bindings.storeTarget,
      column,
      bindAssignment(assignment.operator, current, bindExpression(context, expression)),
    );
    return {
      column: position,
      value,
      variable: assignment.variable?.toLowerCase(),
      toVariable: variableConversion(run, assignment.variable, column.type),
    };
  });
}

function variableConversion(run: Run, name: string | undefined, from: Bound['type']): (value: SqlValue) => SqlValue {
  const variable = name === undefined ? undefined : run.variables.get(name.toLowerCase());
  if (name !== undefined && variable === undefined) throw fail(137, name);
  if (variable === undefined) return value => value;
  return value =>
    converted({ type: from, nullable: true, constant: true, evaluate: () => value }, variable.type).evaluate(
      EMPTY_FRAME,
    );
}

type Applied = { readonly inserted: readonly SqlValue[]; readonly deleted: readonly SqlValue[] };

async function change(
  bindings: Bindings,
  apply: (match: Matched, transaction: NonNullable<Run['transaction']>) => Promise<Applied>,
): Promise<ChangeResult> {
  const { run, loader, target, statement, output } = bindings;
  const { transaction } = run;
  if (transaction === undefined) throw new Error('a statement writes outside of a transaction');
  const where =
    statement.where === undefined ? undefined : bindCondition({ run, scope: bindings.scope, loader }, statement.where);
  const top =
    statement.top === undefined ? undefined : bindExpression({ run, scope: undefined, loader }, statement.top);
  await loader.load();
  const limit = top === undefined ? Infinity : topCount(top.evaluate(EMPTY_FRAME));
  const matches = match(bindings, where, limit);
  releaseOthers(transaction, target, new Set(matches.map(each => each.id)));
  const results: SqlValue[][] = [];
  for (const each of matches) {
    const { inserted, deleted } = await apply(each, transaction);
    if (output !== undefined) results.push(output.row(inserted, deleted, each.frame.row));
  }
  const count = BigInt(matches.length);
  if (statement.output?.into === undefined) return { count, columns: output?.columns, rows: results };
  await outputInto(run, statement.output, output?.columns ?? [], results);
  return { count, columns: undefined, rows: [] };
}

async function outputInto(
  run: Run,
  clause: OutputClause,
  columns: readonly ResultColumn[],
  rows: readonly (readonly SqlValue[])[],
): Promise<void> {
  if (clause.into !== undefined) await insertRows(run, clause.into.parts, clause.intoColumns, columns, rows);
}

/** A row that FROM joins several times is changed once, with the first partner. */
function match(bindings: Bindings, where: ReturnType<typeof bindCondition> | undefined, limit: number): Matched[] {
  const width = bindings.target.table.definition.columns.length;
  const seen = new Set<number>();
  const matches: Matched[] = [];
  for (const row of bindings.from.rows(undefined)) {
    if (matches.length >= limit) break;
    const id = row[bindings.offset + width];
    const frame: Frame = { ...EMPTY_FRAME, row };
    if (typeof id !== 'bigint' || seen.has(Number(id)) || (where !== undefined && where.evaluate(frame) !== true))
      continue;
    seen.add(Number(id));
    matches.push({ id: Number(id), row: row.slice(bindings.offset, bindings.offset + width), frame });
  }
  return matches;
}

/** Rows that were looked at and do not qualify must not block others until the end of the transaction. */
function releaseOthers(
  transaction: NonNullable<Run['transaction']>,
  target: TargetRead,
  kept: ReadonlySet<number>,
): void {
  for (const { id } of target.rows)
    if (!kept.has(id) && !isKept(transaction, target.table, id)) transaction.release?.(target.table, id);
}
