import type { GroupId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { BackupTables } from '../tables.ts';
import type { JobRequest } from './job-request.ts';

type Db = Reader<BackupTables>;
type Tx = Transactor<BackupTables>;

export async function findRequest(db: Db, requestId: string): Promise<JobRequest | undefined> {
  const row = await db.selectFrom('job_request').selectAll().where('id', '=', requestId).executeTakeFirst();
  return row && toRequest(row);
}

/** The newest of its kind whose effect was seen. */
export async function findLastDone(
  db: Db,
  groupId: GroupId,
  kind: JobRequest['kind'],
): Promise<JobRequest | undefined> {
  const done = db
    .selectFrom('job_request')
    .selectAll()
    .where('group_id', '=', groupId)
    .where('kind', '=', kind)
    .where('done_at', 'is not', null)
    .orderBy('done_at', 'desc');
  const row = await db.dialect.page(done, 1).executeTakeFirst();
  return row && toRequest(row);
}

export async function insertRequest(tx: Tx, request: JobRequest): Promise<void> {
  await tx
    .insertInto('job_request')
    .values({
      id: request.requestId,
      group_id: request.groupId,
      kind: request.kind,
      requested_by: request.requestedBy,
      reason: request.reason,
      requested_at: request.requestedAt,
      last_run_before: request.lastRunBefore,
      done_at: request.doneAt,
    })
    .execute();
}

export async function saveDone(tx: Tx, requestId: string, doneAt: string): Promise<void> {
  await tx
    .updateTable('job_request')
    .set({ done_at: doneAt })
    .where('id', '=', requestId)
    .where('done_at', 'is', null)
    .execute();
}

function toRequest(row: BackupTables['job_request']): JobRequest {
  return {
    requestId: row.id,
    groupId: row.group_id as GroupId,
    kind: row.kind as JobRequest['kind'],
    requestedBy: row.requested_by,
    reason: row.reason,
    requestedAt: row.requested_at,
    lastRunBefore: row.last_run_before,
    doneAt: row.done_at,
  };
}
