import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe } from '@jest/globals';

// A real broker for one test file: tools/kafka as a process of its own, which ends with this one.

type Announcement = {
  readonly brokers: string;
  readonly pid: number;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
};

export type TestBroker = {
  readonly brokers: readonly string[];
  readonly sasl: { readonly mechanism: 'scram-sha-256'; readonly username: string; readonly password: string };
  readonly ca: string;
  /** SIGSTOP and SIGCONT: the kernel still takes connections meanwhile. */
  readonly freeze: () => void;
  readonly thaw: () => void;
  readonly isRunning: () => boolean;
  /** kill -9. */
  readonly kill: () => Promise<void>;
  /** At the same address, on the log that is there. */
  readonly start: () => Promise<void>;
  /** While it does not run. */
  readonly wipe: () => void;
  readonly end: () => Promise<void>;
};

const program = join(import.meta.dirname, '../../../tools/kafka/src/main.ts');
const noJava = 3;

/** Undefined, with the reason, where this machine cannot run one; in CI every machine can. */
export async function openBroker(
  security: 'plaintext' | 'sasl-tls' = 'plaintext',
): Promise<{ readonly broker: TestBroker; readonly why: '' } | { readonly broker: undefined; readonly why: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-kafka-'));
  try {
    return { broker: await brokerIn(folder, security), why: '' };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    if (process.env['CI'] === 'true' || !(error instanceof EndedError) || error.code !== noJava) throw error;
    return { broker: undefined, why: error.message };
  }
}

/** `describe`, or the same by name but skipped, with the reason. */
export function describeWith(
  { broker, why }: Awaited<ReturnType<typeof openBroker>>,
  name: string,
  tests: (broker: TestBroker) => void,
): void {
  if (broker === undefined) describe.skip(`${name} (skipped: ${why})`, () => tests(undefined as never));
  else describe(name, () => tests(broker));
}

class EndedError extends Error {
  readonly code: number | null;
  constructor(code: number | null, said: string) {
    super(said);
    this.code = code;
  }
}

async function brokerIn(folder: string, security: string): Promise<TestBroker> {
  const data = join(folder, 'data');
  let running = await serve(data, security);
  const [port] = running.announcement.brokers.split(':').slice(-1);
  const { passwordFile, username = '', caFile } = running.announcement;
  const signal = (name: NodeJS.Signals) => process.kill(running.announcement.pid, name);
  return {
    brokers: [running.announcement.brokers],
    sasl: {
      mechanism: 'scram-sha-256',
      username,
      password: passwordFile === undefined ? '' : readFileSync(passwordFile, 'utf8').trim(),
    },
    ca: caFile === undefined ? '' : readFileSync(caFile, 'utf8'),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    isRunning: () => running.process.exitCode === null && running.process.signalCode === null,
    kill: async () => {
      signal('SIGKILL');
      await running.ended;
    },
    start: async () => {
      running = await serve(data, security, port);
    },
    wipe: () => rmSync(data, { recursive: true, force: true }),
    end: async () => {
      running.process.kill('SIGTERM');
      await running.ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function serve(data: string, security: string, port?: string) {
  const args = ['serve', '--data', data, '--security', security, ...(port === undefined ? [] : ['--port', port])];
  const child: ChildProcess = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
  });
  const said: string[] = [];
  const ready = Promise.withResolvers<Announcement>();
  const ended = new Promise<void>(resolve => {
    child.once('close', code => {
      ready.reject(new EndedError(code, said.slice(-5).join(' ') || `tools/kafka ended with ${code ?? 'a signal'}`));
      resolve();
    });
  });
  if (child.stderr !== null) createInterface(child.stderr).on('line', line => said.push(line));
  if (child.stdout !== null)
    createInterface(child.stdout).on('line', line => {
      if (line.startsWith('{')) ready.resolve(JSON.parse(line) as Announcement);
    });
  return { process: child, announcement: await ready.promise, ended };
}
