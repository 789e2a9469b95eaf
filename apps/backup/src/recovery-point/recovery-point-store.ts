import type { BackupSetId, GroupId, MarkName, RecoveryPointId } from '@holdfast/domain';
import type { RecoveryVerdict } from '@holdfast/domain/recovery-point';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import type { Reader, Transactor } from '@holdfast/store';
import type { BackupTables } from '../tables.ts';
import type { LedgerPoint } from './recovery-point.ts';

type Db = Reader<BackupTables>;
type PointRow = BackupTables['recovery_point'];

export const pointCursor = (point: LedgerPoint): CursorKey => [point.sortKey];

/** Newest first, one row more than the page. `verdicts`: only those judged so; undefined: all. */
export async function pageOfPoints(
  db: Db,
  groupId: GroupId,
  page: Page,
  verdicts: readonly RecoveryVerdict[] | undefined,
): Promise<LedgerPoint[]> {
  if (verdicts?.length === 0) return [];
  let query = db.selectFrom('recovery_point').selectAll().where('group_id', '=', groupId).orderBy('sort_key', 'desc');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('sort_key', '<', after);
  if (verdicts !== undefined) query = query.where('verdict', 'in', verdicts);
  return (await db.dialect.page(query, page.first + 1).execute()).map(toPoint);
}

export async function findPoints(db: Db, ids: readonly RecoveryPointId[]): Promise<LedgerPoint[]> {
  return (await db.selectFrom('recovery_point').selectAll().where('id', 'in', ids).execute()).map(toPoint);
}

export async function savePoint(tx: Transactor<BackupTables>, point: LedgerPoint): Promise<void> {
  const newest = tx.dialect.page(tx.selectFrom('recovery_point').select('changed').orderBy('changed', 'desc'), 1);
  const row: PointRow = {
    id: point.recoveryPointId,
    group_id: point.groupId,
    set_id: point.setId,
    sort_key: point.sortKey,
    version: point.version,
    mark_name: point.markName,
    marked_at: point.markedAt,
    verdict: point.verdict,
    reasons: JSON.stringify(point.reasons),
    databases: JSON.stringify(point.databases),
    published_hash: point.publishedHash,
    changed: ((await newest.executeTakeFirst())?.changed ?? 0) + 1,
  };
  const columns = [
    'set_id',
    'sort_key',
    'version',
    'marked_at',
    'verdict',
    'reasons',
    'databases',
    'published_hash',
    'changed',
  ] as const;
  await tx.dialect.upsert(tx.insertInto('recovery_point').values(row), { key: ['id'], columns }).execute();
}

/** A point as it is now, with its place in the order of changes. */
export type ChangedPoint = { readonly changed: number; readonly point: LedgerPoint };

/** The group's point that became different next after this place; one that did so more than once comes at its last. */
export async function nextChanged(db: Db, groupId: GroupId, after: number): Promise<ChangedPoint | undefined> {
  const later = db
    .selectFrom('recovery_point')
    .selectAll()
    .where('group_id', '=', groupId)
    .where('changed', '>', after)
    .orderBy('changed');
  const row = await db.dialect.page(later, 1).executeTakeFirst();
  return row && { changed: row.changed, point: toPoint(row) };
}

function toPoint(row: PointRow): LedgerPoint {
  return {
    recoveryPointId: row.id as RecoveryPointId,
    groupId: row.group_id as GroupId,
    setId: row.set_id as BackupSetId,
    sortKey: row.sort_key,
    version: row.version,
    markName: row.mark_name as MarkName,
    markedAt: row.marked_at,
    verdict: row.verdict as RecoveryVerdict,
    reasons: JSON.parse(row.reasons) as LedgerPoint['reasons'],
    databases: JSON.parse(row.databases) as LedgerPoint['databases'],
    publishedHash: row.published_hash,
  };
}
