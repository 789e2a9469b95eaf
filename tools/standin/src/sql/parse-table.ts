/** CREATE TABLE's body, ALTER TABLE … ADD and CREATE INDEX: columns, constraints, filters. */
import type { ColumnSyntax, Condition, ConstraintSyntax, IndexFilter, Statement } from './ast.ts';
import { parseCondition, parseExpression } from './parse-expression.ts';
import { parseType } from './parse-type.ts';
import type { Cursor } from './parser-core.ts';
import { isText } from './types.ts';
import { unsupported } from '../messages.ts';
import type { SqlType } from '../values.ts';

type Body = { columns: ColumnSyntax[]; constraints: ConstraintSyntax[] };

const constraintWords = ['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'FOREIGN', 'CHECK', 'INDEX'];

export function parseTableBody(cursor: Cursor): Body {
  const body: Body = { columns: [], constraints: [] };
  cursor.expect('(');
  do {
    if (cursor.at(')')) break;
    parseElement(cursor, body);
  } while (cursor.accept(','));
  cursor.expect(')');
  if (cursor.accept('ON')) cursor.identifier();
  return body;
}

function parseElement(cursor: Cursor, { columns, constraints }: Body): void {
  if (cursor.atAny(...constraintWords)) constraints.push(parseConstraint(cursor, undefined));
  else columns.push(parseColumn(cursor, constraints, columns.length + 1));
}

/** Behind ALTER TABLE. */
export function parseAlterTable(cursor: Cursor, line: number): Statement {
  const table = cursor.name();
  if (!cursor.accept('ADD')) throw unsupported(`ALTER TABLE … ${cursor.peek().upper}`);
  const body: Body = { columns: [], constraints: [] };
  do parseElement(cursor, body);
  while (cursor.accept(','));
  const [constraint] = body.constraints;
  if (constraint !== undefined) throw unsupported(`ALTER TABLE … ADD ${constraint.kind.toUpperCase()}`);
  return { kind: 'alter table', line, table, columns: body.columns };
}

/** Behind CREATE. */
export function parseCreateIndex(cursor: Cursor, line: number): Statement {
  const unique = cursor.accept('UNIQUE');
  if (cursor.at('CLUSTERED')) throw unsupported('CREATE CLUSTERED INDEX');
  cursor.accept('NONCLUSTERED');
  cursor.expect('INDEX');
  const name = cursor.identifier();
  cursor.expect('ON');
  const table = cursor.name();
  const columns = parseKeyColumns(cursor);
  // What an index holds beside its key changes no answer.
  if (cursor.accept('INCLUDE')) parseKeyColumns(cursor);
  const filter = cursor.accept('WHERE') ? filterOf(parseCondition(cursor)) : [];
  if (cursor.atAny('WITH', 'ON')) throw unsupported(`CREATE INDEX … ${cursor.peek().upper}`);
  return { kind: 'create index', line, name, table, unique, columns, filter };
}

/** `a IS NULL AND b IS NOT NULL`; other comparisons are refused. */
function filterOf(condition: Condition): readonly IndexFilter[] {
  if (condition.kind === 'and') return [...filterOf(condition.left), ...filterOf(condition.right)];
  if (condition.kind !== 'is null' || condition.operand.kind !== 'column')
    throw unsupported('an index filter other than IS NULL and IS NOT NULL');
  const { parts } = condition.operand.name;
  return [{ column: parts[parts.length - 1] ?? '', isNull: !condition.not }];
}

function parseKeyColumns(cursor: Cursor): string[] {
  cursor.expect('(');
  const columns = cursor.list(() => {
    const each = cursor.identifier();
    if (!cursor.accept('ASC')) cursor.accept('DESC');
    return each;
  });
  cursor.expect(')');
  return columns;
}

function parseColumn(cursor: Cursor, constraints: ConstraintSyntax[], ordinal: number): ColumnSyntax {
  const name = cursor.identifier();
  let type = parseType(cursor, { ordinal, column: name });
  let nullable: boolean | undefined;
  let identity: ColumnSyntax['identity'];
  let defaultText: string | undefined;
  for (;;) {
    if (cursor.accept('NULL')) nullable = true;
    else if (cursor.accept('NOT', 'NULL')) nullable = false;
    else if (cursor.accept('IDENTITY')) identity = parseIdentity(cursor);
    else if (cursor.accept('COLLATE')) type = collated(type, cursor.identifier());
    else if (cursor.at('DEFAULT') || (cursor.at('CONSTRAINT') && cursor.peek(2).upper === 'DEFAULT'))
      defaultText = parseDefault(cursor);
    else if (cursor.atAny('CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'REFERENCES', 'FOREIGN'))
      constraints.push(parseConstraint(cursor, name));
    else return { name, type, nullable, identity, defaultText };
  }
}

/** The server's own collation, or a binary one; what another would mean for comparisons is not built. */
function collated(type: SqlType, name: string): SqlType {
  if (!isText(type)) throw unsupported(`COLLATE of a ${type.name} column`);
  switch (name.toUpperCase()) {
    case 'DATABASE_DEFAULT':
    case 'SQL_LATIN1_GENERAL_CP1_CI_AS':
      return type;
    case 'LATIN1_GENERAL_BIN2':
    case 'LATIN1_GENERAL_100_BIN2':
      return { ...type, collation: 'binary' };
    default:
      throw unsupported(`COLLATE ${name}`);
  }
}

function parseIdentity(cursor: Cursor): { seed: bigint; increment: bigint } {
  if (!cursor.accept('(')) return { seed: 1n, increment: 1n };
  const seed = parseInteger(cursor);
  cursor.expect(',');
  const increment = parseInteger(cursor);
  cursor.expect(')');
  return { seed, increment };
}

function parseInteger(cursor: Cursor): bigint {
  const negative = cursor.accept('-');
  const token = cursor.next();
  if (token.kind !== 'integer') throw cursor.error(token);
  return negative ? -BigInt(token.text) : BigInt(token.text);
}

function parseDefault(cursor: Cursor): string {
  if (cursor.accept('CONSTRAINT')) cursor.identifier();
  cursor.expect('DEFAULT');
  const from = cursor.position;
  parseExpression(cursor);
  return cursor.source(from, cursor.position);
}

/** `column`: the column it is written beside. */
function parseConstraint(cursor: Cursor, column: string | undefined): ConstraintSyntax {
  const name = cursor.accept('CONSTRAINT') ? cursor.identifier() : undefined;
  if (cursor.accept('CHECK'))
    return { kind: 'check', name, columns: column === undefined ? [] : [column], ...parseCheck(cursor) };
  if (cursor.accept('FOREIGN', 'KEY'))
    return parseReference(cursor, name, cursor.at('(') ? parseKeyColumns(cursor) : [column ?? '']);
  if (cursor.at('REFERENCES') && column !== undefined) return parseReference(cursor, name, [column]);
  const kind = cursor.accept('PRIMARY', 'KEY') ? 'primary key' : cursor.accept('UNIQUE') ? 'unique' : undefined;
  if (kind === undefined) throw unsupported(`constraint ${cursor.peek().text.toUpperCase()}`);
  if (!cursor.accept('CLUSTERED')) cursor.accept('NONCLUSTERED');
  if (column !== undefined && !cursor.at('(')) return { kind, name, columns: [column] };
  return { kind, name, columns: parseKeyColumns(cursor) };
}

function parseCheck(cursor: Cursor): { readonly text: string } {
  cursor.expect('(');
  const from = cursor.position;
  parseCondition(cursor);
  const text = cursor.source(from, cursor.position);
  cursor.expect(')');
  return { text };
}

function parseReference(cursor: Cursor, name: string | undefined, columns: readonly string[]): ConstraintSyntax {
  cursor.expect('REFERENCES');
  const table = cursor.name();
  const toColumns = cursor.at('(') ? parseKeyColumns(cursor) : undefined;
  if (cursor.at('ON')) throw unsupported(`REFERENCES … ON ${cursor.peek(1).upper}`);
  return { kind: 'foreign key', name, columns, table, toColumns };
}
