import type { Reader, Transactor } from '@holdfast/store';

/** Joined with a service's own tables; the service's own migration makes it. */
export type SourceHoldTables = {
  source_hold: { execution_id: string; group_id: string; leaves_source: number; claimed_at: string | null };
};

/** An execution to which a group's source belongs from its claim to its end: nothing of ours is sent there meanwhile (design.md §5). */
export type SourceHold<GroupId extends string = string> = {
  readonly executionId: string;
  readonly groupId: GroupId;
  readonly claimedAt: string;
};

/** Why facts of the source age. */
export function holdMessage({ executionId, claimedAt }: SourceHold): string {
  return `The source belongs to execution ${executionId} since ${claimedAt} and is not asked until that ends.`;
}

/** The hold on each of these groups that has one: a group has one execution at a time. */
export async function findHolds<DB extends SourceHoldTables, GroupId extends string>(
  reader: Reader<DB>,
  groupIds: readonly GroupId[],
): Promise<SourceHold<GroupId>[]> {
  if (groupIds.length === 0) return [];
  const db = reader as unknown as Reader<SourceHoldTables>;
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

export async function findHold<DB extends SourceHoldTables, GroupId extends string>(
  db: Reader<DB>,
  groupId: GroupId,
): Promise<SourceHold<GroupId> | undefined> {
  return (await findHolds(db, [groupId]))[0];
}

/** Of `execution.changed`. A claim does not say what its execution does: its kind comes before it, under the same key. */
export async function noteExecution<DB extends SourceHoldTables>(
  tx: Transactor<DB>,
  execution: {
    readonly executionId: string;
    readonly groupId: string;
    readonly kind: string;
    readonly finishedAt: string | null;
  },
): Promise<void> {
  const { executionId, groupId, kind, finishedAt } = execution;
  if (finishedAt !== null) await endHold(tx, { executionId });
  else if (kind === 'DRILL') await saveHold(tx, { executionId, groupId }, { leaves_source: 1 });
}

/** Of `standby.claimed`. */
export async function beginHold<DB extends SourceHoldTables>(
  tx: Transactor<DB>,
  { executionId, groupId, claimedAt }: SourceHold,
): Promise<void> {
  await saveHold(tx, { executionId, groupId }, { claimed_at: claimedAt });
}

/** Of `standby.released`. */
export async function endHold<DB extends SourceHoldTables>(
  transactor: Transactor<DB>,
  { executionId }: { readonly executionId: string },
): Promise<void> {
  const tx = transactor as unknown as Transactor<SourceHoldTables>;
  await tx.deleteFrom('source_hold').where('execution_id', '=', executionId).execute();
}

async function saveHold<DB extends SourceHoldTables>(
  transactor: Transactor<DB>,
  { executionId, groupId }: { readonly executionId: string; readonly groupId: string },
  known: { readonly leaves_source?: number; readonly claimed_at?: string },
): Promise<void> {
  const tx = transactor as unknown as Transactor<SourceHoldTables>;
  const row = { execution_id: executionId, group_id: groupId, leaves_source: 0, claimed_at: null, ...known };
  const columns = Object.keys(known) as (keyof typeof known)[];
  await tx.dialect.upsert(tx.insertInto('source_hold').values(row), { key: ['execution_id'], columns }).execute();
}
