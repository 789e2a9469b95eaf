/**
 * Where suites find a SQL Server: a real one when SQLSERVER_URL (and SQLSERVER_STANDBY_URL) say where, otherwise the stand-in as a
 * process of its own. Nothing here is for production code.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Address, Credentials } from './address.ts';

export type TestServer = {
  readonly address: Address;
  readonly credentials: Credentials;
  /** False for the stand-in: what only a real server can show must not be claimed from it (design.md §6). */
  readonly real: boolean;
  /** Of the stand-in's process; null for a real server. */
  readonly pid: number | null;
  /** Ends the stand-in, and leaves a real server alone. */
  close(): Promise<void>;
};

type Environment = Readonly<Record<string, string | undefined>>;

const standinSources = fileURLToPath(new URL('../../../tools/standin/src/main.ts', import.meta.url));

/** What starts a stand-in: its sources or, within `npm test`, the one file that it made of them, which is started with half the work. */
export const standinMain = ({ HOLDFAST_PROGRAMS: made }: Environment): string =>
  made === undefined ? standinSources : join(made, 'tools', 'standin', 'main.js');

/** Undefined when a suite that needs both roles can run here, otherwise the reason to print beside it. */
export const whyNoTestServer = (env: Environment): string | undefined => {
  const [primary, standby] = [env['SQLSERVER_URL'], env['SQLSERVER_STANDBY_URL']];
  // A real primary with a stand-in for a standby could not read each other's backups.
  if ((primary === undefined) !== (standby === undefined))
    return 'only one of SQLSERVER_URL and SQLSERVER_STANDBY_URL is set';
  return primary !== undefined || existsSync(standinMain(env))
    ? undefined
    : 'no SQLSERVER_URL and no stand-in to start';
};

/** `mssql://user:password@host:port?encrypt=true&trustServerCertificate=true`; user and password percent-encoded. */
export const parseServerUrl = (text: string): { readonly address: Address; readonly credentials: Credentials } => {
  const url = new URL(text);
  if (url.protocol !== 'mssql:') throw new Error('A server URL starts with mssql://');
  const flag = (name: string, otherwise: boolean) => (url.searchParams.get(name) ?? String(otherwise)) === 'true';
  return {
    address: {
      server: url.hostname,
      port: url.port === '' ? null : Number(url.port),
      instanceName: url.searchParams.get('instanceName'),
      encrypt: flag('encrypt', true),
      trustServerCertificate: flag('trustServerCertificate', false),
    },
    credentials: { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) },
  };
};

export type StandinOptions = {
  /** @@SERVERNAME, for instance `PRIMARY\BTS`. */
  readonly name: string;
  /** Folder of this machine for its databases; created by the caller. */
  readonly dataFolder: string;
  /** Windows path prefix → folder of this machine. */
  readonly maps: Readonly<Record<string, string>>;
  /** Faults it starts with, as its README names them; a test that needs one cannot run against a real server. */
  readonly faults?: readonly string[];
  /** Who may log in: a SQL login or, as `DOMAIN\account`, a Windows account. `holdfast` when left out. */
  readonly login?: string;
  /** Refuses clients that do not encrypt, with a certificate of its own in `tls/certificate.pem` of its data folder. */
  readonly forceEncryption?: boolean;
};

const readyPort = async (child: ChildProcess, name: string): Promise<number> => {
  const { stdout } = child;
  if (stdout === null) throw new Error('The stand-in has no standard output.');
  const gone = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', code =>
      reject(new Error(`The stand-in ${name} ended before it was ready (exit code ${code ?? 'none'}).`)),
    );
  });
  const ready = (async () => {
    for await (const line of createInterface({ input: stdout })) {
      const parsed: unknown = line.startsWith('{') ? JSON.parse(line) : undefined;
      const { ready: isReady, port } = (parsed ?? {}) as { readonly ready?: unknown; readonly port?: unknown };
      if (isReady === true && typeof port === 'number') return port;
    }
    throw new Error(`The stand-in ${name} closed its output before it was ready.`);
  })();
  return Promise.race([ready, gone]);
};

const startStandin = async (options: StandinOptions, env: Environment): Promise<TestServer> => {
  const credentials = { user: options.login ?? 'holdfast', password: randomBytes(12).toString('base64url') };
  const maps = Object.entries(options.maps).flatMap(([from, to]) => ['--map', `${from}=${to}`]);
  const child = spawn(
    process.execPath,
    [
      standinMain(env),
      '--port',
      '0',
      '--data',
      options.dataFolder,
      '--name',
      options.name,
      '--login',
      credentials.user,
      // No test cuts the power: kill -9 is survived all the same.
      '--no-sync',
      ...maps,
      ...(options.faults ?? []).flatMap(fault => ['--fault', fault]),
      ...(options.forceEncryption === true ? ['--force-encryption'] : []),
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...env, STANDIN_PASSWORD: credentials.password, STANDIN_PARENT_PID: String(process.pid) },
    },
  );
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()));
  const close = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  };
  try {
    const port = await readyPort(child, options.name);
    // Nobody reads on: a full pipe would stop the process.
    child.stdout.resume();
    const encrypt = options.forceEncryption === true;
    const address = { server: '127.0.0.1', port, instanceName: null, encrypt, trustServerCertificate: false };
    return { address, credentials, real: false, pid: child.pid ?? null, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** The server of this role: the real one of its URL, otherwise a stand-in made with `options`. */
export const startTestServer = async (
  role: 'primary' | 'standby',
  options: StandinOptions,
  env: Environment,
): Promise<TestServer> => {
  const url = env[role === 'primary' ? 'SQLSERVER_URL' : 'SQLSERVER_STANDBY_URL'];
  if (url === undefined) return startStandin(options, env);
  return { ...parseServerUrl(url), real: true, pid: null, close: async () => undefined };
};
