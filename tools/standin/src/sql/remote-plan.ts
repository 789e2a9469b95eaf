/**
 * Which instance each table of a statement lies on, and what has to be fetched from linked ones before the statement can run here. A query that
 * can be run there as a whole is fetched as its rows, a table beside local ones with all of its own.
 */
import type { Assignment, Name, Query, QueryBody, SelectCore, Statement, TableReference } from './ast.ts';
import type { Run } from './session-state.ts';
import { spanOf } from './source-span.ts';

export type TableSyntax = Extract<TableReference, { kind: 'table' }>;
export type Fetch =
  | { readonly kind: 'query'; readonly query: Query; readonly server: string; readonly names: readonly Name[] }
  | { readonly kind: 'table'; readonly reference: TableSyntax; readonly server: string };

export type Places = {
  /** The linked servers named, each once. */
  readonly servers: readonly string[];
  /** A table, function or table variable of this instance is read or written too. */
  readonly local: boolean;
  /** Every four-part name of a linked server. */
  readonly names: readonly Name[];
};

/** The linked server of a four-part name; undefined: this instance. */
export function serverOf(run: Run, parts: readonly string[]): string | undefined {
  const [server = ''] = parts;
  if (parts.length < 4 || server.toLowerCase() === run.engine.serverName.toLowerCase()) return undefined;
  return server;
}

type Visitor = {
  table(name: Name, reference: TableSyntax | undefined): void;
  local(): void;
  /** True: the visitor dealt with the query, nothing inside it is visited. */
  query(query: Query, free: boolean): boolean;
};

/** Walks syntax of any kind. `free`: no FROM around, so that a query met there cannot name columns of an outer row. */
function walk(node: unknown, visitor: Visitor, common: ReadonlySet<string>, free: boolean): void {
  if (typeof node !== 'object' || node === null) return;
  if (Array.isArray(node)) {
    for (const each of node) walk(each, visitor, common, free);
    return;
  }
  if (isQuery(node)) {
    walkQuery(node, visitor, common, free);
    return;
  }
  if (isSelect(node)) {
    walkSelect(node, visitor, common, free);
    return;
  }
  if (isTable(node)) {
    const [first = ''] = node.name.parts;
    if (node.name.parts.length === 1 && common.has(first.toLowerCase())) return;
    visitor.table(node.name, node);
    return;
  }
  const kind = 'kind' in node ? node.kind : undefined;
  if (kind === 'function') visitor.local();
  const apply = kind === 'join' && 'type' in node && (node.type === 'cross apply' || node.type === 'outer apply');
  for (const [key, value] of Object.entries(node)) walk(value, visitor, common, free && !(apply && key === 'right'));
}

function walkQuery(query: Query, visitor: Visitor, common: ReadonlySet<string>, free: boolean): void {
  if (visitor.query(query, free)) return;
  const inner = new Set([...common, ...query.with.map(each => each.name.toLowerCase())]);
  for (const each of query.with) walk(each.query, visitor, inner, free);
  walk(query.body, visitor, inner, free);
  // ORDER BY belongs to the select that it sorts.
  walk([query.orderBy, query.offset], visitor, inner, free && !readsTables(query.body));
}

function walkSelect(core: SelectCore, visitor: Visitor, common: ReadonlySet<string>, free: boolean): void {
  if (core.into !== undefined) visitor.local();
  walk(core.from, visitor, common, free);
  const inside = free && core.from.length === 0;
  walk([core.top?.count, core.items, core.where, core.groupBy, core.having], visitor, common, inside);
}

function readsTables(body: QueryBody): boolean {
  return body.kind === 'select' ? body.from.length > 0 : readsTables(body.left) || readsTables(body.right);
}

function isQuery(node: object): node is Query {
  return 'body' in node && 'with' in node && 'orderBy' in node;
}

function isSelect(node: object): node is SelectCore {
  return 'kind' in node && node.kind === 'select' && 'items' in node;
}

function isTable(node: object): node is TableSyntax {
  return 'kind' in node && node.kind === 'table' && 'hints' in node && 'name' in node;
}

export function placesOf(run: Run, node: unknown, common: readonly string[] = []): Places {
  const servers = new Map<string, string>();
  const names: Name[] = [];
  let local = false;
  const table = (name: Name): void => {
    const server = serverOf(run, name.parts);
    if (server === undefined) local = true;
    else {
      servers.set(server.toLowerCase(), server);
      names.push(name);
    }
  };
  const visitor: Visitor = { table, local: () => void (local = true), query: () => false };
  walk(node, visitor, new Set(common.map(each => each.toLowerCase())), true);
  return { servers: [...servers.values()], local, names };
}

/**
 * Everything of linked servers that the syntax reads, in pieces that can be asked for.
 * @param free false: rows of a table are around it (WHERE of UPDATE), whose columns its queries may name
 */
export function fetchesOf(run: Run, node: unknown, free = true): readonly Fetch[] {
  const fetches: Fetch[] = [];
  const visitor: Visitor = {
    table: (name, reference) => {
      const server = serverOf(run, name.parts);
      if (server !== undefined && reference !== undefined) fetches.push({ kind: 'table', reference, server });
    },
    local: () => undefined,
    query: (query, alone) => {
      if (!alone || spanOf(query) === undefined || assigned(query).size > 0) return false;
      // A WITH table of a query around it counts as local here: the query means nothing without it.
      const { servers, local, names } = placesOf(run, query);
      const [server] = servers;
      if (local || server === undefined || servers.length > 1) return false;
      fetches.push({ kind: 'query', query, server, names });
      return true;
    },
  };
  walk(node, visitor, new Set(), free);
  return fetches;
}

type Change = Extract<Statement, { kind: 'update' | 'delete' }>;

/** UPDATE and DELETE with the target among the tables, unless it is the alias of one in FROM. */
export function changePlaces(run: Run, statement: Change): Places & { readonly target: Name } {
  const { target, from } = statement;
  const alias = target.parts.length === 1 ? (target.parts[0] ?? '').toLowerCase() : undefined;
  const named = alias === undefined ? undefined : from.flatMap(tables).find(each => exposed(each) === alias);
  const own: TableSyntax[] = named === undefined ? [{ kind: 'table', name: target, alias: undefined, hints: [] }] : [];
  const into = statement.output?.into === undefined ? [] : [tableNamed(statement.output.into)];
  const places = placesOf(run, [own, into, statement], commonNames(statement));
  return { ...places, target: named?.name ?? target };
}

function commonNames(statement: Change): string[] {
  return statement.with.map(each => each.name);
}

function tableNamed(name: Name): TableSyntax {
  return { kind: 'table', name, alias: undefined, hints: [] };
}

function tables(reference: TableReference): TableSyntax[] {
  if (reference.kind === 'join') return [...tables(reference.left), ...tables(reference.right)];
  return reference.kind === 'table' ? [reference] : [];
}

function exposed({ alias, name }: TableSyntax): string {
  return (alias ?? name.parts[name.parts.length - 1] ?? '').toLowerCase();
}

/** Lower-case names of the variables that a SELECT gives values to. */
export function assigned(query: Query): ReadonlySet<string> {
  if (query.body.kind !== 'select') return new Set();
  return new Set(query.body.items.flatMap(item => (item.kind === 'assign' ? [item.variable.toLowerCase()] : [])));
}

/** The same of UPDATE. */
export function assignedBy(assignments: readonly Assignment[]): ReadonlySet<string> {
  return new Set(
    assignments.flatMap(each => {
      const name = each.kind === 'variable' ? each.name : each.variable;
      return name === undefined ? [] : [name.toLowerCase()];
    }),
  );
}
