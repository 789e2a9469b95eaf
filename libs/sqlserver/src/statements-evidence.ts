import { quoteCount, quoteDevice, quoteLiteral, quoteName } from './identifiers.ts';
import { defineStatement } from './statement.ts';

// Reads wait at most this long for somebody else's lock (1222) instead of queueing behind the backup job (biztalk-dr.md §4.12).
const boundedWait = 'SET LOCK_TIMEOUT 5000;\n';

export const markHistoryByNames = defineStatement({
  name: 'marks by name',
  purpose: 'The only proof of a mark: its LSN and local commit time per database, on the instance that committed it.',
  documentation: 'sqlserver.md §3.2; biztalk-dr.md §2.5',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ marks }: { readonly marks: readonly string[] }) => {
    if (marks.length === 0) throw new Error('Marks by name: at least one name is needed.');
    return `${boundedWait}SELECT database_name AS databaseName, mark_name AS markName, CONVERT(varchar(25), lsn) AS lsn,
  CONVERT(varchar(23), mark_time, 126) AS markedAtRecorded
FROM msdb.dbo.logmarkhistory
WHERE mark_name IN (${marks.map(mark => quoteLiteral(mark, 128)).join(', ')})
ORDER BY mark_time, database_name;`;
  },
  inputs: {},
  columns: { databaseName: 'text', markName: 'text', lsn: 'lsn', markedAtRecorded: 'text' },
  example: { marks: ['BTS_2026_11_21_04_00_00_123', 'BTS_2026_11_21_04_15_00_120'] },
});

export const markHistorySince = defineStatement({
  name: 'marks since',
  purpose: 'Every mark committed on this instance since a local time.',
  documentation: 'sqlserver.md §3.2, §8.2 (ISO T form, server-local)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `${boundedWait}SELECT database_name AS databaseName, mark_name AS markName, CONVERT(varchar(25), lsn) AS lsn,
  CONVERT(varchar(23), mark_time, 126) AS markedAtRecorded
FROM msdb.dbo.logmarkhistory
WHERE mark_time >= CONVERT(datetime, @since, 126)
ORDER BY mark_time, database_name;`,
  inputs: { since: 'text' },
  columns: { databaseName: 'text', markName: 'text', lsn: 'lsn', markedAtRecorded: 'text' },
  example: { since: '2026-11-21T04:00:00.000' },
});

export const backupSetByDevice = defineStatement({
  name: 'backup set of a device',
  purpose:
    "What the source's own msdb says about a file: reconciles a claim of the history with what the engine recorded.",
  documentation: 'sqlserver.md §10.5, §4.1; biztalk-dr.md §2.8',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `${boundedWait}SELECT CONVERT(varchar(36), b.backup_set_uuid) AS backupSetUuid, b.type AS type, b.position AS position,
  CONVERT(varchar(25), b.first_lsn) AS firstLsn, CONVERT(varchar(25), b.last_lsn) AS lastLsn,
  CONVERT(varchar(36), b.last_recovery_fork_guid) AS lastForkGuid,
  CONVERT(varchar(23), b.backup_finish_date, 126) AS finishedAtRecorded, b.is_copy_only AS isCopyOnly
FROM msdb.dbo.backupset b JOIN msdb.dbo.backupmediafamily m ON m.media_set_id = b.media_set_id AND m.mirror = 0
WHERE b.database_name = @database AND b.server_name = @@SERVERNAME AND m.physical_device_name = @device
ORDER BY b.backup_set_id DESC;`,
  inputs: { database: 'name', device: 'text' },
  columns: {
    backupSetUuid: 'uuid',
    type: 'text',
    position: 'integer',
    firstLsn: 'lsn',
    lastLsn: 'lsn',
    lastForkGuid: 'uuid?',
    finishedAtRecorded: 'text',
    isCopyOnly: 'flag',
  },
  example: {
    database: 'BizTalkMsgBoxDb',
    device: 'D:\\Backup\\SQL1_BizTalkMsgBoxDb_Log_BTS_2026_11_21_04_00_00_123.bak',
  },
});

export const backupSetsAfter = defineStatement({
  name: 'backup sets after a row',
  purpose:
    'Every backup this instance took of its own databases, whoever asked for it: what the job did not take may have broken a chain.',
  documentation: 'sqlserver.md §4.1; design.md §5, step 2',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  // A set restored here is entered too, under the name of the server it came from. One row per set: of stripes the first.
  text: ({
    rows,
  }: {
    readonly afterId: number;
    readonly rows: number;
  }) => `${boundedWait}SELECT TOP (${quoteCount(rows)}) b.backup_set_id AS rowId,
  CONVERT(varchar(36), b.backup_set_uuid) AS backupSetUuid, b.database_name AS databaseName, b.type AS type, b.is_copy_only AS isCopyOnly,
  CONVERT(varchar(25), b.first_lsn) AS firstLsn, CONVERT(varchar(25), b.last_lsn) AS lastLsn,
  CONVERT(varchar(23), b.backup_finish_date, 126) AS finishedAtRecorded, b.user_name AS userName,
  m.physical_device_name AS device, CONVERT(int, m.device_type) AS deviceType
FROM msdb.dbo.backupset b
  JOIN msdb.dbo.backupmediafamily m ON m.media_set_id = b.media_set_id AND m.mirror = 0 AND m.family_sequence_number = 1
WHERE b.server_name = @@SERVERNAME AND b.backup_set_id > @afterId
ORDER BY b.backup_set_id;`,
  inputs: { afterId: 'integer' },
  columns: {
    rowId: 'integer',
    backupSetUuid: 'uuid',
    databaseName: 'text',
    type: 'text',
    isCopyOnly: 'flag',
    firstLsn: 'lsn?',
    lastLsn: 'lsn?',
    finishedAtRecorded: 'text',
    userName: 'text?',
    device: 'text?',
    deviceType: 'integer',
  },
  example: { afterId: 0, rows: 500 },
});

export const restoreHistory = defineStatement({
  name: 'restore history of a database',
  purpose: 'Which sets were restored into a database here: reconciles a step whose connection was lost.',
  documentation: 'sqlserver.md §4.1, §8.4',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({
    rows,
  }: {
    readonly database: string;
    readonly rows: number;
  }) => `${boundedWait}SELECT TOP (${quoteCount(rows)}) h.restore_history_id AS historyId,
  CONVERT(varchar(23), h.restore_date, 126) AS restoredAtRecorded, h.restore_type AS type, h.recovery AS recovery,
  h.stop_at_mark_name AS stopAtMark, CONVERT(varchar(36), b.backup_set_uuid) AS backupSetUuid,
  CONVERT(varchar(25), b.first_lsn) AS firstLsn, CONVERT(varchar(25), b.last_lsn) AS lastLsn
FROM msdb.dbo.restorehistory h LEFT JOIN msdb.dbo.backupset b ON b.backup_set_id = h.backup_set_id
WHERE h.destination_database_name = @database
ORDER BY h.restore_history_id DESC;`,
  inputs: { database: 'name' },
  columns: {
    historyId: 'integer',
    restoredAtRecorded: 'text',
    type: 'text?',
    recovery: 'flag?',
    stopAtMark: 'text?',
    backupSetUuid: 'uuid?',
    firstLsn: 'lsn?',
    lastLsn: 'lsn?',
  },
  example: { database: 'BizTalkMsgBoxDb', rows: 20 },
});

export const fileExists = defineStatement({
  name: 'file exists (2017 and newer)',
  purpose: 'Whether the service account of this instance sees a file: paths are evaluated there, never here.',
  documentation: 'sqlserver.md §4.2, §7.2',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT file_exists AS fileExists, file_is_a_directory AS isFolder, parent_directory_exists AS parentExists
FROM sys.dm_os_file_exists(@path);`,
  inputs: { path: 'text' },
  columns: { fileExists: 'flag', isFolder: 'flag', parentExists: 'flag' },
  example: { path: 'D:\\Backup\\SQL1_BizTalkMsgBoxDb_Log_BTS_2026_11_21_04_00_00_123.bak' },
});

export const fileExistsBefore2017 = defineStatement({
  name: 'file exists (2016)',
  purpose: 'The same for the one supported version without the view.',
  documentation: 'sqlserver.md §4.2 (xp_fileexist: three int columns)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => 'EXEC master.dbo.xp_fileexist @path;',
  inputs: { path: 'text' },
  columns: { 'File Exists': 'flag', 'File is a Directory': 'flag', 'Parent Directory Exists': 'flag' },
  example: { path: 'D:\\Backup\\SQL1_BizTalkMsgBoxDb_Log_BTS_2026_11_21_04_00_00_123.bak' },
});

// In wire order (sqlserver.md §2.1). LSNs go into character columns: the server converts them without loss. The last three exist from 2022 on.
const headerColumns: readonly string[] = [
  ...['BackupName nvarchar(128)', 'BackupDescription nvarchar(255)', 'BackupType smallint', 'ExpirationDate datetime'],
  ...[
    'Compressed tinyint',
    'Position smallint',
    'DeviceType tinyint',
    'UserName nvarchar(128)',
    'ServerName nvarchar(128)',
  ],
  ...['DatabaseName nvarchar(128)', 'DatabaseVersion int', 'DatabaseCreationDate datetime', 'BackupSize varchar(30)'],
  ...['FirstLSN varchar(30)', 'LastLSN varchar(30)', 'CheckpointLSN varchar(30)', 'DatabaseBackupLSN varchar(30)'],
  ...['BackupStartDate datetime', 'BackupFinishDate datetime', 'SortOrder smallint', 'CodePage smallint'],
  ...['UnicodeLocaleId int', 'UnicodeComparisonStyle int', 'CompatibilityLevel tinyint', 'SoftwareVendorId int'],
  ...['SoftwareVersionMajor int', 'SoftwareVersionMinor int', 'SoftwareVersionBuild int', 'MachineName nvarchar(128)'],
  ...['Flags int', 'BindingID uniqueidentifier', 'RecoveryForkID uniqueidentifier', 'Collation nvarchar(128)'],
  ...['FamilyGUID uniqueidentifier', 'HasBulkLoggedData bit', 'IsSnapshot bit', 'IsReadOnly bit', 'IsSingleUser bit'],
  ...[
    'HasBackupChecksums bit',
    'IsDamaged bit',
    'BeginsLogChain bit',
    'HasIncompleteMetaData bit',
    'IsForceOffline bit',
  ],
  ...[
    'IsCopyOnly bit',
    'FirstRecoveryForkID uniqueidentifier',
    'ForkPointLSN varchar(30)',
    'RecoveryModel nvarchar(60)',
  ],
  ...[
    'DifferentialBaseLSN varchar(30)',
    'DifferentialBaseGUID uniqueidentifier',
    'BackupTypeDescription nvarchar(128)',
  ],
  ...['BackupSetGUID uniqueidentifier', 'CompressedBackupSize varchar(30)', 'Containment tinyint'],
  ...['KeyAlgorithm nvarchar(32)', 'EncryptorThumbprint varbinary(20)', 'EncryptorType nvarchar(32)'],
  ...['LastValidRestoreTime datetime', 'TimeZone smallint', 'CompressionAlgorithm nvarchar(32)'],
];

/** 59 columns from 2022 on, 56 before: the column count must equal the server's, or 213 answers (sqlserver.md §2.1). */
const headerColumnCount = (majorVersion: number): number => (majorVersion >= 16 ? 59 : 56);

export const backupHeaders = defineStatement({
  name: 'headers of a backup file',
  purpose:
    'One row per backup set in the file: identity, LSNs, forks, checksums. Evidence, where a history row is a claim.',
  documentation: 'sqlserver.md §2.1; RESTORE HEADERONLY',
  repeat: 'same',
  channel: 'batch',
  duration: 'short',
  // A failed attempt leaves table and transaction behind on a pooled connection, which nobody resets (sqlserver.md §8.5).
  text: ({ path, majorVersion }: { readonly path: string; readonly majorVersion: number }) => {
    if (majorVersion < 13)
      throw new Error(`Headers of a backup file: SQL Server major version ${majorVersion} is older than 2016 (13).`);
    const columns = headerColumns.slice(0, headerColumnCount(majorVersion));
    return `IF @@TRANCOUNT > 0 ROLLBACK;
IF OBJECT_ID(N'tempdb..#h') IS NOT NULL DROP TABLE #h;
CREATE TABLE #h (${columns.join(', ')});
INSERT #h EXEC (${quoteLiteral(`RESTORE HEADERONLY FROM DISK = ${quoteDevice(path)}`)});
SELECT CONVERT(int, BackupType) AS backupType, CONVERT(int, Position) AS position, ServerName AS serverName, DatabaseName AS databaseName,
  BackupSize AS backupSize, FirstLSN AS firstLsn, LastLSN AS lastLsn, CheckpointLSN AS checkpointLsn, DatabaseBackupLSN AS databaseBackupLsn,
  CONVERT(varchar(23), BackupStartDate, 126) AS startedAtRecorded, CONVERT(varchar(23), BackupFinishDate, 126) AS finishedAtRecorded,
  SoftwareVersionMajor AS majorVersion, CONVERT(varchar(36), BindingID) AS bindingId, CONVERT(varchar(36), FamilyGUID) AS familyGuid,
  CONVERT(varchar(36), FirstRecoveryForkID) AS firstForkGuid, CONVERT(varchar(36), RecoveryForkID) AS lastForkGuid, ForkPointLSN AS forkPointLsn,
  HasBulkLoggedData AS hasBulkLogged, HasBackupChecksums AS hasChecksums, IsDamaged AS isDamaged, BeginsLogChain AS beginsLogChain,
  HasIncompleteMetaData AS hasIncompleteMetadata, IsCopyOnly AS isCopyOnly, RecoveryModel AS recoveryModel,
  CONVERT(varchar(36), BackupSetGUID) AS backupSetUuid, CompressedBackupSize AS compressedSize
FROM #h ORDER BY Position;
DROP TABLE #h;`;
  },
  inputs: {},
  columns: {
    backupType: 'integer',
    position: 'integer',
    serverName: 'text',
    databaseName: 'text',
    backupSize: 'digits',
    firstLsn: 'lsn',
    lastLsn: 'lsn',
    checkpointLsn: 'lsn',
    databaseBackupLsn: 'lsn',
    startedAtRecorded: 'text',
    finishedAtRecorded: 'text',
    majorVersion: 'integer',
    bindingId: 'uuid',
    familyGuid: 'uuid',
    firstForkGuid: 'uuid?',
    lastForkGuid: 'uuid',
    forkPointLsn: 'lsn?',
    hasBulkLogged: 'flag',
    hasChecksums: 'flag',
    isDamaged: 'flag',
    beginsLogChain: 'flag',
    hasIncompleteMetadata: 'flag',
    isCopyOnly: 'flag',
    recoveryModel: 'text?',
    backupSetUuid: 'uuid',
    compressedSize: 'digits?',
  },
  example: { path: "D:\\Backup\\SQL1_O'Neil_Log_BTS_2026_11_21_04_00_00_123.bak", majorVersion: 16 },
});

export const markLogNewest = defineStatement({
  name: 'newest rows of MarkLog',
  purpose: 'The marks a recovered database holds: after a failover to M the newest must be M (design.md §5, step 4).',
  documentation: 'biztalk-dr.md §2.5, §2.7 (MarkLog: one nvarchar(128) column, no order of its own)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  // By the 23 characters of the time stamp: two prefixes (BTS, Log) must not decide which one is newer.
  text: ({ database, rows }: { readonly database: string; readonly rows: number }) =>
    `${boundedWait}SELECT TOP (${quoteCount(rows)}) MarkName AS markName FROM ${quoteName(database)}.dbo.MarkLog ORDER BY RIGHT(MarkName, 23) DESC, MarkName DESC;`,
  inputs: {},
  columns: { markName: 'text' },
  example: { database: 'BizTalkMsgBoxDb', rows: 5 },
});

export const markLogEntry = defineStatement({
  name: 'one mark in MarkLog',
  purpose:
    'Whether a database holds a mark. The caller compares the returned name exactly: a collation may ignore case, a mark does not.',
  documentation: 'biztalk-dr.md §2.5; sqlserver.md §3.1',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ database }: { readonly database: string; readonly mark: string }) =>
    `${boundedWait}SELECT MarkName AS markName FROM ${quoteName(database)}.dbo.MarkLog WHERE MarkName = @mark;`,
  inputs: { mark: 'name' },
  columns: { markName: 'text' },
  example: { database: 'BizTalkMsgBoxDb', mark: 'BTS_2026_11_21_04_00_00_123' },
});
