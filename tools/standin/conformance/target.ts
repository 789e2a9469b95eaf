import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import mssql from 'mssql';
import { standinMain } from '../test/standin-main.ts';
import type { DriverToken } from './token-text.ts';

/** The server under test: a stand-in of its own, or a real one when SQLSERVER_URL says where. */
export type Target = {
  readonly real: boolean;
  /** A folder of the server, in its own notation, where the suite may write. */
  readonly folder: string;
  readonly config: mssql.config;
  readonly controlPort: number | undefined;
  /** Of the stand-in's process; a real server is not ours to end. */
  readonly pid: number | undefined;
  /** A linked server with RPC out, where the suite may create databases; undefined: cases that need one are left out. */
  readonly linked: string | undefined;
  close(): Promise<void>;
};

export function startTarget(env: Readonly<Record<string, string | undefined>> = process.env): Promise<Target> {
  const url = env['SQLSERVER_URL'];
  if (url === undefined) return startPair(env);
  return Promise.resolve(realServer(url, env['SQLSERVER_BACKUP_FOLDER'], env['SQLSERVER_LINKED']));
}

const ONE = 'STANDIN\\CONF';
const TWO = 'STANDIN\\TWO';

/** Two instances; the second is a linked server of the first. */
async function startPair(env: Readonly<Record<string, string | undefined>>): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'standin-peers-'));
  const file = join(folder, 'peers.json');
  const secret = randomBytes(12).toString('base64url');
  // An instance reads the file at every connection to another one: the ports are known only now.
  const write = (instances: Readonly<Record<string, string>>): void =>
    writeFileSync(file, JSON.stringify({ secret, instances }));
  write({});
  const started = await Promise.all([ONE, TWO].map(name => startStandIn(env, { name, args: ['--peers', file] })));
  const [one, two] = started;
  if (one === undefined || two === undefined) throw new Error('two instances were started');
  write({ [ONE]: `127.0.0.1:${one.peerPort ?? 0}`, [TWO]: `127.0.0.1:${two.peerPort ?? 0}` });
  const recorder = await connectRecorder(one);
  await recorder.run(`EXEC sp_addlinkedserver N'${TWO}', N'SQL Server'`, 'batch');
  await recorder.run(`EXEC sp_serveroption N'${TWO}', 'rpc out', 'true'`, 'batch');
  await recorder.close();
  const close = async (): Promise<void> => {
    for (const each of started) await each.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...one, linked: TWO, close };
}

function realServer(text: string, folder: string | undefined, linked: string | undefined): Target {
  if (folder === undefined)
    throw new Error('SQLSERVER_URL needs SQLSERVER_BACKUP_FOLDER: a folder the server may write to');
  const url = new URL(text);
  const config: mssql.config = {
    server: url.hostname,
    port: Number(url.port === '' ? 1433 : url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    options: { encrypt: url.searchParams.get('encrypt') !== 'false', trustServerCertificate: true },
  };
  const close = (): Promise<void> => Promise.resolve();
  return { real: true, folder, config, controlPort: undefined, pid: undefined, linked, close };
}

export type StandInStart = { readonly dataFolder?: string; readonly name?: string; readonly args?: readonly string[] };

type Ready = { readonly port: number; readonly controlPort: number; readonly peerPort?: number };

export async function startStandIn(
  env: Readonly<Record<string, string | undefined>> = process.env,
  start: StandInStart = {},
): Promise<Target & { readonly peerPort: number | undefined }> {
  const scratch = mkdtempSync(join(tmpdir(), 'standin-'));
  const dataFolder = start.dataFolder ?? join(scratch, 'data');
  const share = join(scratch, 'share');
  for (const folder of [dataFolder, share]) mkdirSync(folder, { recursive: true });
  const password = randomBytes(12).toString('base64url');
  const name = start.name ?? ONE;
  const args = ['--data', dataFolder, '--name', name, '--map', `D:\\Backup=${share}`, '--login', 'sa', '--no-sync'];
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', standinMain, ...args, ...(start.args ?? [])],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...env, STANDIN_PASSWORD: password, STANDIN_PARENT_PID: String(process.pid) },
    },
  );
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line) as Ready;
    const { controlPort, peerPort } = ready;
    const config: mssql.config = {
      server: '127.0.0.1',
      port: ready.port,
      user: 'sa',
      password,
      options: { encrypt: false, trustServerCertificate: true },
    };
    const { pid } = child;
    return { real: false, folder: 'D:\\Backup', config, controlPort, peerPort, pid, linked: undefined, close };
  }
  await close();
  throw new Error('the stand-in ended before it was ready');
}

/** One connection whose tokens are recorded as the driver reads them. */
export type Recorder = {
  readonly pool: mssql.ConnectionPool;
  /** Runs one statement; a failing one is not thrown, its ERROR tokens tell. */
  run(statement: string, via: 'batch' | 'query', parameters?: number): Promise<readonly DriverToken[]>;
  close(): Promise<void>;
};

type TediousConnection = { readonly debug: { token(token: DriverToken): void } };
type Inner = { acquire(owner: object): Promise<TediousConnection>; release(connection: TediousConnection): void };

export async function connectRecorder(target: Target, database = 'master'): Promise<Recorder> {
  const limits = { pool: { max: 1, min: 1 }, requestTimeout: 20_000, validateConnection: false };
  const pool = new mssql.ConnectionPool({ ...target.config, database, ...limits });
  await pool.connect();
  const inner = pool as unknown as Inner;
  const connection = await inner.acquire({});
  let tokens: DriverToken[] = [];
  connection.debug.token = token => void tokens.push(token);
  inner.release(connection);
  return {
    pool,
    run: async (statement, via, parameters = 0) => {
      const request = pool.request();
      for (let at = 1; at <= parameters; at += 1) request.input(`p${at}`, mssql.Int, 1);
      const seen: DriverToken[] = [];
      tokens = seen;
      try {
        await (via === 'batch' ? request.batch(statement) : request.query(statement));
      } catch (error) {
        if (!seen.some(token => token.name === 'ERROR')) throw error;
      }
      return seen;
    },
    close: () => pool.close(),
  };
}
