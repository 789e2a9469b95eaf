const hidden = '[hidden]';
const connectionKey =
  'server|data source|addr(?:ess)?|network address|initial catalog|database|user ?id|uid|user|password|pwd|trusted_connection|integrated security|encrypt|trustservercertificate|multisubnetfailover|application name|connect(?:ion)? timeout';
const connectionPair = `(?:${connectionKey})\\s*=\\s*(?:"[^"]*"|'[^']*'|\\{[^}]*\\}|[^;\\r\\n"']*)`;

// Each entry: what gives a secret away in the text of an error, and what stands there afterwards.
const scrubs: readonly (readonly [RegExp, string])[] = [
  // Two or more key=value pairs in a row are a connection string, wherever the password stands in it.
  [new RegExp(`\\b${connectionPair}(?:\\s*;\\s*${connectionPair})+;?`, 'gi'), '[connection string]'],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'<>]*@/gi, `$1${hidden}@`],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, `$1 ${hidden}`],
  [/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g, hidden],
  [
    /(\b[\w-]*(?:password|passwd|pwd|secret|token|signature|authorization)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s;,&"']+)/gi,
    `$1${hidden}`,
  ],
];

/** Text without connection strings, credentials in URLs, bearer tokens and values of secret-looking keys. */
export function scrub(text: string): string {
  return scrubs.reduce((cleaned, [pattern, replacement]) => cleaned.replace(pattern, replacement), text);
}

/** An error and its causes on one line, with SQL Server's number and class or the system's code where there is one, scrubbed. */
export function safeMessage(error: unknown): string {
  const seen = new Set<unknown>();
  const parts: string[] = [];
  for (
    let current = error;
    current !== undefined && current !== null && !seen.has(current);
    current = causeOf(current)
  ) {
    seen.add(current);
    parts.push(describe(current));
  }
  return parts.length === 0 ? 'no error given' : parts.join('; caused by ');
}

/** Also for errors that another realm made, such as Node's own inside a test runner's context. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

function describe(error: unknown): string {
  if (!isError(error)) return typeof error === 'string' ? scrub(error) : `a thrown ${typeof error}`;
  const facts = (['number', 'class', 'code'] as const).flatMap(key => {
    const value: unknown = Reflect.get(error, key);
    return typeof value === 'number' || typeof value === 'string' ? [`${key} ${value}`] : [];
  });
  const inner = error instanceof AggregateError ? error.errors.map(each => describe(each)).join(' | ') : '';
  const text = [error.message === '' ? '' : scrub(error.message), inner === '' ? '' : `[${inner}]`].filter(
    each => each !== '',
  );
  const suffix = facts.length > 0 ? ` (${scrub(facts.join(', '))})` : '';
  return `${error.name}: ${text.length > 0 ? text.join(' ') : 'no message'}${suffix}`;
}

/** mssql keeps the driver's error in `originalError`, everybody else in `cause`. */
function causeOf(error: unknown): unknown {
  if (!isError(error)) return undefined;
  return error.cause ?? Reflect.get(error, 'originalError');
}
