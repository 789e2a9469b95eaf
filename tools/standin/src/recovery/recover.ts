/** The end of a restore sequence: open transactions are undone and the database comes online (sqlserver.md §2.3, §2.7). */
import { nextVlf } from '../engine/lsn.ts';
import { undoOpen } from '../engine/redo.ts';
import { fail, message, SqlError } from '../messages.ts';
import type { Instance } from '../engine/instance.ts';
import type { OpenTransaction, StoredDatabase } from '../engine/stored-database.ts';

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
  const committed = await resolveInDoubt(instance, database);
  database.log.appendRestored([], nextVlf(redoStart.lsn));
  const timeMs = instance.clock().getTime();
  for (const [transaction, open] of committed) {
    const { decision, prepared } = open;
    const mark = prepared?.mark === undefined ? {} : { mark: prepared.mark };
    database.log.append({
      kind: 'commit',
      transaction,
      timeMs,
      ...(decision === undefined ? {} : { decision }),
      ...mark,
    });
    database.open.delete(transaction);
  }
  undoOpen(database, timeMs);
  await database.log.flush();
  const fork = tailApplied
    ? { recoveryForkGuid: redoStart.forkGuid, firstRecoveryForkGuid: redoStart.forkGuid, forkPointLsn: undefined }
    : { recoveryForkGuid: instance.newGuid(), firstRecoveryForkGuid: redoStart.forkGuid, forkPointLsn: redoStart.lsn };
  database.change({
    ...fork,
    state: 'ONLINE',
    databaseGuid: instance.newGuid(),
    redoStart: undefined,
    dataVersion: undefined,
    tailApplied: false,
    userAccess: restricted ? 'RESTRICTED_USER' : database.userAccess,
    // The chain goes on across the recovery: the next log backup begins here (sqlserver.md §9.2).
    lastLogBackupLsn: recoveryModel === 'SIMPLE' ? undefined : redoStart.lsn,
    chainBegins: false,
  });
  await instance.save();
  await instance.checkpoint(database);
}

/**
 * The distributed transactions that the log left prepared (sqlserver.md §3.5): its coordinator does not exist here, so the server option
 * `in-doubt xact resolution` decides; without a presumption (0) recovery fails and the database is SUSPECT until the option is set and it
 * is set ONLINE. Where this instance coordinated the transaction itself and still knows its outcome, that counts. Returns those to be committed.
 */
async function resolveInDoubt(
  instance: Instance,
  database: StoredDatabase,
): Promise<readonly (readonly [bigint, OpenTransaction])[]> {
  const presumption = instance.serverOptions.inUse('in-doubt xact resolution');
  if (presumption === 0 && instance.faults.databases.leavesOutcomeOpen(database.name))
    throw await suspect(instance, database, instance.nextTransactionId());
  const committed: (readonly [bigint, OpenTransaction])[] = [];
  for (const [transaction, open] of database.open) {
    if (open.prepared === undefined || open.decision === undefined) continue;
    const known = instance.outcomes.of(open.decision) === 'committed';
    if (!known && presumption === 0) throw await suspect(instance, database, transaction);
    if (known || presumption === 1) committed.push([transaction, open]);
  }
  return committed;
}

async function suspect(instance: Instance, database: StoredDatabase, transaction: bigint): Promise<SqlError> {
  database.change({ state: 'SUSPECT' });
  await instance.save();
  const { id, name } = database;
  const causes = [message(3437, name, transaction), message(3431, name, id), message(3414, name, id)];
  return new SqlError(causes, 'statement');
}
