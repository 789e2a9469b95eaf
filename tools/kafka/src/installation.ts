import { fileURLToPath } from 'node:url';
import { ensureArchive } from './archive.ts';
import { ensureJars, readLock } from './jars.ts';
import { type Environment, findJava, type Java } from './java.ts';
import { copyJars } from './maven.ts';

/** What is on this machine to start brokers with. */
export type Installation = {
  readonly env: Environment;
  readonly java: Java;
  /** Folder of the jars. */
  readonly lib: string;
  /** Of Java's classes as a start needs them; undefined: none could be made, and starts take a second longer. */
  readonly archive: string | undefined;
};

export type InstallOptions = { readonly env: Environment; readonly log: (line: string) => void };

const cacheFolder = fileURLToPath(new URL('../../../node_modules/.cache/holdfast-kafka', import.meta.url));

/**
 * Java, Kafka's jars and the class archive: what is missing in the cache is fetched and made, once per repository, by one process at a time.
 * @throws KafkaError MISSING_PROGRAM, MAVEN_FAILED, WRONG_JAR.
 */
export async function install({ env, log }: InstallOptions): Promise<Installation> {
  const java = await findJava(env);
  const lock = await readLock();
  const copy = (folder: string): Promise<void> => copyJars(folder, { env, layout: 'flat' });
  const lib = await ensureJars({ folder: cacheFolder, lock, copy, log });
  const bare: Installation = { env, java, lib, archive: undefined };
  return { ...bare, archive: await ensureArchive(bare, log) };
}
