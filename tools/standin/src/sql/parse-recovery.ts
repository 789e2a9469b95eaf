/** BACKUP and RESTORE: the syntax alone (sqlserver.md §1.1, §2.2). Which options exist and agree is decided in recovery-options.ts. */
import type { DeviceSyntax, Expression, RecoveryOption, Statement, TextOrVariable } from './ast.ts';
import { syntaxError } from './lexer.ts';
import { parseExpression } from './parse-expression.ts';
import type { Cursor } from './parser-core.ts';
import { unsupported } from '../messages.ts';

/** Every option word the server knows for the statement; another one is 155 without 3013 (sqlserver.md §1.4). */
const backupOptions = new Set(
  (
    'DIFFERENTIAL COPY_ONLY COMPRESSION NO_COMPRESSION CHECKSUM NO_CHECKSUM STOP_ON_ERROR CONTINUE_AFTER_ERROR INIT NOINIT FORMAT NOFORMAT SKIP NOSKIP EXPIREDATE RETAINDAYS NAME DESCRIPTION ' +
    'MEDIANAME MEDIADESCRIPTION STATS BLOCKSIZE BUFFERCOUNT MAXTRANSFERSIZE ENCRYPTION NORECOVERY STANDBY NO_TRUNCATE RESTART CREDENTIAL METADATA_ONLY SNAPSHOT'
  ).split(' '),
);
const restoreOptions = new Set(
  (
    'RECOVERY NORECOVERY STANDBY MOVE REPLACE RESTART RESTRICTED_USER FILE STATS CHECKSUM NO_CHECKSUM STOP_ON_ERROR CONTINUE_AFTER_ERROR MEDIANAME BLOCKSIZE BUFFERCOUNT MAXTRANSFERSIZE ' +
    'KEEP_REPLICATION KEEP_CDC ENABLE_BROKER ERROR_BROKER_CONVERSATIONS NEW_BROKER STOPAT STOPATMARK STOPBEFOREMARK LOADHISTORY'
  ).split(' '),
);

export function parseBackup(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('BACKUP');
  const what = cursor.accept('DATABASE') ? 'database' : cursor.accept('LOG') ? 'log' : undefined;
  if (what === undefined) throw unsupported(`BACKUP ${cursor.peek().text.toUpperCase()}`);
  const database = parseText(cursor);
  if (cursor.atAny('FILE', 'FILEGROUP', 'READ_WRITE_FILEGROUPS'))
    throw unsupported(`BACKUP DATABASE … ${cursor.peek().upper}`);
  cursor.expect('TO');
  const devices = cursor.list(() => parseDevice(cursor));
  const mirrored = cursor.accept('MIRROR');
  if (mirrored) throw unsupported('BACKUP … MIRROR TO');
  return {
    kind: 'backup',
    line,
    what,
    database,
    devices,
    mirrored,
    options: parseOptions(cursor, backupOptions, 'BACKUP'),
  };
}

const informations = {
  HEADERONLY: 'headeronly',
  FILELISTONLY: 'filelistonly',
  LABELONLY: 'labelonly',
  VERIFYONLY: 'verifyonly',
} as const;

export function parseRestore(cursor: Cursor): Statement {
  const line = cursor.line();
  cursor.expect('RESTORE');
  const word = cursor.peek().upper;
  if (word in informations) {
    const what = informations[word as keyof typeof informations];
    cursor.next();
    cursor.expect('FROM');
    const devices = cursor.list(() => parseDevice(cursor));
    return {
      kind: 'restore information',
      line,
      what,
      devices,
      options: parseOptions(cursor, restoreOptions, 'RESTORE'),
    };
  }
  const what = cursor.accept('DATABASE') ? 'database' : cursor.accept('LOG') ? 'log' : undefined;
  if (what === undefined) throw unsupported(`RESTORE ${cursor.peek().text.toUpperCase()}`);
  const database = parseText(cursor);
  if (cursor.atAny('FILE', 'FILEGROUP', 'PAGE', 'READ_WRITE_FILEGROUPS'))
    throw unsupported(`RESTORE DATABASE … ${cursor.peek().upper}`);
  const devices = cursor.accept('FROM') ? cursor.list(() => parseDevice(cursor)) : [];
  return { kind: 'restore', line, what, database, devices, options: parseOptions(cursor, restoreOptions, 'RESTORE') };
}

function parseText(cursor: Cursor): TextOrVariable {
  const token = cursor.peek();
  if (token.kind === 'variable') {
    cursor.next();
    return { kind: 'variable', name: token.text };
  }
  return { kind: 'text', text: cursor.identifier() };
}

function parseDevice(cursor: Cursor): DeviceSyntax {
  const type = cursor.accept('DISK') ? 'disk' : cursor.accept('URL') ? 'url' : undefined;
  if (type === undefined)
    throw unsupported(
      cursor.atIdentifier() ? `backup device ${cursor.peek().text}` : `device type ${cursor.peek().text}`,
    );
  cursor.expect('=');
  const token = cursor.next();
  if (token.kind === 'variable') return { type, path: { kind: 'variable', name: token.text } };
  if (token.kind !== 'string') throw cursor.error(token);
  return { type, path: { kind: 'text', text: token.text } };
}

function parseOptions(cursor: Cursor, known: ReadonlySet<string>, statement: string): RecoveryOption[] {
  return cursor.accept('WITH') ? cursor.list(() => parseOption(cursor, known, statement)) : [];
}

/** AFTER belongs to them alone (sqlserver.md §2.2). */
const marks = new Set(['STOPATMARK', 'STOPBEFOREMARK']);

function parseOption(cursor: Cursor, known: ReadonlySet<string>, statement: string): RecoveryOption {
  const token = cursor.next();
  const name = token.upper;
  if (token.kind !== 'word') throw cursor.error(token);
  if (!known.has(name)) throw syntaxError(155, token.line, token.text, statement);
  let value: Expression | undefined;
  let second: Expression | undefined;
  let detail: string | undefined;
  if (name === 'MOVE') {
    value = parseExpression(cursor);
    cursor.expect('TO');
    second = parseExpression(cursor);
  } else if (cursor.accept('=')) {
    value = parseExpression(cursor);
    if (marks.has(name) && cursor.accept('AFTER')) second = parseExpression(cursor);
  } else if (cursor.at('(')) detail = parseDetail(cursor);
  return { line: token.line, name, value, second, detail };
}

function parseDetail(cursor: Cursor): string {
  const from = cursor.position;
  cursor.expect('(');
  while (!cursor.accept(')')) {
    if (cursor.peek().kind === 'end') throw cursor.error();
    cursor.next();
  }
  return cursor.source(from + 1, cursor.position - 1);
}
