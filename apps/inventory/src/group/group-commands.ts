import { groupObserved } from '@holdfast/events';
import type { HostDependencies } from '@holdfast/service/host';
import type { Transactor } from '@holdfast/store';
import { findInstance } from '../instance/instance-store.ts';
import type { InventoryTables } from '../tables.ts';
import type { Group, GroupFacts } from './group.ts';

export type InventoryDependencies = HostDependencies<InventoryTables>;

/** Publishes the whole of what is known of a group, as it is in the store of this transaction. */
export async function publishGroup(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  group: Group,
  facts: GroupFacts,
): Promise<void> {
  const instances = await Promise.all(
    facts.instances.map(async ({ instanceId: id, name }) => {
      const instance = await findInstance(tx, id);
      if (instance === undefined) throw new Error(`An instance of the group is not stored: ${id}`);
      return { instanceId: id, name, serverName: instance.serverName, productVersion: instance.productVersion };
    }),
  );
  await deps.outbox.append(tx, groupObserved, {
    groupId: group.id,
    version: group.version,
    name: group.name,
    site: group.site,
    observedAt: group.observedAt ?? group.registeredAt,
    managementDatabaseId: group.managementDatabaseId,
    instances,
    databases: facts.databases.map(({ id, name, role, instanceId: on, inBackupJob, state, recoveryModel }) => ({
      databaseId: id,
      name,
      role,
      instanceId: on,
      inBackupJob,
      state,
      recoveryModel,
    })),
  });
}
