import { rename, writeFile } from 'node:fs/promises';

/** For its owner alone, and never seen half written under its name. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const part = `${file}.part`;
  await writeFile(part, text, { mode: 0o600 });
  await rename(part, file);
}
