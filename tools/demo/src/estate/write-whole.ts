import { rename, writeFile } from 'node:fs/promises';

/** Whole or not at all: somebody may read it at any time. Readable by its owner only. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.part`, `${text}\n`, { mode: 0o600 });
  await rename(`${file}.part`, file);
}
