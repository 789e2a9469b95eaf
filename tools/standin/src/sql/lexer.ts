/** Text of a batch → tokens. Knows characters, not grammar. */
import { fail } from '../messages.ts';
import { SqlError } from '../messages.ts';

export type TokenKind =
  'word' | 'quoted' | 'string' | 'integer' | 'decimal' | 'float' | 'binary' | 'variable' | 'global' | 'symbol' | 'end';

export type Token = {
  readonly kind: TokenKind;
  /** Without quotes: the name or the text itself. Words keep their spelling. */
  readonly text: string;
  /** Upper-case text of words, globals and symbols; '' for everything that can never be a keyword. */
  readonly upper: string;
  /** N'…' */
  readonly national: boolean;
  readonly line: number;
  readonly start: number;
  readonly end: number;
};

const identifierStart = /[\p{L}_#]/u;
const identifierPart = /[\p{L}\p{Nd}_@#$]/u;
const symbols = ['<=', '>=', '<>', '!=', '!<', '!>', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '::'];
const singles = '+-*/%=<>(),.;:~&|^{}';

type Cursor = { offset: number; line: number };

/** Parse errors end the whole batch and carry the line of the offending token. */
export function syntaxError(number: number, line: number, ...args: readonly string[]): SqlError {
  const failure = fail(number, ...args);
  return new SqlError(
    failure.messages.map(each => ({ ...each, line })),
    'batch',
  );
}

export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const cursor: Cursor = { offset: 0, line: 1 };
  for (;;) {
    skipBlanks(text, cursor);
    const token = readToken(text, cursor);
    tokens.push(token);
    if (token.kind === 'end') return tokens;
    for (let i = token.start; i < token.end; i += 1) if (text.charCodeAt(i) === 10) cursor.line += 1;
    cursor.offset = token.end;
  }
}

function skipBlanks(text: string, cursor: Cursor): void {
  for (;;) {
    const c = text[cursor.offset];
    if (c === undefined) return;
    if (c === '\n') cursor.line += 1;
    if (/\s|\u0000|\uFEFF/.test(c)) cursor.offset += 1;
    else if (c === '-' && text[cursor.offset + 1] === '-') {
      const next = text.indexOf('\n', cursor.offset);
      cursor.offset = next < 0 ? text.length : next;
    } else if (c === '/' && text[cursor.offset + 1] === '*') skipComment(text, cursor);
    else return;
  }
}

/** Block comments nest. */
function skipComment(text: string, cursor: Cursor): void {
  const line = cursor.line;
  let depth = 0;
  do {
    if (cursor.offset >= text.length) throw syntaxError(113, line);
    const pair = text.slice(cursor.offset, cursor.offset + 2);
    if (pair === '/*') depth += 1;
    else if (pair === '*/') depth -= 1;
    else if (pair[0] === '\n') cursor.line += 1;
    cursor.offset += pair === '/*' || pair === '*/' ? 2 : 1;
  } while (depth > 0);
}

function readToken(text: string, cursor: Cursor): Token {
  const start = cursor.offset;
  const c = text[start];
  const make = (kind: TokenKind, content: string, end: number, national = false): Token => ({
    kind,
    text: content,
    upper: kind === 'word' || kind === 'global' || kind === 'symbol' ? content.toUpperCase() : '',
    national,
    line: cursor.line,
    start,
    end,
  });
  if (c === undefined) return make('end', '', start);
  if (c === "'" || ((c === 'N' || c === 'n') && text[start + 1] === "'")) {
    const national = c !== "'";
    const [content, end] = readQuoted(text, start + (national ? 1 : 0), "'", cursor.line);
    return make('string', content, end, national);
  }
  if (c === '[' || c === '"') {
    const [content, end] = readQuoted(text, start, c === '[' ? ']' : '"', cursor.line);
    if (content.length > 128) throw syntaxError(103, cursor.line, 'identifier', content.slice(0, 128), '128');
    return make('quoted', content, end);
  }
  if (c === '@') {
    const end = identifierEnd(text, text[start + 1] === '@' ? start + 2 : start + 1);
    return make(text[start + 1] === '@' ? 'global' : 'variable', text.slice(start, end), end);
  }
  if (/[0-9]/.test(c) || (c === '.' && /[0-9]/.test(text[start + 1] ?? ''))) return readNumber(text, start, make);
  if (c === '$' && /[0-9]/.test(text[start + 1] ?? '')) throw syntaxError(102, cursor.line, '$');
  if (identifierStart.test(c)) {
    const end = identifierEnd(text, start + 1);
    if (end - start > 128) throw syntaxError(103, cursor.line, 'identifier', text.slice(start, start + 128), '128');
    return make('word', text.slice(start, end), end);
  }
  const double = text.slice(start, start + 2);
  if (symbols.includes(double)) return make('symbol', double, start + 2);
  if (singles.includes(c)) return make('symbol', c, start + 1);
  throw syntaxError(102, cursor.line, c);
}

function identifierEnd(text: string, from: number): number {
  let end = from;
  while (end < text.length && identifierPart.test(text[end] ?? '')) end += 1;
  return end;
}

/** The server names the text twice: as unclosed, and as what it cannot go on from. */
function unclosed(line: number, text: string): SqlError {
  const both = [syntaxError(105, line, text), syntaxError(102, line, text.slice(0, 128))];
  return new SqlError(
    both.flatMap(each => each.messages),
    'batch',
  );
}

function readQuoted(text: string, start: number, close: string, line: number): readonly [string, number] {
  let content = '';
  let from = start + 1;
  for (;;) {
    const at = text.indexOf(close, from);
    if (at < 0) throw unclosed(line, content + text.slice(from));
    content += text.slice(from, at);
    if (text[at + 1] !== close) return [content, at + 1];
    content += close;
    from = at + 2;
  }
}

function readNumber(
  text: string,
  start: number,
  make: (kind: TokenKind, content: string, end: number) => Token,
): Token {
  // Of any length, as pymssql sends a value of 1 MB in the text of the statement; the other kinds are short.
  const binary = /0[xX][0-9a-fA-F]*/y;
  binary.lastIndex = start;
  const hex = binary.exec(text)?.[0];
  if (hex !== undefined) return make('binary', hex.slice(2), start + hex.length);
  const rest = text.slice(start, start + 400);
  const float = /^(\d+\.?\d*|\.\d+)[eE][+-]?\d+/.exec(rest);
  if (float) return make('float', float[0], start + float[0].length);
  const number = /^(\d+\.\d*|\.\d+|\d+)/.exec(rest)?.[0] ?? '';
  return make(number.includes('.') ? 'decimal' : 'integer', number, start + number.length);
}
