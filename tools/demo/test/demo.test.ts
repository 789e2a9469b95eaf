import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import type { Report } from '../src/report.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

async function demo(...args: string[]): Promise<{ exitCode: number | null; output: string; progress: string }> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, '--json', ...args], {
    env: { ...process.env, HOLDFAST_PARENT_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, progress] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (progress += chunk.toString()));
  await once(child, 'close');
  return { exitCode: child.exitCode, output, progress };
}

const verified = {
  verified: true,
  databases: 13,
  instances: { primary: 2, standby: 2 },
  failover: { databasesAtMark: 13 },
  previewMatched: true,
  oracle: { torn: 0, missing: 0, extra: 0 },
  standin: { unsupported: 0, unsafeRepeats: 0 },
};

// An odd seed: the backup share is lost with the primaries.
it('verifies a failover after kill -9, from nothing', async () => {
  const { exitCode, output, progress } = await demo('--seed', '7');
  expect({ exitCode, progress }).toMatchObject({ exitCode: 0 });
  const report = JSON.parse(output) as Report;
  expect(report).toMatchObject({ ...verified, seed: 7 });
  expect(report.workload.committed).toBeGreaterThan(100);
  expect(report.workload.distributed).toBeGreaterThan(50);
  expect(report.failover.steps.length).toBeGreaterThan(4);
  expect(progress).toContain('The backup share is gone as well.');
}, 240_000);

// Three in a row: one moment of each kind. In the normal run one of them, another one each time.
const first = Math.floor(Math.random() * 1_000_000);
const seeds =
  process.env['HOLDFAST_TESTS'] === 'long' ? Array.from({ length: 9 }, (_, index) => first + index) : [first];

it.each(seeds)(
  'verifies a failover within which Holdfast was killed as well (seed %i)',
  async seed => {
    const { exitCode, output, progress } = await demo('--scenario', 'control-plane-crash', '--seed', String(seed));
    expect({ exitCode, progress }).toMatchObject({ exitCode: 0 });
    const report = JSON.parse(output) as Report;
    expect(report).toMatchObject({ ...verified, seed, scenario: 'control-plane-crash' });
    expect(report.crash?.at).not.toBe('');
    expect(report.crash?.restartSeconds).toBeGreaterThan(0);
  },
  240_000,
);

it('verifies a planned switch that loses nothing', async () => {
  const { exitCode, output, progress } = await demo('--scenario', 'planned', '--seed', '2');
  expect({ exitCode, progress }).toMatchObject({ exitCode: 0 });
  const report = JSON.parse(output) as Report;
  expect(report).toMatchObject({ ...verified, previewMatched: null, dataLossSeconds: 0, scenario: 'planned' });
  expect(progress).toContain('confirmed: ');
}, 240_000);

it('refuses a scenario that does not exist', async () => {
  const { exitCode, output, progress } = await demo('--scenario', 'sunshine');
  expect({ exitCode, output }).toEqual({ exitCode: 1, output: '' });
  expect(progress).toContain('Those that exist: control-plane-crash, lose-one, planned.');
});
