/** Columns and rows of the RESTORE information statements, with the wire types of sqlserver.md §2.1. */
import { parseResultColumns } from '../engine/table-text.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import { backupTypes, databaseVersions, flagsOf, typeDescriptions, type BackupSetHeader } from './backup-set.ts';
import type { Media } from './media.ts';
import type { ResultColumn, Row } from '../contract.ts';
import type { SqlValue } from '../values.ts';

const header =
  parseResultColumns(`BackupName nvarchar(128), BackupDescription nvarchar(255), BackupType tinyint, ExpirationDate datetime,
  Compressed tinyint, Position smallint, DeviceType tinyint, UserName nvarchar(128), ServerName nvarchar(128), DatabaseName nvarchar(128),
  DatabaseVersion int, DatabaseCreationDate datetime, BackupSize bigint, FirstLSN numeric(25,0), LastLSN numeric(25,0),
  CheckpointLSN numeric(25,0), DatabaseBackupLSN numeric(25,0), BackupStartDate datetime, BackupFinishDate datetime, SortOrder smallint,
  CodePage smallint, UnicodeLocaleId int, UnicodeComparisonStyle int, CompatibilityLevel tinyint, SoftwareVendorId int,
  SoftwareVersionMajor int, SoftwareVersionMinor int, SoftwareVersionBuild int, MachineName nvarchar(128), Flags int,
  BindingID uniqueidentifier, RecoveryForkID uniqueidentifier, Collation nvarchar(128), FamilyGUID uniqueidentifier, HasBulkLoggedData bit,
  IsSnapshot bit, IsReadOnly bit, IsSingleUser bit, HasBackupChecksums bit, IsDamaged bit, BeginsLogChain bit, HasIncompleteMetaData bit,
  IsForceOffline bit, IsCopyOnly bit, FirstRecoveryForkID uniqueidentifier, ForkPointLSN numeric(25,0), RecoveryModel nvarchar(60),
  DifferentialBaseLSN numeric(25,0), DifferentialBaseGUID uniqueidentifier, BackupTypeDescription nvarchar(128), BackupSetGUID uniqueidentifier,
  CompressedBackupSize bigint, Containment tinyint, KeyAlgorithm nvarchar(32), EncryptorThumbprint varbinary(20), EncryptorType nvarchar(32),
  LastValidRestoreTime datetime, TimeZone smallint, CompressionAlgorithm nvarchar(32)`);

/** 59 columns from 2022 on, 56 before. */
export function headerColumns(majorVersion: number): readonly ResultColumn[] {
  return majorVersion >= 16 ? header : header.slice(0, 56);
}

export function headerRow(set: BackupSetHeader): Row {
  return [
    set.name,
    set.description,
    BigInt(backupTypes[set.kind]),
    typeof set.expirationMs === 'number' ? moment(set.expirationMs) : null,
    set.compressed ? 1n : 0n,
    BigInt(set.position),
    2n,
    set.userName,
    set.serverName,
    set.databaseName,
    BigInt(databaseVersions[set.majorVersion] ?? 0),
    moment(set.databaseCreatedMs),
    BigInt(set.backupSize),
    lsn(set.firstLsn),
    lsn(set.lastLsn),
    lsn(set.checkpointLsn),
    lsn(set.databaseBackupLsn),
    moment(set.startMs),
    moment(set.finishMs),
    52n,
    0n,
    1033n,
    196_609n,
    BigInt(set.majorVersion * 10),
    4608n,
    BigInt(set.majorVersion),
    0n,
    BigInt(set.build),
    set.machineName,
    BigInt(flagsOf(set)),
    set.bindingId,
    set.recoveryForkId,
    'SQL_Latin1_General_CP1_CI_AS',
    set.familyGuid,
    false,
    false,
    set.isReadOnly,
    set.isSingleUser,
    set.hasBackupChecksums,
    false,
    set.beginsLogChain,
    false,
    set.isForceOffline,
    set.isCopyOnly,
    set.firstRecoveryForkId,
    lsn(set.forkPointLsn),
    set.recoveryModel.replace('_', '-'),
    lsn(set.differentialBaseLsn),
    set.differentialBaseGuid,
    typeDescriptions[set.kind],
    set.backupSetGuid,
    BigInt(set.compressedSize),
    0n,
    null,
    null,
    null,
    set.kind === 'log' ? moment(set.sliceEndMs) : null,
    0n,
    set.compressed ? 'MS_XPRESS' : null,
  ];
}

export const fileListColumns = parseResultColumns(`LogicalName nvarchar(128), PhysicalName nvarchar(260), Type nchar(1),
  FileGroupName nvarchar(128), Size bigint, MaxSize bigint, FileId bigint, CreateLSN numeric(25,0), DropLSN numeric(25,0),
  UniqueId uniqueidentifier, ReadOnlyLSN numeric(25,0), ReadWriteLSN numeric(25,0), BackupSizeInBytes bigint, SourceBlockSize int,
  FileGroupId int, LogGroupGUID uniqueidentifier, DifferentialBaseLSN numeric(25,0), DifferentialBaseGUID uniqueidentifier, IsReadOnly bit,
  IsPresent bit, TDEThumbprint varbinary(20), SnapshotUrl nvarchar(336)`);

const noGuid = '00000000-0000-0000-0000-000000000000';

export function fileListRow(set: BackupSetHeader): readonly Row[] {
  return set.files.map(file => [
    file.logicalName,
    file.physicalName,
    file.type,
    file.type === 'D' ? 'PRIMARY' : null,
    BigInt(file.sizeBytes),
    file.type === 'D' ? 35_184_372_080_640n : 2_199_023_255_552n,
    BigInt(file.fileId),
    lsn('0'),
    lsn('0'),
    noGuid,
    lsn('0'),
    lsn('0'),
    BigInt(file.backupBytes),
    4096n,
    file.type === 'D' ? 1n : 0n,
    null,
    lsn(set.differentialBaseLsn ?? '0'),
    set.differentialBaseGuid ?? noGuid,
    false,
    true,
    null,
    null,
  ]);
}

export const labelColumns = parseResultColumns(`MediaName nvarchar(128), MediaSetId uniqueidentifier, FamilyCount int,
  FamilySequenceNumber int, MediaFamilyId uniqueidentifier, MediaSequenceNumber int, MediaLabelPresent tinyint, MediaDescription nvarchar(255),
  SoftwareName nvarchar(128), SoftwareVendorId int, MediaDate datetime, Mirror_Count int, IsCompressed bit`);

export function labelRow(media: Media): Row {
  const { header: label } = media;
  return [
    label.name,
    label.mediaSetId,
    1n,
    1n,
    label.mediaFamilyId,
    1n,
    0n,
    label.description ?? null,
    'Microsoft SQL Server',
    4608n,
    moment(label.createdMs),
    1n,
    label.compressed,
  ];
}

function lsn(value: string | null): SqlValue {
  return value === null ? null : { kind: 'decimal', unscaled: BigInt(value), scale: 0 };
}

function moment(ms: number): SqlValue {
  return toDatetimePrecision(new Date(ms));
}
