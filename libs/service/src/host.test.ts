import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { StoreLocation } from '@holdfast/store';
import { kinds, openPlace, type Place } from '@holdfast/store/testing';
import WebSocket from 'ws';
import type { ReplicaOptions } from '../test/replica.ts';
import { signedClient } from './testing.ts';

const key = 'the key of the tests';
const program = fileURLToPath(new URL('../test/replica.ts', import.meta.url));
const children: ChildProcess[] = [];
let folder: string;
let place: Place;
let location: StoreLocation;

beforeEach(async () => {
  location = await place.fresh();
  folder = mkdtempSync(join(tmpdir(), 'holdfast-replica-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** A replica's process, whose log is read for where it listens. */
async function replica(options: Partial<ReplicaOptions> = {}) {
  const given = JSON.stringify({ folder, key, location, replaceAfterMs: 60_000, ...options } satisfies ReplicaOptions);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, given], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let errors = '';
  child.stderr.on('data', chunk => (errors += String(chunk)));
  const exit = Promise.all([once(child, 'exit'), once(child.stderr, 'end')]).then(([[code]]) => code as unknown);
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url?: string };
    if (url === undefined) continue;
    child.stdout.resume();
    const client = signedClient({ url, key: Buffer.from(key), subgraph: 'inventory', caller });
    return { child, url, client, exit, errors: () => errors };
  }
  throw new Error(`It ended: ${errors}`);
}
const caller = { sub: 'ann', roles: ['viewer'], groups: ['*'] } as const;

type Replica = Awaited<ReturnType<typeof replica>>;

async function health({ url }: Replica, route: string) {
  const response = await fetch(new URL(route, url));
  const { checks = [] } = (await response.json()) as { checks?: { name: string; ok: boolean; detail: string }[] };
  return { status: response.status, leader: checks.find(({ name }) => name === 'leader')?.detail };
}

/** Its health once it has found out who leads. */
async function waits(of: Replica) {
  for (;;) {
    const found = await health(of, '/readyz');
    if (found.leader !== 'starting') return found;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

async function ready(of: Replica): Promise<void> {
  while ((await health(of, '/readyz')).status !== 200) await new Promise(resolve => setTimeout(resolve, 10));
}

/** What reached the server and what came into the store, in order. */
function sent(): number[] {
  return readFileSync(join(folder, 'sent'), 'utf8').trim().split('\n').map(Number);
}

// Windows cannot freeze a process.
const posix = process.platform === 'win32' ? describe.skip : describe;

posix.each(kinds)('two replicas of one service, on %s', kind => {
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterAll(() => place.close());

  it('one leads, the other says that it waits and answers on the same port once the first was frozen', async () => {
    const first = await replica({ freezes: true, replaceAfterMs: 2_000 });
    const second = await replica({ replaceAfterMs: 2_000 });
    expect(await health(second, '/livez')).toMatchObject({ status: 200 });
    const { status, leader } = await waits(second);
    expect([status, leader]).toEqual([
      503,
      expect.stringMatching(
        `^waiting for the lease of inventory \\(held by pid ${String(first.child.pid)}( on \\S+)? since 20\\S+Z\\)$`,
      ),
    ]);
    expect(await second.client.query('{ token }')).toMatchObject({
      status: 503,
      errors: [{ extensions: { code: 'SUBGRAPH_UNAVAILABLE', retryable: true, service: 'inventory' } }],
    });
    const [refusal] = await once(new WebSocket(second.url.replace('http', 'ws')), 'error');
    expect(String(refusal)).toContain('503');

    // The first one has stopped itself between a decision and its statement by now, or does so soon.
    await ready(second);
    expect(await health(second, '/readyz')).toMatchObject({ leader: 'leads under token 2' });
    expect((await second.client.query('{ token }')).data).toEqual({ token: 2 });
    const successorAtWork = () => sent().filter(token => token === 2).length;
    while (successorAtWork() < 3) await new Promise(resolve => setTimeout(resolve, 5));
    first.child.kill('SIGCONT');
    expect(await first.exit).toBe(1);
    expect(first.errors()).toContain('inventory was replaced by another leader');
    // The statement that it had decided on before it froze was not sent any more.
    expect(sent().filter(token => token === 1)).toHaveLength(2);
    expect(sent().lastIndexOf(1)).toBeLessThan(sent().indexOf(2));
    await ready(second);
  });

  it('the second leads at once when the first is killed, and gives its place back when it is stopped', async () => {
    const first = await replica();
    await ready(first);
    const second = await replica();
    const third = await replica();
    const killedAt = performance.now();
    first.child.kill('SIGKILL');
    const leader = await Promise.race([second, third].map(of => ready(of).then(() => of)));
    // Not after the minute that a frozen one would be given.
    expect(performance.now() - killedAt).toBeLessThan(30_000);
    const other = leader === second ? third : second;
    expect(await health(other, '/readyz')).toMatchObject({ status: 503 });
    leader.child.kill('SIGTERM');
    expect(await leader.exit).toBe(0);
    await ready(other);
    other.child.kill('SIGTERM');
    expect(await other.exit).toBe(0);
  });
});
