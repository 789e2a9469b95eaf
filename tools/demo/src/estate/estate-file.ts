import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { estateFolders } from './folders.ts';
import { databasesOf, type SampleGroup } from './sample-group.ts';
import { writeWhole } from './write-whole.ts';

/** Raised when an estate that was made before can no longer be gone on with. */
const version = 2;

/** What is kept of an estate that was made whole. */
export type EstateFile = {
  readonly version: typeof version;
  readonly databases: readonly string[];
  /** Where the instances listen, by folder: Holdfast has their addresses from the first start on. */
  readonly ports: Readonly<Record<string, number>>;
};

/** Undefined when there is none yet. @throws Error with what to do when it is of another kind than this group. */
export async function readEstateFile(dataFolder: string, group: SampleGroup): Promise<EstateFile | undefined> {
  const file = fileOf(dataFolder);
  if (!existsSync(file)) return undefined;
  const found = JSON.parse(await readFile(file, 'utf8')) as Partial<EstateFile>;
  if (found.version !== version || String(found.databases) !== String(databasesOf(group)))
    throw new Error(
      `The sample estate in ${dataFolder} was made by another version or for another group. Remove ${dataFolder}, or give another folder with --data.`,
    );
  return found as EstateFile;
}

export async function writeEstateFile(
  dataFolder: string,
  group: SampleGroup,
  ports: EstateFile['ports'],
): Promise<void> {
  const content: EstateFile = { version, databases: databasesOf(group), ports };
  await writeWhole(fileOf(dataFolder), JSON.stringify(content));
}

function fileOf(dataFolder: string): string {
  return join(estateFolders(dataFolder).estate, 'estate.json');
}
