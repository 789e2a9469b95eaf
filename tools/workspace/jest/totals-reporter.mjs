import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const reports = fileURLToPath(new URL('../../../reports/tests/', import.meta.url));

/** Writes one project's totals; the file is the test target's declared output, so a cached run restores it. */
export default class TotalsReporter {
  constructor(globalConfig) {
    this.rootDir = globalConfig.rootDir;
    this.filtered = Boolean(globalConfig.testNamePattern) || globalConfig.testPathPatterns?.patterns?.length > 0;
  }

  onRunComplete(_contexts, results) {
    // A run of some tests only is not the project's total.
    if (this.filtered) return;
    const { name } = JSON.parse(readFileSync(join(this.rootDir, 'package.json'), 'utf8'));
    const skipped = results.testResults.flatMap(file =>
      file.testResults.filter(test => test.status === 'pending' || test.status === 'todo').map(test => test.fullName),
    );
    const broken = results.testResults.filter(
      file => file.testExecError !== undefined && file.testResults.length === 0,
    );
    const failures = results.testResults.flatMap(file => [
      ...file.testResults
        .filter(test => test.status === 'failed')
        .map(test => ({ name: test.fullName, why: firstLines(test.failureMessages[0]) })),
      ...(broken.includes(file)
        ? [{ name: relative(this.rootDir, file.testFilePath), why: firstLines(file.testExecError.message) }]
        : []),
    ]);
    const totals = {
      project: name,
      passed: results.numPassedTests,
      failed: results.numFailedTests + Math.max(broken.length, results.numRuntimeErrorTestSuites),
      skipped,
      failures,
    };
    // The very path that nx.json declares as the target's output: a cached run restores only that.
    const file = join(reports, `${name}.json`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(totals, null, 2)}\n`);
  }
}

function firstLines(message = '') {
  return stripVTControlCharacters(message).split('\n').slice(0, 12).join('\n');
}
