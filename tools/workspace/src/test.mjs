// `npm test`: every check, every test of every project, one line of totals at the end and an exit status to match.
// With --long (`npm run test:long`) the suites that sample run at full counts.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readTotals, renderTotals } from './totals.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
process.chdir(root);
const { long } = parseArgs({ options: { long: { type: 'boolean', default: false } } }).values;
const env = {
  ...process.env,
  ...(long ? { HOLDFAST_TESTS: 'long' } : {}),
  // Tests start hundreds of processes and end most of them with -9, which leaves nothing behind: what they load is compiled once before.
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../../node_modules/.cache/compile', import.meta.url)),
};

/** What tools/kafka ends with when Java or Maven is not there. */
const missingProgram = 3;

function step(title, command, args, good = [0]) {
  const started = Date.now();
  console.log(`\n== ${title}`);
  const { status, signal } = spawnSync(process.execPath, [command, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  const ok = status !== null && good.includes(status);
  console.log(
    `== ${title}: ${ok ? 'ok' : `failed (${signal ?? status})`} in ${Math.round((Date.now() - started) / 1000)} s`,
  );
  return ok;
}

const nx = (title, ...targets) =>
  step(title, 'node_modules/nx/dist/bin/nx.js', [
    'run-many',
    '--output-style=static',
    '--nxBail=false',
    '-t',
    ...targets,
  ]);

// Cached runs restore their reports; one that is still missing afterwards did not run.
for (const folder of ['reports/tests', 'reports/crash-matrix']) rmSync(folder, { recursive: true, force: true });
const checks = [
  step('format', 'node_modules/prettier/bin/prettier.cjs', ['--check', '--log-level=warn', '.']),
  nx('generated code', 'codegen'),
  // One program over everything: project by project each would load again what it imports.
  nx('lint and types', 'lint-all', 'typecheck-all'),
  // Once, before any suite waits for a broker. Without Java or Maven those are skipped by name; CI has both.
  step('kafka', 'tools/kafka/src/main.ts', ['prepare'], process.env.CI === 'true' ? [0] : [0, missingProgram]),
  step('compile once', '--import', ['./tools/standin/src/service.ts', 'apps/all-in-one/src/service.ts']),
];
const ran = nx('tests', 'test');
// Joins what the injury suites report: every runner is in it, every point ended equal.
checks.push(step('crash matrix', 'libs/service/src/testing/crash-matrix.ts', []));

const totals = readTotals(root);
for (const { project, skipped } of totals.projects)
  for (const name of skipped) console.log(`skipped: ${project}: ${name}`);
// Last, so that whoever sees only the end of a log knows what failed and how.
for (const { project, failures } of totals.projects)
  for (const { name, why } of failures) console.log(`failed: ${project}: ${name}\n${why.replaceAll(/^/gm, '  ')}`);
for (const project of totals.missing) console.log(`no report from ${project}: its tests did not run`);
const failedChecks = checks.filter(ok => !ok).length;
const failed = totals.failed + totals.missing.length + failedChecks;
// A target can fail without a failing test (a leaked handle, a crash after the last test): never a green line then.
const unexplained = !ran && failed === 0 ? 1 : 0;
console.log(renderTotals({ passed: totals.passed, failed: failed + unexplained, skipped: totals.skipped }));
process.exitCode = failed + unexplained === 0 ? 0 : 1;
