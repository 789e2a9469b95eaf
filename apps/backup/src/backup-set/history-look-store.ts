import type { GroupId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { BackupTables } from '../tables.ts';

/** When and how well the source of a group was last seen. */
export type HistoryLook = {
  readonly groupId: GroupId;
  /** RFC 3339 UTC; null: never. */
  readonly observedAt: string | null;
  /** When that look ended: the next one is due some time after it, so that looks which take long leave time for files. */
  readonly lookedAt: string | null;
  /** Why the last look at the history, or at marks, failed. */
  readonly observationError: string | null;
  /** Why files could not be looked at. */
  readonly fileError: string | null;
  /** What the backup job covered at that look. */
  readonly coveredDatabases: readonly string[] | null;
  /** The databases by which points were judged last, as text to compare; null: none was. */
  readonly members: string | null;
};

export async function findLooks(db: Reader<BackupTables>, groupIds: readonly GroupId[]): Promise<HistoryLook[]> {
  return (await db.selectFrom('history_look').selectAll().where('group_id', 'in', groupIds).execute()).map(toLook);
}

export async function findLook(db: Reader<BackupTables>, groupId: GroupId): Promise<HistoryLook> {
  const none = {
    observedAt: null,
    lookedAt: null,
    observationError: null,
    fileError: null,
    coveredDatabases: null,
    members: null,
  };
  return (await findLooks(db, [groupId]))[0] ?? { groupId, ...none };
}

export async function saveLook(tx: Transactor<BackupTables>, look: HistoryLook): Promise<void> {
  const row = {
    group_id: look.groupId,
    observed_at: look.observedAt,
    looked_at: look.lookedAt,
    observation_error: look.observationError,
    file_error: look.fileError,
    covered_databases: look.coveredDatabases === null ? null : JSON.stringify(look.coveredDatabases),
    members: look.members,
  };
  const columns = [
    'observed_at',
    'looked_at',
    'observation_error',
    'file_error',
    'covered_databases',
    'members',
  ] as const;
  await tx.dialect.upsert(tx.insertInto('history_look').values(row), { key: ['group_id'], columns }).execute();
}

function toLook(row: BackupTables['history_look']): HistoryLook {
  return {
    groupId: row.group_id as GroupId,
    observedAt: row.observed_at,
    lookedAt: row.looked_at,
    observationError: row.observation_error,
    fileError: row.file_error,
    coveredDatabases: row.covered_databases === null ? null : (JSON.parse(row.covered_databases) as string[]),
    members: row.members,
  };
}
