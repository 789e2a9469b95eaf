import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { newestClaim } from './claim.ts';
import { acquireLease, tryAcquireLease } from './lease.ts';

let folder: string;
let file: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-lease-'));
  file = join(folder, 'test.lease');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Another process that takes the lease, prints its token and keeps it. */
function holder(): { child: ChildProcess; token: Promise<number> } {
  const script = `
    import { acquireLease } from ${JSON.stringify(new URL('./lease.ts', import.meta.url).href)};
    const lease = await acquireLease({ file: ${JSON.stringify(file)}, retryMs: 5 });
    process.stdout.write(String(lease.fencingToken));
    setInterval(() => {}, 1000);`;
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  const token = new Promise<number>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(Number(text.toString())));
    child.once('exit', code => reject(new Error(`the holder ended with ${code}`)));
  });
  return { child, token };
}

it('is free at once after kill -9 of its holder, with a higher token', async () => {
  const first = holder();
  const before = await first.token;
  expect(tryAcquireLease({ file })).toBeUndefined();
  const second = holder();
  first.token.catch(() => undefined);
  first.child.kill('SIGKILL');
  expect(await second.token).toBeGreaterThan(before);
  expect(tryAcquireLease({ file })).toBeUndefined();
});

it('can be given back and taken again', () => {
  const lease = tryAcquireLease({ file });
  expect(lease?.held()).toBe(true);
  lease?.release();
  expect(lease?.held()).toBe(false);
  const next = tryAcquireLease({ file });
  expect(next?.fencingToken).toBe(2);
  next?.release();
});

it('stops waiting when told to', async () => {
  const lease = tryAcquireLease({ file });
  const stop = new AbortController();
  const waiting = acquireLease({ file, signal: stop.signal, retryMs: 5 });
  stop.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
  lease?.release();
});

it('beats six times while those who wait would still stand by, once a second at the least', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    for (const [replaceAfterMs, beatsPerSecond] of [
      [1_000, 6],
      [3_000, 2],
      [600_000, 1],
    ] as const) {
      const lease = await acquireLease({ file, replaceAfterMs });
      mock.timers.tick(1_000);
      expect(Number(newestClaim(file)?.beat)).toBe(beatsPerSecond);
      lease.release();
    }
  } finally {
    mock.timers.reset();
  }
});

it('goes on above the floor, and above claims that nobody wrote whole', () => {
  writeFileSync(`${file}-7.json`, '');
  const lease = tryAcquireLease({ file });
  expect(lease?.fencingToken).toBe(8);
  lease?.release();
  const higher = tryAcquireLease({ file, floor: 20 });
  expect(higher?.fencingToken).toBe(21);
  higher?.release();
});

it('goes on above the token of a data folder without claims, and starts no count again when that cannot be read', () => {
  writeFileSync(`${file}.db.token`, 'garbage');
  expect(() => tryAcquireLease({ file })).toThrow('fencing token');
  writeFileSync(`${file}.db.token`, '41\n');
  const lease = tryAcquireLease({ file });
  expect(lease?.fencingToken).toBe(42);
  lease?.release();
});

it('is lost when a newer claim is there or its own is gone, and says so once', () => {
  for (const overtake of [() => writeFileSync(`${file}-99.json`, ''), () => readdirSync(folder).forEach(remove)]) {
    const lease = tryAcquireLease({ file });
    let told = 0;
    lease?.lost.addEventListener('abort', () => (told += 1));
    expect(lease?.held()).toBe(true);
    overtake();
    expect([lease?.held(), lease?.held(), told]).toEqual([false, false, 1]);
    expect(lease?.lost.reason).toMatchObject({ kind: 'superseded' });
    lease?.release();
  }
});

function remove(name: string): void {
  rmSync(join(folder, name));
}
