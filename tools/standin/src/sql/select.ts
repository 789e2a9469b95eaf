/** One SELECT: FROM → WHERE → GROUP BY → HAVING → window functions → ORDER BY → TOP → select list. */
import { fail, unsupported } from '../messages.ts';
import type { ResultColumn } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import { bindAssignment } from './arithmetic.ts';
import type { Expression, OrderItem, SelectCore, SelectItem } from './ast.ts';
import { computeAggregate } from './bind-aggregate.ts';
import { bindCondition } from './bind-condition.ts';
import { bindExpression, columnAt, converted, matchesQualifier } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound, type BoundCondition, type BoundQuery, type Frame, type Scope } from './bound.ts';
import { rowKey } from './compare.ts';
import { containsAggregate } from './find-aggregates.ts';
import { bindFrom } from './joins.ts';
import type { Loader } from './loader.ts';
import { byKeys, compareKeys, type SortKey } from './order.ts';
import { conjuncts } from './seek.ts';
import { printExpression, type BindContext, type Grouping, type Run, type WindowCall } from './session-state.ts';
import type { BoundFrom } from './sources.ts';
import { computeWindows } from './windows.ts';

type Item = {
  readonly name: string;
  readonly value: Bound;
  readonly syntax: Expression;
  readonly assign: string | undefined;
};

type Plan = {
  readonly from: BoundFrom;
  readonly where: BoundCondition | undefined;
  readonly groupBy: readonly Bound[] | undefined;
  readonly grouping: Grouping | undefined;
  readonly having: BoundCondition | undefined;
  readonly windows: readonly WindowCall[];
  readonly items: readonly Item[];
  readonly order: readonly SortKey[];
  readonly top: Top | undefined;
  readonly distinct: boolean;
  readonly run: Run;
};
type Top = { readonly count: Bound; readonly percent: boolean; readonly withTies: boolean };

export function bindSelect(
  run: Run,
  core: SelectCore,
  orderBy: readonly OrderItem[],
  parent: Scope | undefined,
  loader: Loader,
): BoundQuery {
  const from = bindFrom({ run, loader, parent, filters: conjuncts(core.where), target: undefined }, core.from);
  const scope: Scope = { sources: from.sources, parent, correlated: false };
  checkAliases(scope);
  const plain: BindContext = { run, scope, loader };
  const where = core.where === undefined ? undefined : bindCondition(plain, core.where);
  const grouped =
    core.groupBy.length > 0 ||
    core.having !== undefined ||
    core.items.some(item => item.kind !== 'star' && containsAggregate(item.value));
  const groupBy = grouped ? core.groupBy.map(each => bindExpression(plain, each)) : undefined;
  const grouping = groupBy === undefined ? undefined : groupingOf(core.groupBy, groupBy);
  const windows: WindowCall[] = [];
  const context: BindContext = { ...plain, windows, ...(grouping === undefined ? {} : { grouping }) };
  const items = core.items.flatMap(item => bindItem(context, item));
  const assigns = items.filter(item => item.assign !== undefined).length;
  if (assigns > 0 && assigns < items.length) throw fail(141);
  const having = core.having === undefined ? undefined : bindCondition(context, core.having);
  const order = orderBy.map(each => bindOrder(context, each, items, core.distinct));
  const top = bindTop(run, core, loader);
  const plan: Plan = {
    from,
    where,
    groupBy,
    grouping,
    having,
    windows,
    items,
    order,
    top,
    distinct: core.distinct,
    run,
  };
  return boundQuery(plan, scope, assigns > 0);
}

function boundQuery(plan: Plan, scope: Scope, assigning: boolean): BoundQuery {
  const columns: ResultColumn[] = plan.items.map(({ name, value }) => ({
    name,
    type: value.type,
    nullable: value.nullable,
  }));
  const constant = plan.from.constant && !scope.correlated;
  let kept: SqlValue[][] | undefined;
  const untypedNulls = new Set(plan.items.flatMap((item, i) => (item.value.untypedNull === true ? [i] : [])));
  return {
    columns,
    constant,
    untypedNulls,
    run: parent => {
      if (!constant || assigning) return runSelect(plan, parent);
      kept ??= runSelect(plan, parent);
      return kept;
    },
  };
}

/** Two tables with one exposed name cannot be told apart. */
function checkAliases(scope: Scope): void {
  const seen = new Map<string, string>();
  for (const { alias, qualifier } of scope.sources) {
    const key = [...qualifier, alias].join('.').toLowerCase();
    if (seen.has(key) && alias !== '') throw fail(1012, alias, seen.get(key) ?? alias);
    seen.set(key, alias);
  }
}

function groupingOf(syntax: readonly Expression[], bound: readonly Bound[]): Grouping {
  if (syntax.some(each => containsAggregate(each) || each.kind === 'subquery')) throw fail(144);
  return {
    columns: new Set(bound.flatMap(each => (each.column === undefined ? [] : [each.column]))),
    expressions: new Set(syntax.filter(each => each.kind !== 'column' && each.kind !== 'literal').map(printExpression)),
    aggregates: [],
  };
}

function bindItem(context: BindContext, item: SelectItem): Item[] {
  if (item.kind === 'star') return expandStar(context, item);
  const value = bindExpression(context, item.value);
  if (item.kind === 'assign') {
    const variable = context.run.variables.get(item.variable.toLowerCase());
    if (variable === undefined) throw fail(137, item.variable);
    const current: Bound = { type: variable.type, nullable: true, constant: false, evaluate: () => variable.value };
    return [
      {
        name: '',
        value: converted(bindAssignment(item.operator, current, value), variable.type),
        syntax: item.value,
        assign: item.variable.toLowerCase(),
      },
    ];
  }
  const own = item.value.kind === 'column' ? (item.value.name.parts[item.value.name.parts.length - 1] ?? '') : '';
  return [{ name: item.alias ?? own, value, syntax: item.value, assign: undefined }];
}

function expandStar(context: BindContext, item: Extract<SelectItem, { kind: 'star' }>): Item[] {
  const qualifier = item.qualifier?.parts;
  const sources = (context.scope?.sources ?? []).filter(
    source => qualifier === undefined || matchesQualifier(source, qualifier),
  );
  if (sources.length === 0) throw qualifier === undefined ? fail(263) : fail(107, qualifier.join('.'));
  return sources.flatMap(source =>
    source.columns.map((column, i) => {
      const index = source.offset + i;
      if (context.grouping !== undefined && !context.grouping.columns.has(index))
        throw fail(8120, `${source.alias}.${column.name}`);
      return {
        name: column.name,
        value: columnAt(index, 0, column.type, column.nullable),
        syntax: { kind: 'column', name: { parts: [column.name], line: 0 } },
        assign: undefined,
      };
    }),
  );
}

/** A position, an alias of the select list, or any expression over FROM (with DISTINCT: only what is selected). */
function bindOrder(
  context: BindContext,
  { value, descending }: OrderItem,
  items: readonly Item[],
  distinct: boolean,
): SortKey {
  if (value.kind === 'literal' && typeof value.literal.value === 'bigint') {
    const item = items[Number(value.literal.value) - 1];
    if (item === undefined) throw fail(108, value.text);
    return { value: item.value, descending };
  }
  const alias = value.kind === 'column' && value.name.parts.length === 1 ? value.name.parts[0] : undefined;
  const named = alias === undefined ? undefined : items.find(item => item.name.toLowerCase() === alias.toLowerCase());
  if (named !== undefined) return { value: named.value, descending };
  if (distinct && !items.some(item => printExpression(item.syntax) === printExpression(value))) throw fail(145);
  return { value: bindExpression(context, value), descending };
}

function bindTop(run: Run, core: SelectCore, loader: Loader): Top | undefined {
  if (core.top === undefined) return undefined;
  return {
    count: bindExpression({ run, scope: undefined, loader }, core.top.count),
    percent: core.top.percent,
    withTies: core.top.withTies,
  };
}

/** How many rows TOP lets through. */
export function topCount(value: SqlValue): number {
  if (typeof value !== 'bigint' || value < 0n) throw fail(1060);
  return Number(value);
}

function frameOf(row: readonly SqlValue[], parent: Frame | undefined, aggregates: readonly SqlValue[] = []): Frame {
  return { row, parent, aggregates, windows: [] };
}

function runSelect(plan: Plan, parent: Frame | undefined): SqlValue[][] {
  let frames = plan.from.rows(parent).map(row => frameOf(row, parent));
  const { where, having } = plan;
  if (where !== undefined) frames = frames.filter(frame => where.evaluate(frame) === true);
  if (plan.grouping !== undefined) frames = group(plan, plan.grouping, frames, parent);
  if (having !== undefined) frames = frames.filter(frame => having.evaluate(frame) === true);
  if (plan.windows.length > 0) frames = computeWindows(plan.windows, frames);
  if (plan.distinct) frames = distinct(plan, frames);
  frames = byKeys(frames, plan.order, frame => frame);
  if (plan.top !== undefined) frames = cut(plan, plan.top, frames);
  return frames.map(frame => plan.items.map(item => evaluateItem(plan.run, item, frame)));
}

/** An assigned variable is seen by the next item and the next row, as `SELECT @s += x` needs. */
function evaluateItem(run: Run, item: Item, frame: Frame): SqlValue {
  const value = item.value.evaluate(frame);
  const variable = item.assign === undefined ? undefined : run.variables.get(item.assign);
  if (variable !== undefined) variable.value = value;
  return value;
}

function group(plan: Plan, grouping: Grouping, frames: readonly Frame[], parent: Frame | undefined): Frame[] {
  const groups = new Map<string, Frame[]>();
  const keys = plan.groupBy ?? [];
  for (const frame of frames) {
    const key = rowKey(
      keys.map(each => each.evaluate(frame)),
      keys,
    );
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [frame]);
    else members.push(frame);
  }
  // Without GROUP BY there is one group even over no rows.
  if (groups.size === 0 && plan.groupBy?.length === 0) groups.set('', []);
  return [...groups.values()].map(members => {
    const first = members[0]?.row ?? new Array<null>(plan.from.width).fill(null);
    return frameOf(
      first,
      parent,
      grouping.aggregates.map(call => computeAggregate(call, members)),
    );
  });
}

function distinct(plan: Plan, frames: readonly Frame[]): Frame[] {
  const seen = new Set<string>();
  const columns = plan.items.map(item => item.value);
  return frames.filter(frame => {
    const key = rowKey(
      columns.map(each => each.evaluate(frame)),
      columns,
    );
    return !seen.has(key) && seen.add(key);
  });
}

function cut(plan: Plan, top: Top, frames: readonly Frame[]): Frame[] {
  const value = top.count.evaluate(EMPTY_FRAME);
  if (top.percent && typeof value !== 'bigint') throw unsupported('TOP of a broken PERCENT');
  const count = top.percent ? Math.ceil((frames.length * Number(value)) / 100) : topCount(value);
  const kept = frames.slice(0, count);
  const last = kept[kept.length - 1];
  if (!top.withTies || last === undefined) return kept;
  const keys = plan.order.map(key => key.value.evaluate(last));
  return [
    ...kept,
    ...frames.slice(count).filter(
      frame =>
        compareKeys(
          plan.order.map(key => key.value.evaluate(frame)),
          keys,
          plan.order,
        ) === 0,
    ),
  ];
}
