/** EXEC: procedures written in TypeScript, the built-in sp_executesql family, and dynamic text; each is a level of its own. */
import { fail } from '../messages.ts';
import type { CallArgument } from '../computed-objects.ts';
import type { Database, NativeProcedure, ProcedureContext, ProcedureParameter } from '../contract.ts';
import type { SqlType, SqlValue, TypedValue } from '../values.ts';
import type { ArgumentSyntax, ExecuteProcedure, ExecuteText } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { callBuiltIn, isBuiltIn } from './built-in-procedures.ts';
import { captured, capturingSink } from './capture.ts';
import { EXECUTE_COMMAND } from './commands.ts';
import { convert, plainText } from './convert.ts';
import { splitName } from './functions-system.ts';
import type { Levels } from './levels.ts';
import { Loader } from './loader.ts';
import { resolveProcedure } from './object-names.ts';
import { callThere, executeThere } from './remote-call.ts';
import { serverOf } from './remote-plan.ts';
import { raise, valueOf } from './raise.ts';
import type { Run } from './session-state.ts';
import { INT } from './types.ts';

/** One value on its way into a procedure; `output` takes the value that comes back. */
export type Argument = {
  readonly name: string | undefined;
  readonly value: TypedValue | 'default';
  readonly output: ((value: TypedValue) => void) | undefined;
};

export async function executeStatement(
  run: Run,
  statement: ExecuteProcedure | ExecuteText,
  levels: Levels,
): Promise<void> {
  if (statement.kind === 'execute text') {
    const { value, type } = await valueOf(run, statement.text);
    const text = convert(value, type, { name: 'nvarchar', length: 'max' });
    if (statement.at !== undefined) await executeThere(run, statement.at, typeof text === 'string' ? text : '');
    else if (typeof text === 'string') await levels.text(run, text, { home: run.home });
    return;
  }
  const parts =
    'variable' in statement.procedure
      ? splitName(procedureName(run, statement.procedure.variable))
      : statement.procedure.parts;
  const args = statement.arguments.map(each => argumentOf(run, each));
  const status = await callProcedure(run, parts, args, levels);
  if (statement.returnVariable !== undefined)
    assignVariable(run, statement.returnVariable, { type: INT, value: BigInt(status) });
  run.sink.done({ command: EXECUTE_COMMAND });
}

function procedureName(run: Run, name: string): string {
  const variable = run.variables.get(name.toLowerCase());
  if (variable === undefined) throw fail(137, name);
  return plainText(variable.value, variable.type);
}

function assignVariable(run: Run, name: string, { type, value }: TypedValue): void {
  const variable = run.variables.get(name.toLowerCase());
  if (variable === undefined) throw fail(137, name);
  variable.value = convert(value, type, variable.type);
}

function argumentOf(run: Run, syntax: ArgumentSyntax): Argument {
  const { name, value } = syntax;
  if (value === 'default') return { name, value, output: undefined };
  const bound = bindExpression({ run, scope: undefined, loader: new Loader() }, value);
  if (syntax.output && value.kind !== 'variable') throw fail(179);
  const output =
    syntax.output && value.kind === 'variable'
      ? (result: TypedValue): void => assignVariable(run, value.name, result)
      : undefined;
  return { name, value: { type: bound.type, value: bound.evaluate(EMPTY_FRAME) }, output };
}

/** @returns the return status. Also the way in for named procedures over RPC. */
export async function callProcedure(
  run: Run,
  parts: readonly string[],
  args: readonly Argument[],
  levels: Levels,
): Promise<number> {
  const server = serverOf(run, parts);
  if (server !== undefined) return callThere(run, server, parts, args);
  const last = (parts[parts.length - 1] ?? '').toLowerCase();
  if (isBuiltIn(last)) return callBuiltIn(run, last, args, levels);
  const found = resolveProcedure(run, parts);
  if (found === undefined) throw fail(2812, parts.join('.'));
  return levels.guarded(run, { procedure: found.procedure.name, home: found.database }, inner =>
    runNative(inner, found.procedure, found.database, args, levels),
  );
}

async function runNative(
  run: Run,
  procedure: NativeProcedure,
  database: Database,
  args: readonly Argument[],
  levels: Levels,
): Promise<number> {
  const values = assignParameters(procedure, args);
  const status = await procedure.run(contextOf(run, procedure, database, values, levels));
  for (const { parameter, argument, value } of values.values())
    if (argument?.output !== undefined) argument.output({ type: parameter.type, value });
  return status;
}

type Given = { readonly parameter: ProcedureParameter; readonly argument: Argument | undefined; value: SqlValue };

/** By position until the first name, then by name; what is missing takes its default (201 when there is none). */
function assignParameters(procedure: NativeProcedure, args: readonly Argument[]): Map<string, Given> {
  const { parameters } = procedure;
  const keys = parameters.map(parameter => variableName(parameter.name));
  const given = new Map<string, Argument>();
  args.forEach((argument, i) => {
    const place = argument.name === undefined ? i : keys.indexOf(variableName(argument.name));
    const [parameter, key] = [parameters[place], keys[place]];
    if (parameter === undefined || key === undefined)
      throw argument.name === undefined ? fail(8144, procedure.name) : fail(8145, argument.name, procedure.name);
    if (given.has(key)) throw fail(8143, parameter.name);
    if (argument.output !== undefined && parameter.output !== true) throw fail(8162, parameter.name);
    given.set(key, argument);
  });
  return new Map(
    parameters.map((parameter, i): [string, Given] => {
      const key = keys[i] ?? '';
      const argument = given.get(key);
      if (argument !== undefined && argument.value !== 'default')
        return [key, { parameter, argument, value: argumentValue(argument.value, parameter.type) }];
      // An OUTPUT parameter need not be given.
      if (parameter.default === undefined && parameter.output !== true) throw fail(201, procedure.name, parameter.name);
      return [key, { parameter, argument, value: parameter.default ?? null }];
    }),
  );
}

function argumentValue(value: TypedValue, type: SqlType): SqlValue {
  return convert(value.value, value.type, type);
}

/** As variables are kept: lower case, with the @ that parameters may do without. */
function variableName(name: string): string {
  return (name.startsWith('@') ? name : `@${name}`).toLowerCase();
}

/** A statement of a level of its own, without its text: a set of backups makes thousands of these calls. */
async function call(
  run: Run,
  {
    parts,
    text,
    given,
  }: { readonly parts: readonly string[]; readonly text: string; readonly given: readonly CallArgument[] },
  levels: Levels,
): ReturnType<ProcedureContext['call']> {
  const inner = { ...run, sink: capturingSink(run.sink, captured()), level: run.level + 1, tryDepth: run.tryDepth + 1 };
  const outputs: SqlValue[] = [];
  const args = given.map(({ name, value, output }): Argument => {
    if (output !== true) return { name, value, output: undefined };
    const place = outputs.push(value.value) - 1;
    return { name, value, output: result => void (outputs[place] = convert(result.value, result.type, value.type)) };
  });
  const status = await levels.execution.called(inner, text, () => callProcedure(inner, parts, args, levels));
  return { status, outputs };
}

function contextOf(
  run: Run,
  procedure: NativeProcedure,
  database: Database,
  values: ReadonlyMap<string, Given>,
  levels: Levels,
): ProcedureContext {
  const find = (name: string): Given => {
    const found = values.get(variableName(name));
    if (found === undefined) throw new Error(`${procedure.name} has no parameter ${name}`);
    return found;
  };
  const parametersOf = (
    given: Readonly<Record<string, TypedValue>> | undefined,
  ): readonly (readonly [string, TypedValue])[] =>
    Object.entries(given ?? {}).map(([name, value]) => [variableName(name), value]);
  return {
    session: run.session,
    engine: run.engine,
    database,
    // A getter: INSERT … EXEC and query() change where results go.
    get sink() {
      return run.sink;
    },
    argument: name => find(name).value,
    output: (name, value) => {
      find(name).value = value;
    },
    query: async (text, parameters) => {
      const rows = captured();
      await levels.text(run, text, {
        home: database,
        parameters: parametersOf(parameters),
        sink: capturingSink(run.sink, rows),
        throws: true,
      });
      return rows.sets.flatMap(set =>
        set.rows.map(row => Object.fromEntries(set.columns.map((column, i) => [column.name, row[i] ?? null]))),
      );
    },
    call: (parts, text, given) => call({ ...run, home: database }, { parts, text, given }, levels),
    execute: (text, parameters) =>
      levels
        .text(run, text, { home: database, parameters: parametersOf(parameters), throws: true })
        .then(() => undefined),
    raise: each => raise(run, { procedure: procedure.name, line: 1, ...each }),
  };
}
