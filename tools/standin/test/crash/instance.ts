/** A whole instance in a process of its own, over folders that outlive it; spoken to through the unmodified driver. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import mssql from 'mssql';
import { compileCache, standinMain } from '../standin-main.ts';

const password = 'crash';

export type Row = Readonly<Record<string, string | null>>;

export type Instance = {
  readonly port: number;
  /** Runs a batch; rejects with the driver's error. */
  run(statement: string): Promise<void>;
  /** Its first result set, every value as text. */
  rows(query: string): Promise<readonly Row[]>;
  /** `kill -9`, unless it is gone already. Resolves when it is. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code, null when it died of a signal. */
  stop(): Promise<number | null>;
  /** The exit code, once the process is gone. */
  readonly ended: Promise<number | null>;
};

export type StartOptions = {
  /** See STANDIN_DIE_AT and STANDIN_PLACES in the README. */
  readonly dieAt?: string;
  readonly placesFile?: string;
  /** As for --fault. */
  readonly faults?: readonly string[];
  /** Aborted: `kill -9`, also before it is ready. */
  readonly signal?: AbortSignal;
  /** The process that it ends with; this one if not given. */
  readonly parentPid?: number;
  /** Gets what it says on stderr; otherwise that goes to this process's. */
  readonly errors?: string[];
};

/** The process ended before it accepted connections. */
export class EndedAtStart extends Error {
  readonly signal: NodeJS.Signals | null;

  constructor(signal: NodeJS.Signals | null) {
    super(`the instance ended before it was ready (${signal ?? 'by itself'})`);
    this.signal = signal;
  }
}

/** Where a world keeps its files: `C:` is the instance's own folder, `D:` and `S:` are mapped. */
export const folders = ['instance', 'data', 'share'] as const;

/** @throws EndedAtStart */
export async function startInstance(world: string, options: StartOptions = {}): Promise<Instance> {
  const { dieAt, placesFile, faults = [], signal, parentPid = process.pid, errors } = options;
  const [own, data, share] = folders.map(name => join(world, name));
  const args = [
    '--data',
    own ?? '',
    '--name',
    'CRASH\\ONE',
    '--map',
    `D:\\Data=${data}`,
    '--map',
    `S:\\Backup=${share}`,
    ...faults.flatMap(fault => ['--fault', fault]),
  ];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', standinMain, ...args], {
    stdio: ['ignore', 'pipe', errors === undefined ? 'inherit' : 'pipe'],
    env: {
      ...process.env,
      NODE_COMPILE_CACHE: compileCache,
      STANDIN_PASSWORD: password,
      STANDIN_PARENT_PID: String(parentPid),
      ...(dieAt === undefined ? {} : { STANDIN_DIE_AT: dieAt }),
      ...(placesFile === undefined ? {} : { STANDIN_PLACES: placesFile }),
    },
  });
  child.stderr?.on('data', (bytes: Buffer) => errors?.push(bytes.toString()));
  const ended = exitOf(child);
  signal?.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
  if (child.stdout === null) throw new Error('its stdout is a pipe');
  for await (const line of createInterface({ input: child.stdout })) {
    const { port } = JSON.parse(line) as { readonly port: number };
    return connected(child, ended, port);
  }
  await ended;
  throw new EndedAtStart(child.signalCode);
}

async function connected(child: ChildProcess, ended: Promise<number | null>, port: number): Promise<Instance> {
  const pool = new mssql.ConnectionPool(driverConfig(port));
  // The socket of a killed instance; whoever waits for an answer is told by its own rejection.
  pool.on('error', () => undefined);
  await pool.connect();
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const code = await ended;
    await pool.close();
    return code;
  };
  return {
    port,
    run: async statement => {
      await pool.request().batch(statement);
    },
    rows: async query => {
      const { recordset } = await pool.request().query<Record<string, unknown>>(query);
      return recordset.map(row =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])),
      );
    },
    kill: async () => {
      await end('SIGKILL');
    },
    stop: () => end('SIGTERM'),
    ended,
  };
}

/** One connection each: what a second one held would keep the databases from being restored. */
export function driverConfig(port: number): mssql.config {
  const options = { encrypt: false, trustServerCertificate: true };
  return { server: '127.0.0.1', port, user: 'sa', password, options, pool: { max: 1, min: 0 }, requestTimeout: 60_000 };
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise(resolve => child.once('exit', code => resolve(code)));
}
