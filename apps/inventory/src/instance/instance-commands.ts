import type { GroupId } from '@holdfast/domain';
import { instanceAddressed } from '@holdfast/events';
import type { Transactor } from '@holdfast/store';
import { databasesOf, replaceDatabases } from '../database/database-store.ts';
import { withSeenStates } from '../database/database.ts';
import type { SeenInstance } from '../estate/estate.ts';
import { type InventoryDependencies, publishGroup } from '../group/group-commands.ts';
import { factsDiffer } from '../group/group.ts';
import { findGroup, groupsWith, listGroupInstances, updateGroup } from '../group/group-store.ts';
import type { InventoryTables } from '../tables.ts';
import type { Instance } from './instance.ts';
import { findInstance, saveInstance } from './instance-store.ts';

export type InstanceLook = Pick<Instance, 'id' | 'name' | 'address' | 'site' | 'observedAt'> & {
  readonly seen: SeenInstance;
};

/**
 * Stores a look at an instance, with the way to it published when it is new, and takes it over into every group that has databases there:
 * a group says so when that is news. `own`: the group whose facts the caller settles. `isNews`: it changed what is published of it.
 * A look that is older than what is stored is not stored.
 */
export async function recordInstance(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  look: InstanceLook,
  own?: GroupId,
): Promise<{ readonly instance: Instance; readonly isNews: boolean }> {
  const before = await findInstance(tx, look.id);
  if (before !== undefined && before.observedAt > look.observedAt) return { instance: before, isNews: false };
  const { serverName, productVersion, ...details } = look.seen;
  const isNews = before !== undefined && before.productVersion !== productVersion;
  const instance: Instance = {
    id: look.id,
    version: before === undefined ? 1 : before.version + (isNews ? 1 : 0),
    name: before?.name ?? look.name,
    serverName,
    site: before?.site ?? look.site,
    productVersion,
    address: before?.address ?? look.address,
    observedAt: look.observedAt,
    observationError: null,
    details,
  };
  await saveInstance(tx, instance);
  if (before === undefined) {
    const { id: instanceId, version, address } = instance;
    await deps.outbox.append(tx, instanceAddressed, { instanceId, version, serverName, address });
  }
  for (const groupId of await groupsWith(tx, instance.id))
    if (groupId !== own) await recordInGroup(deps, tx, groupId, { instance, isNews });
  return { instance, isNews };
}

async function recordInGroup(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  groupId: GroupId,
  { instance, isNews }: { readonly instance: Instance; readonly isNews: boolean },
): Promise<void> {
  const group = await findGroup(tx, groupId);
  if (group === undefined) return;
  const instances = await listGroupInstances(tx, groupId);
  const known = await databasesOf(tx, groupId);
  const seen = instance.details?.databases ?? [];
  const databases = known.map(each => (each.instanceId === instance.id ? withSeenStates(each, seen) : each));
  if (!isNews && !factsDiffer({ instances, databases: known }, { instances, databases })) return;
  const changed = { ...group, version: group.version + 1 };
  await updateGroup(tx, changed);
  await replaceDatabases(tx, groupId, databases);
  await publishGroup(deps, tx, changed, { instances, databases });
}
