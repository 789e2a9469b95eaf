/** Where the suites keep their stores: in files, and on SQL Server: a real one when STORE_SQLSERVER_URL says where, otherwise a stand-in. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type SqlServerLocation, SqlSession } from '../sql-server.ts';
import type { StoreLocation } from '../store.ts';

export type Place = {
  /** A store that nobody has used. */
  fresh(): Promise<StoreLocation>;
  close(): Promise<void>;
};

export const kinds = ['sqlite', 'mssql'] as const;
export type Kind = (typeof kinds)[number];

/** Where suites keep their stores that do not say it: HOLDFAST_TEST_STORE=mssql runs those of every service on SQL Server. */
export const kindOfTests: Kind = process.env['HOLDFAST_TEST_STORE'] === 'mssql' ? 'mssql' : 'sqlite';

export function openPlace(kind: Kind): Promise<Place> {
  return kind === 'sqlite' ? Promise.resolve(files()) : server();
}

function files(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-store-'));
  let made = 0;
  return {
    fresh: () => Promise.resolve({ file: join(folder, `${String((made += 1))}.db`) }),
    close: async () => {
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export type TestServer = Omit<SqlServerLocation, 'database'> & {
  readonly pid: number | undefined;
  close(): Promise<void>;
};

async function server(): Promise<Place> {
  const started = await startServer();
  const master = await SqlSession.open({ ...started, database: 'master' }, 'holdfast store tests');
  const databases: string[] = [];
  return {
    async fresh() {
      const database = `holdfast_${randomBytes(6).toString('hex')}`;
      await master.batch(`create database ${database}`);
      databases.push(database);
      const { address, credentials } = started;
      return { sqlServer: { address, credentials, database } };
    },
    async close() {
      if (started.pid === undefined)
        for (const database of databases) {
          await master.batch(`alter database ${database} set single_user with rollback immediate`);
          await master.batch(`drop database ${database}`);
        }
      master.close();
      await started.close();
    },
  };
}

/** The stand-in's sources or, within `npm test`, the one file that it made of them. */
const made = process.env['HOLDFAST_PROGRAMS'];
const main =
  made === undefined
    ? fileURLToPath(new URL('../../../../tools/standin/src/main.ts', import.meta.url))
    : join(made, 'tools', 'standin', 'main.js');

export async function startServer(): Promise<TestServer> {
  const given = process.env['STORE_SQLSERVER_URL'];
  if (given !== undefined) return { ...parseUrl(new URL(given)), pid: undefined, close: () => Promise.resolve() };
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-store-server-'));
  const password = randomBytes(12).toString('base64url');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, '--data', folder, '--name', 'STORE\\TEST', '--no-agent'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, STANDIN_PASSWORD: password, STANDIN_PARENT_PID: String(process.pid) },
    },
  );
  const exit = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exit;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const port = await readyPort(child);
  const address = { server: '127.0.0.1', port, instanceName: null, encrypt: false, trustServerCertificate: false };
  return { address, credentials: { user: 'sa', password }, pid: child.pid, close };
}

async function readyPort(child: ChildProcess): Promise<number> {
  const { stdout } = child;
  if (stdout === null) throw new Error('The stand-in has no standard output.');
  for await (const line of createInterface({ input: stdout })) {
    const { port } = JSON.parse(line) as { readonly port: number };
    // Nobody reads on: a full pipe would stop the process.
    stdout.resume();
    return port;
  }
  throw new Error('The stand-in ended before it was ready.');
}

function parseUrl(url: URL): Omit<SqlServerLocation, 'database'> {
  const { hostname: host, port, username, password, searchParams } = url;
  return {
    address: {
      server: host,
      port: port === '' ? null : Number(port),
      instanceName: null,
      encrypt: searchParams.get('encrypt') !== 'false',
      trustServerCertificate: searchParams.get('trustServerCertificate') === 'true',
    },
    credentials: { user: decodeURIComponent(username), password: decodeURIComponent(password) },
  };
}
