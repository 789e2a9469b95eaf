import type { Reader } from '@holdfast/store';
import { coverageOf } from '../coverage/coverage.ts';
import { storedCoverage } from '../coverage/coverage-store.ts';
import type { Outdated } from '../coverage/coverage-reasons.ts';
import { databasesOf } from '../database/database-store.ts';
import type { GroupTables } from '../estate/estate.ts';
import { findInstances } from '../instance/instance-store.ts';
import type { InventoryTables } from '../tables.ts';
import type { GroupNews } from './group-news.ts';
import type { Group } from './group.ts';
import { listGroupInstances } from './group-store.ts';

/** What there is to tell of a group, by what is stored. `outdated`: as in `storedCoverage`. */
export async function storedNews(
  db: Reader<InventoryTables>,
  group: Group,
  outdated: (seen: Outdated) => boolean,
): Promise<GroupNews> {
  const named = await listGroupInstances(db, group.id);
  const instances = await findInstances(
    db,
    named.map(({ instanceId }) => instanceId),
  );
  return {
    groupId: group.id,
    name: group.name,
    site: group.site,
    managementDatabaseId: group.managementDatabaseId,
    instances: named.map(({ instanceId, name }) => {
      const instance = instances.find(({ id }) => id === instanceId);
      if (instance === undefined) throw new Error(`An instance of the group is not stored: ${instanceId}`);
      return { instanceId, name, serverName: instance.serverName, productVersion: instance.productVersion };
    }),
    databases: (await databasesOf(db, group.id)).map(({ id: databaseId, ...database }) => {
      const { groupId: _groupId, ...facts } = database;
      return { databaseId, ...facts };
    }),
    platform: publishedPlatform(group.tables),
    coverage: coverageOf(await storedCoverage(db, group, outdated)),
  };
}

/** Not judged by its age: it is asked for when the source is gone, and nobody has looked for long. */
function publishedPlatform(tables: GroupTables | null): GroupNews['platform'] {
  if (tables === null || tables.platform === null) return null;
  const { computers, hosts, hostInstances } = tables.platform;
  return {
    ssoServer: tables.ssoServer,
    computers: [...computers],
    hosts: [...hosts],
    hostInstances: hostInstances.map(({ host, computer, enabled }) => ({ host, computer, enabled })),
  };
}
