import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive } from './end.ts';

/** `run/<name>.json` of a folder for our data: who runs there, and where it listens. */
export type RunFile = { readonly pid: number; readonly port: number };

export async function writeRunFile(dataFolder: string, name: string, content: RunFile): Promise<void> {
  const folder = join(dataFolder, 'run');
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  // Whole or not at all: somebody may read it at any time.
  await writeFile(`${file}.part`, `${JSON.stringify(content)}\n`);
  await rename(`${file}.part`, file);
}

/** Undefined when there is none, or when the process that it names is gone. */
export async function readRunFile(dataFolder: string, name: string): Promise<RunFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataFolder, 'run', `${name}.json`), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const content = JSON.parse(text) as RunFile;
  return isAlive(content.pid) ? content : undefined;
}

export async function removeRunFile(dataFolder: string, name: string): Promise<void> {
  await rm(join(dataFolder, 'run', `${name}.json`), { force: true });
}
