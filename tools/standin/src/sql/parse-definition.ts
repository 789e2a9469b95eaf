/** CREATE/DROP TABLE and DATABASE, ALTER DATABASE … SET, DECLARE, SET. */
import type { Name, SetStatement, Statement } from './ast.ts';
import { parseExpression } from './parse-expression.ts';
import { isAssignmentOperator } from './parse-query.ts';
import { parseAlterTable, parseCreateIndex, parseTableBody } from './parse-table.ts';
import { parseType } from './parse-type.ts';
import type { Cursor } from './parser-core.ts';
import { unsupported } from '../messages.ts';

export function parseCreate(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('CREATE');
  if (cursor.accept('TABLE')) {
    const table = cursor.name();
    return { kind: 'create table', line, table, ...parseTableBody(cursor) };
  }
  if (cursor.accept('DATABASE')) return parseCreateDatabase(cursor, line);
  if (cursor.atAny('UNIQUE', 'INDEX', 'CLUSTERED', 'NONCLUSTERED')) return parseCreateIndex(cursor, line);
  if (cursor.accept('LOGIN')) {
    const name = cursor.identifier();
    if (!cursor.accept('FROM', 'WINDOWS') || cursor.at('WITH'))
      throw unsupported(`CREATE LOGIN … ${cursor.peek().upper}`);
    return { kind: 'create login', line, name };
  }
  throw unsupported(`CREATE ${cursor.peek().text.toUpperCase()}`);
}

function parseCreateDatabase(cursor: Cursor, line: number): Statement {
  const database = cursor.identifier();
  const files: { log: boolean; options: Record<string, string> }[] = [];
  if (cursor.accept('ON')) {
    cursor.accept('PRIMARY');
    files.push(...cursor.list(() => ({ log: false, options: parseFile(cursor) })));
  }
  if (cursor.accept('LOG', 'ON')) files.push(...cursor.list(() => ({ log: true, options: parseFile(cursor) })));
  if (cursor.at('COLLATE') || cursor.at('FOR') || cursor.at('CONTAINMENT'))
    throw unsupported(`CREATE DATABASE … ${cursor.peek().upper}`);
  return { kind: 'create database', line, database, files };
}

/** `(NAME = a, FILENAME = 'D:\…', SIZE = 8MB)`; the values as written. */
function parseFile(cursor: Cursor): Record<string, string> {
  const options: Record<string, string> = {};
  cursor.expect('(');
  do {
    const key = cursor.identifier().toUpperCase();
    cursor.expect('=');
    const token = cursor.next();
    const unit = /^(KB|MB|GB|TB|UNLIMITED)$/.test(cursor.peek().upper) || cursor.at('%') ? cursor.next().upper : '';
    options[key] = token.text + unit;
  } while (cursor.accept(','));
  cursor.expect(')');
  return options;
}

export function parseDrop(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('DROP');
  if (cursor.accept('LOGIN')) return { kind: 'drop login', line, name: cursor.identifier() };
  const what = cursor.accept('TABLE') ? 'table' : cursor.accept('DATABASE') ? 'database' : undefined;
  if (what === undefined) throw unsupported(`DROP ${cursor.peek().text.toUpperCase()}`);
  const ifExists = cursor.accept('IF', 'EXISTS');
  return { kind: 'drop', line, what, ifExists, names: cursor.list(() => cursor.name()) };
}

export function parseAlter(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('ALTER');
  if (cursor.accept('TABLE')) return parseAlterTable(cursor, line);
  if (!cursor.accept('DATABASE')) throw unsupported(`ALTER ${cursor.peek().text.toUpperCase()}`);
  const database = cursor.identifier();
  if (!cursor.accept('SET')) throw unsupported(`ALTER DATABASE … ${cursor.peek().text.toUpperCase()}`);
  const option = cursor.identifier().toUpperCase();
  // FULL is reserved elsewhere; ON and OFF are no identifiers either.
  const reserved = ['FULL', 'ON', 'OFF'].find(word => cursor.accept(word));
  const value =
    reserved ?? (cursor.atIdentifier() && !cursor.at('WITH') ? cursor.identifier().toUpperCase() : undefined);
  if (cursor.at(',')) throw unsupported('ALTER DATABASE … SET with several options');
  return { kind: 'alter database', line, database, option, value, termination: parseTermination(cursor) };
}

function parseTermination(cursor: Cursor): Extract<Statement, { kind: 'alter database' }>['termination'] {
  if (!cursor.accept('WITH')) return undefined;
  if (cursor.accept('NO_WAIT')) return { kind: 'no wait' };
  cursor.expect('ROLLBACK');
  if (cursor.accept('IMMEDIATE')) return { kind: 'rollback immediate' };
  cursor.expect('AFTER');
  const token = cursor.next();
  if (token.kind !== 'integer') throw cursor.error(token);
  cursor.accept('SECONDS');
  return { kind: 'rollback after', seconds: Number(token.text) };
}

export function parseDeclare(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('DECLARE');
  const first = cursor.peek();
  if (first.kind !== 'variable') throw first.kind === 'word' ? unsupported(`DECLARE ${first.text}`) : cursor.error();
  if (cursor.peek(1).upper === 'TABLE' || (cursor.peek(1).upper === 'AS' && cursor.peek(2).upper === 'TABLE')) {
    cursor.next();
    cursor.accept('AS');
    cursor.expect('TABLE');
    return { kind: 'declare table', line, name: first.text, ...parseTableBody(cursor) };
  }
  let ordinal = 0;
  const variables = cursor.list(() => {
    const token = cursor.next();
    if (token.kind !== 'variable') throw cursor.error(token);
    cursor.accept('AS');
    const type = parseType(cursor, { ordinal: (ordinal += 1) });
    return { name: token.text, type, value: cursor.accept('=') ? parseExpression(cursor) : undefined };
  });
  return { kind: 'declare', line, variables };
}

/** Options that take ON or OFF; several may share one SET. The names a driver sends at login are in sqlserver.md §8.1. */
const switches = new Set(
  (
    'ANSI_NULLS ANSI_NULL_DFLT_ON ANSI_NULL_DFLT_OFF ANSI_PADDING ANSI_WARNINGS ARITHABORT ARITHIGNORE CONCAT_NULL_YIELDS_NULL CURSOR_CLOSE_ON_COMMIT IMPLICIT_TRANSACTIONS ' +
    'NOCOUNT NUMERIC_ROUNDABORT QUOTED_IDENTIFIER XACT_ABORT ANSI_DEFAULTS FMTONLY NOEXEC PARSEONLY'
  ).split(' '),
);

export function parseSet(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('SET');
  const token = cursor.peek();
  if (token.kind === 'variable') {
    cursor.next();
    const operator = cursor.next().text;
    if (!isAssignmentOperator(operator)) throw cursor.error();
    return { kind: 'set variable', line, name: token.text, operator, value: parseExpression(cursor) };
  }
  if (cursor.accept('TRANSACTION', 'ISOLATION', 'LEVEL'))
    return setWords(line, 'TRANSACTION ISOLATION LEVEL', parseIsolation(cursor));
  if (cursor.accept('IDENTITY_INSERT')) return { ...onOff(cursor, line, ['IDENTITY_INSERT'], cursor.name()) };
  if (switches.has(token.upper))
    return onOff(
      cursor,
      line,
      cursor.list(() => cursor.next().upper),
      undefined,
    );
  const option = cursor.identifier().toUpperCase();
  if (option === 'LANGUAGE' || option === 'DATEFORMAT')
    return setWords(line, option, [cursor.next().text.toUpperCase()]);
  if (['LOCK_TIMEOUT', 'TEXTSIZE', 'DATEFIRST', 'ROWCOUNT'].includes(option))
    return { kind: 'set', line, options: [option], value: parseExpression(cursor), table: undefined };
  // DEADLOCK_PRIORITY takes a word or a number; CONTEXT_INFO a binary: neither is built.
  throw unsupported(`SET ${option}`);
}

function setWords(line: number, option: string, words: readonly string[]): SetStatement {
  return { kind: 'set', line, options: [option], value: { words }, table: undefined };
}

function parseIsolation(cursor: Cursor): string[] {
  if (cursor.accept('SERIALIZABLE')) return ['SERIALIZABLE'];
  if (cursor.accept('SNAPSHOT')) return ['SNAPSHOT'];
  if (cursor.accept('REPEATABLE', 'READ')) return ['REPEATABLE', 'READ'];
  cursor.expect('READ');
  return ['READ', cursor.identifier().toUpperCase()];
}

function onOff(cursor: Cursor, line: number, options: readonly string[], table: Name | undefined): SetStatement {
  if (cursor.accept('ON')) return { kind: 'set', line, options, value: 'on', table };
  cursor.expect('OFF');
  return { kind: 'set', line, options, value: 'off', table };
}
