import type { InstanceId } from '@holdfast/domain';
import { discoveredId } from '@holdfast/service';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import { findHolds, holdMessage } from '@holdfast/service/source-hold';
import type { Reader, Transactor } from '@holdfast/store';
import type { InventoryTables } from '../tables.ts';
import type { InstanceDetails } from '../estate/estate.ts';
import type { DiscoveredGroup } from '../estate/estate-store.ts';
import { groupsWith } from '../group/group-store.ts';
import type { Instance, InstanceAddress } from './instance.ts';

type InstanceRow = InventoryTables['sql_instance'];

/** A server is known by the name it has for itself, wherever it is reached. */
export function instanceId(serverName: string): InstanceId {
  return discoveredId('instance', serverName.toUpperCase()) as InstanceId;
}

/** An instance that was looked at, with the id of the server that answered. */
export function resolvedInstance({ name, address, seen }: DiscoveredGroup['instances'][number]) {
  const { serverName, databases } = seen;
  return { id: instanceId(serverName), name, serverName, databases, address, seen };
}

export const instanceCursor = (instance: Instance): CursorKey => [instance.id];

export async function listInstances(db: Reader<InventoryTables>, page: Page): Promise<Instance[]> {
  let query = db.selectFrom('sql_instance').selectAll().orderBy('id');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('id', '>', after);
  return (await db.dialect.page(query, page.first + 1).execute()).map(toInstance);
}

export async function findInstances(db: Reader<InventoryTables>, ids: readonly InstanceId[]): Promise<Instance[]> {
  return (await db.selectFrom('sql_instance').selectAll().where('id', 'in', ids).execute()).map(toInstance);
}

export async function findInstance(db: Reader<InventoryTables>, id: InstanceId): Promise<Instance | undefined> {
  return (await findInstances(db, [id]))[0];
}

/** Those that call themselves so. */
export async function instancesCalled(
  db: Reader<InventoryTables>,
  serverNames: readonly string[],
): Promise<Instance[]> {
  return findInstances(db, serverNames.map(instanceId));
}

/** Instances that no group is managed from: the others are looked at with the Management database. */
export async function instancesBesideManagement(db: Reader<InventoryTables>): Promise<InstanceId[]> {
  const managing = db.selectFrom('group_database').select('instance_id').where('role', '=', 'MANAGEMENT');
  const rows = await db.selectFrom('sql_instance').select('id').where('id', 'not in', managing).orderBy('id').execute();
  return rows.map(({ id }) => id as InstanceId);
}

/** Why nothing is sent there now, if so: an execution has the source of a group there, or may have its standby there (design.md §5). */
export async function reasonNotToAsk(db: Reader<InventoryTables>, id: InstanceId): Promise<string | undefined> {
  const groups = await groupsWith(db, id);
  if (groups.length > 0) {
    const [hold] = await findHolds(db, groups);
    return hold === undefined ? undefined : holdMessage(hold);
  }
  const claims = db
    .selectFrom('source_hold')
    .select(['execution_id', 'claimed_at'])
    .where('claimed_at', 'is not', null);
  const claim = await claims.orderBy('claimed_at').executeTakeFirst();
  return claim === undefined
    ? undefined
    : `Execution ${claim.execution_id} works since ${String(claim.claimed_at)}, and an instance in no group may be its standby: it is not asked until that ends.`;
}

/** The registered instance that each of these names means: as it calls itself, else as people named it, if that is one alone. */
export async function findNamedInstances(db: Reader<InventoryTables>): Promise<(name: string) => Instance | undefined> {
  const instances = (await db.selectFrom('sql_instance').selectAll().execute()).map(toInstance);
  const given = await db.selectFrom('instance_name').selectAll().execute();
  return name => {
    const wanted = name.toUpperCase();
    const itself = instances.find(({ serverName }) => serverName.toUpperCase() === wanted);
    if (itself !== undefined) return itself;
    const [meant, other] = given.filter(each => each.name === wanted);
    return other === undefined ? instances.find(({ id }) => id === meant?.instance_id) : undefined;
  };
}

export async function saveInstanceName(
  tx: Transactor<InventoryTables>,
  instanceId: InstanceId,
  name: string,
): Promise<void> {
  const row = { name: name.toUpperCase(), instance_id: instanceId };
  const known = await tx
    .selectFrom('instance_name')
    .select('name')
    .where('name', '=', row.name)
    .where('instance_id', '=', instanceId)
    .executeTakeFirst();
  if (known === undefined) await tx.insertInto('instance_name').values(row).execute();
}

export async function saveInstance(tx: Transactor<InventoryTables>, instance: Instance): Promise<void> {
  const row = toRow(instance);
  const columns = [
    'version',
    'name',
    'server_name',
    'site',
    'product_version',
    'address',
    'observed_at',
    'observation_error',
    'details',
    'told_logins',
    'told_jobs',
  ] as const;
  await tx.dialect.upsert(tx.insertInto('sql_instance').values(row), { key: ['id'], columns }).execute();
}

function toRow(instance: Instance): InstanceRow {
  return {
    id: instance.id,
    version: instance.version,
    name: instance.name,
    server_name: instance.serverName,
    site: instance.site,
    product_version: instance.productVersion,
    address: JSON.stringify(instance.address),
    observed_at: instance.observedAt,
    observation_error: instance.observationError,
    details: instance.details === null ? null : JSON.stringify(instance.details),
    told_logins: instance.toldLogins,
    told_jobs: instance.toldJobs,
  };
}

function toInstance(row: InstanceRow): Instance {
  return {
    id: row.id as InstanceId,
    version: row.version,
    name: row.name,
    serverName: row.server_name,
    site: row.site,
    productVersion: row.product_version,
    address: JSON.parse(row.address) as InstanceAddress,
    observedAt: row.observed_at,
    observationError: row.observation_error,
    details: row.details === null ? null : (JSON.parse(row.details) as InstanceDetails),
    toldLogins: row.told_logins,
    toldJobs: row.told_jobs,
  };
}
