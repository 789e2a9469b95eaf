import mssql from 'mssql';

export type SqlAddress = { readonly port: number; readonly user: string; readonly password: string };

export type SqlRow = Readonly<Record<string, unknown>>;

/** One login on an instance of the sample estate; one statement at a time. */
export type SqlConnection = {
  /** Rows of the last result set. */
  rows(text: string): Promise<readonly SqlRow[]>;
  close(): Promise<void>;
};

/** Always one connection and no reconnect in secret: whoever uses it sees the loss. */
export async function connect(address: SqlAddress, program: string): Promise<SqlConnection> {
  const pool = new mssql.ConnectionPool({
    server: '127.0.0.1',
    port: address.port,
    user: address.user,
    password: address.password,
    database: 'master',
    // A dead connection stays in the pool and every later request on it fails.
    pool: { min: 1, max: 1, validate: () => true },
    connectionTimeout: 10_000,
    requestTimeout: 60_000,
    options: { encrypt: false, appName: program, useUTC: true },
  });
  // A lost connection is told by the request under way; without a listener the pool's event would end the process.
  pool.on('error', () => undefined);
  await pool.connect();
  return {
    async rows(text) {
      const { recordsets } = await pool.request().batch<SqlRow>(text);
      // The driver's types do not know that a batch may answer no rows at all.
      return (Array.isArray(recordsets) ? recordsets.at(-1) : undefined) ?? [];
    },
    close: () => pool.close(),
  };
}

/** Whether the server itself said no: it has answered, and the connection is still there (class 20 and above end it). */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof mssql.RequestError)) return false;
  return error.code === 'EREQUEST' && error.number !== undefined && Number(error.class ?? 0) < 20;
}
