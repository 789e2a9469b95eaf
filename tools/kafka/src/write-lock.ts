import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { type LockedJar, lockFile, renderLock, sha256OfFile } from './jars.ts';
import type { Environment } from './java.ts';
import { copyJars } from './maven.ts';

/** Resolves pom.xml and writes lock.json from what came. Returns the number of jars. */
export async function writeLock(env: Environment): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-kafka-lock-'));
  try {
    await copyJars(folder, { env, layout: 'repository' });
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter(({ name }) => name.endsWith('.jar'));
    const jars = files.map(async ({ parentPath, name }): Promise<LockedJar> => {
      const file = join(parentPath, name);
      return { path: relative(folder, file).split(sep).join('/'), sha256: await sha256OfFile(file) };
    });
    await writeFile(lockFile, renderLock(await Promise.all(jars)));
    return jars.length;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
