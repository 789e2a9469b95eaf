/** INSERT, UPDATE, DELETE, TRUNCATE and the EXECUTE forms (INSERT … EXEC needs them). */
import type {
  ArgumentSyntax,
  Assignment,
  ExecuteProcedure,
  ExecuteText,
  InsertStatement,
  Name,
  OutputClause,
  Query,
  Statement,
} from './ast.ts';
import { parseCondition, parseExpression } from './parse-expression.ts';
import {
  isAssignmentOperator,
  parseColumnNames,
  parseFrom,
  parseHints,
  parseQuery,
  parseQueryHints,
  parseSelectItem,
  parseTopCount,
  parseValueRows,
} from './parse-query.ts';
import type { Cursor } from './parser-core.ts';
import { fail, unsupported } from '../messages.ts';

/** Of INSERT … VALUES. */
const mostRows = 1000;

/** A table name or a table variable. */
function parseTarget(cursor: Cursor): Name {
  if (cursor.peek().kind !== 'variable') return cursor.name();
  const token = cursor.next();
  return { parts: [token.text], line: token.line };
}

function parseOutput(cursor: Cursor): OutputClause | undefined {
  if (!cursor.accept('OUTPUT')) return undefined;
  const items = cursor.list(() => parseSelectItem(cursor));
  const into = cursor.accept('INTO') ? parseTarget(cursor) : undefined;
  const intoColumns = into === undefined ? [] : parseColumnNames(cursor);
  return { items, into, intoColumns };
}

export function parseInsert(cursor: Cursor, common: Query['with'] = []): InsertStatement {
  const line = cursor.line();
  cursor.expect('INSERT');
  if (cursor.at('TOP')) throw unsupported('INSERT TOP');
  cursor.accept('INTO');
  const target = parseTarget(cursor);
  parseHints(cursor);
  const columns =
    cursor.at('(') && !['SELECT', 'WITH'].includes(cursor.peek(1).upper) ? parseColumnNames(cursor) : undefined;
  const output = parseOutput(cursor);
  return { kind: 'insert', line, target, columns, output, source: parseInsertSource(cursor, common) };
}

function parseInsertSource(cursor: Cursor, common: Query['with']): InsertStatement['source'] {
  if (cursor.accept('DEFAULT', 'VALUES')) return { kind: 'default values' };
  if (cursor.accept('VALUES')) {
    const rows = parseValueRows(cursor);
    // As a derived table it has no such limit (learn.microsoft.com: table value constructor).
    if (rows.length > mostRows) throw fail(10738);
    return { kind: 'values', rows };
  }
  if (cursor.atAny('EXEC', 'EXECUTE')) return { kind: 'execute', execute: parseExecute(cursor) };
  if (!cursor.atAny('SELECT', 'WITH', '(')) throw cursor.error();
  const query = parseQuery(cursor);
  return { kind: 'query', query: common.length > 0 ? { ...query, with: [...common, ...query.with] } : query };
}

export function parseUpdate(cursor: Cursor, common: Query['with'] = []): Statement {
  const line = cursor.line();
  cursor.expect('UPDATE');
  const top = cursor.accept('TOP') ? parseTopCount(cursor) : undefined;
  const target = parseTarget(cursor);
  const hints = parseHints(cursor);
  cursor.expect('SET');
  const assignments = cursor.list(() => parseAssignment(cursor));
  const output = parseOutput(cursor);
  const from = cursor.accept('FROM') ? parseFrom(cursor) : [];
  const where = parseWhere(cursor);
  return { kind: 'update', line, target, hints, top, assignments, from, where, output, with: common };
}

function parseWhere(cursor: Cursor): ReturnType<typeof parseCondition> | undefined {
  if (cursor.at('WHERE', 'CURRENT')) throw unsupported('WHERE CURRENT OF');
  const where = cursor.accept('WHERE') ? parseCondition(cursor) : undefined;
  parseQueryHints(cursor);
  return where;
}

export function parseAssignment(cursor: Cursor): Assignment {
  const token = cursor.peek();
  if (token.kind !== 'variable') return { ...parseColumnAssignment(cursor), variable: undefined };
  cursor.next();
  const operator = parseOperator(cursor);
  // `@v = column = expression` sets both.
  if (operator === '=' && cursor.atIdentifier() && isAssignmentOperator(cursor.peek(1).text))
    return { ...parseColumnAssignment(cursor), variable: token.text };
  return { kind: 'variable', name: token.text, operator, value: parseExpression(cursor) };
}

function parseColumnAssignment(cursor: Cursor): Omit<Extract<Assignment, { kind: 'column' }>, 'variable'> {
  const column = cursor.name();
  const operator = parseOperator(cursor);
  return { kind: 'column', column, operator, value: cursor.accept('DEFAULT') ? 'default' : parseExpression(cursor) };
}

function parseOperator(cursor: Cursor): string {
  const token = cursor.next();
  if (!isAssignmentOperator(token.text)) throw cursor.error(token);
  return token.text;
}

export function parseDelete(cursor: Cursor, common: Query['with'] = []): Statement {
  const line = cursor.line();
  cursor.expect('DELETE');
  const top = cursor.accept('TOP') ? parseTopCount(cursor) : undefined;
  cursor.accept('FROM');
  const target = parseTarget(cursor);
  const hints = parseHints(cursor);
  const output = parseOutput(cursor);
  const from = cursor.accept('FROM') ? parseFrom(cursor) : [];
  const where = parseWhere(cursor);
  return { kind: 'delete', line, target, hints, top, from, where, output, with: common };
}

export function parseTruncate(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('TRUNCATE', 'TABLE');
  return { kind: 'truncate', line, target: cursor.name() };
}

export function parseExecute(cursor: Cursor): ExecuteProcedure | ExecuteText {
  const line = cursor.line();
  if (!cursor.accept('EXEC')) cursor.expect('EXECUTE');
  if (cursor.accept('(')) {
    const text = parseExpression(cursor);
    if (cursor.at(',')) throw unsupported('EXECUTE (…, arguments)');
    cursor.expect(')');
    const at = cursor.accept('AT') ? cursor.identifier() : undefined;
    return { kind: 'execute text', line, text, at };
  }
  return parseProcedureCall(cursor, line);
}

/** Also the first statement of a batch without EXEC. */
export function parseProcedureCall(cursor: Cursor, line: number): ExecuteProcedure {
  let returnVariable: string | undefined;
  let procedure: ExecuteProcedure['procedure'];
  if (cursor.peek().kind === 'variable') {
    const token = cursor.next();
    if (cursor.accept('=')) {
      returnVariable = token.text;
      procedure = parseProcedureName(cursor);
    } else procedure = { variable: token.text };
  } else procedure = cursor.name();
  const args = atArgument(cursor) ? cursor.list(() => parseArgument(cursor)) : [];
  if (cursor.accept('WITH')) {
    if (cursor.accept('RECOMPILE'))
      return { kind: 'execute procedure', line, procedure, returnVariable, arguments: args };
    throw unsupported(`EXECUTE … WITH ${cursor.peek().text}`);
  }
  return { kind: 'execute procedure', line, procedure, returnVariable, arguments: args };
}

function parseProcedureName(cursor: Cursor): ExecuteProcedure['procedure'] {
  return cursor.peek().kind === 'variable' ? { variable: cursor.next().text } : cursor.name();
}

function atArgument(cursor: Cursor): boolean {
  const token = cursor.peek();
  if (token.kind === 'word')
    return cursor.at('NULL') || cursor.at('DEFAULT') || (cursor.atIdentifier() && !startsStatement(token.upper));
  return (
    ['string', 'integer', 'decimal', 'float', 'binary', 'variable', 'global', 'quoted'].includes(token.kind) ||
    token.upper === '-'
  );
}

/** Statement words that are not reserved: after EXEC p they begin the next statement rather than a bare-word argument. */
function startsStatement(word: string): boolean {
  return word === 'THROW' || word === 'GO';
}

/** An argument is a constant or a variable, never an expression; a bare word is a string. */
function parseArgument(cursor: Cursor): ArgumentSyntax {
  const token = cursor.peek();
  const name = token.kind === 'variable' && cursor.peek(1).upper === '=' ? token.text : undefined;
  if (name !== undefined) cursor.position += 2;
  if (cursor.accept('DEFAULT')) return { name, value: 'default', output: false };
  const value = parseArgumentValue(cursor);
  const output = cursor.accept('OUTPUT') || cursor.accept('OUT');
  return { name, value, output };
}

function parseArgumentValue(cursor: Cursor): Exclude<ArgumentSyntax['value'], 'default'> {
  const token = cursor.peek();
  if (cursor.atIdentifier()) {
    const text = cursor.identifier();
    return {
      kind: 'literal',
      literal: { type: { name: 'nvarchar', length: Math.max(1, text.length) }, value: text },
      text,
    };
  }
  if (cursor.accept('-')) return { kind: 'unary', operator: '-', operand: parseArgumentValue(cursor) };
  const next = cursor.peek(1);
  const value = parseExpression(cursor);
  // An operator after the constant is a syntax error at that operator on the server.
  if (value.kind !== 'literal' && value.kind !== 'variable' && value.kind !== 'global')
    throw cursor.error(token.kind === 'word' || token.kind === 'symbol' ? token : next);
  return value;
}
