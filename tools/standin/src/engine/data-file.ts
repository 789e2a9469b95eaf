/** The .mdf file: the newest checkpoint's snapshot. Replaced as a whole, so that a crash leaves the old one or the new one. */
import { readFile } from 'node:fs/promises';
import { frame, readFrames } from './frames.ts';
import { SnapshotLoader, snapshotFrames, type Snapshot } from './snapshot.ts';
import type { Disk } from './durable-file.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Lsn } from '../contract.ts';

const magic = Buffer.from('HFSTDATA');
const ending = Buffer.from('END.');

export async function saveDataFile(disk: Disk, path: string, snapshot: Snapshot): Promise<void> {
  await disk.replace(path, framed(snapshot));
}

function* framed(snapshot: Snapshot): Iterable<Buffer> {
  yield magic;
  yield* snapshotFrames(snapshot);
  yield frame(ending);
}

/** Throws when the file is missing (ENOENT) or damaged. */
export async function loadDataFile(
  path: string,
  database: StoredDatabase,
): Promise<{ readonly lsn: Lsn; readonly needsLsn: Lsn }> {
  const bytes = await readFile(path);
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new Error(`${path} is not a data file of the stand-in`);
  const { payloads } = readFrames(bytes, magic.length);
  if (payloads.at(-1)?.equals(ending) !== true) throw new Error(`${path} is damaged or cut off`);
  const loader = new SnapshotLoader(database);
  for (const payload of payloads.slice(0, -1)) loader.take(payload);
  return loader.finish();
}
