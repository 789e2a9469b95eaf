// Runs before every npm script, on whatever Node the machine has (18 or newer), with nothing installed yet.
// With --generated also the generated code is made, which a running product needs and `npm test` makes by itself.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('../../../', import.meta.url)));
const stamp = 'node_modules/.package-lock.json'; // npm writes it last
const nodeBinary = `node_modules/node/bin/node${process.platform === 'win32' ? '.exe' : ''}`;
const changedAt = file => statSync(file).mtimeMs;

if (!existsSync(stamp) || !existsSync(nodeBinary) || changedAt(stamp) < changedAt('package-lock.json')) {
  const npm = process.env.npm_execpath;
  if (!npm) throw new Error('Run this through npm, for example: npm test');
  // --include=dev: with NODE_ENV=production npm would leave out the pinned Node itself.
  run(process.execPath, [npm, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
}
if (process.argv.includes('--generated')) {
  const supergraph = 'apps/gateway/generated/supergraph.graphql';
  const sources = ['inventory', 'backup', 'shipping', 'restore'].map(app => `apps/${app}/schema.graphql`);
  const stale =
    !existsSync(supergraph) || sources.some(file => existsSync(file) && changedAt(file) > changedAt(supergraph));
  if (stale) run(nodeBinary, ['tools/workspace/src/codegen.ts']);
}

function run(command, args) {
  // Standard output belongs to the script that follows.
  const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}
