/** sp_executesql and the prepared statements of the drivers; the same over RPC and in EXEC. */
import { fail } from '../messages.ts';
import type { SqlType, SqlValue, TypedValue } from '../values.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { convert } from './convert.ts';
import type { Levels } from './levels.ts';
import { Loader } from './loader.ts';
import { parseParameters, type DeclaredParameter } from './parse-parameters.ts';
import type { Argument } from './procedures.ts';
import type { Prepared, Run } from './session-state.ts';
import { INT } from './types.ts';

const TEXT: SqlType = { name: 'nvarchar', length: 'max' };

type BuiltIn = (run: Run, args: readonly Argument[], levels: Levels) => Promise<number>;

const builtIns: Readonly<Record<string, BuiltIn>> = {
  sp_executesql: (run, args, levels) => {
    const [text, declarations, ...values] = args;
    const parameters = declarations === undefined ? [] : parseParameters(textOf(declarations));
    return runText(run, { text: textOf(text), parameters }, values, levels);
  },
  sp_prepare: (run, args) => {
    const [handle, declarations, text] = args;
    giveHandle(run, handle, { parameters: parseParameters(textOf(declarations)), text: textOf(text) });
    return Promise.resolve(0);
  },
  sp_prepexec: async (run, args, levels) => {
    const [handle, declarations, text, ...values] = args;
    const prepared = { parameters: parseParameters(textOf(declarations)), text: textOf(text) };
    giveHandle(run, handle, prepared);
    return runText(run, prepared, values, levels);
  },
  sp_execute: (run, args, levels) => {
    const [handle, ...values] = args;
    return runText(run, preparedOf(run, handle), values, levels);
  },
  sp_unprepare: (run, args) => {
    preparedOf(run, args[0]);
    run.state.prepared.delete(handleOf(args[0]));
    return Promise.resolve(0);
  },
};

export function isBuiltIn(name: string): boolean {
  return Object.hasOwn(builtIns, name.toLowerCase());
}

export function callBuiltIn(run: Run, name: string, args: readonly Argument[], levels: Levels): Promise<number> {
  const builtIn = builtIns[name];
  if (builtIn === undefined) throw new Error(`${name} is not built in`);
  return builtIn(run, args, levels);
}

function valueOf(argument: Argument | undefined, type: SqlType): SqlValue {
  if (argument === undefined || argument.value === 'default') return null;
  return convert(argument.value.value, argument.value.type, type);
}

function textOf(argument: Argument | undefined): string {
  const value = valueOf(argument, TEXT);
  return typeof value === 'string' ? value : '';
}

function handleOf(argument: Argument | undefined): number {
  const value = valueOf(argument, INT);
  return typeof value === 'bigint' ? Number(value) : 0;
}

function preparedOf(run: Run, argument: Argument | undefined): Prepared {
  const handle = handleOf(argument);
  const prepared = run.state.prepared.get(handle);
  if (prepared === undefined) throw fail(8179, handle);
  return prepared;
}

function giveHandle(run: Run, argument: Argument | undefined, prepared: Prepared): void {
  const handle = run.state.nextHandle++;
  run.state.prepared.set(handle, prepared);
  argument?.output?.({ type: INT, value: BigInt(handle) });
}

async function runText(run: Run, prepared: Prepared, args: readonly Argument[], levels: Levels): Promise<number> {
  const given = assign(run, prepared, args);
  return levels.text(run, prepared.text, {
    home: run.home,
    parameters: given.map(({ parameter, value }): [string, TypedValue] => [
      parameter.name,
      { type: parameter.type, value },
    ]),
    after: variables => {
      for (const { parameter, argument } of given) {
        const variable = variables.get(parameter.name.toLowerCase());
        if (variable !== undefined) argument?.output?.({ type: parameter.type, value: variable.value });
      }
    },
  });
}

type Given = {
  readonly parameter: DeclaredParameter;
  readonly argument: Argument | undefined;
  readonly value: SqlValue;
};

/** Values by position until the first name (sqlserver drivers send either), then by name. */
function assign(run: Run, prepared: Prepared, args: readonly Argument[]): Given[] {
  const named = args.filter(argument => argument.name !== undefined && argument.name !== '');
  const positional = args.filter(argument => argument.name === undefined || argument.name === '');
  for (const { name } of named)
    if (!prepared.parameters.some(parameter => parameter.name.toLowerCase() === name?.toLowerCase()))
      throw fail(8145, name ?? '', 'sp_executesql');
  if (positional.length > prepared.parameters.length) throw fail(8144, 'sp_executesql');
  return prepared.parameters.map((parameter, i): Given => {
    const argument = positional[i] ?? named.find(each => each.name?.toLowerCase() === parameter.name.toLowerCase());
    if (argument !== undefined && argument.value !== 'default')
      return { parameter, argument, value: convert(argument.value.value, argument.value.type, parameter.type) };
    if (parameter.default === undefined)
      throw fail(8178, `(${prepared.parameters.map(each => each.name).join(',')})${prepared.text}`, parameter.name);
    const bound = bindExpression({ run, scope: undefined, loader: new Loader() }, parameter.default);
    return { parameter, argument, value: convert(bound.evaluate(EMPTY_FRAME), bound.type, parameter.type) };
  });
}
