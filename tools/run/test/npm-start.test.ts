import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { isAlive } from '../src/end.ts';

/** The whole of it, as somebody at a terminal meets it. */
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const hasCurl = spawnSync('curl', ['--version']).status === 0;
const running: ChildProcess[] = [];
let folder: string;

type Session = { child: ChildProcess; closed: Promise<unknown>; output: () => string; errors: () => string };

function start(...args: string[]): Session {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, '--data', folder, ...args], {
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  return { child, closed: once(child, 'close'), output: () => output, errors: () => errors };
}

async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const limit = AbortSignal.timeout(50_000);
  while (!(await condition())) {
    if (limit.aborted) throw new Error(what());
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

async function ready(session: Session): Promise<void> {
  const { child, output, errors } = session;
  const said = (): string => `${output()}\n${errors()}`;
  await until(() => output().includes('Ctrl-C stops everything.') || child.exitCode !== null, said);
  if (child.exitCode !== null) throw new Error(said());
}

/** Once all that it said has been read as well. */
async function exitCode({ child, closed }: Session): Promise<number | null> {
  await closed;
  return child.exitCode;
}

/** Everybody who runs on the folder: they leave their ids there. */
function pids(): number[] {
  const files = globSync('run/*.json', { cwd: folder });
  return files.map(file => pidOf(basename(file, '.json')));
}

function pidOf(name: string): number {
  return (JSON.parse(readFileSync(join(folder, 'run', `${name}.json`), 'utf8')) as { pid: number }).pid;
}

async function paste(line: string): Promise<{ data?: Record<string, unknown>; errors?: unknown }> {
  const child = spawn(line, { shell: true, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return JSON.parse(output) as { data?: Record<string, unknown>; errors?: unknown };
}

const commands = (session: Session): string[] =>
  session
    .output()
    .split('\n')
    .filter(line => line.startsWith('curl'));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-start-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await until(
    () => !pids().some(isAlive),
    () => `still alive: ${pids().filter(isAlive).join(', ')}`,
  );
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('npm start', () => {
  (hasCurl ? it : it.skip)(
    'gives three commands that answer, leaves nothing behind when killed, goes on where it was and keeps Holdfast up',
    async () => {
      const first = start();
      await ready(first);
      expect(commands(first)).toHaveLength(3);
      for (const line of commands(first)) {
        const answer = await paste(line);
        expect(answer).toEqual({ data: expect.any(Object) });
      }
      const started = pids();
      // Holdfast and four servers.
      expect(started).toHaveLength(5);
      first.child.kill('SIGKILL');
      await until(
        () => !started.some(isAlive),
        () => `still alive: ${started.filter(isAlive).join(', ')}`,
      );

      const second = start();
      await ready(second);
      const [group = '', , preview = ''] = commands(second);
      expect(await paste(group)).toMatchObject({ data: { groups: { nodes: [{ name: 'Sample group' }] } } });
      let previewed: unknown;
      await until(
        async () => {
          previewed = (await paste(preview)).data?.['recoveryPreview'];
          return JSON.stringify(previewed).includes('"markName":');
        },
        () => JSON.stringify(previewed),
      );
      expect(previewed).toMatchObject({ __typename: 'RecoveryPreview', databases: expect.any(Array), blockers: [] });

      const killed = pidOf('all-in-one');
      process.kill(killed, 'SIGKILL');
      await until(() => second.errors().includes('all-in-one is ready again.'), second.errors);
      expect(second.errors()).toContain('all-in-one ended by itself (SIGKILL).');
      expect(pidOf('all-in-one')).not.toBe(killed);
      // The same address, and the token is still good.
      expect(await paste(group)).toMatchObject({ data: { groups: { nodes: [{ name: 'Sample group' }] } } });
      expect(await paste(preview)).toMatchObject({ data: { recoveryPreview: { __typename: 'RecoveryPreview' } } });
      second.child.kill('SIGINT');
      expect(await exitCode(second)).toBe(0);
      expect(pids().filter(isAlive)).toEqual([]);
    },
    180_000,
  );

  it('starts Holdfast alone for a real group, and leaves none behind when killed after Holdfast was', async () => {
    const first = start('--estate', 'none');
    await ready(first);
    process.kill(pidOf('all-in-one'), 'SIGKILL');
    await until(() => first.errors().includes('all-in-one is ready again.'), first.errors);
    const restarted = pidOf('all-in-one');
    expect(isAlive(restarted)).toBe(true);
    first.child.kill('SIGKILL');
    await until(
      () => !isAlive(restarted),
      () => `still alive: ${restarted}`,
    );

    const session = start('--estate', 'none');
    await ready(session);
    expect(session.output()).toContain('No estate was started');
    expect(pids().filter(isAlive)).toHaveLength(1);
    session.child.kill('SIGTERM');
    expect(await exitCode(session)).toBe(0);
  }, 120_000);

  it('says what to do about a taken port', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const session = start('--estate', 'none', '--port', String(port));
    expect(await exitCode(session)).toBe(1);
    expect(session.errors()).toContain(`Port ${port} of 127.0.0.1 is taken by another program.`);
    taken.close();
  }, 60_000);
});
