/** Rows of msdb that BACKUP and RESTORE leave (sqlserver.md §4.1). */
import { compareText } from '../engine/compare.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import { Shared } from '../shared.ts';
import { flagsOf, historyTypes, pagesOf, databaseVersions, type BackupSetHeader } from './backup-set.ts';
import type { MediaHeader } from './media.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredTable } from '../engine/stored-table.ts';
import type { RestoreStatement, Row } from '../contract.ts';
import type { SqlValue } from '../values.ts';

type Values = Readonly<Record<string, SqlValue>>;

/** Inserts the history of one set and returns its backup_set_id here. Also used for sets of other servers when they are restored. */
export async function recordBackupSet(
  instance: Instance,
  header: BackupSetHeader,
  media: MediaHeader,
  device: string,
): Promise<bigint> {
  const [sets, mediaSets] = [instance.systemTable('msdb', 'backupset'), instance.systemTable('msdb', 'backupmediaset')];
  const knownMedia = idOf(mediaSets, 'media_uuid', media.mediaSetId, 'media_set_id');
  const mediaSetId = knownMedia ?? mediaSets.nextIdentity();
  const setId = sets.nextIdentity();
  const files = instance.systemTable('msdb', 'backupfile');
  instance.insertRows([
    ...(knownMedia === undefined ? mediaRows(instance, mediaSetId, media, device) : []),
    { table: sets, values: setValues(header, setId, mediaSetId) },
    ...header.files.map(file => ({
      table: files,
      values: {
        backup_set_id: setId,
        first_family_number: 1n,
        first_media_number: 1n,
        filegroup_name: file.type === 'D' ? 'PRIMARY' : null,
        page_size: 8192n,
        file_number: number(file.fileId),
        backed_up_page_count: number(pagesOf(file.backupBytes)),
        file_type: file.type,
        source_file_block_size: number(4096),
        file_size: number(file.sizeBytes),
        logical_name: file.logicalName,
        physical_name: file.physicalName,
        state: 0n,
        state_desc: 'ONLINE',
        backup_size: number(file.backupBytes),
        is_readonly: false,
        is_present: true,
      },
    })),
  ]);
  await sets.database.log.flush();
  return setId;
}

function mediaRows(
  instance: Instance,
  mediaSetId: bigint,
  media: MediaHeader,
  device: string,
): readonly { readonly table: StoredTable; readonly values: Values }[] {
  return [
    {
      table: instance.systemTable('msdb', 'backupmediaset'),
      values: {
        media_set_id: mediaSetId,
        media_uuid: media.mediaSetId,
        media_family_count: 1n,
        name: media.name,
        description: media.description ?? null,
        software_name: 'Microsoft SQL Server',
        software_vendor_id: 4608n,
        MTF_major_version: 1n,
        mirror_count: 1n,
        is_password_protected: false,
        is_compressed: media.compressed,
        is_encrypted: false,
      },
    },
    {
      table: instance.systemTable('msdb', 'backupmediafamily'),
      values: {
        media_set_id: mediaSetId,
        family_sequence_number: 1n,
        media_family_id: media.mediaFamilyId,
        media_count: 1n,
        physical_device_name: device,
        device_type: 2n,
        physical_block_size: integers.of(media.blockSize ?? 512),
        mirror: 0n,
      },
    },
  ];
}

function setValues(header: BackupSetHeader, setId: bigint, mediaSetId: bigint): Values {
  return {
    backup_set_id: setId,
    backup_set_uuid: header.backupSetGuid,
    media_set_id: mediaSetId,
    first_family_number: 1n,
    first_media_number: 1n,
    last_family_number: 1n,
    last_media_number: 1n,
    catalog_family_number: 1n,
    catalog_media_number: 1n,
    position: integers.of(header.position),
    expiration_date: typeof header.expirationMs === 'number' ? moment(header.expirationMs) : null,
    software_vendor_id: 4608n,
    name: header.name,
    description: header.description,
    user_name: header.userName,
    software_major_version: integers.of(header.majorVersion),
    software_minor_version: 0n,
    software_build_version: integers.of(header.build),
    time_zone: 0n,
    mtf_minor_version: 0n,
    ...lsnValues(header),
    database_creation_date: moment(header.databaseCreatedMs),
    backup_start_date: moment(header.startMs),
    backup_finish_date: moment(header.finishMs),
    type: historyTypes[header.kind],
    sort_order: 52n,
    code_page: 0n,
    compatibility_level: integers.of(header.majorVersion * 10),
    database_version: integers.of(databaseVersions[header.majorVersion] ?? 0),
    backup_size: number(header.backupSize),
    database_name: header.databaseName,
    server_name: header.serverName,
    machine_name: header.machineName,
    flags: integers.of(flagsOf(header)),
    unicode_locale: 1033n,
    unicode_compare_style: 196_609n,
    collation_name: 'SQL_Latin1_General_CP1_CI_AS',
    is_password_protected: false,
    recovery_model: header.recoveryModel.replace('_', '-'),
    has_bulk_logged_data: false,
    is_snapshot: false,
    is_readonly: header.isReadOnly,
    is_single_user: header.isSingleUser,
    has_backup_checksums: header.hasBackupChecksums,
    is_damaged: false,
    begins_log_chain: header.beginsLogChain,
    has_incomplete_metadata: false,
    is_force_offline: header.isForceOffline,
    is_copy_only: header.isCopyOnly,
    first_recovery_fork_guid: header.firstRecoveryForkId,
    last_recovery_fork_guid: header.recoveryForkId,
    database_guid: header.bindingId,
    family_guid: header.familyGuid,
    differential_base_guid: header.differentialBaseGuid,
    compressed_backup_size: number(header.compressedSize),
    last_valid_restore_time: header.kind === 'log' ? moment(header.sliceEndMs) : null,
    compression_algorithm: header.compressed ? 'MS_XPRESS' : null,
  };
}

function lsnValues(header: BackupSetHeader): Values {
  return {
    first_lsn: number(header.firstLsn),
    last_lsn: number(header.lastLsn),
    checkpoint_lsn: number(header.checkpointLsn),
    database_backup_lsn: number(header.databaseBackupLsn),
    fork_point_lsn: header.forkPointLsn === null ? null : number(header.forkPointLsn),
    differential_base_lsn: header.differentialBaseLsn === null ? null : number(header.differentialBaseLsn),
  };
}

export async function recordRestore(
  instance: Instance,
  statement: RestoreStatement,
  source: {
    readonly header: BackupSetHeader;
    readonly media: MediaHeader;
    readonly device: string;
    readonly user: string;
    readonly recovered: boolean;
  },
): Promise<void> {
  const sets = instance.systemTable('msdb', 'backupset');
  const known = idOf(sets, 'backup_set_uuid', source.header.backupSetGuid, 'backup_set_id');
  const setId = known ?? (await recordBackupSet(instance, source.header, source.media, source.device));
  const history = instance.systemTable('msdb', 'restorehistory');
  const files = instance.systemTable('msdb', 'restorefile');
  const { stop } = statement.options;
  const historyId = history.nextIdentity();
  const moved = source.header.kind === 'log' ? [] : (instance.find(statement.database)?.files ?? []);
  instance.insertRows([
    {
      table: history,
      values: {
        restore_history_id: historyId,
        restore_date: toDatetimePrecision(instance.clock()),
        destination_database_name: statement.database,
        user_name: source.user,
        backup_set_id: setId,
        restore_type: historyTypes[source.header.kind],
        replace: statement.options.replace === true,
        recovery: source.recovered,
        restart: false,
        stop_at: stop?.kind === 'at time' ? moment(Date.parse(`${stop.time}Z`)) : null,
        device_count: 1n,
        stop_at_mark_name: stop === undefined || stop.kind === 'at time' ? null : stop.mark,
        stop_before: stop?.kind === 'before mark',
      },
    },
    ...moved.map(file => ({
      table: files,
      values: {
        restore_history_id: historyId,
        file_number: number(file.fileId),
        destination_phys_name: file.physicalName,
      },
    })),
  ]);
  await history.database.log.flush();
}

/** RESTORE DATABASE … WITH RECOVERY without FROM: the last step of the sequence is the one that recovered (sqlserver.md §9.2). */
export async function recordRecovery(instance: Instance, database: string): Promise<void> {
  const history = instance.systemTable('msdb', 'restorehistory');
  const [nameAt, recoveryAt] = [history.columnAt('destination_database_name'), history.columnAt('recovery')];
  const isIts = (name: SqlValue | undefined): boolean => typeof name === 'string' && compareText(name, database) === 0;
  const [id, row] = [...history.live()].findLast(([, each]) => isIts(each[nameAt])) ?? [];
  if (id === undefined || row === undefined) return;
  instance.replaceRow(
    history,
    id,
    row.map((value, index) => (index === recoveryAt ? true : value)),
  );
  await history.database.log.flush();
}

type Page = { readonly database: number; readonly file: number; readonly page: number };

/** A page with a wrong checksum (event type 2): one row, which counts how often it was found (sqlserver.md §4.1). */
export async function recordSuspectPage(instance: Instance, { database, file, page }: Page): Promise<void> {
  const pages = instance.systemTable('msdb', 'suspect_pages');
  const key: Values = { database_id: BigInt(database), file_id: BigInt(file), page_id: BigInt(page) };
  const isIt = (row: Row): boolean => Object.entries(key).every(([name, value]) => row[pages.columnAt(name)] === value);
  const [id, known] = [...pages.live()].find(([, row]) => isIt(row)) ?? [];
  const values: Values = {
    ...key,
    event_type: 2n,
    error_count: BigInt(Number(known?.[pages.columnAt('error_count')] ?? 0)) + 1n,
    last_update_date: toDatetimePrecision(instance.clock()),
  };
  if (id === undefined) instance.insertRows([{ table: pages, values }]);
  else
    instance.replaceRow(
      pages,
      id,
      pages.definition.columns.map(({ name }) => values[name] ?? null),
    );
  await pages.database.log.flush();
}

function idOf(table: StoredTable, column: string, value: string, id: string): bigint | undefined {
  const idAt = table.columnAt(id);
  const ids = [...table.rowsHaving(column, value)].map(row => row[idAt]).filter(found => typeof found === 'bigint');
  return ids.sort((left, right) => Number(left - right))[0];
}

// What a history tells again and again is there once: it is all in memory.
const numbers = new Shared((value: string | number): SqlValue => ({
  kind: 'decimal',
  unscaled: BigInt(value),
  scale: 0,
}));
const moments = new Shared((ms: number): SqlValue => toDatetimePrecision(new Date(ms)));
const integers = new Shared((value: number): SqlValue => BigInt(value));

function number(value: string | number): SqlValue {
  return numbers.of(value);
}

function moment(ms: number): SqlValue {
  return moments.of(ms);
}
