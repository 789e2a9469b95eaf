/** Two linked instances in processes of their own, over folders that outlive them; spoken to through the unmodified driver. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import mssql from 'mssql';
import { compileCache, standinMain } from '../standin-main.ts';

const password = 'linked';

/** In the order in which they prepare. */
export const names = ['ONE', 'TWO'] as const;
export type Name = (typeof names)[number];

export function otherOf(name: Name): Name {
  return name === 'ONE' ? 'TWO' : 'ONE';
}

export type Instance = {
  /** A batch on a connection of its own; rejects with the driver's error. Its first result set. */
  run(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Sets a fault over the control port. */
  set(name: string, parameters?: Readonly<Record<string, number | string>>): Promise<void>;
  clear(fault: string): Promise<void>;
  /** `kill -9`, unless it is gone already. */
  kill(): Promise<void>;
  readonly ended: Promise<unknown>;
};

/** The peers file is shared: each start tells its new port there. */
export class Pair {
  readonly folder: string;
  readonly #ports: Record<string, string> = {};
  readonly #children = new Set<ChildProcess>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** `template`: the folder of a pair that is not running. */
  static async create(template?: string): Promise<Pair> {
    const folder = await mkdtemp(join(tmpdir(), 'standin-pair-'));
    if (template !== undefined) await cp(template, folder, { recursive: true });
    else for (const name of names) await mkdir(join(folder, name));
    const pair = new Pair(folder);
    await pair.#savePeers();
    return pair;
  }

  async #savePeers(): Promise<void> {
    const file = join(this.folder, 'peers.json');
    await writeFile(`${file}.new`, JSON.stringify({ secret: 'hush', instances: this.#ports }));
    await rename(`${file}.new`, file);
  }

  async start(
    name: Name,
    options: { readonly dieAt?: string; readonly serverName?: string; readonly more?: readonly string[] } = {},
  ): Promise<Instance> {
    const { dieAt, serverName = name, more = [] } = options;
    const files = ['--data', join(this.folder, name), '--peers', join(this.folder, 'peers.json')];
    const args = ['--disable-warning=ExperimentalWarning', standinMain, '--name', serverName, ...files, ...more];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: compileCache,
        STANDIN_PASSWORD: password,
        STANDIN_PARENT_PID: String(process.pid),
        ...(dieAt === undefined ? {} : { STANDIN_DIE_AT: dieAt }),
      },
    });
    this.#children.add(child);
    const ended = once(child, 'exit').then(() => this.#children.delete(child));
    const { port, controlPort, peerPort } = await ready(child);
    this.#ports[serverName] = `127.0.0.1:${peerPort}`;
    await this.#savePeers();
    const kill = async (): Promise<void> => {
      child.kill('SIGKILL');
      await ended;
    };
    const faults = `http://127.0.0.1:${controlPort}/faults`;
    return {
      run: text => runAt(port, text),
      set: (fault, parameters = {}) => ask(faults, 'POST', JSON.stringify({ name: fault, parameters })),
      clear: fault => ask(`${faults}/${fault}`, 'DELETE'),
      kill,
      ended,
    };
  }

  /** Another data source for a running instance. */
  async alias(dataSource: string, serverName: string): Promise<void> {
    this.#ports[dataSource] = this.#ports[serverName] ?? '';
    await this.#savePeers();
  }

  async end(): Promise<void> {
    for (const child of this.#children) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
}

async function ask(url: string, method: string, body?: string): Promise<void> {
  const answer = await fetch(url, { method, ...(body === undefined ? {} : { body }) });
  if (!answer.ok) throw new Error(`${method} ${url}: ${await answer.text()}`);
}

type Ready = { readonly port: number; readonly controlPort: number; readonly peerPort: number };

async function ready(child: ChildProcess): Promise<Ready> {
  if (child.stdout === null) throw new Error('its stdout is a pipe');
  for await (const line of createInterface({ input: child.stdout })) {
    return JSON.parse(line) as Ready;
  }
  throw new Error('it ended before it was ready');
}

async function runAt(port: number, text: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const options = { encrypt: false, trustServerCertificate: true };
  const pool = new mssql.ConnectionPool({ server: '127.0.0.1', port, user: 'sa', password, options, pool: { max: 1 } });
  // What breaks an idle connection is told by the next request.
  pool.on('error', () => undefined);
  try {
    await pool.connect();
    const { recordset } = await pool.request().batch(text);
    return (recordset as Record<string, unknown>[] | undefined) ?? [];
  } finally {
    await pool.close();
  }
}
