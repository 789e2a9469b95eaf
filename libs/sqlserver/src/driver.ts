import sql from 'mssql';
import { type Address, type Credentials, renderAddress, windowsAccount } from './address.ts';
import { isCertificateCode } from './error-table.ts';
import { type ServerMessage, type SqlServerError, sqlServerError } from './errors.ts';
import { decodeRows } from './rows.ts';
import type { Columns, ParameterKind, Row, Statement } from './statement.ts';

/** All in milliseconds. `cancelMs`: how long the server may take to honour a cancel before the socket is dropped (sqlserver.md §8.4). */
export type Timeouts = { readonly connectMs: number; readonly requestMs: number; readonly cancelMs: number };

/** Explicit, because the driver's 15 s and 5 s abort restores (sqlserver.md §8.1). */
export const defaultTimeouts: Timeouts = { connectMs: 15_000, requestMs: 60_000, cancelMs: 60_000 };

export type Target = { readonly address: Address; readonly credentials: Credentials; readonly timeouts: Timeouts };

export type PoolShape = {
  readonly programName: string;
  readonly max: number;
  /** Milliseconds; 0: none, for restores. */
  readonly requestMs: number;
  /** The one connection of an exclusive pool is never replaced; `onConnection` gets it before it connects. */
  readonly single: { readonly onConnection: (connection: Connection) => void } | undefined;
};

/** The driver's own connection: its end, and closing it under a running request. */
export type Connection = Parameters<NonNullable<sql.config['beforeConnect']>>[0];

export type Pool = InstanceType<typeof sql.ConnectionPool>;

const poolOptions = (shape: PoolShape): NonNullable<sql.config['pool']> =>
  shape.single === undefined
    ? { max: shape.max, min: 0, idleTimeoutMillis: 30_000 }
    : // A dead connection stays in the pool and every later request on it fails: that is the point (design.md §5).
      { max: 1, min: 1, validate: () => true };

/** With a domain the driver logs in by NTLM, without one by SQL login. */
const login = ({ user, password }: Target['credentials']): Pick<sql.config, 'domain' | 'user' | 'password'> => {
  const windows = windowsAccount(user);
  return windows === undefined ? { user, password } : { domain: windows.domain, user: windows.account, password };
};

const poolConfig = ({ address, credentials, timeouts }: Target, shape: PoolShape): sql.config => ({
  server: address.server,
  ...(address.port === null ? {} : { port: address.port }),
  // Always master: a connection whose database is a restore target makes the restore fail with 3101 (sqlserver.md §8.5).
  database: 'master',
  ...login(credentials),
  connectionTimeout: timeouts.connectMs,
  requestTimeout: shape.requestMs,
  pool: poolOptions(shape),
  options: {
    appName: shape.programName,
    encrypt: address.encrypt,
    trustServerCertificate: address.trustServerCertificate,
    cancelTimeout: timeouts.cancelMs,
    ...(address.instanceName === null ? {} : { instanceName: address.instanceName }),
  },
  ...(shape.single === undefined ? {} : { beforeConnect: shape.single.onConnection }),
});

/** The first sentence of a connection failure, for the person who has to mend it. `text`: what the driver said. */
export const whyNotReached = (address: Address, text: string): string => {
  const where = renderAddress(address);
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return `The host ${JSON.stringify(address.server)} is unknown here`;
  if (text.includes('ECONNREFUSED')) return `Nobody listens at ${where}`;
  if (/self[- ]signed|certificate|altnames/i.test(text)) return `The certificate of ${where} is not trusted`;
  if (/encrypt/i.test(text)) return `${where} and this connection do not agree about encryption`;
  return `Cannot connect to ${where}`;
};

const depthLimit = 6;

/** Messages and codes of an error and of everything inside it: the driver says "could not connect" and keeps the reason three levels down. */
const wholeText = (error: unknown, depth = 0): string => {
  if (typeof error !== 'object' || error === null || depth > depthLimit) return typeof error === 'string' ? error : '';
  const { message, code, cause, originalError, errors } = error as Readonly<Record<string, unknown>>;
  const inner = [originalError, cause, ...(Array.isArray(errors) ? (errors as readonly unknown[]) : [])];
  return [message, code]
    .filter(part => typeof part === 'string')
    .concat(inner.map(part => wholeText(part, depth + 1)))
    .join(' ');
};

/** Failures whose text does not say which instance it was. */
const needsPlace = ({ errorClass, code }: SqlServerError): boolean =>
  errorClass === 'lost' || code === 'EENCRYPT' || (code !== null && isCertificateCode(code));

/**
 * Connects at once. Throws SqlServerError: class `login` for refused credentials, a certificate that is not accepted and no agreement about
 * encryption, `lost` when nobody could be reached.
 */
export const openPool = async (target: Target, shape: PoolShape): Promise<Pool> => {
  const pool = new sql.ConnectionPool(poolConfig(target, shape));
  // Without a listener a connection that breaks while idle would end the process; the next request on it reports the failure.
  pool.on('error', () => undefined);
  try {
    return await pool.connect();
  } catch (error) {
    const known = sqlServerError('connect', error, [target.credentials.password]);
    if (!needsPlace(known)) throw known;
    const text = `${whyNotReached(target.address, wholeText(error))}: ${error instanceof Error ? error.message : String(error)}`;
    throw sqlServerError('connect', Object.assign(new Error(text, { cause: error }), { code: known.code }), [
      target.credentials.password,
    ]);
  }
};

const typeOf: Record<ParameterKind, () => sql.ISqlType> = {
  name: () => sql.NVarChar(128),
  text: () => sql.NVarChar(4000),
  integer: () => sql.Int(),
  digits: () => sql.VarChar(25),
};

const acceptable: Record<ParameterKind, (value: unknown) => boolean> = {
  name: value => typeof value === 'string' && value.length <= 128,
  text: value => typeof value === 'string' && value.length <= 4000,
  integer: value => Number.isInteger(value) && Math.abs(value as number) < 2 ** 31,
  digits: value => typeof value === 'string' && /^\d{1,25}$/.test(value),
};

export type Answer<C extends Columns> = {
  readonly rows: readonly Row<C>[];
  readonly messages: readonly ServerMessage[];
};

/** Sends one statement of the catalogue. `onMessage` hears information as it arrives. Throws SqlServerError. */
export const send = async <P extends object, C extends Columns>(
  pool: Pool,
  statement: Statement<P, C>,
  params: P,
  secrets: readonly string[],
  onMessage?: (message: ServerMessage) => void,
): Promise<Answer<C>> => {
  const request = new sql.Request(pool);
  for (const [name, kind] of Object.entries(statement.inputs as Readonly<Record<string, ParameterKind>>)) {
    const value = (params as Readonly<Record<string, unknown>>)[name];
    // The driver cuts or converts what does not fit; a cut name is another name.
    if (!acceptable[kind](value)) throw new TypeError(`${statement.name}: parameter ${name} is not a ${kind}.`);
    request.input(name, typeOf[kind](), value);
  }
  const messages: ServerMessage[] = [];
  request.on(
    'info',
    (info: { readonly number: number; readonly class: number; readonly state: number; readonly message: string }) => {
      const message = { number: info.number, severity: info.class, state: info.state, text: info.message };
      messages.push(message);
      onMessage?.(message);
    },
  );
  const text = statement.text(params);
  try {
    const result =
      statement.channel === 'query' ? await request.query<unknown>(text) : await request.batch<unknown>(text);
    const recordset: readonly unknown[] = (result.recordsets as readonly (readonly unknown[])[])[0] ?? [];
    return { rows: decodeRows(statement.name, statement.columns, recordset), messages };
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith(statement.name)) throw error;
    throw sqlServerError(statement.name, error, secrets);
  }
};
