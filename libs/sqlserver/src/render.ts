import { quoteLiteral } from './identifiers.ts';
import type { ParameterKind, Statement } from './statement.ts';

const declaredAs: Record<ParameterKind, string> = {
  name: 'nvarchar(128)',
  text: 'nvarchar(4000)',
  integer: 'int',
  digits: 'varchar(25)',
};

const literal = (kind: ParameterKind, value: unknown): string => {
  if (kind === 'integer') return String(value);
  return quoteLiteral(String(value));
};

/** The statement as one batch with its parameters declared: what an operator can paste, and what a step records as its command. */
export const renderStatement = <P extends object>(statement: Statement<P>, params: P = statement.example): string => {
  const values = params as Readonly<Record<string, unknown>>;
  const declarations = Object.entries(statement.inputs as Readonly<Record<string, ParameterKind>>).map(
    ([name, kind]) => `DECLARE @${name} ${declaredAs[kind]} = ${literal(kind, values[name])};\n`,
  );
  return `${declarations.join('')}${statement.text(params)}`;
};
