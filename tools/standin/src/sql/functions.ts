/** Scalar functions: finding, counting arguments, NULL rules. The functions themselves are in functions-*.ts. */
import { fail, unsupported } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { CallExpression, Expression } from './ast.ts';
import type { Bound } from './bound.ts';
import { keyOf } from './compare.ts';
import { convert } from './convert.ts';
import { dateFunctions, isDatePartFunction } from './functions-date.ts';
import { mathFunctions } from './functions-math.ts';
import { systemFunctions } from './functions-system.ts';
import { textFunctions } from './functions-text.ts';
import type { ScalarFunction } from './scalar-function.ts';
import type { Run } from './session-state.ts';
import { isBinary, NAME } from './types.ts';

export type Typing = {
  resultType(alternatives: readonly Bound[]): SqlType;
  converted(bound: Bound, type: SqlType): Bound;
};

const functions: ReadonlyMap<string, ScalarFunction> = new Map([
  ...textFunctions,
  ...mathFunctions,
  ...dateFunctions,
  ...systemFunctions,
]);

export function bindFunction(
  run: Run,
  call: CallExpression,
  bind: (argument: Expression) => Bound,
  typing: Typing,
): Bound {
  const { name } = call;
  if (name === 'COALESCE' || name === 'ISNULL' || name === 'NULLIF')
    return bindNullFunction(name, call.arguments.map(bind), typing);
  const found = functions.get(name);
  if (found === undefined) throw fail(195, name.toLowerCase());
  const syntax = [...call.arguments];
  // DATEADD(day, …): the first argument is a word, not a column.
  const part = isDatePartFunction(name) ? datePart(syntax.shift()) : undefined;
  const given = syntax.length + (part === undefined ? 0 : 1);
  const [least, most] = found.arguments;
  if (given < least || given > most)
    throw least === most
      ? fail(174, name.toLowerCase(), String(least))
      : fail(189, name.toLowerCase(), String(least), String(most));
  return apply(run, found, syntax.map(bind), part);
}

function datePart(argument: Expression | undefined): string {
  if (argument?.kind !== 'column' || argument.name.parts.length !== 1)
    throw unsupported('a date part that is not a word');
  return (argument.name.parts[0] ?? '').toLowerCase();
}

function apply(run: Run, found: ScalarFunction, args: readonly Bound[], part: string | undefined): Bound {
  const parameters =
    found.parameters === undefined
      ? args
      : args.map((arg, i) => {
          const type = found.parameters?.[Math.min(i, found.parameters.length - 1)];
          return type === undefined ? arg : typingConvert(arg, type);
        });
  const types = args.map(arg => arg.type);
  const type = typeof found.type === 'function' ? found.type(args, part) : found.type;
  return {
    type,
    nullable: found.never !== 'null',
    constant: args.every(arg => arg.constant),
    evaluate: frame => {
      const values: SqlValue[] = [];
      for (const parameter of parameters) {
        const value = parameter.evaluate(frame);
        if (value === null && found.nulls !== 'kept') return null;
        values.push(value);
      }
      return found.evaluate(values, { run, types, type, part });
    },
  };
}

function typingConvert(bound: Bound, type: SqlType): Bound {
  return {
    type,
    nullable: bound.nullable,
    constant: bound.constant,
    evaluate: frame => convert(bound.evaluate(frame), bound.type, type),
  };
}

/** COALESCE takes the common type, ISNULL the first argument's, NULLIF the first's. */
function bindNullFunction(name: 'COALESCE' | 'ISNULL' | 'NULLIF', args: readonly Bound[], typing: Typing): Bound {
  const [first, second] = args;
  if (first === undefined || second === undefined || (name !== 'COALESCE' && args.length !== 2))
    throw fail(174, name.toLowerCase(), '2');
  const constant = args.every(arg => arg.constant);
  if (name === 'NULLIF') {
    const common = typing.resultType(args);
    const [a, b] = [typing.converted(first, common), typing.converted(second, common)];
    return {
      type: first.untypedNull === true ? NAME : first.type,
      nullable: true,
      constant,
      evaluate: frame => {
        const [x, y] = [a.evaluate(frame), b.evaluate(frame)];
        return x !== null && y !== null && keyOf(x, isBinary(common)) === keyOf(y, isBinary(common))
          ? null
          : first.evaluate(frame);
      },
    };
  }
  const type = name === 'ISNULL' && first.untypedNull !== true ? first.type : typing.resultType(args);
  const typed = args.map(arg => typing.converted(arg, type));
  return {
    type,
    nullable: args.every(arg => arg.nullable),
    constant,
    evaluate: frame => {
      for (const arg of typed) {
        const value = arg.evaluate(frame);
        if (value !== null) return value;
      }
      return null;
    },
  };
}
