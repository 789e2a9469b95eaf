/**
 * `programs.ts FOLDER`: the programs that tests start as processes, each made into one file, because a process that loads a thousand of them
 * spends more on that than on what it is started for: `tools/standin/main.js`, and the bundles in `apps/`. Tests find the folder by
 * HOLDFAST_PROGRAMS; without it they start the sources.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundleApps, bundling } from './bundle.ts';
import { bundledApps } from './bundled-apps.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const [, , given] = process.argv;
if (given === undefined) throw new Error('programs.ts FOLDER');
const folder = resolve(given);
const standin = join(folder, 'tools', 'standin');

await build({
  ...bundling,
  absWorkingDir: root,
  entryPoints: ['tools/standin/src/main.ts'],
  outfile: join(standin, 'main.js'),
  // Sets the name of each function whenever it is made, a twentieth of what the stand-in does.
  keepNames: false,
});
await writeFile(join(standin, 'package.json'), '{"type":"module"}\n');
await bundleApps(root, join(folder, 'apps'));
// Most of them are ended by SIGKILL, which keeps nothing of what was compiled: what they load is compiled here, once.
await stopAfterItsStart();
for (const app of bundledApps) await refuseAfterLoading(join(folder, 'apps', app, 'main.js'));

async function stopAfterItsStart(): Promise<void> {
  const state = await mkdtemp(join(tmpdir(), 'holdfast-programs-'));
  const child = spawn(process.execPath, [join(standin, 'main.js'), '--data', state, '--name', 'ONCE'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, STANDIN_PASSWORD: 'once', STANDIN_PARENT_PID: String(process.pid) },
  });
  const ended = once(child, 'exit');
  for await (const _ready of createInterface({ input: child.stdout })) child.kill();
  await ended;
  await rm(state, { recursive: true, force: true, maxRetries: 5 });
}

/** A service knows no such argument; it says so when all of it is loaded. */
async function refuseAfterLoading(main: string): Promise<void> {
  await once(spawn(process.execPath, [main, '--load-only'], { stdio: 'ignore' }), 'exit');
}
