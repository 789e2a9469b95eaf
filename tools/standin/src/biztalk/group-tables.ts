/** Tables of a BizTalk group that backup and restore depend on (biztalk-dr.md §1.1, §2.7). Widths not named there are freely chosen. */
import { tableOf } from '../engine/table-text.ts';
import type { TableDefinition } from '../contract.ts';

/** In the Management database. */
export const managementTables: readonly TableDefinition[] = [
  tableOf(
    'adm_Group',
    `Id int identity, Name nvarchar(256) not null, BizTalkAdminGroup nvarchar(256), TrackingDBServerName nvarchar(80), TrackingDBName nvarchar(128),
     SubscriptionDBServerName nvarchar(80), SubscriptionDBName nvarchar(128), TrackAnalysisServerName nvarchar(80), TrackAnalysisDBName nvarchar(128),
     BamDBServerName nvarchar(80), BamDBName nvarchar(128), RuleEngineDBServerName nvarchar(80), RuleEngineDBName nvarchar(128),
     SSOServerName nvarchar(80), UUID uniqueidentifier not null`,
    { primary: ['Id'] },
  ),
  tableOf(
    'adm_MessageBox',
    `Id int identity, GroupId int not null, DBServerName nvarchar(80) not null, DBName nvarchar(128) not null, IsMasterMsgBox int not null,
     UniqueId uniqueidentifier not null`,
    { primary: ['Id'], unique: ['DBServerName', 'DBName'] },
  ),
  tableOf(
    'adm_OtherBackupDatabases',
    `DefaultDatabaseName nvarchar(128) not null, DatabaseName nvarchar(128) not null, ServerName nvarchar(80) not null,
     BTSServerName nvarchar(80) not null`,
    { primary: ['DefaultDatabaseName', 'BTSServerName'] },
  ),
  tableOf(
    'adm_BackupHistory',
    `BackupId bigint identity, BackupSetId bigint not null, MarkName nvarchar(32), DatabaseName nvarchar(128) not null,
     BackupFileName nvarchar(500) not null, BackupFileLocation nvarchar(3000) not null, BackupType char(2) not null,
     BackupDateTime datetime not null default getdate(), SetComplete bit not null default 0, ServerName nvarchar(128)`,
    { primary: ['BackupId'], unique: ['BackupSetId', 'DatabaseName', 'ServerName'] },
  ),
  tableOf('adm_BackupSettings', 'UseCompression bit not null, ForceFull bit not null'),
  tableOf('adm_BackupSetId', 'NextBackupSetId bigint not null'),
  // Names of columns: the product's procedures adm_Server_Create, adm_Server_Delete, adm_GetNumInstalledHostInstances. Types and keys: inferred.
  tableOf('adm_Server', 'Id int identity, Name nvarchar(63) not null', { primary: ['Id'], unique: ['Name'] }),
  tableOf(
    'adm_Host',
    'Id int identity, GroupId int not null, Name nvarchar(80) not null, NTGroupName nvarchar(128), HostType int not null',
    { primary: ['Id'], unique: ['Name'] },
  ),
  tableOf(
    'adm_Server2HostMapping',
    'Id int identity, ServerId int not null, HostId int not null, IsMapped int not null',
    { primary: ['Id'], unique: ['ServerId', 'HostId'] },
  ),
  tableOf(
    'adm_HostInstance',
    `Id int identity, Svr2HostMappingId int not null, Name nvarchar(256) not null, ConfigurationState int not null,
     DisableHostInstance int not null default 0`,
    { primary: ['Id'], unique: ['Svr2HostMappingId'] },
  ),
];

/** In every database that the job covers. */
const markLog = tableOf('MarkLog', 'MarkName nvarchar(128) not null');

/** Tells an SSO database from the others: its backups are never compressed (biztalk-dr.md §2.8). */
const ssoTable = tableOf(
  'SSOX_GlobalInfo',
  'gi_SecretServer nvarchar(256), gi_SSOAdminGroup nvarchar(256), gi_AffiliateAppMgrGroup nvarchar(256)',
);

/** What the marking locks in the tracking database (biztalk-dr.md §2.5; its columns: unverified). */
const streamStatus = tableOf(
  'TDDS_StreamStatus',
  `serverName nvarchar(128) not null, destinationId tinyint not null, partitionId tinyint not null, lastSeqNum bigint not null, eventIdx int`,
  { primary: ['serverName', 'destinationId', 'partitionId'] },
);

/** What a database needs to be covered, by its role in the group. */
export const roleTables = new Map<string, readonly TableDefinition[]>([
  ['messageBox', [markLog]],
  ['tracking', [markLog, streamStatus]],
  ['sso', [markLog, ssoTable]],
  ['ruleEngine', [markLog]],
  ['bamPrimaryImport', [markLog]],
  ['bamAlerts', [markLog]],
  ['custom', [markLog]],
]);
