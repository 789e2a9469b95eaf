import type { GroupId } from '@holdfast/domain';
import type { Reader } from '@holdfast/store';
import { databasesOf, databasesOfOthers } from '../database/database-store.ts';
import { sameName } from '../estate/estate.ts';
import type { DiscoveredGroup } from '../estate/estate-store.ts';
import type { Group } from '../group/group.ts';
import { listGroupInstances } from '../group/group-store.ts';
import type { Instance } from '../instance/instance.ts';
import { findInstances, instancesCalled } from '../instance/instance-store.ts';
import { awaitedInstances } from '../registration/registration.ts';
import type { InventoryTables } from '../tables.ts';
import type { CoverageInput, CoverageInstance } from './coverage.ts';
import type { Outdated } from './coverage-reasons.ts';

/** What is stored of a group. `outdated`: whether facts of this age must not be relied on any more. */
export async function storedCoverage(
  db: Reader<InventoryTables>,
  group: Group,
  outdated: (seen: Outdated) => boolean,
): Promise<CoverageInput> {
  const named = await listGroupInstances(db, group.id);
  const instances = await findInstances(
    db,
    named.map(({ instanceId }) => instanceId),
  );
  const management = (await databasesOf(db, group.id)).find(({ id }) => id === group.managementDatabaseId);
  const judged = (seen: Outdated) => (outdated(seen) ? seen : null);
  return {
    management: {
      database: management?.name ?? '',
      instance: named.find(({ instanceId }) => instanceId === management?.instanceId)?.name ?? '',
    },
    tables: group.tables,
    tablesOutdated: judged({ observedAt: group.observedAt, error: group.observationError }),
    instances: named.flatMap(({ instanceId, name }): CoverageInstance[] => {
      const instance = instances.find(({ id }) => id === instanceId);
      if (instance === undefined) return [];
      const { serverName, details, observedAt, observationError: error } = instance;
      return [{ name, serverName, databases: details?.databases ?? null, outdated: judged({ observedAt, error }) }];
    }),
    awaited: group.awaitedInstances,
    isOfAnotherGroup: await othersDatabases(db, group.id, instances),
  };
}

/** What was found of a group that is not registered. */
export async function discoveredCoverage(
  db: Reader<InventoryTables>,
  found: DiscoveredGroup,
  database: string,
): Promise<CoverageInput> {
  const known = await instancesCalled(
    db,
    found.instances.map(({ seen }) => seen.serverName),
  );
  return {
    management: { database, instance: found.managementServer },
    tables: found.tables,
    tablesOutdated: null,
    instances: found.instances.map(({ name, seen: { serverName, databases } }) => ({
      name,
      serverName,
      databases,
      outdated: null,
    })),
    awaited: awaitedInstances(found),
    isOfAnotherGroup: await othersDatabases(db, undefined, known),
  };
}

async function othersDatabases(
  db: Reader<InventoryTables>,
  groupId: GroupId | undefined,
  instances: readonly Instance[],
): Promise<CoverageInput['isOfAnotherGroup']> {
  const others = await databasesOfOthers(
    db,
    groupId,
    instances.map(({ id }) => id),
  );
  return (serverName, database) => {
    const ids = instances.filter(each => sameName(each.serverName, serverName)).map(({ id }) => id);
    return others.some(({ instanceId, name }) => ids.includes(instanceId) && sameName(name, database));
  };
}
