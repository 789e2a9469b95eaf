import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function bench(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, ...args],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

describe('npm run bench', () => {
  it('refuses a name that it does not know, with those that it does', () => {
    const { status, stderr } = bench('speed');
    expect(stderr).toContain('There is no measurement "speed". Those that exist: events, latency, failover, shipping,');
    expect(status).toBe(1);
  });

  // cp and sha256sum are the peers.
  const onPosix = process.platform === 'win32' ? it.skip : it;
  onPosix('measures a copy beside its peers', () => {
    const { status, stdout, stderr } = bench('copy', '--quick', '--json');
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const { entries, unmeasured } = JSON.parse(stdout) as { entries: unknown[]; unmeasured: number };
    expect(unmeasured).toBe(0);
    expect(entries).toMatchObject([
      {
        name: 'copy',
        command: 'npm run bench -- copy --quick',
        quick: true,
        machine: { node: process.version },
        figures: [
          {
            unit: 'MiB/s',
            value: expect.any(Number),
            beside: [{ name: 'cp + sync' }, { name: 'sha256sum' }],
            goals: [{ words: '≥ 0.9 × the slower', met: expect.any(Boolean) }],
          },
        ],
      },
    ]);
  });
});
