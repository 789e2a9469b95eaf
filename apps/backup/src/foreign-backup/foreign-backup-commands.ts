import type { GroupId } from '@holdfast/domain';
import { compareLsn } from '@holdfast/domain/lsn';
import type { Transactor } from '@holdfast/store';
import { placeLocal } from '../backup-set/recorded-start.ts';
import type { KnownGroup } from '../estate/estate.ts';
import type { SeenMsdb } from '../source/source-store.ts';
import type { BackupTables } from '../tables.ts';
import { breaksChain, type FoundBackup, ofGroup } from './foreign-backup.ts';
import {
  findKnownFiles,
  findUnconfirmed,
  forgetOwn,
  forgetForeign,
  isOfLedger,
  type KnownFiles,
  saveForeign,
  savePosition,
} from './foreign-backup-store.ts';

type Tx = Transactor<BackupTables>;

/**
 * Takes over what msdb of the source instances lists, after the sets of the same look. The job enters a backup into its history only after
 * it has ended, so one that no set has yet may still be the job's own: it counts as foreign once a later look at the history lacks it too.
 * Answers whether what is known to have taken log out of a chain became different.
 */
export async function recordForeign(
  tx: Tx,
  group: KnownGroup,
  seen: readonly SeenMsdb[],
  now: number,
): Promise<boolean> {
  const groupId = group.groupId as GroupId;
  const chainWasMended = await forgetOwn(tx, groupId);
  const chainWasBroken = await settleUnconfirmed(tx, groupId);
  for (const { instanceId, offsetMinutes, rows, upToRowId } of seen) {
    const placed = (recorded: string) => placeLocal(recorded, offsetMinutes, now);
    for (const backup of ofGroup(group, instanceId, rows, placed))
      if (!(await isOfLedger(tx, backup))) await saveForeign(tx, groupId, backup, { confirmed: false });
    await savePosition(tx, groupId, instanceId, upToRowId);
  }
  return chainWasMended || chainWasBroken;
}

async function settleUnconfirmed(tx: Tx, groupId: GroupId): Promise<boolean> {
  let chainWasBroken = false;
  for (const [databaseId, backups] of Map.groupBy(await findUnconfirmed(tx, groupId), backup => backup.databaseId)) {
    const known = await findKnownFiles(tx, databaseId);
    for (const backup of backups) {
      const verdict = whose(backup, known);
      if (verdict === 'UNDECIDED') continue;
      if (verdict === 'OURS') await forgetForeign(tx, groupId, backup.backupSetUuid);
      else await saveForeign(tx, groupId, backup, { confirmed: true });
      chainWasBroken ||= verdict === 'FOREIGN' && breaksChain(backup);
    }
  }
  return chainWasBroken;
}

/** OURS: a file of the ledger, or older than the ledger, which msdb often is: nothing here rests on it. */
function whose(backup: FoundBackup, known: KnownFiles): 'OURS' | 'FOREIGN' | 'UNDECIDED' {
  const device = backup.device?.toUpperCase();
  if (known.uuids.has(backup.backupSetUuid) || (device !== undefined && known.devices.has(device))) return 'OURS';
  if (known.beginsAt === null || known.unseen) return 'UNDECIDED';
  return backup.lastLsn !== null && compareLsn(backup.lastLsn, known.beginsAt) <= 0 ? 'OURS' : 'FOREIGN';
}
