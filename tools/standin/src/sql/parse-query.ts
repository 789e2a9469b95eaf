/** SELECT: common tables, set operations, joins, hints, TOP, ORDER BY. */
import type { Expression, Name, Query, QueryBody, SelectCore, SelectItem, TableReference, ValueRow } from './ast.ts';
import { parseCondition, parseExpression, parseOrderItem } from './parse-expression.ts';
import type { Cursor } from './parser-core.ts';
import { setSpan } from './source-span.ts';
import { unsupported } from '../messages.ts';

const assignmentOperators = new Set(['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=']);

export function isAssignmentOperator(text: string): boolean {
  return assignmentOperators.has(text);
}

export function parseQuery(cursor: Cursor): Query {
  const { position } = cursor;
  const query = parseWholeQuery(cursor);
  setSpan(query, cursor.span(position));
  return query;
}

function parseWholeQuery(cursor: Cursor): Query {
  const common = parseWith(cursor);
  const body = parseUnion(cursor);
  const orderBy = cursor.accept('ORDER', 'BY') ? cursor.list(() => parseOrderItem(cursor)) : [];
  const offset = orderBy.length > 0 ? parseOffset(cursor) : undefined;
  if (cursor.at('FOR', 'XML') || cursor.at('FOR', 'JSON')) throw unsupported(`FOR ${cursor.peek(1).upper}`);
  parseQueryHints(cursor);
  return { with: common, body, orderBy, offset };
}

/** `WITH a (x) AS (…), b AS (…)` before SELECT, UPDATE, DELETE or INSERT. */
export function parseWith(cursor: Cursor): Query['with'] {
  if (!cursor.accept('WITH')) return [];
  return cursor.list(() => {
    const name = cursor.identifier();
    const columns = parseColumnNames(cursor);
    cursor.expect('AS');
    cursor.expect('(');
    const query = parseQuery(cursor);
    cursor.expect(')');
    return { name, columns, query };
  });
}

export function parseColumnNames(cursor: Cursor): string[] {
  if (!cursor.accept('(')) return [];
  const names = cursor.list(() => cursor.identifier());
  cursor.expect(')');
  return names;
}

function parseOffset(cursor: Cursor): Query['offset'] {
  if (!cursor.accept('OFFSET')) return undefined;
  const skip = parseExpression(cursor);
  if (!cursor.accept('ROWS')) cursor.expect('ROW');
  if (!cursor.accept('FETCH')) return { skip, fetch: undefined };
  if (!cursor.accept('NEXT')) cursor.expect('FIRST');
  const fetch = parseExpression(cursor);
  if (!cursor.accept('ROWS')) cursor.expect('ROW');
  cursor.expect('ONLY');
  return { skip, fetch };
}

/** OPTION (RECOMPILE, MAXDOP n …) steers plans only, and there are none here. */
export function parseQueryHints(cursor: Cursor): void {
  if (!cursor.accept('OPTION')) return;
  cursor.expect('(');
  while (!cursor.accept(')')) {
    if (cursor.peek().kind === 'end') throw cursor.error();
    cursor.next();
  }
}

function parseUnion(cursor: Cursor): QueryBody {
  let left = parseIntersect(cursor);
  while (cursor.atAny('UNION', 'EXCEPT')) {
    const word = cursor.next().upper;
    const operator = word === 'EXCEPT' ? 'except' : cursor.accept('ALL') ? 'union all' : 'union';
    left = { kind: 'union', operator, left, right: parseIntersect(cursor) };
  }
  return left;
}

function parseIntersect(cursor: Cursor): QueryBody {
  let left = parseOperand(cursor);
  while (cursor.accept('INTERSECT')) left = { kind: 'union', operator: 'intersect', left, right: parseOperand(cursor) };
  return left;
}

function parseOperand(cursor: Cursor): QueryBody {
  if (!cursor.accept('(')) return parseSelect(cursor);
  const body = parseUnion(cursor);
  cursor.expect(')');
  return body;
}

function parseSelect(cursor: Cursor): SelectCore {
  const line = cursor.line();
  cursor.expect('SELECT');
  const distinct = cursor.accept('DISTINCT');
  if (!distinct) cursor.accept('ALL');
  const top = parseTop(cursor);
  const items = cursor.list(() => parseSelectItem(cursor));
  const into = cursor.accept('INTO') ? cursor.name() : undefined;
  const from = cursor.accept('FROM') ? parseFrom(cursor) : [];
  const where = cursor.accept('WHERE') ? parseCondition(cursor) : undefined;
  let groupBy: readonly Expression[] = [];
  if (cursor.accept('GROUP', 'BY')) {
    if (cursor.atAny('ROLLUP', 'CUBE', 'GROUPING')) throw unsupported(`GROUP BY ${cursor.peek().upper}`);
    groupBy = cursor.list(() => parseExpression(cursor));
  }
  const having = cursor.accept('HAVING') ? parseCondition(cursor) : undefined;
  return { kind: 'select', distinct, top, items, into, from, where, groupBy, having, line };
}

function parseTop(cursor: Cursor): SelectCore['top'] {
  if (!cursor.accept('TOP')) return undefined;
  const count = parseTopCount(cursor);
  const percent = cursor.accept('PERCENT');
  const withTies = cursor.accept('WITH', 'TIES');
  return { count, percent, withTies };
}

/** `TOP (n)`, `TOP n`, `TOP @n`: never an expression without brackets, or `TOP 1 * …` would multiply. */
export function parseTopCount(cursor: Cursor): Expression {
  if (cursor.accept('(')) {
    const count = parseExpression(cursor);
    cursor.expect(')');
    return count;
  }
  const token = cursor.next();
  if (token.kind === 'variable') return { kind: 'variable', name: token.text, line: token.line };
  if (token.kind !== 'integer') throw cursor.error(token);
  return { kind: 'literal', literal: { type: { name: 'bigint' }, value: BigInt(token.text) }, text: token.text };
}

export function parseSelectItem(cursor: Cursor): SelectItem {
  if (cursor.accept('*')) return { kind: 'star', qualifier: undefined };
  const token = cursor.peek();
  if (token.kind === 'variable' && isAssignmentOperator(cursor.peek(1).text)) {
    cursor.next();
    const operator = cursor.next().text;
    return { kind: 'assign', variable: token.text, operator, value: parseExpression(cursor) };
  }
  const qualifier = parseQualifiedStar(cursor);
  if (qualifier !== undefined) return { kind: 'star', qualifier };
  if ((cursor.atIdentifier() || token.kind === 'string') && cursor.peek(1).upper === '=') {
    cursor.next();
    cursor.next();
    return { kind: 'expression', alias: token.text, value: parseExpression(cursor) };
  }
  const value = parseExpression(cursor);
  return { kind: 'expression', value, alias: parseAlias(cursor, true) };
}

function parseQualifiedStar(cursor: Cursor): Name | undefined {
  let ahead = 0;
  while (
    (cursor.peek(ahead).kind === 'word' || cursor.peek(ahead).kind === 'quoted') &&
    cursor.peek(ahead + 1).upper === '.'
  )
    ahead += 2;
  if (ahead === 0 || cursor.peek(ahead).upper !== '*') return undefined;
  const line = cursor.line();
  const parts: string[] = [];
  while (!cursor.accept('*')) {
    parts.push(cursor.identifier());
    cursor.expect('.');
  }
  return { parts, line };
}

/** `AS x`, `x`, and for columns also `AS 'x'`. */
function parseAlias(cursor: Cursor, allowString: boolean): string | undefined {
  const explicit = cursor.accept('AS');
  if (allowString && cursor.peek().kind === 'string' && (explicit || !cursor.peek().national))
    return cursor.next().text;
  if (explicit || cursor.atIdentifier()) return cursor.identifier();
  return undefined;
}

export function parseFrom(cursor: Cursor): TableReference[] {
  return cursor.list(() => parseJoined(cursor));
}

function parseJoined(cursor: Cursor): TableReference {
  let left = parseTableFactor(cursor);
  for (;;) {
    const type = parseJoinType(cursor);
    if (type === undefined) return left;
    const right = parseTableFactor(cursor);
    const needsCondition = type !== 'cross' && type !== 'cross apply' && type !== 'outer apply';
    if (needsCondition) {
      const nested = cursor.at('ON') ? right : parseNestedJoin(cursor, right);
      cursor.expect('ON');
      left = { kind: 'join', type, left, right: nested, on: parseCondition(cursor) };
    } else left = { kind: 'join', type, left, right, on: undefined };
  }
}

/** `a JOIN b JOIN c ON … ON …`: the inner join ends at its own ON. */
function parseNestedJoin(cursor: Cursor, first: TableReference): TableReference {
  const type = parseJoinType(cursor);
  if (type === undefined) throw cursor.error();
  let right = parseTableFactor(cursor);
  if (!cursor.at('ON')) right = parseNestedJoin(cursor, right);
  cursor.expect('ON');
  return { kind: 'join', type, left: first, right, on: parseCondition(cursor) };
}

function parseJoinType(cursor: Cursor): Extract<TableReference, { kind: 'join' }>['type'] | undefined {
  if (cursor.accept('JOIN') || cursor.accept('INNER', 'JOIN')) return 'inner';
  if (cursor.accept('LEFT', 'JOIN') || cursor.accept('LEFT', 'OUTER', 'JOIN')) return 'left';
  if (cursor.accept('RIGHT', 'JOIN') || cursor.accept('RIGHT', 'OUTER', 'JOIN')) return 'right';
  if (cursor.accept('FULL', 'JOIN') || cursor.accept('FULL', 'OUTER', 'JOIN')) return 'full';
  if (cursor.accept('CROSS', 'JOIN')) return 'cross';
  if (cursor.accept('CROSS', 'APPLY')) return 'cross apply';
  if (cursor.accept('OUTER', 'APPLY')) return 'outer apply';
  return undefined;
}

function parseTableFactor(cursor: Cursor): TableReference {
  if (cursor.at('(')) return parseBracketedTable(cursor);
  if (cursor.peek().kind === 'variable') {
    const token = cursor.next();
    return {
      kind: 'table',
      name: { parts: [token.text], line: token.line },
      alias: parseAlias(cursor, false),
      hints: [],
    };
  }
  const name = cursor.name();
  if (cursor.at('(') && !atOldHint(cursor)) {
    cursor.expect('(');
    const args = cursor.at(')') ? [] : cursor.list(() => parseExpression(cursor));
    cursor.expect(')');
    return { kind: 'function', name, arguments: args, alias: parseAlias(cursor, false) };
  }
  const alias = parseAlias(cursor, false);
  return { kind: 'table', name, alias, hints: parseHints(cursor) };
}

/** `FROM t (NOLOCK)`: a hint without WITH. */
function atOldHint(cursor: Cursor): boolean {
  return (
    ['NOLOCK', 'HOLDLOCK', 'UPDLOCK', 'TABLOCK', 'TABLOCKX', 'READPAST', 'ROWLOCK'].includes(cursor.peek(1).upper) &&
    [')', ','].includes(cursor.peek(2).upper)
  );
}

export function parseHints(cursor: Cursor): string[] {
  if (cursor.at('WITH', '(')) cursor.expect('WITH');
  else if (!(cursor.at('(') && atOldHint(cursor))) return [];
  cursor.expect('(');
  const hints = cursor.list(() => cursor.next().upper);
  cursor.expect(')');
  return hints;
}

function parseBracketedTable(cursor: Cursor): TableReference {
  cursor.expect('(');
  if (cursor.accept('VALUES')) {
    const rows = parseValueRows(cursor);
    cursor.expect(')');
    cursor.accept('AS');
    return { kind: 'values', rows, alias: cursor.identifier(), columns: parseColumnNames(cursor) };
  }
  if (cursor.atAny('SELECT', 'WITH') || cursor.at('(', 'SELECT')) {
    const query = parseQuery(cursor);
    cursor.expect(')');
    cursor.accept('AS');
    return { kind: 'derived', query, alias: cursor.identifier(), columns: parseColumnNames(cursor) };
  }
  const joined = parseJoined(cursor);
  cursor.expect(')');
  return joined;
}

export function parseValueRows(cursor: Cursor): ValueRow[] {
  return cursor.list(() => {
    cursor.expect('(');
    const row = cursor.list(() => (cursor.accept('DEFAULT') ? 'default' : parseExpression(cursor)));
    cursor.expect(')');
    return row;
  });
}
