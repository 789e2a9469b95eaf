import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from './program.ts';

const gatewayVersion = '2.14.4';
/** In the versions that we use ourselves. */
const shared = ['@apollo/server', '@as-integrations/fastify', 'fastify', 'graphql'];

/**
 * A folder outside this workspace with @apollo/gateway in it, installed when it is missing. It is under the Elastic licence 2.0: something to
 * compare with on a developer's machine, never part of what we ship. @throws Error with npm's words.
 */
export async function installApollo(say: (line: string) => void): Promise<{ readonly folder: string }> {
  const folder = join(tmpdir(), `holdfast-bench-apollo-${gatewayVersion}`);
  if (existsSync(join(folder, 'node_modules'))) return { folder };
  say(`  installing @apollo/gateway ${gatewayVersion} into ${folder} …`);
  const wanted = await Promise.all(shared.map(async name => [name, await ownVersion(name)] as const));
  const dependencies = { '@apollo/gateway': gatewayVersion, ...Object.fromEntries<string>(wanted) };
  // Under its name only when it is whole.
  const part = `${folder}.${process.pid}`;
  await mkdir(part, { recursive: true });
  await writeFile(join(part, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
  try {
    await runNpm(['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], part);
    await rename(part, folder);
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return { folder };
}

async function ownVersion(name: string): Promise<string> {
  const text = await readFile(fromRoot(`node_modules/${name}/package.json`), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** npm itself where it started us; it is a script, so it needs no shell. */
async function runNpm(args: readonly string[], folder: string): Promise<void> {
  const script = process.env['npm_execpath'];
  const [command, before] = script === undefined ? ['npm', []] : [process.execPath, [script]];
  const child = spawn(command, [...before, ...args], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.on('data', chunk => (words += String(chunk)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`npm install failed (${code ?? 'killed'}): ${words.trim().slice(-1_000)}`);
}
