import type mssql from 'mssql';
import { StoreError } from './errors.ts';
import { sqlServerStoreError } from './sql-server-errors.ts';

/**
 * A database of SQL Server, made by its administrator, for one service alone: tables of two services would meet in it. The login owns its
 * schema (db_owner, or CREATE TABLE and ALTER ON SCHEMA::dbo with db_datareader and db_datawriter: learn.microsoft.com, Create tables).
 */
export type SqlServerLocation = {
  readonly address: {
    readonly server: string;
    /** Exactly one of port and instanceName may be set; neither: port 1433. */
    readonly port: number | null;
    readonly instanceName: string | null;
    readonly encrypt: boolean;
    readonly trustServerCertificate: boolean;
  };
  readonly database: string;
  /** By value, kept in memory only. `user`: a SQL login, or a Windows account as `DOMAIN\account`, which logs in by NTLMv2. */
  readonly credentials: { readonly user: string; readonly password: string };
  /** Longest wait for an answer; 30,000 when left out. */
  readonly requestMs?: number;
};

type Tedious = Parameters<NonNullable<mssql.config['beforeConnect']>>[0] & { readonly closed?: boolean };
type Value = string | number | bigint | Uint8Array | null;
export type SqlRow = Readonly<Record<string, Value>>;
export type SqlResult = { readonly rows: readonly SqlRow[]; readonly affected: number };

type ObjectResult = {
  readonly recordset?: readonly Readonly<Record<string, unknown>>[] & {
    readonly columns: Readonly<Record<string, { readonly type: unknown } | undefined>>;
  };
  readonly rowsAffected: readonly number[];
};
type ArrayResult = {
  readonly recordsets: readonly (readonly (readonly unknown[])[])[];
  readonly columns?: readonly (readonly { readonly name: string; readonly type: unknown }[])[];
  readonly rowsAffected: readonly number[];
};

/**
 * One connection and no other: the driver's pool would put a new one in the place of a broken one without a word, outside of the transaction
 * and without the application locks (sqlserver.md §8.5). Once broken it stays so; whoever wants to go on opens another.
 */
export class SqlSession {
  readonly #sql: typeof mssql;
  readonly #pool: mssql.ConnectionPool;
  readonly #connection: () => Tedious | undefined;
  #transaction: mssql.Transaction | undefined;
  #closed = false;

  /** @throws StoreError `cannot-open` when nobody answers or the login is refused. */
  static async open(location: SqlServerLocation, programName: string): Promise<SqlSession> {
    // Loaded here: a service on a file does without it.
    const { default: sql } = await import('mssql');
    let newest: Tedious | undefined;
    const pool = new sql.ConnectionPool(configOf(location, programName, made => (newest = made)));
    // Without a listener a connection that breaks while idle would end the process; the next request on it tells.
    pool.on('error', () => undefined);
    try {
      await pool.connect();
      // Another than the one that was tried: from here on it is the only one.
      await new sql.Request(pool).batch('select 1 as n');
    } catch (error) {
      void pool.close().catch(() => undefined);
      const { message } = sqlServerStoreError(error, 'The store could not be opened');
      throw new StoreError('cannot-open', message.replaceAll(location.credentials.password, '***'));
    }
    return new SqlSession(sql, pool, () => newest);
  }

  private constructor(sql: typeof mssql, pool: mssql.ConnectionPool, connection: () => Tedious | undefined) {
    this.#sql = sql;
    this.#pool = pool;
    this.#connection = connection;
  }

  get broken(): boolean {
    return this.#closed || this.#connection()?.closed === true;
  }

  get inTransaction(): boolean {
    return this.#transaction !== undefined;
  }

  async begin(): Promise<void> {
    const transaction = new this.#sql.Transaction(this.#pool);
    // Emitted too when the server ends it by itself; a deadlock is heard of by its error.
    transaction.on('rollback', () => undefined);
    await transaction.begin();
    this.#transaction = transaction;
  }

  /** Throws what the driver throws: whether it took place is the caller's to find out. */
  async commit(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    await transaction?.commit();
  }

  /** Also of a transaction that the server has ended already. A connection that cannot even do that is closed, which does the same. */
  async rollback(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    if (transaction === undefined) return;
    try {
      await transaction.rollback();
    } catch (error) {
      if (!hasCode(error, 'EABORT')) this.close();
    }
  }

  /** A batch of its own, whose SET options stay with the connection. */
  async batch(text: string): Promise<SqlResult> {
    const { recordset, rowsAffected } = (await this.#request().batch(text)) as unknown as ObjectResult;
    const affected = rowsAffected.reduce((total, each) => total + each, 0);
    const read = (name: string, value: unknown): Value => this.#readerOf(recordset?.columns[name]?.type)(value);
    const rows = (recordset ?? []).map(row =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, read(name, value)])),
    );
    return { affected, rows };
  }

  /** Parameters are @1, @2, … */
  async query(text: string, parameters: readonly unknown[] = []): Promise<SqlResult> {
    const request = this.#request();
    request.arrayRowMode = true;
    for (const [at, value] of parameters.entries()) this.#input(request, String(at + 1), value);
    return this.#answer(await request.query(text));
  }

  /** Ends the connection under whatever runs on it; the server rolls back what is open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection()?.close();
    void this.#pool.close().catch(() => undefined);
  }

  /** When nothing runs. */
  async end(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool.close();
  }

  #request(): mssql.Request {
    return this.#transaction === undefined
      ? new this.#sql.Request(this.#pool)
      : new this.#sql.Request(this.#transaction);
  }

  #input(request: mssql.Request, name: string, value: unknown): void {
    const { NVarChar, BigInt: Integer, Float, VarBinary, MAX } = this.#sql;
    // One length for all short texts: with the length of each value the server would keep a plan per length.
    if (value === null) request.input(name, NVarChar(4_000), null);
    else if (typeof value === 'string')
      request.input(name, value.length <= 4_000 ? NVarChar(4_000) : NVarChar(MAX), value);
    else if (typeof value === 'bigint') request.input(name, Integer, value);
    else if (typeof value === 'boolean') request.input(name, Integer, value ? 1 : 0);
    else if (typeof value === 'number' && Number.isSafeInteger(value)) request.input(name, Integer, value);
    else if (typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value))
      request.input(name, Float, value);
    else if (value instanceof Uint8Array) request.input(name, VarBinary(MAX), Buffer.from(value));
    else throw cannotBind(value);
  }

  #answer(result: mssql.IResult<unknown>): SqlResult {
    // Of arrays, whatever the types say: arrayRowMode.
    const { recordsets, columns = [], rowsAffected } = result as unknown as ArrayResult;
    const [rows = []] = recordsets;
    const [described = []] = columns;
    const affected = rowsAffected.reduce((total, each) => total + each, 0);
    const read = described.map(({ type }) => this.#readerOf(type));
    return {
      affected,
      rows: rows.map(row => Object.fromEntries(described.map(({ name }, at) => [name, read[at]?.(row[at]) ?? null]))),
    };
  }

  /** Numbers where they are exact, bigint beyond (the driver gives bigint columns as text: stack.md §2). */
  #readerOf(type: unknown): (value: unknown) => Value {
    const { BigInt: Integer } = this.#sql;
    return value => {
      if (value === null || value === undefined) return null;
      if (typeof value === 'boolean') return value ? 1 : 0;
      if (typeof value === 'string' && type !== Integer) return value;
      if (typeof value === 'string' || typeof value === 'bigint') {
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : BigInt(value);
      }
      if (typeof value === 'number' && (type !== this.#sql.Decimal || Number.isSafeInteger(value))) return value;
      if (value instanceof Uint8Array) return value;
      throw new StoreError('other', 'The store reads no dates and no decimals: keep them as text.');
    };
  }
}

function configOf(location: SqlServerLocation, programName: string, made: (connection: Tedious) => void): mssql.config {
  const { address, database, credentials, requestMs = 30_000 } = location;
  const [, domain, account] = /^([^\\]+)\\(.+)$/.exec(credentials.user) ?? [];
  return {
    server: address.server,
    ...(address.port === null ? {} : { port: address.port }),
    database,
    ...(domain === undefined || account === undefined ? { user: credentials.user } : { domain, user: account }),
    password: credentials.password,
    connectionTimeout: 15_000,
    requestTimeout: requestMs,
    pool: { max: 1, min: 1, validate: () => true },
    beforeConnect: made,
    options: {
      appName: programName,
      encrypt: address.encrypt,
      trustServerCertificate: address.trustServerCertificate,
      ...(address.instanceName === null ? {} : { instanceName: address.instanceName }),
    },
  };
}

export function hasCode(error: unknown, code: string): boolean {
  return Error.isError(error) && 'code' in error && error.code === code;
}

export function cannotBind(value: unknown): StoreError {
  const what =
    value instanceof Date ? 'a Date (store an RFC 3339 text)' : value === undefined ? 'undefined' : typeof value;
  return new StoreError('other', `Cannot bind ${what} to a statement of the store.`);
}
