import type { GroupId, InstanceId } from '@holdfast/domain';
import type { PayloadOf, recoveryPointJudged, setQualified } from '@holdfast/events';
import type { Reader, Transactor } from '@holdfast/store';
import type { ShippingTables } from '../tables.ts';
import { setsWithin, sortable, type Window } from './window-store.ts';
import type { KnownAddress, KnownFile, KnownGroup, KnownInstance, KnownPoint, KnownSet } from './estate.ts';

type Db = Reader<ShippingTables>;
type Tx = Transactor<ShippingTables>;

export async function findGroup(db: Db, groupId: GroupId): Promise<KnownGroup | undefined> {
  const row = await db.selectFrom('known_group').select('body').where('group_id', '=', groupId).executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.body) as KnownGroup);
}

/** False when what is known is not older. */
export async function saveGroup(tx: Tx, group: KnownGroup): Promise<boolean> {
  const { groupId: group_id, version, name } = group;
  const before = await tx
    .selectFrom('known_group')
    .select('version')
    .where('group_id', '=', group_id)
    .executeTakeFirst();
  if (before !== undefined && before.version >= version) return false;
  await tx.dialect
    .upsert(tx.insertInto('known_group').values({ group_id, version, name, body: JSON.stringify(group) }), {
      key: ['group_id'],
      columns: ['version', 'name', 'body'],
    })
    .execute();
  return true;
}

export async function findInstances(db: Db, ids: readonly InstanceId[]): Promise<KnownInstance[]> {
  const rows = await db.selectFrom('known_instance').selectAll().where('instance_id', 'in', ids).execute();
  return rows.map(row => {
    return {
      instanceId: row.instance_id as InstanceId,
      serverName: row.server_name,
      productVersion: row.product_version,
    };
  });
}

export async function saveInstance(tx: Tx, instance: KnownInstance & { readonly version: number }): Promise<void> {
  const { instanceId: instance_id, version, serverName: server_name, productVersion: product_version } = instance;
  const before = await tx
    .selectFrom('known_instance')
    .select('version')
    .where('instance_id', '=', instance_id)
    .executeTakeFirst();
  if (before !== undefined && before.version >= version) return;
  await tx.dialect
    .upsert(tx.insertInto('known_instance').values({ instance_id, version, server_name, product_version }), {
      key: ['instance_id'],
      columns: ['version', 'server_name', 'product_version'],
    })
    .execute();
}

export async function findAddress(db: Db, instanceId: InstanceId): Promise<KnownAddress | undefined> {
  const row = await db
    .selectFrom('known_address')
    .select('body')
    .where('instance_id', '=', instanceId)
    .executeTakeFirst();
  return row === undefined ? undefined : (JSON.parse(row.body) as KnownAddress);
}

export async function saveAddress(tx: Tx, address: KnownAddress): Promise<void> {
  const { instanceId: instance_id, version } = address;
  const before = await tx
    .selectFrom('known_address')
    .select('version')
    .where('instance_id', '=', instance_id)
    .executeTakeFirst();
  if (before !== undefined && before.version >= version) return;
  await tx.dialect
    .upsert(tx.insertInto('known_address').values({ instance_id, version, body: JSON.stringify(address) }), {
      key: ['instance_id'],
      columns: ['version', 'body'],
    })
    .execute();
}

/** The whole set, in place of what was known of it. */
export async function saveSet(tx: Tx, set: PayloadOf<typeof setQualified>): Promise<void> {
  const { setId: set_id, groupId: group_id, version, files } = set;
  const before = await tx.selectFrom('known_set').select('version').where('set_id', '=', set_id).executeTakeFirst();
  if (before !== undefined && before.version >= version) return;
  await tx.deleteFrom('known_file').where('set_id', '=', set_id).execute();
  await tx.deleteFrom('known_set').where('set_id', '=', set_id).execute();
  await tx
    .insertInto('known_set')
    .values({
      set_id,
      group_id,
      version,
      number: set.number,
      type: set.type,
      mark_name: set.markName,
      started_at: set.startedAt,
      started_at_recorded: set.startedAtRecorded,
      state: set.state,
    })
    .execute();
  for (const file of files) {
    await tx
      .insertInto('known_file')
      .values({
        file_id: file.fileId,
        set_id,
        group_id,
        database_id: file.databaseId,
        database_name: file.databaseName,
        source_instance: file.sourceInstance,
        path: file.path,
        position: file.position,
        state: file.state,
        header: file.header === null ? null : JSON.stringify(file.header),
        mark_lsn: file.markLsn,
        set_type: set.type,
        set_state: set.state,
        taken_at: set.startedAt ?? set.startedAtRecorded,
        last_lsn_sorted: file.header === null ? null : sortable(file.header.lastLsn),
        mark_lsn_sorted: file.markLsn === null ? null : sortable(file.markLsn),
        backup_set_uuid: file.header?.backupSetUuid ?? null,
      })
      .execute();
  }
}

/** Every set, or those of a window whole: one mark has an LSN in each of its databases. */
export async function loadSets(db: Db, groupId: GroupId, window?: Window): Promise<KnownSet[]> {
  if (window?.size === 0) return [];
  const ofGroup = db.selectFrom('known_set').selectAll().where('group_id', '=', groupId);
  const filesOfGroup = db.selectFrom('known_file').selectAll().where('group_id', '=', groupId).orderBy('file_id');
  const within = window === undefined ? undefined : setsWithin(db, window);
  const sets = await (within === undefined ? ofGroup : ofGroup.where('set_id', 'in', within)).execute();
  const rows = await (within === undefined ? filesOfGroup : filesOfGroup.where('set_id', 'in', within)).execute();
  const files = Map.groupBy(rows, row => row.set_id);
  return sets.map(row => ({
    setId: row.set_id as KnownSet['setId'],
    number: row.number,
    type: row.type as KnownSet['type'],
    markName: row.mark_name as KnownSet['markName'],
    startedAt: row.started_at,
    startedAtRecorded: row.started_at_recorded,
    state: row.state as KnownSet['state'],
    files: (files.get(row.set_id) ?? []).map(toFile),
  }));
}

export function toFile(row: ShippingTables['known_file']): KnownFile {
  return {
    fileId: row.file_id as KnownFile['fileId'],
    setId: row.set_id as KnownFile['setId'],
    databaseId: row.database_id as KnownFile['databaseId'],
    databaseName: row.database_name,
    sourceInstance: row.source_instance,
    path: row.path,
    position: row.position,
    state: row.state as KnownFile['state'],
    header: row.header === null ? null : (JSON.parse(row.header) as KnownFile['header']),
    markLsn: row.mark_lsn as KnownFile['markLsn'],
  };
}

export async function savePoint(tx: Tx, point: PayloadOf<typeof recoveryPointJudged>, judgedAt: string): Promise<void> {
  const { recoveryPointId: recovery_point_id, version } = point;
  const before = await tx
    .selectFrom('known_point')
    .select('version')
    .where('recovery_point_id', '=', recovery_point_id)
    .executeTakeFirst();
  if (before !== undefined && before.version >= version) return;
  const row = {
    recovery_point_id,
    group_id: point.groupId,
    set_id: point.setId,
    version,
    mark_name: point.markName,
    marked_at: point.markedAt,
    verdict: point.verdict,
    judged_at: judgedAt,
  };
  await tx.dialect
    .upsert(tx.insertInto('known_point').values(row), {
      key: ['recovery_point_id'],
      columns: ['set_id', 'version', 'marked_at', 'verdict', 'judged_at'],
    })
    .execute();
}

export async function loadPoints(db: Db, groupId: GroupId): Promise<KnownPoint[]> {
  const rows = await db.selectFrom('known_point').selectAll().where('group_id', '=', groupId).execute();
  return rows.map(row => ({
    recoveryPointId: row.recovery_point_id as KnownPoint['recoveryPointId'],
    setId: row.set_id as KnownPoint['setId'],
    markName: row.mark_name as KnownPoint['markName'],
    markedAt: row.marked_at,
    verdict: row.verdict as KnownPoint['verdict'],
    judgedAt: row.judged_at,
  }));
}

export async function groupOfPoint(db: Db, recoveryPointId: string): Promise<GroupId | undefined> {
  const row = await db
    .selectFrom('known_point')
    .select('group_id')
    .where('recovery_point_id', '=', recoveryPointId)
    .executeTakeFirst();
  return row?.group_id as GroupId | undefined;
}
