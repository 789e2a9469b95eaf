/** MERGE … USING … ON … WHEN MATCHED … WHEN NOT MATCHED …; */
import type { MergeStatement } from './ast.ts';
import { parseAssignment } from './parse-change.ts';
import { parseCondition, parseExpression } from './parse-expression.ts';
import { parseColumnNames, parseFrom, parseHints } from './parse-query.ts';
import type { Cursor } from './parser-core.ts';
import { syntaxError } from './lexer.ts';
import { unsupported } from '../messages.ts';

export function parseMerge(cursor: Cursor): MergeStatement {
  const line = cursor.line();
  cursor.expect('MERGE');
  if (cursor.at('TOP')) throw unsupported('MERGE TOP');
  cursor.accept('INTO');
  const name = cursor.name();
  const hints = parseHints(cursor);
  if (!cursor.at('USING')) cursor.accept('AS');
  const alias = cursor.at('USING') ? undefined : cursor.identifier();
  cursor.expect('USING');
  const [source, ...others] = parseFrom(cursor);
  if (source === undefined || others.length > 0 || source.kind === 'join')
    throw unsupported('MERGE from several tables');
  cursor.expect('ON');
  const on = parseCondition(cursor);
  let matched: MergeStatement['matched'];
  let notMatched: MergeStatement['notMatched'];
  while (cursor.accept('WHEN')) {
    if (cursor.accept('MATCHED')) {
      if (matched !== undefined) throw unsupported('MERGE with several WHEN MATCHED');
      matched = parseMatched(cursor);
      continue;
    }
    cursor.expect('NOT', 'MATCHED');
    if (cursor.at('BY', 'SOURCE')) throw unsupported('MERGE … WHEN NOT MATCHED BY SOURCE');
    cursor.accept('BY', 'TARGET');
    if (notMatched !== undefined) throw syntaxError(102, line, 'NOT MATCHED');
    notMatched = parseNotMatched(cursor);
  }
  if (matched === undefined && notMatched === undefined) throw cursor.error();
  if (cursor.at('OUTPUT')) throw unsupported('MERGE … OUTPUT');
  if (!cursor.at(';')) throw syntaxError(10713, line);
  return { kind: 'merge', line, target: { kind: 'table', name, alias, hints }, source, on, matched, notMatched };
}

function parseMatched(cursor: Cursor): MergeStatement['matched'] {
  const and = cursor.accept('AND') ? parseCondition(cursor) : undefined;
  cursor.expect('THEN');
  if (cursor.accept('DELETE')) return { kind: 'delete', and };
  cursor.expect('UPDATE', 'SET');
  return { kind: 'update', and, assignments: cursor.list(() => parseAssignment(cursor)) };
}

function parseNotMatched(cursor: Cursor): MergeStatement['notMatched'] {
  const and = cursor.accept('AND') ? parseCondition(cursor) : undefined;
  cursor.expect('THEN', 'INSERT');
  const columns = cursor.at('(') ? parseColumnNames(cursor) : undefined;
  cursor.expect('VALUES', '(');
  const values = cursor.list(() => parseExpression(cursor));
  cursor.expect(')');
  return { and, columns, values };
}
