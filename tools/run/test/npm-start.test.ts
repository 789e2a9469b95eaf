import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { isAlive } from '../src/end.ts';
import { endSessions, pidOf, pidsIn, type Session, startSession, until } from './session.ts';

const hasCurl = spawnSync('curl', ['--version']).status === 0;
const sessions: Session[] = [];
let folder: string;

function start(...args: string[]): Session {
  const session = startSession(folder, args);
  sessions.push(session);
  return session;
}

const pids = (): number[] => pidsIn(folder);

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
afterEach(() => endSessions(folder, sessions.splice(0)), 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('npm start', () => {
  (hasCurl ? it : it.skip)(
    'gives three commands that answer, leaves nothing behind when killed, goes on where it was and keeps Holdfast up',
    async () => {
      const first = start();
      await first.ready();
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
      await second.ready();
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

      const killed = pidOf(folder, 'all-in-one');
      process.kill(killed, 'SIGKILL');
      await until(() => second.errors().includes('all-in-one is ready again.'), second.errors);
      expect(second.errors()).toContain('all-in-one ended by itself (SIGKILL).');
      expect(pidOf(folder, 'all-in-one')).not.toBe(killed);
      // The same address, and the token is still good.
      expect(await paste(group)).toMatchObject({ data: { groups: { nodes: [{ name: 'Sample group' }] } } });
      expect(await paste(preview)).toMatchObject({ data: { recoveryPreview: { __typename: 'RecoveryPreview' } } });
      second.child.kill('SIGINT');
      expect(await second.exitCode()).toBe(0);
      expect(pids().filter(isAlive)).toEqual([]);
    },
    180_000,
  );

  it('starts Holdfast alone for a real group, and leaves none behind when killed after Holdfast was', async () => {
    const first = start('--estate', 'none');
    await first.ready();
    process.kill(pidOf(folder, 'all-in-one'), 'SIGKILL');
    await until(() => first.errors().includes('all-in-one is ready again.'), first.errors);
    const restarted = pidOf(folder, 'all-in-one');
    expect(isAlive(restarted)).toBe(true);
    first.child.kill('SIGKILL');
    await until(
      () => !isAlive(restarted),
      () => `still alive: ${restarted}`,
    );

    const session = start('--estate', 'none');
    await session.ready();
    expect(session.output()).toContain('No estate was started');
    expect(pids().filter(isAlive)).toHaveLength(1);
    session.child.kill('SIGTERM');
    expect(await session.exitCode()).toBe(0);
  }, 120_000);

  it('says what to do about a taken port', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    const session = start('--estate', 'none', '--port', String(port));
    expect(await session.exitCode()).toBe(1);
    expect(session.errors()).toContain(`Port ${port} of 127.0.0.1 is taken by another program.`);
    taken.close();
  }, 60_000);
});
