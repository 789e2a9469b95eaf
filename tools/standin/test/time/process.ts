/** The stand-in as a process, spoken to through the unmodified driver and the control port. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import mssql from 'mssql';
import { compileCache, standinMain } from '../standin-main.ts';

const password = 'secret';

export type Line = Readonly<Record<string, unknown>>;

const running = new Set<StandInProcess>();

export class StandInProcess {
  readonly #child;
  readonly #exited: Promise<unknown>;
  readonly #lines: AsyncIterator<string>;
  readonly complaints: Promise<string>;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', standinMain, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: compileCache,
        STANDIN_PASSWORD: password,
        STANDIN_PARENT_PID: String(process.pid),
        ...env,
      },
    });
    this.#child = child;
    this.#exited = once(child, 'exit').then(() => running.delete(this));
    running.add(this);
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.complaints = text(child.stderr);
  }

  /** The next line it prints, as JSON. Throws with what it complained of when there is none. */
  async line(): Promise<Line> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`it said no more: ${await this.complaints}`);
    return JSON.parse(value) as Line;
  }

  /** All it prints until it ends. */
  async rest(): Promise<readonly string[]> {
    const lines: string[] = [];
    for (let next = await this.#lines.next(); next.done !== true; next = await this.#lines.next())
      lines.push(next.value);
    return lines;
  }

  /** The exit code; null after a signal. */
  async end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal);
    await this.#exited;
    return this.#child.exitCode;
  }

  /** Linux only, as the memory below; elsewhere undefined. */
  cpuSeconds(): number | undefined {
    const fields = this.#proc('stat')?.split(') ').at(-1)?.split(' ');
    // In hundredths of a second on every Linux that Node runs on.
    return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) / 100;
  }

  residentMb(): number | undefined {
    return this.#status('VmRSS');
  }

  /** The most it ever was. */
  peakMb(): number | undefined {
    return this.#status('VmHWM');
  }

  #status(name: string): number | undefined {
    const [, kilobytes] = new RegExp(`${name}:\\s+(\\d+)`).exec(this.#proc('status') ?? '') ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  }

  #proc(file: string): string | undefined {
    return process.platform === 'linux' ? readFileSync(`/proc/${this.#child.pid}/${file}`, 'utf8') : undefined;
  }
}

export function connect(port: unknown, requestTimeout = 60_000): Promise<mssql.ConnectionPool> {
  const options = { encrypt: false, trustServerCertificate: true };
  const where = { server: '127.0.0.1', port: Number(port), requestTimeout };
  return new mssql.ConnectionPool({ ...where, user: 'sa', password, options, pool: { max: 4 } }).connect();
}

export async function control(port: unknown, path: string, body?: object): Promise<readonly [number, Line]> {
  const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, request);
  return [response.status, (await response.json()) as Line];
}

export async function temporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'standin-time-'));
  try {
    await work(folder);
  } finally {
    // What a failed test left behind.
    for (const each of running) await each.end('SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
