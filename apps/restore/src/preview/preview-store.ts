import type { InstanceId, RecoveryPointId } from '@holdfast/domain';
import { type MarkName, requireMarkName } from '@holdfast/domain/mark';
import type { Reader } from '@holdfast/store';
import { findAddress } from '../estate/estate-store.ts';
import type { StandbyView } from '../estate/estate.ts';
import type { RestoreTables } from '../tables.ts';

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
