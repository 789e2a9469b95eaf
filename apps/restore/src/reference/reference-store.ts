import type { GroupId, InstanceId, StandbyId } from '@holdfast/domain';
import type { Reader } from '@holdfast/store';
import { findEstate, findJobs, findLogins } from '../estate/estate-store.ts';
import type { Estate, JobsView, LoginsView } from '../estate/estate.ts';
import type { RestoreTables } from '../tables.ts';
import type { ReferenceFacts } from './facts.ts';
import { sampleUpdate } from './sample-update.ts';

export async function loadReferenceFacts(
  db: Reader<RestoreTables>,
  { group, standby }: Pick<Estate, 'group' | 'standby'>,
): Promise<Omit<ReferenceFacts, 'mark'>> {
  const jobs = new Map<string, JobsView>();
  const logins = new Map<string, LoginsView>();
  for (const { instanceId } of [...group.instances, ...standby.instances]) {
    const [known, seen] = [
      await findJobs(db, instanceId as InstanceId),
      await findLogins(db, instanceId as InstanceId),
    ];
    if (known !== undefined) jobs.set(instanceId, known);
    if (seen !== undefined) logins.set(instanceId, seen);
  }
  return { group, standby, jobs, logins };
}

/** SampleUpdateInfo.xml as a failover to this standby would need it now; null when the standby is not known here, or is another group's. */
export async function findUpdateFile(
  db: Reader<RestoreTables>,
  groupId: GroupId,
  standbyId: StandbyId,
): Promise<string | null> {
  const estate = await findEstate(db, groupId, standbyId);
  return estate === undefined || estate.standby.groupId !== groupId ? null : sampleUpdate(estate).xml;
}
