/** DECLARE and SET @v. */
import { fail } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import { bindAssignment } from './arithmetic.ts';
import type { Statement } from './ast.ts';
import { checkImplicit } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound } from './bound.ts';
import { convert } from './convert.ts';
import { valueOf } from './raise.ts';
import type { Run } from './session-state.ts';

export async function declare(run: Run, statement: Extract<Statement, { kind: 'declare' }>): Promise<void> {
  for (const { name, type, value } of statement.variables) {
    const key = name.toLowerCase();
    // A DECLARE inside a loop runs again and keeps the variable; a second DECLARE elsewhere is an error.
    const declared = run.declared.get(key);
    if (
      (declared !== undefined && declared !== statement) ||
      run.tableVariables.has(key) ||
      (declared === undefined && run.variables.has(key))
    )
      throw fail(134, name);
    run.declared.set(key, statement);
    const variable = run.variables.get(key) ?? { type, value: null };
    run.variables.set(key, variable);
    if (value === undefined) continue;
    const given = await valueOf(run, value);
    variable.value = assign(type, given.value, given.type);
  }
}

/** Text too long for a variable is cut without complaint. */
function assign(type: SqlType, value: SqlValue, from: SqlType): SqlValue {
  if (value === null) return null;
  checkImplicit(from, type);
  return convert(value, from, type);
}

export async function setVariable(run: Run, statement: Extract<Statement, { kind: 'set variable' }>): Promise<void> {
  const variable = run.variables.get(statement.name.toLowerCase());
  if (variable === undefined) throw fail(137, statement.name);
  const { value, type } = await valueOf(run, statement.value);
  if (statement.operator === '=') {
    variable.value = assign(variable.type, value, type);
    return;
  }
  const constant = (each: SqlValue, of: SqlType): Bound => ({
    type: of,
    nullable: true,
    constant: true,
    evaluate: () => each,
  });
  const result = bindAssignment(statement.operator, constant(variable.value, variable.type), constant(value, type));
  variable.value = assign(variable.type, result.evaluate(EMPTY_FRAME), result.type);
}
