import type { GroupId } from '@holdfast/domain';
import type { Reader } from '@holdfast/store';
import type { RestoreTables } from '../tables.ts';
import type { TimedRestore } from './speed.ts';
import type { Work } from './step.ts';

/** Enough of the past to know how fast restores are, however many executions there were. */
const newestSteps = 2_000;

export async function listTimedRestores(db: Reader<RestoreTables>, groupId: GroupId): Promise<readonly TimedRestore[]> {
  const query = db
    .selectFrom('step')
    .innerJoin('execution', 'execution.id', 'step.execution_id')
    .select(['step.execution_id', 'step.place', 'step.work', 'step.started_at', 'step.finished_at'])
    .where('execution.group_id', '=', groupId)
    .where('step.state', '=', 'SUCCEEDED')
    .orderBy('step.execution_id', 'desc')
    .orderBy('step.position', 'desc');
  const rows = await db.dialect.page(query, newestSteps).execute();
  return rows.flatMap(({ execution_id, place, work: text, started_at, finished_at }) => {
    const work = JSON.parse(text) as Work;
    return work.kind === 'RESTORE' && started_at !== null && finished_at !== null
      ? [
          {
            executionId: execution_id,
            instance: place,
            fileId: work.restore.file.fileId,
            startedAt: started_at,
            finishedAt: finished_at,
          },
        ]
      : [];
  });
}
