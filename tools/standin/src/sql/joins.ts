/** Joins of bound sources: nested loops, with a hash on equal columns where ON has them. */
import { unsupported } from '../messages.ts';
import type { SqlValue } from '../values.ts';
import type { Condition, TableReference } from './ast.ts';
import { columnAt, converted, findColumn, resultType } from './bind-expression.ts';
import type { Bound, BoundCondition, Frame, Scope, ScopeSource } from './bound.ts';
import { keyOf } from './compare.ts';
import { conjuncts } from './seek.ts';
import { bindSource, type BoundFrom, type FromContext } from './sources.ts';
import { isBinary } from './types.ts';

type Row = readonly SqlValue[];

/** `FROM a, b JOIN c`: the comma is a cross join. */
export function bindFrom(context: FromContext, references: readonly TableReference[]): BoundFrom {
  const bound = references.map(reference => bindReference(context, reference));
  const [first, ...rest] = bound;
  if (first === undefined) return { sources: [], width: 0, constant: true, rows: () => [[]] };
  return rest.reduce((left, right) => cross(left, right), first);
}

function shifted(sources: readonly ScopeSource[], by: number): ScopeSource[] {
  return sources.map(each => ({ ...each, offset: each.offset + by }));
}

/** The side that a row of the other one may be without: whatever its columns allow, what is read there may be NULL. */
function withNulls(sources: readonly ScopeSource[]): ScopeSource[] {
  return sources.map(each => ({ ...each, columns: each.columns.map(column => ({ ...column, nullable: true })) }));
}

function bindReference(context: FromContext, reference: TableReference): BoundFrom {
  if (reference.kind !== 'join') return bindSource(context, reference);
  const { type } = reference;
  if (type === 'cross apply' || type === 'outer apply') return apply(context, reference, type === 'outer apply');
  const inner = type === 'inner' ? { ...context, filters: [...context.filters, ...conjuncts(reference.on)] } : context;
  const left = bindReference(inner, reference.left);
  const right = bindReference(inner, reference.right);
  if (type === 'cross') return cross(left, right);
  if (reference.on === undefined) throw unsupported('a join without ON');
  return join(context, type, left, right, reference.on);
}

function cross(left: BoundFrom, right: BoundFrom): BoundFrom {
  return {
    sources: [...left.sources, ...shifted(right.sources, left.width)],
    width: left.width + right.width,
    constant: left.constant && right.constant,
    rows: parent => {
      const others = right.rows(parent);
      return left.rows(parent).flatMap(row => others.map(other => [...row, ...other]));
    },
  };
}

function join(
  context: FromContext,
  type: 'inner' | 'left' | 'right' | 'full',
  left: BoundFrom,
  right: BoundFrom,
  on: Condition,
): BoundFrom {
  const sources = [...left.sources, ...shifted(right.sources, left.width)];
  const scope: Scope = { sources, parent: context.parent, correlated: false };
  const condition = context.run.binder.condition({ run: context.run, scope, loader: context.loader }, on);
  const hash = hashColumns(left, right, on);
  const outerLeft = type === 'right' || type === 'full' ? withNulls(left.sources) : left.sources;
  const outerRight = type === 'left' || type === 'full' ? withNulls(right.sources) : right.sources;
  return {
    sources: [...outerLeft, ...shifted(outerRight, left.width)],
    width: left.width + right.width,
    constant: left.constant && right.constant && !scope.correlated,
    rows: parent => joinRows({ type, left, right, condition, hash }, parent),
  };
}

type JoinPlan = {
  readonly type: 'inner' | 'left' | 'right' | 'full';
  readonly left: BoundFrom;
  readonly right: BoundFrom;
  readonly condition: BoundCondition;
  readonly hash: HashColumns | undefined;
};
type HashColumns = { readonly left: Bound; readonly right: Bound };

/** The first `left column = right column` of ON. */
function hashColumns(left: BoundFrom, right: BoundFrom, on: Condition): HashColumns | undefined {
  const a: Scope = { sources: left.sources, parent: undefined, correlated: false };
  const b: Scope = { sources: right.sources, parent: undefined, correlated: false };
  for (const each of conjuncts(on)) {
    if (each.kind !== 'compare' || each.operator !== '=' || each.left.kind !== 'column' || each.right.kind !== 'column')
      continue;
    for (const [x, y] of [
      [each.left.name, each.right.name],
      [each.right.name, each.left.name],
    ] as const) {
      const [inLeft, inRight] = [findColumn(a, x), findColumn(b, y)];
      if (inLeft === undefined || inRight === undefined) continue;
      const bound = [
        columnAt(inLeft.index, 0, inLeft.type, true),
        columnAt(inRight.index, 0, inRight.type, true),
      ] as const;
      const type = resultType(bound);
      return { left: converted(bound[0], type), right: converted(bound[1], type) };
    }
  }
  return undefined;
}

function frameOf(row: Row, parent: Frame | undefined): Frame {
  return { row, parent, aggregates: [], windows: [] };
}

function joinRows(plan: JoinPlan, parent: Frame | undefined): Row[] {
  const rights = plan.right.rows(parent);
  const candidates = candidateFinder(plan.hash, rights, parent);
  const matched = new Set<Row>();
  const result: Row[] = [];
  const keepLeft = plan.type === 'left' || plan.type === 'full';
  for (const left of plan.left.rows(parent)) {
    let found = false;
    for (const right of candidates(left)) {
      const row = [...left, ...right];
      if (plan.condition.evaluate(frameOf(row, parent)) !== true) continue;
      found = true;
      matched.add(right);
      result.push(row);
    }
    if (!found && keepLeft) result.push([...left, ...nulls(plan.right.width)]);
  }
  if (plan.type === 'right' || plan.type === 'full')
    for (const right of rights) if (!matched.has(right)) result.push([...nulls(plan.left.width), ...right]);
  return result;
}

function candidateFinder(
  hash: HashColumns | undefined,
  rights: readonly Row[],
  parent: Frame | undefined,
): (left: Row) => readonly Row[] {
  if (hash === undefined || rights.length < 8) return () => rights;
  const byKey = new Map<string, Row[]>();
  const binary = isBinary(hash.left.type) || isBinary(hash.right.type);
  for (const right of rights) {
    const value = hash.right.evaluate(frameOf(right, parent));
    if (value === null) continue;
    const key = keyOf(value, binary);
    const bucket = byKey.get(key);
    if (bucket === undefined) byKey.set(key, [right]);
    else bucket.push(right);
  }
  return left => {
    const value = hash.left.evaluate(frameOf(left, parent));
    return value === null ? [] : (byKey.get(keyOf(value, binary)) ?? []);
  };
}

function nulls(count: number): null[] {
  return new Array<null>(count).fill(null);
}

/** The right side sees the left row. */
function apply(context: FromContext, reference: Extract<TableReference, { kind: 'join' }>, outer: boolean): BoundFrom {
  const left = bindReference(context, reference.left);
  const scope: Scope = { sources: left.sources, parent: context.parent, correlated: false };
  const right = bindReference({ ...context, parent: scope, filters: [], target: undefined }, reference.right);
  return {
    sources: [...left.sources, ...shifted(outer ? withNulls(right.sources) : right.sources, left.width)],
    width: left.width + right.width,
    constant: left.constant && !scope.correlated,
    rows: parent =>
      left.rows(parent).flatMap((row): Row[] => {
        const others = right.rows(frameOf(row, parent));
        return others.length === 0 && outer
          ? [[...row, ...nulls(right.width)]]
          : others.map(other => [...row, ...other]);
      }),
  };
}
