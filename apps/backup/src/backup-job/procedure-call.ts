/** What a procedure is called with: `DEFAULT` also stands for NULL, `OTHER` for a variable or anything else that only the server knows. */
export type Argument =
  | { readonly kind: 'TEXT' | 'NUMBER'; readonly value: string }
  | { readonly kind: 'DEFAULT' }
  | { readonly kind: 'OTHER' };

// One piece of T-SQL: what is to be ignored, a text, a name with its brackets, a number, a single sign.
const piece =
  /\s+|--[^\n]*|\/\*[\s\S]*?\*\/|N?'((?:[^']|'')*)'|\[((?:[^\]]|\]\])+)\]|(@?[\p{L}_#][\p{L}\p{N}_$#]*)|(-?\d+(?:\.\d+)?)|([\s\S])/giu;

type Token =
  | { readonly kind: 'TEXT' | 'NAME' | 'NUMBER' | 'SIGN'; readonly value: string }
  | { readonly kind: 'VARIABLE'; readonly value: string };

function tokensOf(command: string): readonly Token[] {
  const tokens: Token[] = [];
  for (const [, text, bracketed, word, number, sign] of command.matchAll(piece)) {
    if (text !== undefined) tokens.push({ kind: 'TEXT', value: text.replaceAll("''", "'") });
    else if (bracketed !== undefined) tokens.push({ kind: 'NAME', value: bracketed.replaceAll(']]', ']') });
    else if (word !== undefined) tokens.push({ kind: word.startsWith('@') ? 'VARIABLE' : 'NAME', value: word });
    else if (number !== undefined) tokens.push({ kind: 'NUMBER', value: number });
    else if (sign !== undefined) tokens.push({ kind: 'SIGN', value: sign });
  }
  return tokens;
}

const isSign = (token: Token | undefined, value: string): boolean => token?.kind === 'SIGN' && token.value === value;
const isWord = (token: Token | undefined, ...words: readonly string[]): boolean =>
  token?.kind === 'NAME' && words.includes(token.value.toUpperCase());

/** The arguments of the first call of the procedure in the text of a job step, by parameter; undefined when it is not called. */
export function callOf<Parameter extends string>(
  command: string,
  procedure: string,
  parameters: readonly Parameter[],
): ReadonlyMap<Parameter, Argument> | undefined {
  const tokens = tokensOf(command);
  for (const [index, token] of tokens.entries()) {
    if (!isWord(token, 'EXEC', 'EXECUTE')) continue;
    let at = index + 1;
    // `EXEC @result = procedure`
    if (tokens[at]?.kind === 'VARIABLE' && isSign(tokens[at + 1], '=')) at += 2;
    // Only the last part of a name of several is the procedure's.
    while (isSign(tokens[at + 1], '.')) at += isSign(tokens[at + 2], '.') ? 3 : 2;
    if (isWord(tokens[at], procedure.toUpperCase())) return argumentsFrom(tokens.slice(at + 1), parameters);
  }
  return undefined;
}

function argumentsFrom<Parameter extends string>(
  tokens: readonly Token[],
  parameters: readonly Parameter[],
): ReadonlyMap<Parameter, Argument> {
  const given = new Map<Parameter, Argument>();
  let at = 0;
  for (let place = 0; ; place += 1) {
    const [name, equals] = tokens.slice(at, at + 2);
    const isNamed = name?.kind === 'VARIABLE' && isSign(equals, '=');
    const parameter = isNamed
      ? parameters.find(each => each.toUpperCase() === name.value.toUpperCase())
      : parameters[place];
    if (isNamed) at += 2;
    const value = tokens[at];
    if (value === undefined || isSign(value, ';')) return given;
    if (parameter !== undefined) given.set(parameter, argumentOf(value));
    at += 1;
    if (!isSign(tokens[at], ',')) return given;
    at += 1;
  }
}

function argumentOf(token: Token): Argument {
  if (isWord(token, 'NULL', 'DEFAULT')) return { kind: 'DEFAULT' };
  // A bare word is text for a procedure's argument.
  if (token.kind === 'TEXT' || token.kind === 'NAME') return { kind: 'TEXT', value: token.value };
  return token.kind === 'NUMBER' ? { kind: 'NUMBER', value: token.value } : { kind: 'OTHER' };
}
