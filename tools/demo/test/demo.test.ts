import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import type { Report } from '../src/report.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

it('verifies a failover after kill -9, from nothing', async () => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, '--json', '--seed', '7'], {
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, progress] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (progress += chunk.toString()));
  await once(child, 'close');
  expect({ exitCode: child.exitCode, progress }).toMatchObject({ exitCode: 0 });
  const report = JSON.parse(output) as Report;
  expect(report).toMatchObject({
    verified: true,
    seed: 7,
    databases: 2,
    failover: { databasesAtMark: 2 },
    oracle: { torn: 0, missing: 0, extra: 0 },
    standin: { unsupported: 0, unsafeRepeats: 0 },
  });
  expect(report.workload.committed).toBeGreaterThan(100);
  expect(report.failover.steps.length).toBeGreaterThan(4);
}, 150_000);
