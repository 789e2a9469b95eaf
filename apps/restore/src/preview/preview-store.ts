import type { GroupId, InstanceId, RecoveryPointId } from '@holdfast/domain';
import { type MarkName, requireMarkName } from '@holdfast/domain/mark';
import type { Reader } from '@holdfast/store';
import { findAddress } from '../estate/estate-store.ts';
import type { StandbyView } from '../estate/estate.ts';
import type { Work } from '../execution/step.ts';
import type { RestoreTables } from '../tables.ts';
import type { TimedRestore } from './preview.ts';

/** Enough of the past to know how fast restores are, however many executions there were. */
const newestSteps = 2_000;

/** The mark of a recovery point of this group; another group's looks like one that does not exist. */
export async function findMarkName(
  db: Reader<RestoreTables>,
  recoveryPointId: RecoveryPointId,
  groupId: string,
): Promise<MarkName | undefined> {
  const row = await db
    .selectFrom('point_view')
    .select('body')
    .where('recovery_point_id', '=', recoveryPointId)
    .where('group_id', '=', groupId)
    .executeTakeFirst();
  return row && requireMarkName((JSON.parse(row.body) as { readonly markName: string }).markName);
}

/** Names of the instances of a standby that could not be reached: nobody has published how. */
export async function listUnaddressed(
  db: Reader<RestoreTables>,
  { instances }: Pick<StandbyView, 'instances'>,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const { instanceId, instanceName } of instances)
    if ((await findAddress(db, instanceId as InstanceId)) === undefined) names.push(instanceName);
  return names;
}

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
