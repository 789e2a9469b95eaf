import type { GroupId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { SeenJob } from '../source/source-store.ts';
import type { BackupTables } from '../tables.ts';
import type { ObservedJob, JobFacts } from './backup-job.ts';

export async function findJobs(db: Reader<BackupTables>, groupIds: readonly GroupId[]): Promise<ObservedJob[]> {
  const rows = await db.selectFrom('backup_job').selectAll().where('group_id', 'in', groupIds).execute();
  return rows.map(({ group_id, observed_at, error, body }) => ({
    groupId: group_id as GroupId,
    observedAt: observed_at,
    error,
    facts: body === null ? null : (JSON.parse(body) as JobFacts),
  }));
}

export async function findJob(db: Reader<BackupTables>, groupId: GroupId): Promise<ObservedJob> {
  return (await findJobs(db, [groupId]))[0] ?? { groupId, observedAt: null, error: null, facts: null };
}

/** The job after a look at it; a look that failed leaves what was known, older, with the reason beside it. */
export async function saveJobLook(
  tx: Transactor<BackupTables>,
  before: ObservedJob,
  seen: SeenJob,
): Promise<ObservedJob> {
  const job: ObservedJob =
    seen.problem === null
      ? { groupId: before.groupId, observedAt: seen.observedAt, error: null, facts: seen.facts }
      : { ...before, error: seen.problem };
  const row = {
    group_id: job.groupId,
    observed_at: job.observedAt,
    error: job.error,
    body: job.facts === null ? null : JSON.stringify(job.facts),
  };
  const insert = tx.insertInto('backup_job').values(row);
  await tx.dialect.upsert(insert, { key: ['group_id'], columns: ['observed_at', 'error', 'body'] }).execute();
  return job;
}
