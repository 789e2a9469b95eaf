import type { GroupId, InstanceId, StandbyId } from '@holdfast/domain';
import type { Reader } from '@holdfast/store';
import { findAddress, findEstate, findGroup, findLogins } from '../estate/estate-store.ts';
import type { LoginsView } from '../estate/estate.ts';
import { verifiedAt } from '../execution/execution.ts';
import { findRunning, listExecutions } from '../execution/execution-store.ts';
import type { RestoreTables } from '../tables.ts';
import type { ReadinessFacts } from './readiness.ts';

/** A source that came back is looked for in this many of the group's newest executions. */
const newestExecutions = 20;

/** Everything the judgement rests on, as the other services published it last. */
export async function loadReadinessFacts(
  db: Reader<RestoreTables>,
  groupId: GroupId,
): Promise<Omit<ReadinessFacts, 'now' | 'markEveryMs'>> {
  const group = await findGroup(db, groupId);
  const rows = await db.selectFrom('standby_view').select('standby_id').where('group_id', '=', groupId).execute();
  const estates = [];
  for (const { standby_id } of rows) {
    const estate = await findEstate(db, groupId, standby_id as StandbyId);
    if (estate !== undefined) estates.push(estate);
  }
  const unaddressed: string[] = [];
  for (const { instanceId, instanceName } of estates.flatMap(({ standby }) => standby.instances))
    if ((await findAddress(db, instanceId as InstanceId)) === undefined) unaddressed.push(instanceName);
  const logins = new Map<string, LoginsView>();
  for (const { instanceId } of [...(group?.instances ?? []), ...estates.flatMap(({ standby }) => standby.instances)]) {
    const view = await findLogins(db, instanceId as InstanceId);
    if (view !== undefined) logins.set(instanceId, view);
  }
  const past = await listExecutions(db, { first: newestExecutions, after: null }, { groupIds: [groupId] });
  return {
    group,
    estates,
    unaddressed,
    logins,
    runningSince: (await findRunning(db, groupId))?.startedAt ?? null,
    sources: past.filter(execution => verifiedAt(execution) !== null).flatMap(({ sources }) => sources),
  };
}
