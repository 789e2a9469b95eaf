import type { StandbyId } from '@holdfast/domain';
import type { Reader, Transactor } from '@holdfast/store';
import type { ShippingTables } from '../tables.ts';
import type { Copy, CopyHeader, CopyProblem } from './copy.ts';

type Db = Reader<ShippingTables>;
type Tx = Transactor<ShippingTables>;

export async function listCopies(db: Db, standbyIds: readonly StandbyId[]): Promise<Copy[]> {
  if (standbyIds.length === 0) return [];
  const rows = await db.selectFrom('copy').selectAll().where('standby_id', 'in', standbyIds).execute();
  return rows.map(toCopy);
}

export async function findCopy(db: Db, standbyId: StandbyId, fileId: Copy['fileId']): Promise<Copy | undefined> {
  const row = await db
    .selectFrom('copy')
    .selectAll()
    .where('standby_id', '=', standbyId)
    .where('file_id', '=', fileId)
    .executeTakeFirst();
  return row === undefined ? undefined : toCopy(row);
}

export async function saveCopy(tx: Tx, copy: Copy): Promise<void> {
  const changing = {
    set_id: copy.setId,
    backup_set_uuid: copy.backupSetUuid,
    state: copy.state,
    write_path: copy.writePath,
    standby_path: copy.standbyPath,
    position: copy.position,
    size: copy.size,
    source_modified_ms: copy.sourceModifiedMs,
    prefix_bytes: copy.prefix?.bytes ?? null,
    prefix_sha256: copy.prefix?.sha256 ?? null,
    sha256: copy.sha256,
    header: copy.header === null ? null : JSON.stringify(copy.header),
    problem: copy.problem === null ? null : JSON.stringify(copy.problem),
    copied_at: copy.copiedAt,
    writer: copy.writer,
  };
  const { standbyId: standby_id, fileId: file_id, databaseId: database_id, instanceId: instance_id } = copy;
  await tx.dialect
    .upsert(tx.insertInto('copy').values({ standby_id, file_id, database_id, instance_id, ...changing }), {
      key: ['standby_id', 'file_id'],
      columns: Object.keys(changing) as (keyof typeof changing)[],
    })
    .execute();
}

function toCopy(row: ShippingTables['copy']): Copy {
  const { prefix_bytes: bytes, prefix_sha256: prefixHash } = row;
  return {
    standbyId: row.standby_id as Copy['standbyId'],
    fileId: row.file_id as Copy['fileId'],
    setId: row.set_id as Copy['setId'],
    databaseId: row.database_id as Copy['databaseId'],
    instanceId: row.instance_id as Copy['instanceId'],
    backupSetUuid: row.backup_set_uuid,
    state: row.state as Copy['state'],
    writePath: row.write_path,
    standbyPath: row.standby_path,
    position: row.position,
    size: row.size,
    sourceModifiedMs: row.source_modified_ms,
    prefix: bytes === null || prefixHash === null ? null : { bytes, sha256: prefixHash },
    sha256: row.sha256,
    header: row.header === null ? null : (JSON.parse(row.header) as CopyHeader),
    problem: row.problem === null ? null : (JSON.parse(row.problem) as CopyProblem),
    copiedAt: row.copied_at,
    writer: row.writer,
  };
}
