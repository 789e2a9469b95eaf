import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { KafkaError } from './errors.ts';
import { exclusively } from './exclusive.ts';

export type LockedJar = {
  /** Of a Maven repository. */
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
};

export type JarLock = {
  readonly jars: readonly LockedJar[];
  /** Of the lock file's text: another lock, another folder. */
  readonly key: string;
};

export type JarCache = {
  /** Shared by all data folders: a folder per lock. */
  readonly folder: string;
  readonly lock: JarLock;
  /** Puts all jars into a folder, by their file names. */
  readonly copy: (folder: string) => Promise<void>;
  readonly log: (line: string) => void;
};

const pieceBytes = 256 * 1024;
const partPrefix = 'lib.part-';

export const lockFile = fileURLToPath(new URL('../lock.json', import.meta.url));

export async function readLock(): Promise<JarLock> {
  const text = await readFile(lockFile, 'utf8');
  return { jars: JSON.parse(text) as LockedJar[], key: sha256(text).slice(0, 16) };
}

export function renderLock(jars: readonly LockedJar[]): string {
  return `${JSON.stringify(
    jars.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    null,
    2,
  )}\n`;
}

/**
 * The folder of exactly the jars that the lock names, copied when it is not there yet, verified each time: Maven copies a damaged jar of its
 * local repository without a word (kafka.md §1). @throws KafkaError WRONG_JAR; what `copy` throws.
 */
export async function ensureJars({ folder, lock, copy, log }: JarCache): Promise<string> {
  const home = join(folder, lock.key);
  const lib = join(home, 'lib');
  if (!existsSync(lib))
    await exclusively(join(home, 'install.lock.db'), async () => {
      // Somebody else was faster.
      if (existsSync(lib)) return;
      log('Fetching Kafka with Maven …');
      await removeParts(home);
      // A folder of its own: a Maven whose starter was killed may still be writing into another.
      const part = await mkdtemp(join(home, partPrefix));
      await copy(part);
      await verifyJars(part, lock, 'It came from the local Maven repository: remove it there, and it is fetched anew.');
      // Whole or not at all: whoever sees the folder may use it.
      await rename(part, lib);
    });
  await verifyJars(lib, lock, `Remove ${home}, and it is copied anew.`);
  return lib;
}

/** What was left half-way. */
async function removeParts(home: string): Promise<void> {
  const parts = (await readdir(home)).filter(name => name.startsWith(partPrefix));
  await Promise.all(parts.map(name => rm(join(home, name), { recursive: true, force: true })));
}

/** A jar too many is on the class path as well. */
async function verifyJars(folder: string, lock: JarLock, advice: string): Promise<void> {
  const found = new Set(await readdir(folder));
  for (const { path, sha256: expected } of lock.jars) {
    const name = basename(path);
    if (!found.delete(name)) throw wrongJar(`${name} is missing in ${folder}.`, advice);
    const actual = await sha256OfFile(join(folder, name));
    if (actual !== expected)
      throw wrongJar(`${join(folder, name)} is not ${path} of lock.json: its SHA-256 is ${actual}.`, advice);
  }
  const [unknown] = found;
  if (unknown !== undefined) throw wrongJar(`${join(folder, unknown)} is not in lock.json.`, advice);
}

function wrongJar(what: string, advice: string): KafkaError {
  return new KafkaError('WRONG_JAR', `${what} ${advice}`);
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** In pieces: whole jars would stay in this process's memory beside the broker. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file, { highWaterMark: pieceBytes }), hash);
  return hash.digest('hex');
}
