import { quoteName } from './identifiers.ts';
import { defineStatement } from './statement.ts';

// What a restore does not bring along and what the job cannot protect: compared between source and standby (sqlserver.md §5.5).

const boundedWait = 'SET LOCK_TIMEOUT 5000;\n';

export const logins = defineStatement({
  name: 'logins of the instance',
  purpose: 'Names and SIDs: users in restored databases find their logins by SID alone.',
  documentation: 'sqlserver.md §5.5; biztalk-dr.md §1.9; sys.server_principals (documentation page of the view)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  // S: SQL login, U: Windows login, G: Windows group. Roles, certificates and keys are nobody who works.
  text: () => `SELECT p.name AS name, CONVERT(varchar(175), p.sid, 1) AS sid, p.type_desc AS kind, CONVERT(int, p.is_disabled) AS disabled
FROM sys.server_principals p
WHERE p.type IN ('S', 'U', 'G')
ORDER BY p.name;`,
  inputs: {},
  columns: { name: 'text', sid: 'text', kind: 'text', disabled: 'flag' },
  example: {},
});

export const linkedServers = defineStatement({
  name: 'linked servers of the instance',
  purpose: 'The job reaches databases of other instances through them, and restores do not bring them.',
  documentation: 'biztalk-dr.md §2.3, §2.5; sqlserver.md §5.5; sys.servers (documentation page of the view)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT s.name AS name, s.data_source AS dataSource, CONVERT(int, s.is_rpc_out_enabled) AS rpcOut
FROM sys.servers s
WHERE s.is_linked = 1
ORDER BY s.name;`,
  inputs: {},
  columns: { name: 'text', dataSource: 'text?', rpcOut: 'flag' },
  example: {},
});

export const databaseProtection = defineStatement({
  name: 'availability and encryption of all databases',
  purpose: 'Databases that cannot be restored like the others: in an availability group (3104) or encrypted.',
  documentation: 'sqlserver.md §4.2 (replica_id, is_encrypted; AG awareness)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT d.name AS name, CONVERT(varchar(36), d.replica_id) AS replicaId, CONVERT(int, d.is_encrypted) AS isEncrypted
FROM sys.databases d
ORDER BY d.name;`,
  inputs: {},
  columns: { name: 'text', replicaId: 'uuid?', isEncrypted: 'flag' },
  example: {},
});

export const backupObjects = defineStatement({
  name: 'backup objects of a covered database',
  purpose: 'Whether the job can mark and back up a database: what it calls there, and the table its marks go to.',
  documentation: 'biztalk-dr.md §2.7, §2.10; sys.objects (documentation page of the view)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({
    database,
  }: {
    readonly database: string;
  }) => `SELECT o.name AS name FROM ${quoteName(database)}.sys.objects o
WHERE o.name IN (N'MarkLog', N'sp_BackupBizTalkFull', N'sp_BackupBizTalkLog', N'sp_SetMark', N'sp_SetMarkRemote', N'sp_GetServerName')
ORDER BY o.name;`,
  inputs: {},
  columns: { name: 'text' },
  example: { database: 'Orders' },
});

export const freeSpace = defineStatement({
  name: 'free space where databases lie',
  purpose: 'Whether a standby has room. Only volumes that hold a file of a database that can be read are known.',
  documentation: 'sqlserver.md §4.2 (sys.dm_os_volume_stats)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT DISTINCT v.volume_mount_point AS volume, CONVERT(varchar(20), v.total_bytes) AS totalBytes,
  CONVERT(varchar(20), v.available_bytes) AS availableBytes
FROM sys.master_files f CROSS APPLY sys.dm_os_volume_stats(f.database_id, f.file_id) v;`,
  inputs: {},
  columns: { volume: 'text', totalBytes: 'digits', availableBytes: 'digits' },
  example: {},
});

type InManagement = { readonly management: string };
const dbo = (management: string, object: string) => `${quoteName(management)}.dbo.${object}`;

export const computers = defineStatement({
  name: 'adm_Server',
  purpose: 'The BizTalk computers of the group, those of the recovery site among them.',
  documentation: "biztalk-dr.md §1.1, §1.4; the product's procedures adm_Server_Create, adm_Server_Delete",
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) =>
    `${boundedWait}SELECT Name AS name FROM ${dbo(management, 'adm_Server')} ORDER BY Name;`,
  inputs: {},
  columns: { name: 'text' },
  example: { management: 'BizTalkMgmtDb' },
});

export const hosts = defineStatement({
  name: 'adm_Host',
  purpose: 'The hosts of the group; type 1 runs in processes of its own, 2 isolated.',
  documentation: 'biztalk-dr.md §1.5; MicrosoftDocs: MSBTS_HostSetting.HostType (WMI)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) =>
    `${boundedWait}SELECT Name AS name, CONVERT(int, HostType) AS type FROM ${dbo(management, 'adm_Host')} ORDER BY Name;`,
  inputs: {},
  columns: { name: 'text', type: 'integer' },
  example: { management: 'BizTalkMgmtDb' },
});

export const hostInstances = defineStatement({
  name: 'adm_HostInstance',
  purpose: 'Which host runs on which computer, and whether it is switched off.',
  documentation:
    "biztalk-dr.md §1.5; the product's procedure adm_GetNumInstalledHostInstances (ConfigurationState 1: installed, 5: not installed)",
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({
    management,
  }: InManagement) => `${boundedWait}SELECT h.Name AS host, s.Name AS computer, CONVERT(int, i.ConfigurationState) AS configurationState,
  CONVERT(int, i.DisableHostInstance) AS disabled
FROM ${dbo(management, 'adm_HostInstance')} i
  JOIN ${dbo(management, 'adm_Server2HostMapping')} m ON m.Id = i.Svr2HostMappingId
  JOIN ${dbo(management, 'adm_Host')} h ON h.Id = m.HostId
  JOIN ${dbo(management, 'adm_Server')} s ON s.Id = m.ServerId
ORDER BY h.Name, s.Name;`,
  inputs: {},
  columns: { host: 'text', computer: 'text', configurationState: 'integer', disabled: 'integer' },
  example: { management: 'BizTalkMgmtDb' },
});
