import type { DatabaseId, StandbyId } from '@holdfast/domain';
import type { Lsn } from '@holdfast/domain/lsn';
import type { Reader, Transactor } from '@holdfast/store';
import { toFile } from '../estate/estate-store.ts';
import { findBase, present, setsWithin, sortable, unfinished, type Window } from '../estate/window-store.ts';
import type { ShippingTables } from '../tables.ts';
import type { Copy, CopyHeader, CopyProblem, Uncopied } from './copy.ts';

type Db = Reader<ShippingTables>;
type Tx = Transactor<ShippingTables>;

/** Of these standbys; with a window only those of the sets that have a file in it. */
export async function listCopies(db: Db, standbyIds: readonly StandbyId[], window?: Window): Promise<Copy[]> {
  if (standbyIds.length === 0 || window?.size === 0) return [];
  const all = db.selectFrom('copy').selectAll().where('standby_id', 'in', standbyIds);
  const rows = await (window === undefined ? all : all.where('set_id', 'in', setsWithin(db, window))).execute();
  return rows.map(toCopy);
}

/** What does not get on, the first to be tried again first; at most `rows`: where a share is gone, every file of it is among them. */
export async function listStuckCopies(db: Db, standbyId: StandbyId, rows: number): Promise<Copy[]> {
  const stuck = db
    .selectFrom('copy')
    .selectAll()
    .where('standby_id', '=', standbyId)
    .where('problem', 'is not', null)
    .orderBy('retry_at_ms')
    .orderBy('file_id');
  return (await db.dialect.page(stuck, rows).execute()).map(toCopy);
}

/**
 * The next file of one database that is not whole and recognised at the standby yet. First what it needs from where it stands: the newest
 * full that a later log set makes usable and everything since, and logs it has not applied yet, oldest first. Then older files, newest
 * first: they widen what can be reseeded. Files of whole, partial and orphaned sets alike: a partial set's good files may bridge
 * (design.md §5). One that is to be tried again later is not among them.
 */
export async function findUncopied(
  db: Db,
  of: {
    readonly standbyId: StandbyId;
    readonly databaseId: DatabaseId;
    readonly positionLsn: Lsn | null;
    readonly nowMs: number;
  },
): Promise<Uncopied | undefined> {
  const { standbyId, databaseId, positionLsn, nowMs } = of;
  const base = await findBase(db, databaseId);
  const open = uncopied(db, standbyId, nowMs).selectAll('file').where('file.database_id', '=', databaseId);
  const needed = open
    .where(eb =>
      eb.or([
        eb('file.taken_at', '>=', base?.takenAt ?? ''),
        ...(positionLsn === null
          ? []
          : [eb.and([eb('file.set_type', '=', 'LOG'), eb('file.last_lsn_sorted', '>', sortable(positionLsn))])]),
      ]),
    )
    .orderBy('file.taken_at')
    .orderBy('file.last_lsn_sorted');
  const older = open.orderBy('file.taken_at', 'desc').orderBy('file.last_lsn_sorted', 'desc');
  const row =
    (await db.dialect.page(needed, 1).executeTakeFirst()) ?? (await db.dialect.page(older, 1).executeTakeFirst());
  if (row === undefined) return undefined;
  const file = toFile(row);
  const { number: setNumber } = await db
    .selectFrom('known_set')
    .select('number')
    .where('set_id', '=', file.setId)
    .executeTakeFirstOrThrow();
  return { file, setNumber, copy: await findCopy(db, standbyId, file.fileId) };
}

/** The databases that have such a file at all: to ask this once costs less than to look for the next of each. */
export async function databasesToCopy(db: Db, standbyId: StandbyId, nowMs: number): Promise<ReadonlySet<string>> {
  const rows = await uncopied(db, standbyId, nowMs).select('file.database_id').distinct().execute();
  return new Set(rows.map(row => row.database_id));
}

function uncopied(db: Db, standbyId: StandbyId, nowMs: number) {
  return db
    .selectFrom('known_file as file')
    .leftJoin('copy', join => join.onRef('copy.file_id', '=', 'file.file_id').on('copy.standby_id', '=', standbyId))
    .where('file.set_state', 'not in', unfinished)
    .where('file.state', 'in', present)
    .where('file.backup_set_uuid', 'is not', null)
    .where(eb =>
      eb.or([
        eb('copy.file_id', 'is', null),
        eb('copy.state', '!=', 'VERIFIED'),
        eb(eb.fn('lower', ['copy.backup_set_uuid']), '!=', eb.fn('lower', ['file.backup_set_uuid'])),
      ]),
    )
    .where(eb => eb.or([eb('copy.retry_at_ms', 'is', null), eb('copy.retry_at_ms', '<=', nowMs)]));
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

/** What a restore said of this content; null: it was restored after all. Nothing happens where another content lies there by now. */
export async function saveDamage(
  tx: Tx,
  key: { readonly standbyId: StandbyId; readonly fileId: Copy['fileId'] },
  damagedSha256: string | null,
): Promise<void> {
  await tx
    .updateTable('copy')
    .set({ damaged_sha256: damagedSha256 })
    .where('standby_id', '=', key.standbyId)
    .where('file_id', '=', key.fileId)
    .execute();
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
    retry_at_ms: copy.problem?.retryAtMs ?? null,
    copied_at: copy.copiedAt,
    damaged_sha256: copy.damagedSha256,
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
    damagedSha256: row.damaged_sha256,
    writer: row.writer,
  };
}
