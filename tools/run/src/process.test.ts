import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isAlive } from './end.ts';
import { type ProcessDefinition, type RunningProcess, startProcess } from './process.ts';

const main = fileURLToPath(new URL('../test/child.ts', import.meta.url));
const running: RunningProcess[] = [];
let lines: string[] = [];

async function started(way: string, more: Partial<ProcessDefinition> = {}): Promise<RunningProcess> {
  const child = await startProcess({ name: 'child', main, args: [way], log: line => lines.push(line), ...more });
  running.push(child);
  return child;
}

async function untilTrue(condition: () => boolean): Promise<void> {
  const limit = AbortSignal.timeout(10_000);
  while (!condition()) {
    if (limit.aborted) throw new Error(`not in time; lines: ${lines.join(' | ')}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(child => child.kill()));
  lines = [];
});

describe('startProcess', () => {
  it('waits until the process answers, prefixes its lines and keeps the announcement out of them', async () => {
    const asked: number[] = [];
    const child = await started('good', {
      readyUrl: ({ port }) => {
        asked.push(Number(port));
        return `http://127.0.0.1:${String(port)}/`;
      },
    });
    expect(child.announcement).toMatchObject({ ready: true, pid: child.pid });
    expect((await fetch(`http://127.0.0.1:${asked[0] ?? 0}/`)).status).toBe(200);
    await untilTrue(() => lines.length >= 2);
    expect(lines.toSorted()).toEqual(['[child] a line on standard error', '[child] {"ready":"not an announcement"}']);
  });

  it('stops a process by asking it', async () => {
    const child = await started('good');
    expect(child.hasExited()).toBe(false);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
    expect(child.hasExited()).toBe(true);
    // Its end may be known before its last line is.
    await untilTrue(() => lines.includes('[child] ends: SIGTERM'));
    expect(await child.stop()).toEqual({ code: 0, signal: null });
  });

  it('ends one that does not listen', async () => {
    const child = await started('stubborn');
    expect(await child.stop(200)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('tells what a process said that ended before it was ready', async () => {
    await expect(started('fails')).rejects.toThrow(
      'child ended (exit code 3) before it was ready.\nthe disk is missing',
    );
  });

  it('ends a process that is not ready in time', async () => {
    await expect(started('silent', { readyTimeoutMs: 300 })).rejects.toThrow('child was not ready within 300 ms.');
    await expect(started('good', { readyUrl: () => 'http://127.0.0.1:9/', readyTimeoutMs: 700 })).rejects.toThrow(
      'child was not ready within 700 ms.',
    );
  });

  it('leaves nothing behind when a parent is killed', async () => {
    const parent = await started('parent');
    const grandchild = Number(parent.announcement['grandchild']);
    expect(isAlive(grandchild)).toBe(true);
    await parent.kill();
    await untilTrue(() => !isAlive(grandchild));
  });

  it('leaves nothing behind when npm is killed', async () => {
    const launcher = await started('launcher');
    const grandchild = Number(launcher.announcement['pid']);
    expect(grandchild).not.toBe(launcher.pid);
    expect(isAlive(grandchild)).toBe(true);
    await launcher.kill();
    await untilTrue(() => !isAlive(grandchild));
  });
});
