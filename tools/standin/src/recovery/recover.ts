/** The end of a restore sequence: open transactions are undone and the database comes online (sqlserver.md §2.3, §2.7). */
import { nextVlf } from '../engine/lsn.ts';
import { undoOpen } from '../engine/redo.ts';
import { fail } from '../messages.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';

/**
 * Invariant: until the instance's list says ONLINE, a crash brings back the restoring database at its position; everything written here lies beyond
 * that position and is cut off then. The new fork begins at the position, unless the database stands at the end of all that was ever logged
 * (a tail log applied in full): then it stays on the old path, and the old primary can follow it.
 */
export async function recoverDatabase(
  instance: Instance,
  database: StoredDatabase,
  restricted: boolean,
): Promise<void> {
  const { redoStart, tailApplied, recoveryModel } = database.description;
  if (redoStart === undefined) throw fail(3153);
  database.log.appendRestored([], nextVlf(redoStart.lsn));
  undoOpen(database, instance.clock().getTime());
  await database.log.flush();
  const fork = tailApplied
    ? { recoveryForkGuid: redoStart.forkGuid, firstRecoveryForkGuid: redoStart.forkGuid, forkPointLsn: undefined }
    : { recoveryForkGuid: instance.newGuid(), firstRecoveryForkGuid: redoStart.forkGuid, forkPointLsn: redoStart.lsn };
  database.change({
    ...fork,
    state: 'ONLINE',
    databaseGuid: instance.newGuid(),
    redoStart: undefined,
    tailApplied: false,
    userAccess: restricted ? 'RESTRICTED_USER' : database.userAccess,
    // The chain goes on across the recovery: the next log backup begins here (sqlserver.md §9.2).
    lastLogBackupLsn: recoveryModel === 'SIMPLE' ? undefined : redoStart.lsn,
    chainBegins: false,
  });
  await instance.save();
  await instance.checkpoint(database);
}
