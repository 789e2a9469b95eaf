/** Checkpoints and log truncation. */
import { saveDataFile } from './data-file.ts';
import { earlier } from './lsn.ts';
import { captureSnapshot } from './snapshot.ts';
import type { Disk } from './durable-file.ts';
import type { DatabaseDescription, StoredDatabase } from './stored-database.ts';
import type { Lsn } from '../contract.ts';

const running = new WeakMap<StoredDatabase, Promise<void>>();

/** Saves the rows to the data file and truncates the log as far as allowed. One at a time per database; a second call joins the first. */
export function checkpoint(disk: Disk, database: StoredDatabase, dataPath: string): Promise<void> {
  const under = running.get(database);
  if (under !== undefined) return under;
  const work = saveSnapshot(disk, database, dataPath).finally(() => running.delete(database));
  running.set(database, work);
  return work;
}

/** Resolves when none is under way in `database`: one that ended later would put files back that are removed or replaced now. */
export async function checkpointEnded(database: StoredDatabase): Promise<void> {
  // Whoever started it is told how it ended.
  await running.get(database)?.catch(() => undefined);
}

async function saveSnapshot(disk: Disk, database: StoredDatabase, dataPath: string): Promise<void> {
  const snapshot = captureSnapshot(database);
  // The log first: a data file must never hold the effect of a record that a crash could take away.
  await database.log.flush();
  await saveDataFile(disk, dataPath, snapshot);
  database.checkpointLsn = snapshot.lsn;
  database.redoNeedsLsn = snapshot.needsLsn;
  await truncateLog(database);
}

/**
 * Drops records that nobody needs: not crash recovery, no running backup, and, under FULL or BULK_LOGGED with a started chain, no log backup
 * (sqlserver.md §1.2: only a log backup lets go of them). The chain as saved counts too: until its new place is on disk, a crash goes back to
 * the old one, and the next log backup begins there.
 */
export async function truncateLog(database: StoredDatabase): Promise<void> {
  const { description, saved } = database;
  const keep = earlier(database.redoNeedsLsn, ...database.backupsFrom, chainNeeds(description), chainNeeds(saved));
  if (keep !== undefined) await database.log.truncateBefore(keep);
}

function chainNeeds({ recoveryModel, lastLogBackupLsn }: DatabaseDescription): Lsn | undefined {
  return recoveryModel === 'SIMPLE' ? undefined : lastLogBackupLsn;
}
