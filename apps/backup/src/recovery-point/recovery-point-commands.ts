import { createHash } from 'node:crypto';
import type { GroupId, RecoveryPointId } from '@holdfast/domain';
import { recoveryPointJudged } from '@holdfast/events';
import { discoveredId } from '@holdfast/service';
import type { HostDependencies } from '@holdfast/service/host';
import type { Transactor } from '@holdfast/store';
import { type LedgerSet, sortKeyOf } from '../backup-set/backup-set.ts';
import { findFreshStart, findFullBefore, setsFrom } from '../backup-set/backup-set-store.ts';
import type { BackupTables } from '../tables.ts';
import {
  dateJudgement,
  judgedPayload,
  judgePoint,
  judgePointByNewestFull,
  type LedgerPoint,
  markedAtOf,
  type Surroundings,
} from './recovery-point.ts';
import { findPoints, savePoint } from './recovery-point-store.ts';

type Tx = Transactor<BackupTables>;

/** The sets that became different: the first and the last by their sort keys. */
export type ChangedSets = { readonly from: string; readonly upTo: string };

/** Every point, whatever became different. */
export const wholeLedger: ChangedSets = { from: '', upTo: '~' };

/**
 * A set touches the points of its own mark and of later ones, for no chain to a mark needs what was written after it; and only as far as the
 * next full set from which all databases can start. Without that end the cleaning of old files would judge all points for each of them.
 */
export async function judgePoints(
  { outbox }: Pick<HostDependencies<BackupTables>, 'outbox'>,
  tx: Tx,
  groupId: GroupId,
  { changed, around, now }: { readonly changed: ChangedSets; readonly around: Surroundings; readonly now: string },
): Promise<void> {
  const { from: fromSortKey, upTo } = changed;
  const needed = around.members.map(({ databaseId }) => databaseId);
  const end = await findFreshStart(tx, groupId, upTo, needed);
  const ledger = await setsFrom(tx, groupId, await findFullBefore(tx, groupId, fromSortKey), end);
  let whole: readonly LedgerSet[] | undefined;
  for (const [index, set] of ledger.entries()) {
    const { markName } = set;
    if (set.type !== 'LOG' || markName === null || sortKeyOf(set) < fromSortKey) continue;
    // A mark has one point: that of the last set which claims it.
    if (ledger.some((other, at) => at > index && other.markName === markName)) continue;
    const recoveryPointId = discoveredId('recovery-point', groupId, markName) as RecoveryPointId;
    const [before] = await findPoints(tx, [recoveryPointId]);
    if (end !== undefined && before !== undefined && before.sortKey > end) continue;
    let judged = judgePointByNewestFull(set, ledger.slice(0, index + 1), around);
    if (judged === undefined) {
      whole ??= await setsFrom(tx, groupId, '', end);
      judged = judgePoint(set, whole.slice(0, whole.findIndex(({ setId }) => setId === set.setId) + 1), around);
    }
    const point: Omit<LedgerPoint, 'version' | 'publishedHash'> = {
      recoveryPointId,
      groupId,
      setId: set.setId,
      sortKey: sortKeyOf(set),
      markName,
      markedAt: markedAtOf(set),
      ...dateJudgement(judged, before, now),
    };
    const payload = judgedPayload(point);
    const publishedHash = hashOf(payload);
    if (before?.publishedHash === publishedHash) continue;
    const version = (before?.version ?? 0) + 1;
    await savePoint(tx, { ...point, version, publishedHash });
    await outbox.append(tx, recoveryPointJudged, { ...payload, version });
  }
}

/** Of what is published, to tell whether it became different. */
export function hashOf(payload: object): string {
  return createHash('sha256').update(JSON.stringify(payload)).digest('hex');
}
