/** The parameter list of sp_executesql and sp_prepare: `@a int, @b nvarchar(20) OUTPUT`. */
import { Cursor } from './parser-core.ts';
import { parseExpression } from './parse-expression.ts';
import { parseQuery } from './parse-query.ts';
import { parseType } from './parse-type.ts';
import type { SqlType } from '../values.ts';
import type { Expression } from './ast.ts';

export type DeclaredParameter = {
  readonly name: string;
  readonly type: SqlType;
  readonly output: boolean;
  readonly default: Expression | undefined;
};

export function parseParameters(text: string): readonly DeclaredParameter[] {
  const cursor = new Cursor(text, {
    query: parseQuery,
    statement: at => {
      throw at.error();
    },
  });
  if (cursor.peek().kind === 'end') return [];
  let ordinal = 0;
  const parameters = cursor.list(() => {
    const token = cursor.next();
    if (token.kind !== 'variable') throw cursor.error(token);
    cursor.accept('AS');
    const type = parseType(cursor, { ordinal: (ordinal += 1) });
    const fallback = cursor.accept('=') ? parseExpression(cursor) : undefined;
    const output = cursor.accept('OUTPUT') || cursor.accept('OUT');
    return { name: token.text, type, output, default: fallback };
  });
  if (cursor.peek().kind !== 'end') throw cursor.error();
  return parameters;
}
