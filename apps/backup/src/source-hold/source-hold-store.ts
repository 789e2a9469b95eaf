import type { GroupId } from '@holdfast/domain';
import type { executionChanged, PayloadOf, standbyClaimed, standbyReleased } from '@holdfast/events';
import type { Reader, Transactor } from '@holdfast/store';
import type { BackupTables } from '../tables.ts';
import type { SourceHold } from './source-hold.ts';

type Tx = Transactor<BackupTables>;

/** The hold on each of these groups that has one: a group has one execution at a time. */
export async function findHolds(db: Reader<BackupTables>, groupIds: readonly GroupId[]): Promise<SourceHold[]> {
  if (groupIds.length === 0) return [];
  const rows = await db
    .selectFrom('source_hold')
    .selectAll()
    .where('group_id', 'in', groupIds)
    .where('leaves_source', '=', 0)
    .where('claimed_at', 'is not', null)
    .orderBy('claimed_at')
    .execute();
  return rows.map(({ execution_id: executionId, group_id, claimed_at }) => {
    return { executionId, groupId: group_id as GroupId, claimedAt: claimed_at ?? '' };
  });
}

export async function findHold(db: Reader<BackupTables>, groupId: GroupId): Promise<SourceHold | undefined> {
  return (await findHolds(db, [groupId]))[0];
}

/** A claim does not say what its execution does: its kind comes before it, under the same key. */
export async function noteExecution(
  tx: Tx,
  { executionId, groupId, kind, finishedAt }: PayloadOf<typeof executionChanged>,
): Promise<void> {
  if (finishedAt !== null) await endHold(tx, { executionId });
  else if (kind === 'DRILL') await saveHold(tx, { executionId, groupId }, { leaves_source: 1 });
}

export async function beginHold(
  tx: Tx,
  { executionId, groupId, claimedAt }: PayloadOf<typeof standbyClaimed>,
): Promise<void> {
  await saveHold(tx, { executionId, groupId }, { claimed_at: claimedAt });
}

export async function endHold(
  tx: Tx,
  { executionId }: Pick<PayloadOf<typeof standbyReleased>, 'executionId'>,
): Promise<void> {
  await tx.deleteFrom('source_hold').where('execution_id', '=', executionId).execute();
}

async function saveHold(
  tx: Tx,
  { executionId, groupId }: { readonly executionId: string; readonly groupId: string },
  known: { readonly leaves_source?: number; readonly claimed_at?: string },
): Promise<void> {
  const row = { execution_id: executionId, group_id: groupId, leaves_source: 0, claimed_at: null, ...known };
  const columns = Object.keys(known) as (keyof typeof known)[];
  await tx.dialect.upsert(tx.insertInto('source_hold').values(row), { key: ['execution_id'], columns }).execute();
}
