import type { GroupId, InstanceId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { BackupTables } from '../tables.ts';
import type { KnownAddress, KnownGroup } from './estate.ts';

export async function knownGroupIds(db: Reader<BackupTables>): Promise<GroupId[]> {
  const rows = await db.selectFrom('known_group').select('group_id').orderBy('group_id').execute();
  return rows.map(({ group_id }) => group_id as GroupId);
}

export async function findGroup(db: Reader<BackupTables>, groupId: GroupId): Promise<KnownGroup | undefined> {
  const row = await db.selectFrom('known_group').select('body').where('group_id', '=', groupId).executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.body) as KnownGroup);
}

/** Keeps what is known when it is not older: events of one group come in order, a rebuild reads them again. */
export async function saveGroup(tx: Transactor<BackupTables>, group: KnownGroup): Promise<void> {
  const { groupId: group_id, version } = group;
  const known = await tx
    .selectFrom('known_group')
    .select('version')
    .where('group_id', '=', group_id)
    .executeTakeFirst();
  if (known !== undefined && known.version >= version) return;
  const insert = tx.insertInto('known_group').values({ group_id, version, body: JSON.stringify(group) });
  await tx.dialect.upsert(insert, { key: ['group_id'], columns: ['version', 'body'] }).execute();
}

export async function findAddresses(
  db: Reader<BackupTables>,
  instanceIds: readonly InstanceId[],
): Promise<ReadonlyMap<InstanceId, KnownAddress>> {
  const rows = await db.selectFrom('known_address').selectAll().where('instance_id', 'in', instanceIds).execute();
  return new Map(rows.map(row => [row.instance_id as InstanceId, JSON.parse(row.body) as KnownAddress]));
}

export async function saveAddress(tx: Transactor<BackupTables>, address: KnownAddress): Promise<void> {
  const { instanceId: instance_id, version } = address;
  const known = await tx
    .selectFrom('known_address')
    .select('version')
    .where('instance_id', '=', instance_id)
    .executeTakeFirst();
  if (known !== undefined && known.version >= version) return;
  const insert = tx.insertInto('known_address').values({ instance_id, version, body: JSON.stringify(address) });
  await tx.dialect.upsert(insert, { key: ['instance_id'], columns: ['version', 'body'] }).execute();
}
