/** SELECT and set operations: binding and running. ORDER BY, TOP and OFFSET apply to the whole. */
import { fail, unsupported } from '../messages.ts';
import type { ResultColumn } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { OrderItem, Query, QueryBody } from './ast.ts';
import { bindExpression, columnAt, converted, resultType } from './bind-expression.ts';
import { EMPTY_FRAME, type BoundQuery, type Frame, type Scope } from './bound.ts';
import { rowKey } from './compare.ts';
import type { Loader } from './loader.ts';
import { byKeys, type SortKey } from './order.ts';
import { bindSelect } from './select.ts';
import type { Run } from './session-state.ts';

/** @param scope the query around, for correlated names */
export function bindQuery(run: Run, query: Query, scope: Scope | undefined, loader: Loader): BoundQuery {
  const fetched = run.fetched?.get(query);
  if (fetched !== undefined)
    return { columns: fetched.columns, constant: true, run: () => fetched.rows.map(row => [...row]) };
  for (const common of query.with) loader.common.set(common.name.toLowerCase(), common);
  const limit = bindOffset(run, query, loader);
  if (query.body.kind === 'select') return limited(bindSelect(run, query.body, query.orderBy, scope, loader), limit);
  const union = bindUnion(run, query.body, scope, loader);
  return limited(query.orderBy.length === 0 ? union : sorted(run, union, query.orderBy, loader), limit);
}

type Limit = ((rows: SqlValue[][]) => SqlValue[][]) | undefined;

function bindOffset(run: Run, query: Query, loader: Loader): Limit {
  if (query.offset === undefined) return undefined;
  const context = { run, scope: undefined, loader };
  const skip = bindExpression(context, query.offset.skip);
  const fetch = query.offset.fetch === undefined ? undefined : bindExpression(context, query.offset.fetch);
  const count = (value: SqlValue): number => {
    if (typeof value !== 'bigint') throw fail(1060);
    return Number(value);
  };
  return rows => {
    const from = count(skip.evaluate(EMPTY_FRAME));
    return rows.slice(from, fetch === undefined ? undefined : from + count(fetch.evaluate(EMPTY_FRAME)));
  };
}

function limited(query: BoundQuery, limit: Limit): BoundQuery {
  return limit === undefined ? query : { ...query, run: parent => limit(query.run(parent)) };
}

function bindUnion(run: Run, body: QueryBody, scope: Scope | undefined, loader: Loader): BoundQuery {
  if (body.kind === 'select') return bindSelect(run, body, [], scope, loader);
  const left = bindUnion(run, body.left, scope, loader);
  const right = bindUnion(run, body.right, scope, loader);
  if (left.columns.length !== right.columns.length) throw fail(205);
  const columns = left.columns.map((column, i): ResultColumn => {
    const other = right.columns[i] ?? column;
    return {
      name: column.name,
      type: resultType([untyped(left, i), untyped(right, i)]),
      nullable: column.nullable || other.nullable,
    };
  });
  const take = (query: BoundQuery): ((parent: Frame | undefined) => SqlValue[][]) => {
    const conversions = columns.map((column, i) =>
      converted(columnAt(i, 0, query.columns[i]?.type ?? column.type, true), column.type),
    );
    return parent => query.run(parent).map(row => conversions.map(each => each.evaluate({ ...EMPTY_FRAME, row })));
  };
  const [a, b] = [take(left), take(right)];
  return {
    columns,
    constant: left.constant && right.constant,
    run: parent => combine(body.operator, a(parent), b(parent), columns),
  };
}

function untyped(query: BoundQuery, index: number): ReturnType<typeof columnAt> {
  const column = query.columns[index];
  if (column === undefined) throw new Error('a column beyond the select list');
  const bound = columnAt(index, 0, column.type, column.nullable);
  return query.untypedNulls?.has(index) === true ? { ...bound, untypedNull: true } : bound;
}

function combine(
  operator: 'union' | 'union all' | 'except' | 'intersect',
  left: SqlValue[][],
  right: SqlValue[][],
  columns: readonly ResultColumn[],
): SqlValue[][] {
  if (operator === 'union all') return [...left, ...right];
  if (operator === 'union') return distinctRows([...left, ...right], columns);
  const others = new Set(right.map(row => rowKey(row, columns)));
  return distinctRows(left, columns).filter(row => others.has(rowKey(row, columns)) === (operator === 'intersect'));
}

export function distinctRows(rows: SqlValue[][], columns: readonly ResultColumn[]): SqlValue[][] {
  const seen = new Set<string>();
  return rows.filter(row => {
    const key = rowKey(row, columns);
    return !seen.has(key) && seen.add(key);
  });
}

/** ORDER BY after a set operation names result columns or their positions. */
function sorted(run: Run, query: BoundQuery, orderBy: readonly OrderItem[], loader: Loader): BoundQuery {
  const scope: Scope = {
    sources: [{ alias: '', qualifier: [], columns: query.columns, offset: 0 }],
    parent: undefined,
    correlated: false,
  };
  const keys: SortKey[] = orderBy.map(({ value, descending }) => {
    if (value.kind !== 'literal') return { value: bindExpression({ run, scope, loader }, value), descending };
    const position = Number(value.literal.value) - 1;
    const column = query.columns[position];
    if (column === undefined) throw unsupported(`ORDER BY position ${value.text}`);
    return { value: columnAt(position, 0, column.type, true), descending };
  });
  return { ...query, run: parent => byKeys(query.run(parent), keys, row => ({ ...EMPTY_FRAME, row })) };
}
