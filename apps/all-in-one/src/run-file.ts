import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where others find who runs on a data folder. */
export function runFile(dataFolder: string): string {
  return join(dataFolder, 'run', 'all-in-one.json');
}

export async function writeRunFile(
  dataFolder: string,
  content: { readonly pid: number; readonly port: number },
): Promise<void> {
  const file = runFile(dataFolder);
  await mkdir(dirname(file), { recursive: true });
  // Whole or not at all: somebody may read it at any time.
  await writeFile(`${file}.part`, `${JSON.stringify(content)}\n`);
  await rename(`${file}.part`, file);
}

export async function removeRunFile(dataFolder: string): Promise<void> {
  await rm(runFile(dataFolder), { force: true });
}
