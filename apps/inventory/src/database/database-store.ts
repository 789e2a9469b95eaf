import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import type { DatabaseRole } from '@holdfast/domain/biztalk';
import { discoveredId } from '@holdfast/service';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import type { Reader, Transactor } from '@holdfast/store';
import type { InventoryTables } from '../tables.ts';
import type { GroupDatabase } from './database.ts';

type DatabaseRow = InventoryTables['group_database'];

export function databaseIdIn(groupId: GroupId): (name: string, serverName: string) => DatabaseId {
  return (name, serverName) =>
    discoveredId('database', groupId, name.toUpperCase(), serverName.toUpperCase()) as DatabaseId;
}

export const databaseCursor = (database: GroupDatabase): CursorKey => [database.id];

export async function pageOfDatabases(
  db: Reader<InventoryTables>,
  groupId: GroupId,
  page: Page,
  role: DatabaseRole | undefined,
): Promise<GroupDatabase[]> {
  let query = db.selectFrom('group_database').selectAll().where('group_id', '=', groupId).orderBy('id');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('id', '>', after);
  if (role !== undefined) query = query.where('role', '=', role);
  return (await db.dialect.page(query, page.first + 1).execute()).map(toDatabase);
}

export async function databasesOf(db: Reader<InventoryTables>, groupId: GroupId): Promise<GroupDatabase[]> {
  return (
    await db.selectFrom('group_database').selectAll().where('group_id', '=', groupId).orderBy('id').execute()
  ).map(toDatabase);
}

export async function findDatabases(db: Reader<InventoryTables>, ids: readonly DatabaseId[]): Promise<GroupDatabase[]> {
  return (await db.selectFrom('group_database').selectAll().where('id', 'in', ids).execute()).map(toDatabase);
}

/** Databases of groups beside this one on these instances. */
export async function databasesOfOthers(
  db: Reader<InventoryTables>,
  groupId: GroupId | undefined,
  instanceIds: readonly InstanceId[],
): Promise<GroupDatabase[]> {
  if (instanceIds.length === 0) return [];
  let query = db.selectFrom('group_database').selectAll().where('instance_id', 'in', instanceIds);
  if (groupId !== undefined) query = query.where('group_id', '!=', groupId);
  return (await query.execute()).map(toDatabase);
}

/** The names of all databases that some backup job covers. */
export async function coveredNames(db: Reader<InventoryTables>): Promise<string[]> {
  const rows = await db
    .selectFrom('group_database')
    .select('name')
    .distinct()
    .where('in_backup_job', '=', 1)
    .orderBy('name')
    .execute();
  return rows.map(({ name }) => name);
}

/** A database that the group no longer names is gone from the list; its id comes back with it. */
export async function replaceDatabases(
  tx: Transactor<InventoryTables>,
  groupId: GroupId,
  databases: readonly GroupDatabase[],
): Promise<void> {
  await tx.deleteFrom('group_database').where('group_id', '=', groupId).execute();
  for (const database of databases) await tx.insertInto('group_database').values(toRow(database)).execute();
}

function toRow(database: GroupDatabase): DatabaseRow {
  const { id, groupId, name, role, instanceId, inBackupJob, state, recoveryModel, storedServer, otherName } = database;
  return {
    id,
    group_id: groupId,
    name,
    role,
    instance_id: instanceId,
    in_backup_job: inBackupJob ? 1 : 0,
    state,
    recovery_model: recoveryModel,
    stored_server: storedServer,
    other_name: otherName,
  };
}

function toDatabase(row: DatabaseRow): GroupDatabase {
  return {
    id: row.id as DatabaseId,
    groupId: row.group_id as GroupId,
    name: row.name,
    role: row.role as DatabaseRole,
    instanceId: row.instance_id as InstanceId,
    inBackupJob: row.in_backup_job === 1,
    state: row.state,
    recoveryModel: row.recovery_model,
    storedServer: row.stored_server,
    otherName: row.other_name,
  };
}
