/** Expressions and conditions by precedence: OR, AND, NOT, predicates, + - & | ^, * / %, unary, primary. */
import type { CallExpression, CaseBranch, ComparisonOperator, Condition, Expression, OrderItem } from './ast.ts';
import { syntaxError, type Token } from './lexer.ts';
import { isCondition } from './node-kind.ts';
import { isReserved, type Cursor } from './parser-core.ts';
import { parseType } from './parse-type.ts';
import { unsupported } from '../messages.ts';
import type { TypedValue } from '../values.ts';

type Node = Expression | Condition;
type Binary = Extract<Expression, { kind: 'binary' }>['operator'];

const comparisons: Readonly<Record<string, ComparisonOperator>> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
  '!<': '>=',
  '!>': '<=',
};

export function parseExpression(cursor: Cursor): Expression {
  const token = cursor.peek();
  const node = parseAdditive(cursor);
  if (isCondition(node)) throw cursor.error(token);
  return node;
}

export function parseCondition(cursor: Cursor): Condition {
  const node = parseOr(cursor);
  return asCondition(cursor, node);
}

function asCondition(cursor: Cursor, node: Node): Condition {
  if (isCondition(node)) return node;
  const token = cursor.peek();
  throw syntaxError(
    4145,
    token.line,
    token.kind === 'end' ? (cursor.tokens[cursor.tokens.length - 2]?.text ?? '') : token.text,
  );
}

function asExpression(cursor: Cursor, node: Node): Expression {
  if (isCondition(node)) throw cursor.error();
  return node;
}

function parseOr(cursor: Cursor): Node {
  let left = parseAnd(cursor);
  while (cursor.accept('OR'))
    left = { kind: 'or', left: asCondition(cursor, left), right: asCondition(cursor, parseAnd(cursor)) };
  return left;
}

function parseAnd(cursor: Cursor): Node {
  let left = parseNot(cursor);
  while (cursor.accept('AND'))
    left = { kind: 'and', left: asCondition(cursor, left), right: asCondition(cursor, parseNot(cursor)) };
  return left;
}

function parseNot(cursor: Cursor): Node {
  return cursor.accept('NOT')
    ? { kind: 'not', operand: asCondition(cursor, parseNot(cursor)) }
    : parsePredicate(cursor);
}

function parsePredicate(cursor: Cursor): Node {
  if (cursor.accept('EXISTS')) {
    cursor.expect('(');
    const query = cursor.grammar.query(cursor);
    cursor.expect(')');
    return { kind: 'exists', query };
  }
  const left = parseAdditive(cursor);
  const operator = comparisons[cursor.peek().upper];
  if (operator !== undefined) {
    cursor.next();
    return parseComparison(cursor, operator, asExpression(cursor, left));
  }
  if (cursor.accept('IS')) {
    const not = cursor.accept('NOT');
    cursor.expect('NULL');
    return { kind: 'is null', operand: asExpression(cursor, left), not };
  }
  const not = cursor.at('NOT') && ['IN', 'BETWEEN', 'LIKE'].includes(cursor.peek(1).upper) && cursor.accept('NOT');
  if (cursor.accept('IN')) return parseIn(cursor, asExpression(cursor, left), not);
  if (cursor.accept('BETWEEN')) {
    const low = parseExpression(cursor);
    cursor.expect('AND');
    return { kind: 'between', operand: asExpression(cursor, left), low, high: parseExpression(cursor), not };
  }
  if (cursor.accept('LIKE')) {
    const pattern = parseExpression(cursor);
    return {
      kind: 'like',
      operand: asExpression(cursor, left),
      pattern,
      escape: cursor.accept('ESCAPE') ? parseExpression(cursor) : undefined,
      not,
    };
  }
  return left;
}

function parseComparison(cursor: Cursor, operator: ComparisonOperator, left: Expression): Condition {
  if (cursor.atAny('ALL', 'ANY', 'SOME')) {
    const all = cursor.next().upper === 'ALL';
    cursor.expect('(');
    const query = cursor.grammar.query(cursor);
    cursor.expect(')');
    return { kind: 'quantified', operator, left, all, query };
  }
  return { kind: 'compare', operator, left, right: parseExpression(cursor) };
}

function parseIn(cursor: Cursor, operand: Expression, not: boolean): Condition {
  cursor.expect('(');
  if (cursor.atAny('SELECT', 'WITH')) {
    const query = cursor.grammar.query(cursor);
    cursor.expect(')');
    return { kind: 'in query', operand, query, not };
  }
  const items = cursor.list(() => parseExpression(cursor));
  cursor.expect(')');
  return { kind: 'in list', operand, items, not };
}

function parseAdditive(cursor: Cursor): Node {
  let left = parseMultiplicative(cursor);
  while (cursor.atAny('+', '-', '&', '|', '^')) {
    const operator = cursor.next().text as Binary;
    left = {
      kind: 'binary',
      operator,
      left: asExpression(cursor, left),
      right: asExpression(cursor, parseMultiplicative(cursor)),
    };
  }
  return left;
}

function parseMultiplicative(cursor: Cursor): Node {
  let left = parseUnary(cursor);
  while (cursor.atAny('*', '/', '%')) {
    const operator = cursor.next().text as Binary;
    left = {
      kind: 'binary',
      operator,
      left: asExpression(cursor, left),
      right: asExpression(cursor, parseUnary(cursor)),
    };
  }
  return left;
}

function parseUnary(cursor: Cursor): Node {
  if (!cursor.atAny('-', '+', '~')) return parseCollated(cursor);
  const operator = cursor.next().text as '-' | '+' | '~';
  return { kind: 'unary', operator, operand: asExpression(cursor, parseUnary(cursor)) };
}

function parseCollated(cursor: Cursor): Node {
  const node = parsePrimary(cursor);
  // Only the server's own order and the database default are built: case-insensitive, accent-sensitive.
  if (cursor.accept('COLLATE')) {
    const collation = cursor.identifier();
    if (!['DATABASE_DEFAULT', 'SQL_LATIN1_GENERAL_CP1_CI_AS'].includes(collation.toUpperCase()))
      throw unsupported(`COLLATE ${collation}`);
  }
  return node;
}

function parsePrimary(cursor: Cursor): Node {
  const token = cursor.peek();
  switch (token.kind) {
    case 'string':
    case 'integer':
    case 'decimal':
    case 'float':
    case 'binary':
      cursor.next();
      return { kind: 'literal', literal: literalValue(token), text: token.text };
    case 'variable':
      cursor.next();
      return { kind: 'variable', name: token.text, line: token.line };
    case 'global':
      cursor.next();
      return { kind: 'global', name: token.upper, line: token.line };
    case 'quoted':
      return parseNamed(cursor);
    case 'symbol':
      if (cursor.accept('(')) return parseBrackets(cursor);
      throw cursor.error();
    case 'word':
      return parseWord(cursor, token);
    case 'end':
      throw cursor.error();
  }
}

function parseBrackets(cursor: Cursor): Node {
  if (cursor.atAny('SELECT', 'WITH')) {
    const query = cursor.grammar.query(cursor);
    cursor.expect(')');
    return { kind: 'subquery', query };
  }
  const inner = parseOr(cursor);
  cursor.expect(')');
  return inner;
}

function parseWord(cursor: Cursor, token: Token): Expression {
  switch (token.upper) {
    case 'NULL':
      cursor.next();
      return { kind: 'literal', literal: { type: { name: 'int' }, value: null }, text: 'NULL' };
    case 'CASE':
      return parseCase(cursor);
    case 'CAST':
    case 'TRY_CAST':
      if (cursor.peek(1).upper === '(') return parseCast(cursor, token);
      break;
    case 'CONVERT':
    case 'TRY_CONVERT':
      return parseConvert(cursor, token);
    case 'IIF':
      if (cursor.peek(1).upper === '(') return parseIif(cursor);
      break;
    case 'CURRENT_TIMESTAMP':
      cursor.next();
      return call('GETDATE', [], token.line);
    case 'COALESCE':
    case 'NULLIF':
    case 'LEFT':
    case 'RIGHT':
    case 'USER':
      if (cursor.peek(1).upper === '(') {
        cursor.next();
        return parseCall(cursor, token.upper, token.line);
      }
      break;
    default:
  }
  if (isReserved(token)) throw cursor.error();
  return parseNamed(cursor);
}

function parseCase(cursor: Cursor): Expression {
  cursor.expect('CASE');
  const operand = cursor.at('WHEN') ? undefined : parseExpression(cursor);
  const branches: CaseBranch[] = [];
  while (cursor.accept('WHEN')) {
    const when = operand === undefined ? parseCondition(cursor) : parseExpression(cursor);
    cursor.expect('THEN');
    branches.push({ when, then: parseExpression(cursor) });
  }
  if (branches.length === 0) throw cursor.error();
  const otherwise = cursor.accept('ELSE') ? parseExpression(cursor) : undefined;
  cursor.expect('END');
  return { kind: 'case', operand, branches, otherwise };
}

function parseCast(cursor: Cursor, token: Token): Expression {
  cursor.next();
  cursor.expect('(');
  const operand = parseExpression(cursor);
  cursor.expect('AS');
  const type = parseType(cursor);
  cursor.expect(')');
  return {
    kind: 'cast',
    operand,
    type,
    style: undefined,
    onFailure: token.upper === 'CAST' ? 'error' : 'null',
    line: token.line,
  };
}

function parseConvert(cursor: Cursor, token: Token): Expression {
  cursor.next();
  cursor.expect('(');
  const type = parseType(cursor);
  cursor.expect(',');
  const operand = parseExpression(cursor);
  const style = cursor.accept(',') ? parseExpression(cursor) : undefined;
  cursor.expect(')');
  return {
    kind: 'cast',
    operand,
    type,
    style,
    onFailure: token.upper === 'CONVERT' ? 'error' : 'null',
    line: token.line,
  };
}

function parseIif(cursor: Cursor): Expression {
  cursor.next();
  cursor.expect('(');
  const condition = parseCondition(cursor);
  cursor.expect(',');
  const then = parseExpression(cursor);
  cursor.expect(',');
  const otherwise = parseExpression(cursor);
  cursor.expect(')');
  return { kind: 'iif', condition, then, otherwise };
}

/** A column, or a function call when `(` follows. */
function parseNamed(cursor: Cursor): Expression {
  const name = cursor.name();
  if (!cursor.at('(')) return { kind: 'column', name };
  const last = name.parts[name.parts.length - 1] ?? '';
  if (name.parts.length > 1 && !/^(sys|dbo)$/i.test(name.parts[0] ?? ''))
    throw unsupported(`function ${name.parts.join('.')}`);
  return parseCall(cursor, last.toUpperCase(), name.line);
}

function call(name: string, args: readonly Expression[], line: number): CallExpression {
  return { kind: 'call', name, arguments: args, distinct: false, star: false, over: undefined, line };
}

function parseCall(cursor: Cursor, name: string, line: number): Expression {
  cursor.expect('(');
  const distinct = cursor.accept('DISTINCT');
  if (!distinct) cursor.accept('ALL');
  const star = cursor.accept('*');
  const args = star || cursor.at(')') ? [] : cursor.list(() => parseExpression(cursor));
  cursor.expect(')');
  return { ...call(name, args, line), distinct, star, over: parseOver(cursor) };
}

function parseOver(cursor: Cursor): CallExpression['over'] {
  if (!cursor.accept('OVER')) return undefined;
  cursor.expect('(');
  const partitionBy = cursor.accept('PARTITION', 'BY') ? cursor.list(() => parseExpression(cursor)) : [];
  const orderBy = cursor.accept('ORDER', 'BY') ? cursor.list(() => parseOrderItem(cursor)) : [];
  cursor.expect(')');
  return { partitionBy, orderBy };
}

export function parseOrderItem(cursor: Cursor): OrderItem {
  const value = parseExpression(cursor);
  const descending = cursor.accept('DESC');
  if (!descending) cursor.accept('ASC');
  return { value, descending };
}

/** An integer literal beyond int is numeric, as on the server; the precision is the number of digits. */
function literalValue(token: Token): TypedValue {
  const text = token.text;
  if (token.kind === 'string') {
    const limit = token.national ? 4000 : 8000;
    return {
      type: {
        name: token.national ? 'nvarchar' : 'varchar',
        length: text.length > limit ? 'max' : Math.max(1, text.length),
      },
      value: text,
    };
  }
  if (token.kind === 'float') return { type: { name: 'float' }, value: Number(text) };
  if (token.kind === 'binary') {
    const even = text.length % 2 === 0 ? text : `0${text}`;
    return {
      type: { name: 'varbinary', length: Math.max(1, even.length / 2) },
      value: Uint8Array.from(even.match(/../g) ?? [], pair => parseInt(pair, 16)),
    };
  }
  if (token.kind === 'integer' && BigInt(text) <= 2147483647n) return { type: { name: 'int' }, value: BigInt(text) };
  const [whole = '', fraction = ''] = text.split('.');
  const digits = (whole + fraction).replace(/^0+(?=.)/, '');
  if (digits.length > 38) throw syntaxError(1007, token.line, text);
  const precision = Math.max(digits.length, fraction.length, 1);
  return {
    type: { name: 'decimal', precision, scale: fraction.length },
    value: { kind: 'decimal', unscaled: BigInt(digits || '0'), scale: fraction.length },
  };
}
