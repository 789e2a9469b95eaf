import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { endProcess, startOfProcess } from './process-identity.ts';

const told = existsSync('/proc/self/stat') ? describe : describe.skip;

told('a process, where the system tells when it started', () => {
  it('is ended only under the start that was recorded', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    const pid = child.pid!;
    const started = startOfProcess(pid);
    expect(started).toMatch(/^\d+$/);
    expect(endProcess({ pid, started: '1' })).toBe(false);
    expect(endProcess({ pid, started: null })).toBe(false);
    expect(endProcess({ pid, started })).toBe(true);
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(endProcess({ pid, started })).toBe(false);
  });

  it('never ends itself', () => {
    expect(endProcess({ pid: process.pid, started: startOfProcess(process.pid) })).toBe(false);
  });
});
