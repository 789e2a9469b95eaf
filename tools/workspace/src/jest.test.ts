import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-jest-')));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const files = {
  'shared.ts': `import { it } from '@jest/globals';
    export const seen: string[] = [];
    export const skipped = it.skip;`,
  'top-level.ts': `import { afterAll } from '@jest/globals';
    afterAll(() => undefined);`,
  'one.test.ts': `import { expect, it, jest } from '@jest/globals';
    import { seen, skipped } from './shared.ts';
    jest.setTimeout(50);
    it('changes the process', () => {
      seen.push('one');
      process.env['HOLDFAST_LEFT_BEHIND'] = 'x';
      delete process.env['HOLDFAST_GIVEN'];
    });
    it('ends by its limit', () => new Promise(() => undefined));
    skipped('is skipped', () => undefined);`,
  'two.test.ts': `import { expect, it } from '@jest/globals';
    import { seen, skipped } from './shared.ts';
    it('finds what is loaded, and the process as it was', () => {
      expect(seen).toEqual(['one']);
      expect([process.env['HOLDFAST_LEFT_BEHIND'], process.env['HOLDFAST_GIVEN']]).toEqual([undefined, 'given']);
    });
    it('has the usual limit', () => new Promise(resolve => setTimeout(resolve, 60)));
    skipped('is skipped too', () => undefined);`,
  'z.test.ts': `import './top-level.ts';`,
};

/** Jest as `npm test` sets it up, one file after the other in one process; `tests`: title to status, `files`: why one did not run. */
function run(...more: readonly string[]): {
  tests: Record<string, string>;
  files: Record<string, string>;
  said: string;
} {
  const report = join(folder, 'report.json');
  const where = ['-c', 'jest.config.mjs', '--rootDir', folder, '--testMatch', '**/*.test.ts', '--reporters', 'default'];
  const how = ['-i', '--testSequencer', join(folder, 'by-name.cjs'), '--json', '--outputFile', report, ...more];
  const { stderr } = spawnSync(process.execPath, ['node_modules/jest/bin/jest.js', ...where, ...how], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, HOLDFAST_GIVEN: 'given', FORCE_COLOR: '0' },
  });
  if (!existsSync(report)) throw new Error(stderr);
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { name: string; message: string; assertionResults: { title: string; status: string }[] }[];
  };
  return {
    tests: Object.fromEntries(
      testResults.flatMap(file => file.assertionResults.map(({ title, status }) => [title, status])),
    ),
    files: Object.fromEntries(
      testResults
        .filter(file => file.assertionResults.length === 0)
        .map(({ name, message }) => [basename(name), message]),
    ),
    said: stderr,
  };
}

for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
writeFileSync(
  join(folder, 'by-name.cjs'),
  `module.exports = class { shard = tests => tests; allFailedTests = tests => tests; cacheResults() {}
    sort = tests => tests.toSorted((a, b) => (a.path < b.path ? -1 : 1)); };`,
);

it('shares modules between test files, and nothing else', () => {
  const outcome = run();
  expect(outcome.said).toMatch(/^ *> +9 \| +it\('ends by its limit'/m);
  expect(outcome.tests).toEqual({
    'changes the process': 'passed',
    'ends by its limit': 'failed',
    'is skipped': 'pending',
    'finds what is loaded, and the process as it was': 'passed',
    'has the usual limit': 'passed',
    'is skipped too': 'pending',
  });
  expect(outcome.files).toEqual({
    'z.test.ts': expect.stringContaining(
      'afterAll() at the top level of a shared module is heard in one test file only',
    ),
  });
});

it('refuses what needs a module to be loaded again or changed', () => {
  expect(run('--coverage', 'two').files).toEqual({ 'two.test.ts': expect.stringContaining('NODE_V8_COVERAGE') });
});
