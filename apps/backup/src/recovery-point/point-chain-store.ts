import type { BackupFileId, DatabaseId, GroupId, RecoveryPointId } from '@holdfast/domain';
import { chainsTo, marksOf } from '@holdfast/domain/recovery-point';
import type { Reader } from '@holdfast/store';
import type { LedgerFile } from '../backup-file/backup-file.ts';
import type { LedgerSet } from '../backup-set/backup-set.ts';
import { findFullBefore, setsFrom } from '../backup-set/backup-set-store.ts';
import type { BackupTables } from '../tables.ts';
import { chainsByNewestFull, type LedgerPoint } from './recovery-point.ts';

type Db = Reader<BackupTables>;

/** For each database of a point the files to restore, in order, the base first. A database that is missing has no base. */
export type PointFiles = ReadonlyMap<DatabaseId, readonly LedgerFile[]>;

/** The chains by which these points were judged. They are not stored: over days they would be most of the store. */
export async function findPointFiles(
  db: Db,
  points: readonly LedgerPoint[],
): Promise<ReadonlyMap<RecoveryPointId, PointFiles>> {
  const found = new Map<RecoveryPointId, PointFiles>();
  for (const [groupId, ofGroup] of Map.groupBy(points, point => point.groupId))
    for (const [id, files] of await filesOf(db, groupId, ofGroup)) found.set(id, files);
  return found;
}

async function filesOf(db: Db, groupId: GroupId, points: readonly LedgerPoint[]) {
  const lowest = points.map(({ sortKey }) => sortKey).reduce((a, b) => (a < b ? a : b));
  const ledger = await setsFrom(db, groupId, await findFullBefore(db, groupId, lowest));
  let whole: readonly LedgerSet[] | undefined;
  const found: [RecoveryPointId, PointFiles][] = [];
  for (const point of points) {
    const upTo = (sets: readonly LedgerSet[]) =>
      sets.slice(0, sets.findIndex(({ setId }) => setId === point.setId) + 1);
    let history = upTo(ledger);
    const set = history.at(-1);
    if (set === undefined) continue;
    let chains = chainsByNewestFull(set, history);
    if (chains === undefined) {
      whole ??= await setsFrom(db, groupId, '');
      history = upTo(whole);
      chains = chainsTo(set, marksOf(set), history);
    }
    const files = new Map<BackupFileId, LedgerFile>(
      history.flatMap(each => each.files.map(file => [file.fileId, file] as const)),
    );
    const ordered = [...chains].map(([databaseId, chain]) => {
      return [databaseId, chain.files.flatMap(({ fileId }) => files.get(fileId) ?? [])] as const;
    });
    found.push([point.recoveryPointId, new Map(ordered)]);
  }
  return found;
}
