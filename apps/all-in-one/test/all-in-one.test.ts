import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

/** Where `npm test` keeps the bundle that it made of the sources, which is started with half the work. */
const made = process.env['HOLDFAST_PROGRAMS'];
const main =
  made === undefined
    ? fileURLToPath(new URL('../src/main.ts', import.meta.url))
    : join(made, 'apps', 'all-in-one', 'main.js');
const children: Child[] = [];
let folder: string;

type Announced = { url: string; token: string; pid: number };
type Child = { process: ChildProcess; announced: Promise<Announced | undefined>; errors(): string };

function spawned(args: readonly string[], env: Record<string, string> = {}): Child {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...args], {
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const lines = createInterface({ input: child.stdout });
  const announced = Promise.race([
    once(lines, 'line').then(([line]) => JSON.parse(String(line)) as Announced),
    once(child, 'exit').then(() => undefined),
  ]);
  const started: Child = { process: child, announced, errors: () => errors };
  children.push(started);
  return started;
}

async function started(args: readonly string[], env?: Record<string, string>): Promise<Announced & { child: Child }> {
  const child = spawned(args, env);
  const announced = await child.announced;
  if (announced === undefined) throw new Error(child.errors());
  return { ...announced, child };
}

async function ended({ process: child }: Child): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}

async function ask(url: string, token: string, query: string): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, connection: 'close' },
    body: JSON.stringify({ query }),
  });
  return response.json();
}

const page = '{ groups { nodes { id } } standbys { id } executions { nodes { id } } }';
const empty = { data: { groups: { nodes: [] }, standbys: [], executions: { nodes: [] } } };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-all-in-one-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill('SIGKILL');
    await ended(child);
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('all-in-one', () => {
  it('answers with the token that it prints, ends when asked, and goes on with its keys', async () => {
    const first = await started(['--data', folder]);
    expect(await ask(first.url, first.token, page)).toEqual(empty);
    const runFile = join(folder, 'run', 'all-in-one.json');
    expect(JSON.parse(readFileSync(runFile, 'utf8'))).toEqual({
      pid: first.pid,
      port: Number(new URL(first.url).port),
    });
    first.child.process.kill('SIGTERM');
    expect(await ended(first.child)).toBe(0);
    expect(existsSync(runFile)).toBe(false);

    const second = await started(['--data', folder]);
    expect(await ask(second.url, first.token, page)).toEqual(empty);
  });

  it('comes back after kill -9', async () => {
    const first = await started(['--data', folder]);
    first.child.process.kill('SIGKILL');
    await ended(first.child);
    const second = await started(['--data', folder]);
    expect(await ask(second.url, second.token, page)).toEqual(empty);
  });

  it('does not share its folder', async () => {
    await started(['--data', folder]);
    const second = spawned(['--data', folder]);
    expect(await second.announced).toBeUndefined();
    expect(await ended(second)).toBe(1);
    expect(second.errors()).toContain(`Holdfast runs on ${folder} already`);
  });

  it('says what to do about a taken port', async () => {
    const taken: Server = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const child = spawned(['--data', folder, '--port', String(port)]);
    expect(await ended(child)).toBe(1);
    expect(child.errors()).toContain(
      `Port ${port} of 127.0.0.1 is taken by another program. Give another one with --port`,
    );
    taken.close();
  });

  it('refuses what it does not know', async () => {
    const option = spawned(['--data', folder, '--prot', '1']);
    expect(await ended(option)).toBe(1);
    expect(option.errors()).toContain('--prot');
    const setting = spawned(['--data', folder], { HOLDFAST_GATEWAY__SUBGRAPHS__INVENTORY: 'http://elsewhere.invalid' });
    expect(await ended(setting)).toBe(1);
    expect(setting.errors().toLowerCase()).toContain('subgraphs');
  });

  it('issues no token when the configuration names an identity provider', async () => {
    const keys = await started(['--data', folder]);
    keys.child.process.kill('SIGTERM');
    await ended(keys.child);
    const { url, token } = await started(['--data', folder], {
      HOLDFAST_GATEWAY__AUTH__ISSUER: 'https://issuer.invalid/',
      HOLDFAST_GATEWAY__AUTH__AUDIENCE: 'holdfast',
      HOLDFAST_GATEWAY__AUTH__PUBLIC_KEY_FILE: join(folder, 'keys', 'issuer-public.pem'),
    });
    expect(token).toBeUndefined();
    expect(await ask(url, keys.token, page)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  });
});
