// Runs before every npm script, on whatever Node the machine has (18 or newer), with nothing installed yet.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('../../../', import.meta.url)));
const stamp = 'node_modules/.package-lock.json'; // npm writes it last
const nodeBinary = process.platform === 'win32' ? 'node_modules/node/bin/node.exe' : 'node_modules/node/bin/node';
const current =
  existsSync(stamp) && existsSync(nodeBinary) && statSync(stamp).mtimeMs >= statSync('package-lock.json').mtimeMs;
if (!current) {
  const npm = process.env.npm_execpath;
  if (!npm) throw new Error('Run this through npm, for example: npm test');
  // --include=dev: with NODE_ENV=production npm would leave out the pinned Node itself.
  const { status } = spawnSync(
    process.execPath,
    [npm, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      stdio: ['ignore', 2, 2],
    },
  );
  process.exitCode = status ?? 1;
}
