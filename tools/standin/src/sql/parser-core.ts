/** The cursor that all parts of the recursive-descent parser share: look, take, expect, names and the syntax errors 102 and 156. */
import type { Name, Query, Statement } from './ast.ts';
import { syntaxError, tokenize, type Token } from './lexer.ts';
import type { SqlError } from '../messages.ts';
import { setServerSpan, type Span } from './source-span.ts';

/** Reserved words: never a name without brackets, and what turns error 102 into 156. Only those whose statement or clause a batch may contain. */
const reserved = new Set(
  (
    'ADD ALL ALTER AND ANY AS ASC BACKUP BEGIN BETWEEN BREAK BULK BY CASE CHECK CHECKPOINT CLOSE CLUSTERED COALESCE COLLATE COLUMN COMMIT CONSTRAINT CONTINUE CONVERT ' +
    'CREATE CROSS CURRENT_TIMESTAMP CURSOR DATABASE DEALLOCATE DECLARE DEFAULT DELETE DENY DESC DISTINCT DISTRIBUTED DROP ELSE END ESCAPE EXCEPT EXEC EXECUTE EXISTS EXIT FETCH ' +
    'FOR FOREIGN FROM FULL FUNCTION GOTO GRANT GROUP HAVING HOLDLOCK IDENTITY IDENTITY_INSERT IF IN INDEX INNER INSERT INTERSECT INTO IS JOIN KEY KILL LEFT LIKE MERGE ' +
    'NOCHECK NONCLUSTERED NOT NULL NULLIF OF OFF ON OPEN OPTION OR ORDER OUTER OVER PERCENT PIVOT PRIMARY PRINT PROC PROCEDURE RAISERROR READ RECONFIGURE REFERENCES RESTORE ' +
    'RETURN REVERT REVOKE RIGHT ROLLBACK SAVE SCHEMA SELECT SET SETUSER SHUTDOWN SOME TABLE THEN TO TOP TRAN TRANSACTION TRIGGER TRUNCATE TRY_CONVERT UNION UNIQUE UNPIVOT ' +
    'UPDATE USE USER VALUES VIEW WAITFOR WHEN WHERE WHILE WITH'
  ).split(' '),
);

export function isReserved(token: Token): boolean {
  return token.kind === 'word' && reserved.has(token.upper);
}

/** The two productions that expressions and control flow call back into; passed along so that the grammar files do not import each other in a circle. */
export type Grammar = { readonly query: (cursor: Cursor) => Query; readonly statement: (cursor: Cursor) => Statement };

export class Cursor {
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly grammar: Grammar;
  position = 0;
  /** Four-part names read so far. */
  serverNames = 0;

  constructor(text: string, grammar: Grammar) {
    this.text = text;
    this.tokens = tokenize(text);
    this.grammar = grammar;
  }

  peek(ahead = 0): Token {
    const token = this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)];
    if (token === undefined) throw new Error('the token list always ends with an end token');
    return token;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.position += 1;
    return token;
  }

  /** Are the next tokens these words or symbols (upper case)? Quoted names and strings never match. */
  at(...words: readonly string[]): boolean {
    return words.every((word, i) => this.peek(i).upper === word);
  }

  atAny(...words: readonly string[]): boolean {
    return words.some(word => this.at(word));
  }

  /** Takes the words when they are next. */
  accept(...words: readonly string[]): boolean {
    if (!this.at(...words)) return false;
    this.position += words.length;
    return true;
  }

  expect(...words: readonly string[]): Token {
    let token = this.peek();
    for (const word of words) {
      token = this.peek();
      if (token.upper !== word) throw this.error();
      this.position += 1;
    }
    return token;
  }

  /** 102 or 156 at the next token. */
  error(token: Token = this.peek()): SqlError {
    // At the end of the batch the server names the last token it read.
    const named = token.kind === 'end' ? (this.tokens[this.tokens.length - 2] ?? token) : token;
    if (isReserved(named)) return syntaxError(156, token.line, named.text);
    return syntaxError(102, token.line, named.text.slice(0, 128));
  }

  line(): number {
    return this.peek().line;
  }

  /** One identifier: a word that is not reserved, or a quoted name. */
  identifier(): string {
    const token = this.peek();
    if (token.kind !== 'quoted' && (token.kind !== 'word' || isReserved(token))) throw this.error();
    this.position += 1;
    if (token.kind === 'quoted' && token.text === '') throw syntaxError(1038, token.line);
    return token.text;
  }

  atIdentifier(): boolean {
    const token = this.peek();
    return token.kind === 'quoted' || (token.kind === 'word' && !isReserved(token));
  }

  /** `a`, `a.b`, `a..b`, up to four parts. */
  name(): Name {
    const { line, start } = this.peek();
    const parts = [this.identifier()];
    const { end } = this.peek();
    while (this.accept('.')) parts.push(this.at('.') ? '' : this.identifier());
    if (parts.length > 4) throw syntaxError(102, line, parts[4] ?? '.');
    const name: Name = { parts, line };
    if (parts.length === 4) {
      setServerSpan(name, { text: this.text, start, end });
      this.serverNames += 1;
    }
    return name;
  }

  /** `x, y, z` */
  list<T>(item: () => T): T[] {
    const items = [item()];
    while (this.accept(',')) items.push(item());
    return items;
  }

  /** The source text between two token positions, for DEFAULT expressions. */
  source(from: number, to: number): string {
    const { text, start, end } = this.span(from, to);
    return text.slice(start, end);
  }

  span(from: number, to: number = this.position): Span {
    const start = this.tokens[from]?.start ?? 0;
    return { text: this.text, start, end: this.tokens[to - 1]?.end ?? start };
  }
}
