import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import type { Reader, Transactor } from '@holdfast/store';
import type { InventoryTables } from '../tables.ts';
import type { GroupTables } from '../estate/estate.ts';
import type { AwaitedInstance, Group, GroupInstance } from './group.ts';

type GroupRow = InventoryTables['biztalk_group'];

/** By id, so that rows stay where they are between two pages. */
export const groupCursor = (group: Group): CursorKey => [group.id];

/** In the order of `groupCursor`, one row more than the page: it tells that there is a next one. `ids`: only these. */
export async function listGroups(
  db: Reader<InventoryTables>,
  page: Page,
  ids: readonly GroupId[] | undefined,
): Promise<Group[]> {
  let query = db.selectFrom('biztalk_group').selectAll().orderBy('id');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('id', '>', after);
  if (ids !== undefined) query = query.where('id', 'in', ids);
  return (await db.dialect.page(query, page.first + 1).execute()).map(toGroup);
}

export async function findGroups(db: Reader<InventoryTables>, ids: readonly GroupId[]): Promise<Group[]> {
  return (await db.selectFrom('biztalk_group').selectAll().where('id', 'in', ids).execute()).map(toGroup);
}

export async function findGroup(db: Reader<InventoryTables>, id: GroupId): Promise<Group | undefined> {
  return (await findGroups(db, [id]))[0];
}

/** @throws Error when it is gone: what refers to a group is stored with it. */
export async function requireGroup(db: Reader<InventoryTables>, id: GroupId): Promise<Group> {
  const group = await findGroup(db, id);
  if (group === undefined) throw new Error(`The group is not stored: ${id}`);
  return group;
}

export async function allGroups(db: Reader<InventoryTables>): Promise<Group[]> {
  return (await db.selectFrom('biztalk_group').selectAll().orderBy('id').execute()).map(toGroup);
}

/** The group whose Management database this is: one database manages one group. */
export async function findGroupManagedBy(
  db: Reader<InventoryTables>,
  instanceId: InstanceId,
  databaseName: string,
): Promise<Group | undefined> {
  const rows = await db
    .selectFrom('group_database')
    .select(['group_id', 'name'])
    .where('instance_id', '=', instanceId)
    .where('role', '=', 'MANAGEMENT')
    .execute();
  const row = rows.find(({ name }) => name.toUpperCase() === databaseName.toUpperCase());
  return row === undefined ? undefined : findGroup(db, row.group_id as GroupId);
}

export async function listGroupInstances(db: Reader<InventoryTables>, groupId: GroupId): Promise<GroupInstance[]> {
  const rows = await db
    .selectFrom('group_instance')
    .select(['instance_id', 'name'])
    .where('group_id', '=', groupId)
    .orderBy('name')
    .execute();
  return rows.map(({ instance_id, name }) => ({ instanceId: instance_id as InstanceId, name }));
}

/** The groups that have databases on this instance. */
export async function groupsWith(db: Reader<InventoryTables>, instanceId: InstanceId): Promise<GroupId[]> {
  const rows = await db
    .selectFrom('group_instance')
    .select('group_id')
    .distinct()
    .where('instance_id', '=', instanceId)
    .orderBy('group_id')
    .execute();
  return rows.map(({ group_id }) => group_id as GroupId);
}

export async function insertGroup(
  tx: Transactor<InventoryTables>,
  group: Group,
  instances: readonly GroupInstance[],
): Promise<void> {
  await tx.insertInto('biztalk_group').values(toRow(group)).execute();
  await replaceGroupInstances(tx, group.id, instances);
}

export async function updateGroup(tx: Transactor<InventoryTables>, group: Group): Promise<void> {
  const { id, ...rest } = toRow(group);
  await tx.updateTable('biztalk_group').set(rest).where('id', '=', id).execute();
}

export async function replaceGroupInstances(
  tx: Transactor<InventoryTables>,
  groupId: GroupId,
  instances: readonly GroupInstance[],
): Promise<void> {
  await tx.deleteFrom('group_instance').where('group_id', '=', groupId).execute();
  for (const { instanceId, name } of instances) {
    await tx.insertInto('group_instance').values({ group_id: groupId, instance_id: instanceId, name }).execute();
  }
}

function toRow(group: Group): GroupRow {
  return {
    id: group.id,
    version: group.version,
    name: group.name,
    site: group.site,
    tags: JSON.stringify(group.tags),
    management_database_id: group.managementDatabaseId,
    registered_at: group.registeredAt,
    observed_at: group.observedAt,
    observation_error: group.observationError,
    awaited_instances: JSON.stringify(group.awaitedInstances),
    tables: group.tables === null ? null : JSON.stringify(group.tables),
    told: group.told,
  };
}

function toGroup(row: GroupRow): Group {
  return {
    id: row.id as GroupId,
    version: row.version,
    name: row.name,
    site: row.site,
    tags: JSON.parse(row.tags) as string[],
    managementDatabaseId: row.management_database_id as DatabaseId,
    registeredAt: row.registered_at,
    observedAt: row.observed_at,
    observationError: row.observation_error,
    awaitedInstances: JSON.parse(row.awaited_instances) as AwaitedInstance[],
    tables: row.tables === null ? null : (JSON.parse(row.tables) as GroupTables),
    told: row.told,
  };
}
