/** Checkpoints and log truncation. */
import { saveDataFile } from './data-file.ts';
import { earlier } from './lsn.ts';
import { captureSnapshot } from './snapshot.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Lsn } from '../contract.ts';

const running = new WeakMap<StoredDatabase, Promise<void>>();

/** Saves the rows to the data file and truncates the log as far as allowed. One at a time per database; a second call joins the first. */
export function checkpoint(database: StoredDatabase, dataPath: string): Promise<void> {
  const under = running.get(database);
  if (under !== undefined) return under;
  const work = saveSnapshot(database, dataPath).finally(() => running.delete(database));
  running.set(database, work);
  return work;
}

async function saveSnapshot(database: StoredDatabase, dataPath: string): Promise<void> {
  const snapshot = captureSnapshot(database);
  // The log first: a data file must never hold the effect of a record that a crash could take away.
  await database.log.flush();
  await saveDataFile(dataPath, snapshot);
  database.checkpointLsn = snapshot.lsn;
  database.redoNeedsLsn = snapshot.needsLsn;
  await truncateLog(database);
}

/**
 * Drops records that nobody needs: not crash recovery, no running backup, and, under FULL or BULK_LOGGED with a started chain, no log backup
 * (sqlserver.md §1.2: only a log backup lets go of them).
 */
export async function truncateLog(database: StoredDatabase): Promise<void> {
  const keep = earlier(database.redoNeedsLsn, ...database.backupsFrom, chainNeeds(database));
  if (keep !== undefined) await database.log.truncateBefore(keep);
}

function chainNeeds(database: StoredDatabase): Lsn | undefined {
  return database.recoveryModel === 'SIMPLE' ? undefined : database.lastLogBackupLsn;
}
