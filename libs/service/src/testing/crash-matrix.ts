/** Joins what the suites of injuries left in `reports/crash-matrix/` to `reports/crash-matrix.json`; exit code 1 when it proves too little. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { joinReports, readReports, servicesWithRunners } from './matrix-joined.ts';
import { workspace } from './matrix-report.ts';

const joined = joinReports(readReports(join(workspace, 'reports', 'crash-matrix')), servicesWithRunners(workspace));
mkdirSync(join(workspace, 'reports'), { recursive: true });
writeFileSync(join(workspace, 'reports', 'crash-matrix.json'), `${JSON.stringify(joined, null, 2)}\n`);
const { points, runners, injuries, problems } = joined;
const counts = Object.entries(injuries).map(([injury, { equal, hit }]) => `${injury} ${String(equal)}/${String(hit)}`);
console.log(
  `crash matrix: ${String(points)} points of ${String(runners.length)} runners; ended equal: ${counts.join(', ')}`,
);
for (const problem of problems) console.log(`crash matrix: ${problem}`);
process.exitCode = problems.length === 0 ? 0 : 1;
