/**
 * MERGE as what it does under the target's locks: rows that match are changed, then rows of the source without a partner are inserted. The two
 * steps give what one pass gives as long as no change makes or unmakes a partner; where one could, the statement is refused.
 */
import { fail, unsupported } from '../messages.ts';
import type {
  Condition,
  Expression,
  InsertStatement,
  MergeStatement,
  Name,
  Query,
  SelectItem,
  TableReference,
  UpdateStatement,
} from './ast.ts';
import { Loader } from './loader.ts';
import { runInsert } from './insert.ts';
import type { Run } from './session-state.ts';
import { runDelete, runUpdate, type ChangeResult } from './update.ts';

export async function runMerge(run: Run, written: MergeStatement): Promise<ChangeResult> {
  const { matched, notMatched } = written;
  if (notMatched !== undefined) refuseOtherPartners(written);
  const statement = withoutSource(written);
  let count = 0n;
  if (matched !== undefined) {
    const joined = statement.source === undefined ? undefined : await countJoined(run, statement);
    const { count: changed } = await changeMatched(run, statement);
    if (joined !== undefined && joined > changed) throw fail(8672);
    count += changed;
  }
  if (notMatched !== undefined) count += (await runInsert(run, insertOf(statement), undefined)).count;
  return { count, columns: undefined, rows: [] };
}

function refuseOtherPartners({ matched, on }: MergeStatement): void {
  if (matched?.kind === 'delete') throw unsupported('MERGE that deletes and inserts');
  const assigned = new Set(
    matched?.assignments.flatMap(each => (each.kind === 'column' ? [lastPart(each.column)] : [])) ?? [],
  );
  for (const name of columnsIn(on))
    if (assigned.has(lastPart(name))) throw unsupported('MERGE that assigns a column of its ON condition');
}

function lastPart({ parts }: Name): string {
  return (parts[parts.length - 1] ?? '').toLowerCase();
}

function columnsIn(node: unknown): Name[] {
  if (typeof node !== 'object' || node === null) return [];
  if (isColumn(node)) return [node.name];
  return Object.values(node).flatMap(columnsIn);
}

function isColumn(node: object): node is Extract<Expression, { kind: 'column' }> {
  return 'kind' in node && node.kind === 'column' && 'name' in node && typeof node.name === 'object';
}

/** `source`: undefined when its one row stands in the expressions themselves. */
type Merge = Omit<MergeStatement, 'source'> & { readonly source: TableReference | undefined };

/** USING (VALUES (…)) of one row: its values take the place of its columns, so that the target is looked up by its key. */
function withoutSource(statement: MergeStatement): Merge {
  const { source } = statement;
  const [row, ...others] = source.kind === 'values' ? source.rows : [];
  if (source.kind !== 'values' || row === undefined || others.length > 0) return statement;
  const values = new Map<string, Expression>();
  source.columns.forEach((column, i) => {
    const value = row[i];
    if (value !== undefined && value !== 'default') values.set(column.toLowerCase(), value);
  });
  if (values.size !== source.columns.length || values.size !== row.length) return statement;
  const alias = source.alias.toLowerCase();
  const replace = (node: unknown): unknown => {
    if (typeof node !== 'object' || node === null) return node;
    if (Array.isArray(node)) return node.map(replace);
    if (isColumn(node)) {
      const { parts } = node.name;
      const value =
        parts.length === 2 && parts[0]?.toLowerCase() === alias ? values.get(lastPart(node.name)) : undefined;
      return value ?? node;
    }
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, replace(value)]));
  };
  const { on, matched, notMatched } = statement;
  return {
    ...statement,
    ...(replace({ on, matched, notMatched }) as Pick<Merge, 'on' | 'matched' | 'notMatched'>),
    source: undefined,
  };
}

function both(left: Condition, right: Condition | undefined): Condition {
  return right === undefined ? left : { kind: 'and', left, right };
}

function changeMatched(run: Run, merge: Merge): Promise<ChangeResult> {
  const { line, target, source, on, matched } = merge;
  if (matched === undefined) throw new Error('there is nothing to change');
  const change: Omit<UpdateStatement, 'kind' | 'assignments'> = {
    line,
    target: target.alias === undefined ? target.name : { parts: [target.alias], line },
    hints: [],
    top: undefined,
    from: source === undefined ? [target] : [target, source],
    where: both(on, matched.and),
    output: undefined,
    with: [],
  };
  if (matched.kind === 'delete') return runDelete(run, { ...change, kind: 'delete' });
  return runUpdate(run, { ...change, kind: 'update', assignments: matched.assignments });
}

function select(line: number, items: readonly SelectItem[], from: readonly TableReference[], where: Condition): Query {
  const body = { kind: 'select', distinct: false, top: undefined, items, into: undefined, from, where, line } as const;
  return { with: [], body: { ...body, groupBy: [], having: undefined }, orderBy: [], offset: undefined };
}

const one: SelectItem = {
  kind: 'expression',
  value: { kind: 'literal', literal: { type: { name: 'int' }, value: 1n }, text: '1' },
  alias: undefined,
};

/** A row of the target with two partners is a mistake of the statement. */
async function countJoined(run: Run, { line, target, source, on, matched }: Merge): Promise<bigint> {
  const from = source === undefined ? [target] : [target, source];
  const loader = new Loader();
  const query = run.binder.query(run, select(line, [one], from, both(on, matched?.and)), undefined, loader);
  await loader.load();
  return BigInt(query.run(undefined).length);
}

function insertOf({ line, target, source, on, notMatched }: Merge): InsertStatement {
  if (notMatched === undefined) throw new Error('there is nothing to insert');
  const items = notMatched.values.map((value): SelectItem => ({ kind: 'expression', value, alias: undefined }));
  const partner: Condition = { kind: 'exists', query: select(line, [one], [target], on) };
  const where = both({ kind: 'not', operand: partner }, notMatched.and);
  const query = select(line, items, source === undefined ? [] : [source], where);
  return {
    kind: 'insert',
    line,
    target: target.name,
    columns: notMatched.columns,
    source: { kind: 'query', query },
    output: undefined,
  };
}
