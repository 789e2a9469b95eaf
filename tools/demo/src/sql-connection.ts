import mssql from 'mssql';

export type SqlAddress = { readonly port: number; readonly user: string; readonly password: string };

/** An instance of the estate as its clients use it. */
export type SqlServer = {
  /** @@SERVERNAME. */
  readonly name: string;
  readonly address: SqlAddress;
  /** The group's databases that lie there. */
  readonly databases: readonly string[];
};

export type SqlRow = Readonly<Record<string, unknown>>;

/** One login on an instance of the sample estate; one statement at a time. */
export type SqlConnection = {
  /** Rows of the last result set. */
  rows(text: string): Promise<readonly SqlRow[]>;
  /** Rows of every result set. */
  resultSets(text: string): Promise<readonly (readonly SqlRow[])[]>;
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
  const resultSets = async (text: string): Promise<readonly (readonly SqlRow[])[]> => {
    const { recordsets } = await pool.request().batch<SqlRow>(text);
    // The driver's types do not know that a batch may answer no rows at all.
    return Array.isArray(recordsets) ? recordsets : [];
  };
  return {
    resultSets,
    rows: async text => (await resultSets(text)).at(-1) ?? [],
    close: () => pool.close(),
  };
}

/** Opens a connection to each, does the work and closes them all, also when one cannot be opened. */
export async function connected<Server extends Pick<SqlServer, 'address'>, Result>(
  servers: readonly Server[],
  program: string,
  work: (connections: readonly (readonly [Server, SqlConnection])[]) => Promise<Result>,
): Promise<Result> {
  const open: (readonly [Server, SqlConnection])[] = [];
  try {
    for (const server of servers) open.push([server, await connect(server.address, program)]);
    return await work(open);
  } finally {
    await Promise.all(open.map(([, connection]) => connection.close()));
  }
}

/** Whether the server itself said no: it has answered, and the connection is still there (class 20 and above end it). */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof mssql.RequestError)) return false;
  return error.code === 'EREQUEST' && error.number !== undefined && Number(error.class ?? 0) < 20;
}
