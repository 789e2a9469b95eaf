/**
 * A part of a batch in the words of another instance: the same characters without the server's name, local variables as parameters under their
 * own names, and everything that means this session (@@SPID, DB_NAME(), SCOPE_IDENTITY()) or this moment (GETDATE()) as a parameter's value.
 */
import { fail, unsupported } from '../messages.ts';
import type { RpcParameter } from '../contract.ts';
import type { SqlType, SqlValue, TypedValue } from '../values.ts';
import type { Expression, Name } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { systemFunctions } from './functions-system.ts';
import { tokenize, type Token } from './lexer.ts';
import { Loader } from './loader.ts';
import type { Run } from './session-state.ts';
import { serverSpanOf, type Span } from './source-span.ts';

export type RemoteText = { readonly text: string; readonly parameters: readonly RpcParameter[] };

/** One moment for the whole statement, of this instance's clock. */
const moments = ['GETDATE', 'GETUTCDATE', 'SYSDATETIME', 'SYSUTCDATETIME', 'SYSDATETIMEOFFSET'];
const ofSession: ReadonlySet<string> = new Set([...systemFunctions.map(([name]) => name), ...moments]);

/**
 * @param names the four-part names inside, all of one server
 * @param assigned lower-case names of the variables whose values come back
 */
export function remoteText(
  run: Run,
  span: Span,
  names: readonly Name[],
  assigned: ReadonlySet<string> = new Set(),
): RemoteText {
  const source = span.text.slice(span.start, span.end);
  const cuts = names.flatMap(name => {
    if (name.parts[1] === '') throw unsupported('a four-part name without its database');
    const cut = serverSpanOf(name);
    return cut === undefined ? [] : [{ start: cut.start - span.start, end: cut.end - span.start }];
  });
  const parameters = new TextParameters(run, assigned);
  const tokens = tokenize(source);
  let text = '';
  let copied = 0;
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i];
    if (token === undefined) break;
    const cut = cuts.find(each => token.start >= each.start && token.end <= each.end);
    const replaced = cut === undefined ? replacement(parameters, tokens, i) : { text: '', tokens: 1 };
    if (replaced === undefined) continue;
    text += source.slice(copied, token.start) + replaced.text;
    i += replaced.tokens - 1;
    copied = tokens[i]?.end ?? token.end;
  }
  return { text: text + source.slice(copied), parameters: parameters.all() };
}

/** What stands there instead of the token; undefined: itself. */
function replacement(
  parameters: TextParameters,
  tokens: readonly Token[],
  at: number,
): { readonly text: string; readonly tokens: number } | undefined {
  const token = tokens[at];
  if (token === undefined) return undefined;
  if (token.kind === 'variable') {
    parameters.variable(token.text);
    return undefined;
  }
  if (token.kind === 'global')
    return { text: parameters.value({ kind: 'global', name: token.upper, line: token.line }), tokens: 1 };
  const behindDot = tokens[at - 1]?.upper === '.';
  if (token.kind !== 'word' || behindDot) return undefined;
  if (token.upper === 'CURRENT_TIMESTAMP') return { text: parameters.value(call('GETDATE', token.line)), tokens: 1 };
  if (!ofSession.has(token.upper) || tokens[at + 1]?.upper !== '(') return undefined;
  if (tokens[at + 2]?.upper !== ')') throw unsupported(`${token.upper} in a statement for a linked server`);
  return { text: parameters.value(call(token.upper, token.line)), tokens: 3 };
}

function call(name: string, line: number): Expression {
  return { kind: 'call', name, arguments: [], distinct: false, star: false, over: undefined, line };
}

/** Collects what the text needs from here. */
class TextParameters {
  readonly #run: Run;
  readonly #assigned: ReadonlySet<string>;
  readonly #parameters = new Map<string, RpcParameter>();
  #next = 1;

  constructor(run: Run, assigned: ReadonlySet<string>) {
    this.#run = run;
    this.#assigned = assigned;
  }

  variable(name: string): void {
    const key = name.toLowerCase();
    const variable = this.#run.variables.get(key);
    if (variable === undefined) throw fail(137, name);
    this.#parameters.set(key, { name: key, output: this.#assigned.has(key), value: { ...variable } });
  }

  /** @returns the name of the parameter that has the expression's value */
  value(expression: Expression): string {
    const bound = bindExpression({ run: this.#run, scope: undefined, loader: new Loader() }, expression);
    const name = freeName(this.#run, () => this.#next++);
    this.#parameters.set(name, {
      name,
      output: false,
      value: { type: bound.type, value: bound.evaluate(EMPTY_FRAME) },
    });
    return name;
  }

  all(): readonly RpcParameter[] {
    return [...this.#parameters.values()];
  }
}

/** A name that no variable of the batch has. */
export function freeName(run: Run, number: () => number): string {
  for (;;) {
    const name = `@p${number()}`;
    if (!run.variables.has(name)) return name;
  }
}

/** `[db].[schema].[object]` of a four-part name; an omitted schema stays omitted. */
export function remoteName(parts: readonly string[]): string {
  if (parts[1] === '') throw unsupported('a four-part name without its database');
  return parts
    .slice(1)
    .map(part => (part === '' ? '' : quoted(part)))
    .join('.');
}

export function quoted(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

export type RemoteValue = { readonly type: SqlType; readonly value: SqlValue } | 'default' | 'null';

/** `INSERT t (c) VALUES (@p1, DEFAULT), …`: one statement for at most 1000 rows. A bare NULL has no type to send. */
export function insertText(
  target: string,
  columns: readonly string[] | undefined,
  rows: readonly (readonly RemoteValue[])[],
): RemoteText {
  const parameters: RpcParameter[] = [];
  const place = (value: RemoteValue): string => {
    if (value === 'default' || value === 'null') return value.toUpperCase();
    const name = `@p${parameters.length + 1}`;
    const typed: TypedValue = value;
    parameters.push({ name, output: false, value: typed });
    return name;
  };
  const list = columns === undefined ? '' : ` (${columns.map(quoted).join(', ')})`;
  const values = rows.map(row => `(${row.map(place).join(', ')})`).join(', ');
  return { text: `INSERT ${target}${list} VALUES ${values}`, parameters };
}
