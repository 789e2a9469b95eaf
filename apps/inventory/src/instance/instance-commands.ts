import type { GroupId } from '@holdfast/domain';
import { instanceAddressed, jobsObserved, loginsObserved } from '@holdfast/events';
import type { Transactor } from '@holdfast/store';
import { databasesOf, replaceDatabases } from '../database/database-store.ts';
import { withSeenStates } from '../database/database.ts';
import type { SeenInstance } from '../estate/estate.ts';
import { type InventoryDependencies, tellGroup } from '../group/group-commands.ts';
import { groupsWith } from '../group/group-store.ts';
import type { InventoryTables } from '../tables.ts';
import type { Instance } from './instance.ts';
import { findInstance, saveInstance } from './instance-store.ts';
import { jobsInOrder, toldOfJobs } from './job-definitions.ts';
import { inOrder, toldOfLogins } from './logins.ts';

export type InstanceLook = Pick<Instance, 'id' | 'name' | 'address' | 'site' | 'observedAt'> & {
  readonly seen: SeenInstance;
};

/**
 * Stores a look at an instance and publishes what is news of it: the way to it when it is new, its logins and its jobs. Every group that has
 * databases there takes it over and tells what is news to it. `own`: the group whose facts the caller settles.
 * A look that is older than what is stored is not stored.
 */
export async function recordInstance(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  look: InstanceLook,
  own?: GroupId,
): Promise<Instance> {
  const before = await findInstance(tx, look.id);
  if (before !== undefined && before.observedAt > look.observedAt) return before;
  const { serverName, productVersion, ...details } = look.seen;
  const toldLogins = toldOfLogins(details.logins);
  const isLoginNews = toldLogins !== before?.toldLogins;
  const toldJobs = toldOfJobs(details.jobDefinitions);
  const isJobNews = toldJobs !== before?.toldJobs;
  const instance: Instance = {
    id: look.id,
    version: (before?.version ?? 0) + (isLoginNews || isJobNews ? 1 : 0),
    name: before?.name ?? look.name,
    serverName,
    site: before?.site ?? look.site,
    productVersion,
    address: before?.address ?? look.address,
    observedAt: look.observedAt,
    observationError: null,
    details,
    toldLogins,
    toldJobs,
  };
  await saveInstance(tx, instance);
  const { id: instanceId, version, address, observedAt } = instance;
  if (before === undefined)
    await deps.outbox.append(tx, instanceAddressed, { instanceId, version, serverName, address });
  if (isLoginNews) {
    const logins = details.logins === null ? null : inOrder(details.logins);
    await deps.outbox.append(tx, loginsObserved, { instanceId, version, serverName, observedAt, logins });
  }
  if (isJobNews) {
    const jobs = details.jobDefinitions === null ? null : jobsInOrder(details.jobDefinitions);
    await deps.outbox.append(tx, jobsObserved, { instanceId, version, serverName, observedAt, jobs });
  }
  for (const groupId of await groupsWith(tx, instanceId))
    if (groupId !== own) await recordInGroup(deps, tx, groupId, instance);
  return instance;
}

async function recordInGroup(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  groupId: GroupId,
  { id, details }: Instance,
): Promise<void> {
  const databases = (await databasesOf(tx, groupId)).map(each =>
    each.instanceId === id ? withSeenStates(each, details?.databases ?? []) : each,
  );
  await replaceDatabases(tx, groupId, databases);
  await tellGroup(deps, tx, groupId);
}
