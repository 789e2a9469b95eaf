import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { services } from '../src/cluster/settings.ts';
import { isAlive } from '../src/end.ts';
import { missingForKafka } from '../src/missing-for-kafka.ts';
import { endSessions, pidOf, pidsIn, type Session, startSession, until } from './session.ts';

const missing = missingForKafka(process.env);
const where = missing === undefined ? '' : ` (skipped: ${missing})`;

(missing === undefined ? describe : describe.skip)(`npm run start:cluster${where}`, () => {
  const sessions: Session[] = [];
  let folder: string;
  let session: Session;
  const start = (...args: string[]): Session => {
    const started = startSession(folder, ['--cluster', '--estate', 'none', ...args]);
    sessions.push(started);
    return started;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-cluster-'));
    session = start();
    await session.ready();
  }, 180_000);
  afterAll(async () => {
    await endSessions(folder, sessions);
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function groups(): Promise<unknown> {
    const url = /gateway {2}(\S+)/.exec(session.output())?.[1] ?? '';
    const token = /token {4}(\S+)/.exec(session.output())?.[1] ?? '';
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, connection: 'close' },
      body: JSON.stringify({ query: '{ groups { nodes { id } } }' }),
    });
    return answer.json();
  }

  it('runs a process for each, whose lines say whose they are', async () => {
    expect(await groups()).toEqual({ data: { groups: { nodes: [] } } });
    const names = [...services, 'gateway'];
    expect(new Set(names.map(name => pidOf(folder, name))).size).toBe(5);
    for (const name of names) expect(session.errors()).toContain(`[${name}] `);
  });

  it('refuses a second one on the same folder', async () => {
    const second = start();
    expect(await second.exitCode()).toBe(1);
    expect(second.errors()).toContain(`Holdfast runs on ${folder} already.`);
  });

  it('starts again what was killed with -9, where it was: a service, the gateway and the broker', async () => {
    for (const name of ['inventory', 'gateway']) process.kill(pidOf(folder, name), 'SIGKILL');
    process.kill(pidOf(join(folder, 'kafka'), 'kafka'), 'SIGKILL');
    for (const name of ['inventory', 'gateway', 'kafka'])
      await until(() => session.errors().includes(`${name} is ready again.`), session.errors);
    expect(await groups()).toEqual({ data: { groups: { nodes: [] } } });
  }, 120_000);

  it('stops in order', async () => {
    const pids = pidsIn(folder);
    session.child.kill('SIGINT');
    expect(await session.exitCode()).toBe(0);
    expect(pids.filter(isAlive)).toEqual([]);
  }, 60_000);
});
