import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** `reason` says what this machine lacks, and the command that brings it where there is one. */
export type PythonEnvironment =
  { readonly ok: true; readonly python: string } | { readonly ok: false; readonly reason: string };

const oldest = [3, 9] as const;
// ensurepip is what Debian's python3 lacks without python3-venv.
const probe =
  'import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1], sys.implementation.cache_tag)';

/**
 * A Python with the packages of a requirements file (pinned, with hashes, wheels alone), made once per content of that file and version of Python
 * under `cacheFolder`; two processes at once do not hurt each other.
 */
export async function pythonEnvironment(requirementsFile: string, cacheFolder: string): Promise<PythonEnvironment> {
  const found = await findPython();
  if (!found.ok) return found;
  const text = await readFile(requirementsFile, 'utf8');
  const name = createHash('sha256').update(`${found.version}\n${text}`).digest('hex').slice(0, 16);
  const folder = join(cacheFolder, name);
  if (existsSync(folder)) return { ok: true, python: pythonIn(folder) };

  const beside = join(cacheFolder, `${name}.${randomUUID()}`);
  await mkdir(cacheFolder, { recursive: true });
  try {
    const made = await run(found.python, ['-m', 'venv', beside]);
    if (made.status !== 0) return { ok: false, reason: `python -m venv failed: ${made.lastLine}` };
    const installed = await run(pythonIn(beside), [...pipInstall, '-r', requirementsFile]);
    if (installed.status !== 0)
      return { ok: false, reason: `pip could not install examples/requirements.txt: ${installed.lastLine}` };
    await rename(beside, folder).catch((error: unknown) => {
      // Another process was faster: the same requirements, the same Python.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  return { ok: true, python: pythonIn(folder) };
}

const pipInstall = [
  ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input'],
  ...['--no-deps', '--only-binary=:all:', '--require-hashes'],
];

type Found = { readonly ok: true; readonly python: string; readonly version: string } | { ok: false; reason: string };

async function findPython(): Promise<Found> {
  let reason = 'no Python (apt-get install -y --no-install-recommends python3-venv)';
  for (const python of ['python3', 'python']) {
    const { status, firstLine } = await run(python, ['-c', probe]);
    if (status === undefined) continue;
    if (status !== 0) {
      reason = `${python} has no venv (apt-get install -y --no-install-recommends python3-venv)`;
      continue;
    }
    const [major = 0, minor = 0] = firstLine.split(' ').map(Number);
    if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1]))
      return { ok: true, python, version: firstLine };
    reason = `${python} is ${major}.${minor}, older than ${oldest.join('.')}`;
  }
  return { ok: false, reason };
}

const pythonIn = (folder: string): string =>
  process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python');

type Ended = { readonly status: number | null | undefined; readonly firstLine: string; readonly lastLine: string };

/** `status` is undefined when there is no such program. */
function run(command: string, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const add = (chunk: Buffer): void => void (text += chunk.toString());
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve({ status: undefined, firstLine: '', lastLine: '' });
      else reject(error);
    });
    child.once('close', status => {
      const lines = text.trim().split(/\r?\n/);
      resolve({ status, firstLine: lines[0] ?? '', lastLine: lines.at(-1) ?? '' });
    });
  });
}
