import type { DatabaseId, GroupId, InstanceId, Lsn } from '@holdfast/domain';
import { compareLsn } from '@holdfast/domain/lsn';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import type { Reader, Transactor } from '@holdfast/store';
import type { LedgerHeader } from '../backup-file/backup-file.ts';
import type { BackupTables } from '../tables.ts';
import { breaksChain, type FoundBackup } from './foreign-backup.ts';

type Db = Reader<BackupTables>;
type Tx = Transactor<BackupTables>;

const sortKeyOf = ({ finishedAtRecorded, backupSetUuid }: FoundBackup): string =>
  `${finishedAtRecorded}/${backupSetUuid}`;

export const foreignCursor = (backup: FoundBackup): CursorKey => [sortKeyOf(backup)];

/** How far msdb of these instances has been read; 0 where it has not. */
export async function findPositions(db: Db, groupId: GroupId): Promise<ReadonlyMap<InstanceId, number>> {
  const rows = await db
    .selectFrom('msdb_position')
    .select(['instance_id', 'row_id'])
    .where('group_id', '=', groupId)
    .execute();
  return new Map(rows.map(({ instance_id, row_id }) => [instance_id as InstanceId, row_id]));
}

export async function savePosition(tx: Tx, groupId: GroupId, instanceId: InstanceId, rowId: number): Promise<void> {
  const row = { group_id: groupId, instance_id: instanceId, row_id: rowId };
  const insert = tx.insertInto('msdb_position').values(row);
  await tx.dialect.upsert(insert, { key: ['group_id', 'instance_id'], columns: ['row_id'] }).execute();
}

/** Newest first, one row more than the page. */
export async function pageOfForeign(db: Db, groupId: GroupId, page: Page): Promise<FoundBackup[]> {
  let query = db
    .selectFrom('foreign_backup')
    .select('body')
    .where('group_id', '=', groupId)
    .where('confirmed', '=', 1)
    .orderBy('sort_key', 'desc');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('sort_key', '<', after);
  return (await db.dialect.page(query, page.first + 1).execute()).map(toBackup);
}

/** Those that took log out of a chain. */
export async function findBreaking(db: Db, groupId: GroupId): Promise<FoundBackup[]> {
  const rows = await db
    .selectFrom('foreign_backup')
    .select('body')
    .where('group_id', '=', groupId)
    .where('confirmed', '=', 1)
    .orderBy('sort_key')
    .execute();
  return rows.map(toBackup).filter(breaksChain);
}

/** Those of whom it is still to be seen whether the ledger has them. */
export async function findUnconfirmed(db: Db, groupId: GroupId): Promise<FoundBackup[]> {
  const rows = await db
    .selectFrom('foreign_backup')
    .select('body')
    .where('group_id', '=', groupId)
    .where('confirmed', '=', 0)
    .execute();
  return rows.map(toBackup);
}

export async function saveForeign(
  tx: Tx,
  groupId: GroupId,
  backup: FoundBackup,
  { confirmed }: { readonly confirmed: boolean },
): Promise<void> {
  const row = {
    group_id: groupId,
    backup_set_uuid: backup.backupSetUuid,
    instance_id: backup.instanceId,
    database_id: backup.databaseId,
    device: backup.device,
    sort_key: sortKeyOf(backup),
    confirmed: confirmed ? 1 : 0,
    body: JSON.stringify(backup),
  };
  const insert = tx.insertInto('foreign_backup').values(row);
  await tx.dialect.upsert(insert, { key: ['group_id', 'backup_set_uuid'], columns: ['confirmed'] }).execute();
}

export async function forgetForeign(tx: Tx, groupId: GroupId, backupSetUuid: string): Promise<void> {
  await tx
    .deleteFrom('foreign_backup')
    .where('group_id', '=', groupId)
    .where('backup_set_uuid', '=', backupSetUuid)
    .execute();
}

/** Whether a file of the ledger lies on this device, spelled in the same way: the job's own backups, before their headers were read. */
export async function isOfLedger(db: Db, { databaseId, device }: FoundBackup): Promise<boolean> {
  if (device === null) return false;
  const files = db
    .selectFrom('backup_file')
    .select('id')
    .where('database_id', '=', databaseId)
    .where('path', '=', device)
    .orderBy('id');
  return (await db.dialect.page(files, 1).executeTakeFirst()) !== undefined;
}

/** Those that turned out to be the ledger's own are forgotten: whether one of them had been taken for a break in a chain. */
export async function forgetOwn(tx: Tx, groupId: GroupId): Promise<boolean> {
  const rows = await tx
    .selectFrom('foreign_backup')
    .innerJoin('backup_file', join =>
      join
        .onRef('backup_file.database_id', '=', 'foreign_backup.database_id')
        .onRef('backup_file.path', '=', 'foreign_backup.device'),
    )
    .select(['foreign_backup.body', 'foreign_backup.confirmed'])
    .where('foreign_backup.group_id', '=', groupId)
    .execute();
  const own = rows.map(row => ({ backup: toBackup(row), confirmed: row.confirmed === 1 }));
  for (const { backup } of own) await forgetForeign(tx, groupId, backup.backupSetUuid);
  return own.some(({ backup, confirmed }) => confirmed && breaksChain(backup));
}

/** What the ledger knows of a database: the devices of its files, the uuids in their headers, and where its log begins. */
export type KnownFiles = {
  readonly devices: ReadonlySet<string>;
  readonly uuids: ReadonlySet<string>;
  /** null: no header of it was read yet. */
  readonly beginsAt: Lsn | null;
  /** Files at which nobody has looked yet: one of them may be older than all that is known. */
  readonly unseen: boolean;
};

export async function findKnownFiles(db: Db, databaseId: DatabaseId): Promise<KnownFiles> {
  const rows = await db
    .selectFrom('backup_file')
    .select(['path', 'header', 'checked_at'])
    .where('database_id', '=', databaseId)
    .execute();
  const headers = rows.flatMap(({ header }) => (header === null ? [] : [JSON.parse(header) as LedgerHeader]));
  return {
    devices: new Set(rows.map(({ path }) => path.toUpperCase())),
    uuids: new Set(headers.map(({ backupSetUuid }) => backupSetUuid.toLowerCase())),
    beginsAt: headers.map(({ firstLsn }) => firstLsn).reduce<Lsn | null>(lower, null),
    unseen: rows.some(({ checked_at }) => checked_at === null),
  };
}

function lower(least: Lsn | null, lsn: Lsn): Lsn {
  return least === null || compareLsn(lsn, least) < 0 ? lsn : least;
}

function toBackup({ body }: { readonly body: string }): FoundBackup {
  return JSON.parse(body) as FoundBackup;
}
