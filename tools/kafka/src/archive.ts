import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { exclusively } from './exclusive.ts';
import { brokerFolder } from './folder.ts';
import type { Installation } from './installation.ts';
import { sha256 } from './jars.ts';
import { launch } from './launch.ts';

/**
 * Java's archive of the classes that a start loads (AppCDS), beside the jars; made by one start and stop of a broker that nobody uses. Java
 * takes it only with the Java and the jars that it was made with, hence its name. Where it cannot be made, that is said once and kept.
 */
export async function ensureArchive(
  installation: Installation,
  log: (line: string) => void,
): Promise<string | undefined> {
  const { java, lib } = installation;
  const home = dirname(lib);
  const archive = join(home, `classes-${sha256(`${java.version}\n${lib}`).slice(0, 12)}.jsa`);
  const refused = `${archive}.failed`;
  if (existsSync(archive)) return archive;
  if (existsSync(refused)) return undefined;
  await exclusively(join(home, 'archive.lock.db'), async () => {
    // Somebody else was faster.
    if (existsSync(archive) || existsSync(refused)) return;
    log('Making the archive of classes that shortens every later start …');
    try {
      await makeArchive(installation, archive);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      await writeFile(refused, `${reason}\n`);
      log(`There is none: ${reason} (${refused} keeps it from being tried again.)`);
    }
  });
  return existsSync(archive) ? archive : undefined;
}

async function makeArchive(installation: Installation, archive: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-kafka-classes-'));
  const part = `${archive}.part`;
  try {
    await rm(part, { force: true });
    const broker = await launch({
      installation,
      folder: brokerFolder(root),
      port: undefined,
      as: { security: 'plaintext', acl: false },
      attached: true,
      archiveAtExit: part,
    });
    const { lastLines } = await broker.stop();
    if (!existsSync(part)) throw new Error(`Java wrote no archive.\n${lastLines.join('\n')}`);
    await rename(part, archive);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
