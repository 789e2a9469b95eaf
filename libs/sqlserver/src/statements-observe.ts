import { defineStatement } from './statement.ts';

export const serverFacts = defineStatement({
  name: 'server facts',
  purpose: 'Who answers: name, version, default folders, rights of the login, clock and its offset.',
  documentation: 'sqlserver.md §10.1, §4.2',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  // UTC and local time both, so that recorded local times can be placed without trusting a datetimeoffset style.
  text: () => `SELECT @@SERVERNAME AS serverName,
  CONVERT(nvarchar(128), SERVERPROPERTY('ServerName')) AS propertyName,
  CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')) AS productVersion,
  CONVERT(nvarchar(128), SERVERPROPERTY('Edition')) AS edition,
  CONVERT(int, SERVERPROPERTY('EngineEdition')) AS engineEdition,
  CONVERT(nvarchar(4000), SERVERPROPERTY('InstanceDefaultDataPath')) AS defaultDataPath,
  CONVERT(nvarchar(4000), SERVERPROPERTY('InstanceDefaultLogPath')) AS defaultLogPath,
  CONVERT(nvarchar(4000), SERVERPROPERTY('InstanceDefaultBackupPath')) AS defaultBackupPath,
  CONVERT(int, (SELECT value_in_use FROM sys.configurations WHERE name = N'in-doubt xact resolution')) AS inDoubtResolution,
  CONVERT(varchar(27), SYSUTCDATETIME(), 126) AS utcNow,
  CONVERT(varchar(27), SYSDATETIME(), 126) AS localNow,
  IS_SRVROLEMEMBER('sysadmin') AS isSysadmin,
  IS_SRVROLEMEMBER('dbcreator') AS isDbcreator;`,
  inputs: {},
  columns: {
    serverName: 'text',
    propertyName: 'text',
    productVersion: 'text',
    edition: 'text?',
    engineEdition: 'integer',
    defaultDataPath: 'text?',
    defaultLogPath: 'text?',
    defaultBackupPath: 'text?',
    inDoubtResolution: 'integer?',
    utcNow: 'text',
    localNow: 'text',
    isSysadmin: 'flag?',
    isDbcreator: 'flag?',
  },
  example: {},
});

export const connectionEncryption = defineStatement({
  name: 'connection encryption',
  purpose: 'Whether this connection really is encrypted: the driver goes on in clear when the server answers NOT_SUP.',
  documentation: 'sqlserver.md §8.6',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => 'SELECT encrypt_option AS encryptOption FROM sys.dm_exec_connections WHERE session_id = @@SPID;',
  inputs: {},
  columns: { encryptOption: 'text' },
  example: {},
});

const stateColumns = {
  name: 'text',
  state: 'text',
  isInStandby: 'flag',
  isReadOnly: 'flag',
  userAccess: 'text',
  recoveryModel: 'text',
  logReuseWait: 'text',
  redoStartLsn: 'lsn?',
  redoStartForkGuid: 'uuid?',
  lastLogBackupLsn: 'lsn?',
  familyGuid: 'uuid?',
  recoveryForkGuid: 'uuid?',
} as const;

// MIN over the data files: they differ only after file restores (sqlserver.md §2.6).
const stateText = (
  where: string,
) => `SELECT d.name AS name, d.state_desc AS state, d.is_in_standby AS isInStandby, d.is_read_only AS isReadOnly,
  d.user_access_desc AS userAccess, d.recovery_model_desc AS recoveryModel, d.log_reuse_wait_desc AS logReuseWait,
  CONVERT(varchar(25), MIN(f.redo_start_lsn)) AS redoStartLsn,
  MAX(CONVERT(varchar(36), f.redo_start_fork_guid)) AS redoStartForkGuid,
  CONVERT(varchar(25), MAX(r.last_log_backup_lsn)) AS lastLogBackupLsn,
  MAX(CONVERT(varchar(36), r.family_guid)) AS familyGuid,
  MAX(CONVERT(varchar(36), r.recovery_fork_guid)) AS recoveryForkGuid
FROM sys.databases d
  LEFT JOIN sys.master_files f ON f.database_id = d.database_id AND f.type = 0
  LEFT JOIN sys.database_recovery_status r ON r.database_id = d.database_id
${where}GROUP BY d.name, d.state_desc, d.is_in_standby, d.is_read_only, d.user_access_desc, d.recovery_model_desc, d.log_reuse_wait_desc
ORDER BY d.name;`;

export const databaseStates = defineStatement({
  name: 'states of all databases',
  purpose: 'State, roll-forward position and fork of every database: the only authoritative "where am I" of a standby.',
  documentation: 'sqlserver.md §10.2, §4.2',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => stateText(''),
  inputs: {},
  columns: stateColumns,
  example: {},
});

export const databaseState = defineStatement({
  name: 'state of one database',
  purpose: 'The same for one database, read in the step that acts on it. No row: it does not exist.',
  documentation: 'sqlserver.md §10.2, §4.2',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => stateText('WHERE d.name = @database\n'),
  inputs: { database: 'name' },
  columns: stateColumns,
  example: { database: 'BizTalkMsgBoxDb' },
});

export const databaseFiles = defineStatement({
  name: 'files of a database',
  purpose: 'Where its data and log files lie: a standby restores to the same paths (design.md §5, step 3).',
  documentation: 'sqlserver.md §4.2 (sys.master_files)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT f.name AS logicalName, f.physical_name AS physicalName, f.type_desc AS type,
  CONVERT(varchar(20), CONVERT(bigint, f.size) * 8192) AS sizeBytes
FROM sys.master_files f JOIN sys.databases d ON d.database_id = f.database_id
WHERE d.name = @database
ORDER BY f.file_id;`,
  inputs: { database: 'name' },
  columns: { logicalName: 'text', physicalName: 'text', type: 'text', sizeBytes: 'digits' },
  example: { database: 'BizTalkMsgBoxDb' },
});

const sessionColumns = { sessionId: 'integer', programName: 'text?', hostName: 'text?', loginName: 'text?' } as const;

export const databaseSessions = defineStatement({
  name: 'sessions in a database',
  purpose: 'Who stands in the way of exclusive access (3101), also with another current database.',
  documentation: 'sqlserver.md §10.6; sys.dm_exec_sessions (login_name, host_name: documentation page of the view)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT s.session_id AS sessionId, s.program_name AS programName, s.host_name AS hostName, s.login_name AS loginName
FROM sys.dm_exec_sessions s
WHERE s.session_id <> @@SPID AND (s.database_id = DB_ID(@database)
  OR EXISTS (SELECT 1 FROM sys.dm_tran_locks l
    WHERE l.resource_type = N'DATABASE' AND l.resource_database_id = DB_ID(@database) AND l.request_session_id = s.session_id))
ORDER BY s.session_id;`,
  inputs: { database: 'name' },
  columns: sessionColumns,
  example: { database: 'BizTalkMsgBoxDb' },
});

export const unitsInDoubt = defineStatement({
  name: 'units of work in doubt',
  purpose:
    'Parts of distributed transactions that hold a database and belong to no session any more: their coordinator has not decided, or is gone.',
  documentation:
    'learn.microsoft.com, KILL (Transact-SQL): session -2, request_owner_guid of sys.dm_tran_locks; that a prepared part shows so is unverified',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT DISTINCT DB_NAME(l.resource_database_id) AS databaseName, CONVERT(varchar(36), l.request_owner_guid) AS unitOfWork
FROM sys.dm_tran_locks l
WHERE l.request_session_id = -2
ORDER BY databaseName, unitOfWork;`,
  inputs: {},
  columns: { databaseName: 'text?', unitOfWork: 'uuid' },
  example: {},
});

export const programSessions = defineStatement({
  name: 'sessions of a program',
  purpose: 'Sessions whose program name starts like this: our own holders of a lock, with their fencing token.',
  documentation: 'design.md §5 "The target server is the last arbiter"; sqlserver.md §10.3',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  // LEFT instead of LIKE: a name may hold %, _ or [.
  text: () => `SELECT s.session_id AS sessionId, s.program_name AS programName, s.host_name AS hostName, s.login_name AS loginName
FROM sys.dm_exec_sessions s
WHERE s.session_id <> @@SPID AND LEFT(s.program_name, LEN(@prefix)) = @prefix
ORDER BY s.session_id;`,
  inputs: { prefix: 'name' },
  columns: sessionColumns,
  example: { prefix: 'holdfast-restore' },
});

export const requestProgress = defineStatement({
  name: 'progress of our requests',
  purpose:
    'What a session of ours is doing and how far it is, seen from another connection; survives the loss of the first.',
  documentation: 'sqlserver.md §10.3',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `SELECT r.session_id AS sessionId, r.command AS command, r.percent_complete AS percentComplete,
  CONVERT(varchar(20), r.estimated_completion_time) AS remainingMs, r.wait_type AS waitType
FROM sys.dm_exec_requests r JOIN sys.dm_exec_sessions s ON s.session_id = r.session_id
WHERE s.program_name = @program;`,
  inputs: { program: 'name' },
  columns: {
    sessionId: 'integer',
    command: 'text',
    percentComplete: 'real',
    remainingMs: 'digits?',
    waitType: 'text?',
  },
  example: { program: 'holdfast-restore' },
});
