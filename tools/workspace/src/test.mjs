// `npm test`: every check, every test of every project, one line of totals at the end and an exit status to match.
// With --long (`npm run test:long`) the suites that sample run at full counts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readTotals, renderTotals } from './totals.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
process.chdir(root);
const { long } = parseArgs({ options: { long: { type: 'boolean', default: false } } }).values;
// Outside of the repository: a bundle that leans on what is installed here would not be noticed.
const programs = mkdtempSync(join(tmpdir(), 'holdfast-programs-'));
const env = {
  ...process.env,
  ...(long ? { HOLDFAST_TESTS: 'long' } : {}),
  // Tests start hundreds of processes and end most of them with -9, which leaves nothing behind: what they load is compiled once before.
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../../node_modules/.cache/compile', import.meta.url)),
  HOLDFAST_PROGRAMS: programs,
};

/** What tools/kafka ends with when Java or Maven is not there. */
const missingProgram = 3;

/** Prints what a step says when it has ended, as one piece, for another one may run beside it; `atOnce`: while it runs. */
async function step(title, command, args, { good = [0], atOnce = false } = {}) {
  const started = Date.now();
  if (atOnce) console.log(`\n== ${title}`);
  const child = spawn(process.execPath, [command, ...args], {
    stdio: ['ignore', atOnce ? 'inherit' : 'pipe', atOnce ? 'inherit' : 'pipe'],
    env,
  });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', bytes => said.push(bytes));
  const [status, signal] = await once(child, 'close');
  const ok = status !== null && good.includes(status);
  if (!atOnce) process.stdout.write(`\n== ${title}\n${Buffer.concat(said)}`);
  console.log(
    `== ${title}: ${ok ? 'ok' : `failed (${signal ?? status})`} in ${Math.round((Date.now() - started) / 1000)} s`,
  );
  return ok;
}

const nx = (title, targets, how) =>
  step(
    title,
    'node_modules/nx/dist/bin/nx.js',
    ['run-many', '--output-style=static', '--nxBail=false', '-t', ...targets],
    how,
  );

// Cached runs restore their reports; one that is still missing afterwards did not run.
for (const folder of ['reports/tests', 'reports/crash-matrix']) rmSync(folder, { recursive: true, force: true });
const checks = [await nx('generated code', ['codegen'])];
// Beside the tests, which leave a core idle now and then.
const looks = [
  step('format', 'node_modules/prettier/bin/prettier.cjs', ['--check', '--log-level=warn', '.']),
  nx('lint and types', ['lint-and-types']),
];
// Once, before any suite waits for a broker. Without Java or Maven those are skipped by name; CI has both.
const good = process.env.CI === 'true' ? [0] : [0, missingProgram];
checks.push(await step('kafka', 'tools/kafka/src/main.ts', ['prepare'], { good }));
checks.push(
  await step('compile once', '--import', ['./tools/standin/src/service.ts', 'apps/all-in-one/src/service.ts']),
);
const made = await step('programs', 'tools/workspace/src/programs.ts', [programs]);
checks.push(made);
// Then tests start the sources, and say what is wrong with those.
if (!made) delete env.HOLDFAST_PROGRAMS;
const ran = await nx('tests', ['test'], { atOnce: true });
checks.push(...(await Promise.all(looks)));
rmSync(programs, { recursive: true, force: true });
// Joins what the injury suites report: every runner is in it, every point ended equal.
checks.push(await step('crash matrix', 'libs/service/src/testing/crash-matrix.ts', []));

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
