/** A batch → statements. Dispatch by the first word, control flow, transactions, and the small statements. */
import type { Condition, Expression, Statement, TransactionName } from './ast.ts';
import {
  parseDelete,
  parseExecute,
  parseInsert,
  parseProcedureCall,
  parseTruncate,
  parseUpdate,
} from './parse-change.ts';
import { parseAlter, parseCreate, parseDeclare, parseDrop, parseSet } from './parse-definition.ts';
import { parseCondition, parseExpression } from './parse-expression.ts';
import { parseMerge } from './parse-merge.ts';
import { parseQuery, parseWith } from './parse-query.ts';
import { parseBackup, parseRestore } from './parse-recovery.ts';
import { Cursor } from './parser-core.ts';
import { syntaxError } from './lexer.ts';
import { setNamesServer, setSpan, spanOf } from './source-span.ts';
import { unsupported } from '../messages.ts';

/** @throws SqlError with scope 'batch' and the line of the offending token: nothing of the batch runs. */
export function parseBatch(text: string): readonly Statement[] {
  const cursor = new Cursor(text, { query: parseQuery, statement: parseStatement });
  const statements: Statement[] = [];
  while (cursor.accept(';'));
  // A procedure's name alone may open a batch.
  if (cursor.atIdentifier() && !isStatementWord(cursor.peek().upper))
    statements.push(parseProcedureCall(cursor, cursor.line()));
  for (;;) {
    while (cursor.accept(';'));
    if (cursor.peek().kind === 'end') return statements;
    statements.push(parseStatement(cursor));
  }
}

/** One condition: a CHECK constraint's. */
export function parseConditionText(text: string): Condition {
  const cursor = new Cursor(text, { query: parseQuery, statement: parseStatement });
  const condition = parseCondition(cursor);
  if (cursor.peek().kind !== 'end') throw cursor.error();
  return condition;
}

/** One expression: a column's DEFAULT. */
export function parseExpressionText(text: string): Expression {
  const cursor = new Cursor(text, { query: parseQuery, statement: parseStatement });
  const expression = parseExpression(cursor);
  if (cursor.peek().kind !== 'end') throw cursor.error();
  return expression;
}

const simple: Readonly<Record<string, (cursor: Cursor) => Statement>> = {
  WITH: parseWithStatement,
  INSERT: cursor => parseInsert(cursor),
  UPDATE: cursor => parseUpdate(cursor),
  DELETE: cursor => parseDelete(cursor),
  TRUNCATE: parseTruncate,
  MERGE: parseMerge,
  CREATE: parseCreate,
  DROP: parseDrop,
  ALTER: parseAlter,
  DECLARE: parseDeclare,
  SET: parseSet,
  EXEC: parseExecute,
  EXECUTE: parseExecute,
  BACKUP: parseBackup,
  RESTORE: parseRestore,
  IF: parseIf,
  WHILE: parseWhile,
  BEGIN: parseBegin,
  COMMIT: cursor => parseEnd(cursor, 'commit'),
  ROLLBACK: cursor => parseEnd(cursor, 'rollback'),
  SAVE: cursor => parseEnd(cursor, 'save'),
  THROW: parseThrow,
  RAISERROR: parseRaiserror,
  PRINT: cursor => ({ kind: 'print', line: cursor.next().line, value: parseExpression(cursor) }),
  RETURN: parseReturn,
  WAITFOR: parseWaitfor,
  KILL: parseKill,
  USE: cursor => ({ kind: 'use', line: cursor.next().line, database: cursor.identifier() }),
  BREAK: cursor => ({ kind: 'break', line: cursor.next().line }),
  CONTINUE: cursor => ({ kind: 'continue', line: cursor.next().line }),
  RECONFIGURE: parseReconfigure,
};

const refusedWords = new Set(
  'GRANT REVOKE DENY OPEN CLOSE FETCH DEALLOCATE BULK SHUTDOWN CHECKPOINT DBCC GOTO REVERT'.split(' '),
);

/** The source of a statement, for the statement log. */
export function statementText(statement: Statement): string {
  const span = spanOf(statement);
  return span === undefined ? '' : span.text.slice(span.start, span.end);
}

function isStatementWord(word: string): boolean {
  return word in simple || word === 'SELECT' || refusedWords.has(word);
}

function parseStatement(cursor: Cursor): Statement {
  const { position, serverNames } = cursor;
  const statement = parseOne(cursor);
  setSpan(statement, cursor.span(position));
  if (cursor.serverNames > serverNames) setNamesServer(statement);
  cursor.accept(';');
  return statement;
}

function parseOne(cursor: Cursor): Statement {
  const token = cursor.peek();
  if (token.upper === 'SELECT' || token.upper === '(')
    return { kind: 'select', line: token.line, query: parseQuery(cursor) };
  const parse = simple[token.upper];
  if (parse !== undefined) return parse(cursor);
  if (refusedWords.has(token.upper)) throw unsupported(token.upper);
  throw cursor.error();
}

function parseWithStatement(cursor: Cursor): Statement {
  const start = cursor.position;
  const line = cursor.line();
  const common = parseWith(cursor);
  if (cursor.at('UPDATE')) return parseUpdate(cursor, common);
  if (cursor.at('DELETE')) return parseDelete(cursor, common);
  if (cursor.at('INSERT')) return parseInsert(cursor, common);
  cursor.position = start;
  return { kind: 'select', line, query: parseQuery(cursor) };
}

function parseIf(cursor: Cursor): Statement {
  const line = cursor.expect('IF').line;
  const condition = parseBranchCondition(cursor);
  const then = parseStatement(cursor);
  const otherwise = cursor.accept('ELSE') ? parseStatement(cursor) : undefined;
  return { kind: 'if', line, condition, then, otherwise };
}

/** The condition is executed apart from the statements that it decides about. */
function parseBranchCondition(cursor: Cursor): Condition {
  const { serverNames } = cursor;
  const condition = parseCondition(cursor);
  if (cursor.serverNames > serverNames) setNamesServer(condition);
  return condition;
}

function parseWhile(cursor: Cursor): Statement {
  const line = cursor.expect('WHILE').line;
  const condition = parseBranchCondition(cursor);
  return { kind: 'while', line, condition, body: parseStatement(cursor) };
}

function parseBegin(cursor: Cursor): Statement {
  const line = cursor.expect('BEGIN').line;
  if (cursor.accept('TRY')) {
    const body = parseUntil(cursor, 'END', 'TRY');
    cursor.accept(';');
    cursor.expect('BEGIN', 'CATCH');
    return { kind: 'try', line, body, handler: parseUntil(cursor, 'END', 'CATCH') };
  }
  const distributed = cursor.accept('DISTRIBUTED');
  if (cursor.accept('TRAN') || cursor.accept('TRANSACTION')) return parseBeginTransaction(cursor, line, distributed);
  if (distributed) throw cursor.error();
  const body = parseUntil(cursor, 'END');
  if (body.length === 0) throw cursor.error(cursor.tokens[cursor.position - 1]);
  return { kind: 'block', line, body };
}

function parseUntil(cursor: Cursor, ...end: readonly string[]): Statement[] {
  const body: Statement[] = [];
  for (;;) {
    while (cursor.accept(';'));
    if (cursor.accept(...end)) return body;
    if (cursor.peek().kind === 'end') throw cursor.error();
    body.push(parseStatement(cursor));
  }
}

function parseBeginTransaction(cursor: Cursor, line: number, distributed: boolean): Statement {
  const name = parseTransactionName(cursor);
  // A distributed transaction is marked by a BEGIN inside it on each instance (sqlserver.md §3.4).
  if (distributed || !cursor.accept('WITH', 'MARK'))
    return { kind: 'begin transaction', line, name, mark: undefined, distributed };
  // A mark without a transaction name is a syntax error (sqlserver.md §3.1: the name is mandatory).
  if (name === undefined) throw syntaxError(102, line, 'MARK');
  const token = cursor.peek();
  const description = token.kind === 'string' || token.kind === 'variable' ? parseExpression(cursor) : undefined;
  return { kind: 'begin transaction', line, name, mark: { description }, distributed };
}

/** Names longer than 32 characters are an error when literal and cut when they come from a variable (sqlserver.md §3.1). */
function parseTransactionName(cursor: Cursor): TransactionName {
  const token = cursor.peek();
  if (token.kind === 'variable') {
    cursor.next();
    return { kind: 'variable', name: token.text };
  }
  if (!cursor.atIdentifier() || token.upper === 'THROW') return undefined;
  const text = cursor.identifier();
  if (text.length > 32) throw syntaxError(103, token.line, 'identifier', text, '32');
  return { kind: 'text', text };
}

function parseEnd(cursor: Cursor, kind: 'commit' | 'rollback' | 'save'): Statement {
  const line = cursor.next().line;
  const named = cursor.accept('TRAN') || cursor.accept('TRANSACTION');
  if (!named && kind === 'save') throw cursor.error();
  if (!named) cursor.accept('WORK');
  const name = named ? parseTransactionName(cursor) : undefined;
  if (kind === 'save' && name === undefined) throw cursor.error();
  if (cursor.accept('WITH')) throw unsupported(`${kind.toUpperCase()} … WITH`);
  return { kind, line, name };
}

function parseThrow(cursor: Cursor): Statement {
  const line = cursor.expect('THROW').line;
  const token = cursor.peek();
  if (token.kind !== 'integer' && token.kind !== 'variable') return { kind: 'throw', line, arguments: undefined };
  const number = parseExpression(cursor);
  cursor.expect(',');
  const text = parseExpression(cursor);
  cursor.expect(',');
  return { kind: 'throw', line, arguments: [number, text, parseExpression(cursor)] };
}

function parseRaiserror(cursor: Cursor): Statement {
  const line = cursor.expect('RAISERROR').line;
  cursor.expect('(');
  const [text, severity, state, ...rest] = cursor.list(() => parseExpression(cursor));
  if (text === undefined || severity === undefined || state === undefined) throw cursor.error();
  cursor.expect(')');
  const options = cursor.accept('WITH') ? cursor.list(() => cursor.identifier().toUpperCase()) : [];
  return { kind: 'raiserror', line, text, severity, state, arguments: rest, options };
}

function parseReturn(cursor: Cursor): Statement {
  const line = cursor.expect('RETURN').line;
  const token = cursor.peek();
  const value =
    token.kind === 'integer' ||
    token.kind === 'variable' ||
    token.kind === 'global' ||
    token.upper === '-' ||
    token.upper === '('
      ? parseExpression(cursor)
      : undefined;
  return { kind: 'return', line, value };
}

function parseWaitfor(cursor: Cursor): Statement {
  const line = cursor.expect('WAITFOR').line;
  const what = cursor.accept('DELAY') ? 'delay' : cursor.accept('TIME') ? 'time' : undefined;
  if (what === undefined) throw unsupported('WAITFOR (…)');
  return { kind: 'waitfor', line, what, value: parseExpression(cursor) };
}

function parseKill(cursor: Cursor): Statement {
  const line = cursor.expect('KILL').line;
  const target = parseExpression(cursor);
  const option = ['STATUSONLY', 'COMMIT', 'ROLLBACK'].find(word => cursor.accept('WITH', word));
  return { kind: 'kill', line, target, option };
}

function parseReconfigure(cursor: Cursor): Statement {
  const line = cursor.expect('RECONFIGURE').line;
  cursor.accept('WITH', 'OVERRIDE');
  return { kind: 'reconfigure', line };
}
