import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { missingForKafka, type RunningProcess, startProcess } from '@holdfast/run';
import { type BrokerStatus, readStatus, startDetached, stopDetached } from '../src/detached.ts';
import { installCommand } from '../src/java.ts';

// Two seconds a start on an idle machine; others may be busy on it.
jest.setTimeout(90_000);

/** One data folder and three starts of a broker, in this order: each costs two seconds. */
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const holder = fileURLToPath(new URL('holder.ts', import.meta.url));
const reason = missingForKafka(process.env);
const suite = reason === undefined ? describe : describe.skip;
const processes: RunningProcess[] = [];
let root: string;
let dataFolder: string;
const lines: string[] = [];

type Running = Extract<BrokerStatus, { pid: number }>;

async function status(): Promise<Running> {
  const found = await readStatus(dataFolder);
  if (found.state === 'STOPPED') throw new Error('no broker runs');
  return found;
}

type Ended = { code: number | null; output: string; errors: string };

async function run(args: readonly string[], env = process.env): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, output, errors };
}

async function started(program: string, ...args: readonly string[]): Promise<RunningProcess> {
  const log = (line: string): void => void lines.push(line);
  const child = await startProcess({ name: 'kafka', main: program, args, log });
  processes.push(child);
  return child;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!(await condition())) {
    if (limit.aborted) throw new Error(`not in time; lines: ${lines.join('\n')}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-kafka-'));
  // Nobody chooses names of folders to please Kafka.
  dataFolder = join(root, 'a brökér');
});
afterAll(async () => {
  await Promise.all(processes.map(child => child.kill()));
  await stopDetached(dataFolder);
  rmSync(root, { recursive: true, force: true });
});

describe('without a broker of our own', () => {
  it('names the command that brings Java, and ends with 3', async () => {
    const { code, errors } = await run(['serve', '--data', dataFolder], { PATH: root });
    expect([code, errors]).toEqual([3, expect.stringContaining(installCommand)]);
  });

  it('uses the cluster that KAFKA_BROKERS names, and refuses what is no address', async () => {
    const start = ['start', '--data', dataFolder];
    const named = await run(start, { PATH: root, KAFKA_BROKERS: 'kafka.example:9092' });
    expect([named.code, named.output]).toEqual([
      0,
      expect.stringMatching(/kafka\.example:9092 is used, and no broker/),
    ]);
    const wrong = await run(start, { PATH: root, KAFKA_BROKERS: 'kafka.example' });
    expect([wrong.code, wrong.errors]).toEqual([1, expect.stringContaining('KAFKA_BROKERS is a list')]);
    expect(await readStatus(dataFolder)).toMatchObject({ state: 'STOPPED' });
  });
});

suite(`a broker${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let port: number;

  it('refuses a port that somebody else has', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port: theirs } = taken.address() as AddressInfo;
    const { code, errors } = await run(['serve', '--data', dataFolder, '--port', String(theirs)]);
    expect([code, errors]).toEqual([1, expect.stringContaining(`Port ${theirs} of 127.0.0.1 is taken`)]);
    taken.close();
  });

  it('is started once for many who ask, outlives them, and tells its passwords to files alone', async () => {
    const options = {
      dataFolder,
      port: undefined,
      security: 'sasl-tls',
      acl: true,
      env: process.env,
      log: () => undefined,
    } as const;
    const both = await Promise.all([startDetached(options), startDetached(options)]);
    expect(both.map(each => each.started).toSorted()).toEqual([false, true]);
    expect(both.map(each => each.status.state)).toEqual(['RUNNING', 'RUNNING']);
    const running = await status();
    port = Number(running.brokers.replace('127.0.0.1:', ''));

    await expect(startDetached({ ...options, acl: false })).rejects.toThrow('other settings');
    await expect(startDetached({ ...options, port: port - 1 })).rejects.toThrow('other settings');
    const second = await run(['serve', '--data', dataFolder, '--security', 'sasl-tls', '--acl']);
    expect([second.code, second.errors]).toEqual([1, expect.stringContaining(`process ${running.pid}, port ${port}`)]);

    const { username, passwordFile = '', caFile = '', guest, logFile } = running;
    expect([username, guest?.username]).toEqual(['app', 'guest']);
    expect(readFileSync(caFile, 'utf8')).toMatch(/^-----BEGIN CERTIFICATE-----/);
    const places = [logFile, ...(process.platform === 'linux' ? [`/proc/${running.pid}/cmdline`] : [])];
    for (const file of [passwordFile, guest?.passwordFile ?? '']) {
      const password = readFileSync(file, 'utf8');
      expect(password).toMatch(/^[0-9a-f]{32}$/);
      if (process.platform !== 'win32') expect(statSync(file).mode & 0o777).toBe(0o600);
      for (const place of places) expect(readFileSync(place, 'utf8')).not.toContain(password);
    }
  });

  it('is told from one that does not answer, and stops when it is asked', async () => {
    const { pid } = await status();
    process.kill(pid, 'SIGSTOP');
    expect((await status()).state).toBe('SILENT');
    process.kill(pid, 'SIGCONT');
    await until(async () => (await status()).state === 'RUNNING');
    expect(await stopDetached(dataFolder)).toBe(true);
    expect((await readStatus(dataFolder)).state).toBe('STOPPED');
    expect(await stopDetached(dataFolder)).toBe(false);
  });

  it('is reported as died, with its last lines, by who serves it', async () => {
    const serving = await started(main, 'serve', '--data', dataFolder, '--port', String(port));
    expect(serving.announcement).toMatchObject({ brokers: `127.0.0.1:${port}`, security: 'plaintext' });
    const { state, pid } = await status();
    expect([state, pid]).toEqual(['RUNNING', serving.announcement['pid']]);
    process.kill(pid, 'SIGKILL');
    expect(await serving.exited).toEqual({ code: 1, signal: null });
    await until(async () => lines.some(line => line.includes('Kafka Server started')));
    expect(lines.join('\n')).toContain('ended by itself while it was in use (SIGKILL)');
  });

  it('comes back on its log after kill -9, and is gone with who started it', async () => {
    const holding = await started(holder, dataFolder, String(port));
    expect((await status()).state).toBe('RUNNING');
    await holding.kill();
    await until(async () => (await readStatus(dataFolder)).state === 'STOPPED');
  });
});
