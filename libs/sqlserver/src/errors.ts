import { type ErrorClass, isCertificateCode, meaningOf, meaningOfCode } from './error-table.ts';

/** One message of the server. `severity` 0–10 is information and arrives as 0 on the wire (sqlserver.md §1.3). */
export type ServerMessage = {
  readonly number: number;
  readonly severity: number;
  readonly state: number;
  readonly text: string;
};

export type Classified = {
  readonly errorClass: ErrorClass;
  readonly hint: string;
  /** Of the first cause; null when the driver itself failed. */
  readonly number: number | null;
  readonly severity: number | null;
  readonly code: string | null;
  readonly text: string;
  /** In causal order, first cause first; empty when the driver itself failed. */
  readonly messages: readonly ServerMessage[];
};

/**
 * An infrastructure failure: a statement or a connection that did not work. `messages` keeps what the server said, in its order.
 * The password never appears in it.
 */
export class SqlServerError extends Error {
  readonly errorClass: ErrorClass;
  readonly hint: string;
  readonly number: number | null;
  readonly severity: number | null;
  readonly code: string | null;
  readonly messages: readonly ServerMessage[];
  /** Name in the catalogue, or `connect`. */
  readonly statement: string;

  constructor(statement: string, classified: Classified, options?: ErrorOptions) {
    const source = classified.number === null ? (classified.code ?? 'driver') : `error ${classified.number}`;
    super(`${statement}: ${classified.text} (${source}, ${classified.errorClass})`, options);
    this.name = 'SqlServerError';
    this.statement = statement;
    this.errorClass = classified.errorClass;
    this.hint = classified.hint;
    this.number = classified.number;
    this.severity = classified.severity;
    this.code = classified.code;
    this.messages = classified.messages;
  }
}

/** The connection that held the group lock is gone: nothing more is sent through it, and nobody reconnects in silence (design.md §5). */
export class LockLost extends SqlServerError {
  constructor(statement: string, resource: string) {
    super(statement, {
      errorClass: 'lost',
      hint: 'Another process may own the lock by now: open it again, and read the positions again before the next step.',
      number: null,
      severity: null,
      code: 'LOCKLOST',
      text: `The connection that held ${resource} is gone`,
      messages: [],
    });
    this.name = 'LockLost';
  }
}

// These only say that the statement ended; the cause stands beside them (sqlserver.md §8.3; 1802: learn.microsoft.com, database engine errors).
const closingNumbers = new Set([1802, 3013, 3119, 5069]);

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;

const asNumber = (value: unknown): number | undefined => {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined;
};

const textOf = (error: unknown): string => {
  const message = field(error, 'message');
  return typeof message === 'string' && message !== '' ? message : String(error);
};

/** The driver keeps the server's fields on the error itself, on `info`, or on the original error's `info`. */
const serverMessage = (error: unknown): ServerMessage | undefined => {
  const original = field(error, 'originalError');
  const sources = [error, field(error, 'info'), original, field(original, 'info')];
  const source = sources.find(candidate => asNumber(field(candidate, 'number')) !== undefined);
  const number = asNumber(field(source, 'number'));
  if (number === undefined) return undefined;
  return {
    number,
    severity: asNumber(field(source, 'class')) ?? 16,
    state: asNumber(field(source, 'state')) ?? 0,
    text: textOf(error),
  };
};

const chainOf = (error: unknown): readonly ServerMessage[] => {
  const preceding = field(error, 'precedingErrors');
  const chain = [...(Array.isArray(preceding) ? (preceding as readonly unknown[]) : []), error];
  return chain.map(serverMessage).filter(message => message !== undefined);
};

const depthLimit = 6;

/** The driver says ESOCKET when a certificate is not accepted, and keeps the reason further down. */
const certificateCode = (error: unknown, depth = 0): string | undefined => {
  if (typeof error !== 'object' || error === null || depth > depthLimit) return undefined;
  const code = field(error, 'code');
  if (typeof code === 'string' && isCertificateCode(code)) return code;
  return certificateCode(field(error, 'originalError'), depth + 1) ?? certificateCode(field(error, 'cause'), depth + 1);
};

const codeOf = (error: unknown): string | undefined => {
  const refused = certificateCode(error);
  if (refused !== undefined) return refused;
  for (const candidate of [error, field(error, 'originalError')]) {
    const code = field(candidate, 'code');
    if (typeof code === 'string' && code !== 'EREQUEST') return code;
  }
  return undefined;
};

// A code that says the connection went away outranks a number: 596 or an error of severity 20 is followed by one.
const saysLost = (code: string | undefined): boolean => code !== undefined && meaningOfCode(code).errorClass === 'lost';

/** The first cause of anything the driver throws, and what it means. */
export const classify = (error: unknown): Classified => {
  const messages = chainOf(error);
  const cause = messages.find(message => !closingNumbers.has(message.number)) ?? messages[0];
  const code = codeOf(error);
  if (cause !== undefined && !saysLost(code)) {
    const { errorClass, hint } = meaningOf(cause.number, cause.severity, cause.text);
    return {
      errorClass,
      hint,
      number: cause.number,
      severity: cause.severity,
      code: code ?? null,
      text: cause.text,
      messages,
    };
  }
  const poolTimeout = field(error, 'name') === 'TimeoutError';
  const { errorClass, hint } = poolTimeout
    ? { errorClass: 'transient' as const, hint: 'All connections of the small pool were busy; send the same again.' }
    : meaningOfCode(code ?? '');
  return {
    errorClass,
    hint,
    number: cause?.number ?? null,
    severity: cause?.severity ?? null,
    code: code ?? null,
    text: cause?.text ?? textOf(error),
    messages,
  };
};

/** `secrets` are blotted out of every text, should a server or driver ever repeat one. */
export const sqlServerError = (statement: string, error: unknown, secrets: readonly string[]): SqlServerError => {
  if (error instanceof SqlServerError) return error;
  const blot = (text: string) =>
    secrets.filter(secret => secret !== '').reduce((result, secret) => result.replaceAll(secret, '***'), text);
  const classified = classify(error);
  const clean = {
    ...classified,
    text: blot(classified.text),
    messages: classified.messages.map(m => ({ ...m, text: blot(m.text) })),
  };
  // The driver's error is kept only when it cannot carry a secret: a logger prints causes as well.
  const harmless = secrets.every(secret => secret === '' || !textOf(error).includes(secret));
  return new SqlServerError(statement, clean, harmless ? { cause: error } : undefined);
};
