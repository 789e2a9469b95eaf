import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every project that declares a test target, and what its last run reported. */
export function readTotals(root) {
  const declared = globSync('{apps,libs,tools}/*/package.json', { cwd: root })
    .map(file => JSON.parse(readFileSync(join(root, file), 'utf8')))
    .filter(manifest => manifest.nx?.targets?.test !== undefined)
    .map(manifest => manifest.name)
    .sort();
  const projects = [];
  const missing = [];
  for (const name of declared) {
    const file = join(root, 'reports', 'tests', `${name}.json`);
    if (existsSync(file)) projects.push(JSON.parse(readFileSync(file, 'utf8')));
    else missing.push(name);
  }
  const sum = pick => projects.reduce((total, project) => total + pick(project), 0);
  return {
    projects,
    missing,
    passed: sum(p => p.passed),
    failed: sum(p => p.failed),
    skipped: sum(p => p.skipped.length),
  };
}

export function renderTotals({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
