import { quoteName } from './identifiers.ts';
import { defineStatement } from './statement.ts';

// The Management database of a BizTalk group: read by three-part names from `master`, so that no connection of ours ever sits in it.
type InManagement = { readonly management: string };

const boundedWait = 'SET LOCK_TIMEOUT 5000;\n';
const dbo = (management: string, object: string) => `${quoteName(management)}.dbo.${object}`;

export const managementObjects = defineStatement({
  name: 'objects of a Management database',
  purpose: 'Which of the objects that make a database a Management database exist in it.',
  documentation: 'biztalk-dr.md §1.1, §2.7; sys.objects (documentation page of the view)',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) => `SELECT o.name AS name FROM ${quoteName(management)}.sys.objects o
WHERE o.name IN (N'adm_Group', N'adm_MessageBox', N'adm_OtherBackupDatabases', N'admv_BackupDatabases', N'adm_BackupHistory', N'adm_BackupSettings')
ORDER BY o.name;`,
  inputs: {},
  columns: { name: 'text' },
  example: { management: 'BizTalkMgmtDb' },
});

export const group = defineStatement({
  name: 'adm_Group',
  purpose: 'Name of the group and the places of its single databases, as configured.',
  documentation: 'biztalk-dr.md §1.1',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({
    management,
  }: InManagement) => `${boundedWait}SELECT Name AS name, TrackingDBServerName AS trackingServer, TrackingDBName AS trackingDatabase,
  SubscriptionDBServerName AS subscriptionServer, SubscriptionDBName AS subscriptionDatabase,
  TrackAnalysisServerName AS analysisServer, TrackAnalysisDBName AS analysisDatabase,
  BamDBServerName AS bamServer, BamDBName AS bamDatabase, RuleEngineDBServerName AS ruleEngineServer, RuleEngineDBName AS ruleEngineDatabase,
  SSOServerName AS ssoServer
FROM ${dbo(management, 'adm_Group')};`,
  inputs: {},
  columns: {
    name: 'text',
    trackingServer: 'text?',
    trackingDatabase: 'text?',
    subscriptionServer: 'text?',
    subscriptionDatabase: 'text?',
    analysisServer: 'text?',
    analysisDatabase: 'text?',
    bamServer: 'text?',
    bamDatabase: 'text?',
    ruleEngineServer: 'text?',
    ruleEngineDatabase: 'text?',
    ssoServer: 'text?',
  },
  example: { management: 'BizTalkMgmtDb' },
});

export const messageBoxes = defineStatement({
  name: 'adm_MessageBox',
  purpose: 'All MessageBoxes; exactly one is master.',
  documentation: 'biztalk-dr.md §1.1',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) =>
    `${boundedWait}SELECT DBServerName AS server, DBName AS databaseName, CONVERT(int, IsMasterMsgBox) AS isMaster FROM ${dbo(management, 'adm_MessageBox')} ORDER BY DBServerName, DBName;`,
  inputs: {},
  columns: { server: 'text', databaseName: 'text', isMaster: 'flag' },
  example: { management: 'BizTalkMgmtDb' },
});

export const otherBackupDatabases = defineStatement({
  name: 'adm_OtherBackupDatabases',
  purpose: 'SSO, alert and custom databases; a missing row is a database that the job silently leaves out.',
  documentation: 'biztalk-dr.md §1.1, §1.3',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) =>
    `${boundedWait}SELECT DefaultDatabaseName AS defaultName, DatabaseName AS databaseName, ServerName AS server, BTSServerName AS biztalkServer FROM ${dbo(management, 'adm_OtherBackupDatabases')} ORDER BY DefaultDatabaseName, BTSServerName;`,
  inputs: {},
  columns: { defaultName: 'text', databaseName: 'text', server: 'text?', biztalkServer: 'text?' },
  example: { management: 'BizTalkMgmtDb' },
});

export const backupDatabases = defineStatement({
  name: 'admv_BackupDatabases',
  purpose: 'Exactly the set the Backup job covers, under the configured server names.',
  documentation: 'biztalk-dr.md §1.3',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) =>
    `${boundedWait}SELECT ServerName AS server, DatabaseName AS databaseName FROM ${dbo(management, 'admv_BackupDatabases')} ORDER BY ServerName, DatabaseName;`,
  inputs: {},
  columns: { server: 'text', databaseName: 'text' },
  example: { management: 'BizTalkMgmtDb' },
});

export const backupHistory = defineStatement({
  name: 'adm_BackupHistory from a set id',
  purpose:
    'What the job claims to have written, from the lowest set that is not final. Never through sp_GetBackupHistory: it takes the job lock.',
  documentation: 'biztalk-dr.md §2.7 (reading history safely); design.md §5, step 1',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({
    management,
  }: InManagement & {
    readonly fromSetId: string;
  }) => `${boundedWait}SELECT CONVERT(varchar(20), BackupId) AS backupId, CONVERT(varchar(20), BackupSetId) AS setId, MarkName AS markName,
  DatabaseName AS databaseName, BackupFileName AS fileName, BackupFileLocation AS fileLocation, BackupType AS type,
  CONVERT(varchar(23), BackupDateTime, 126) AS startedAtRecorded, SetComplete AS setComplete, ServerName AS server
FROM ${dbo(management, 'adm_BackupHistory')}
WHERE BackupSetId >= CONVERT(bigint, @fromSetId)
ORDER BY BackupSetId, BackupId;`,
  inputs: { fromSetId: 'digits' },
  columns: {
    backupId: 'digits',
    setId: 'digits',
    markName: 'text?',
    databaseName: 'text',
    fileName: 'text',
    fileLocation: 'text',
    type: 'text',
    startedAtRecorded: 'text',
    setComplete: 'flag',
    server: 'text?',
  },
  example: { management: 'BizTalkMgmtDb', fromSetId: '41' },
});

export const backupSettings = defineStatement({
  name: 'adm_BackupSettings',
  purpose: 'Compression and the pending request for a full backup.',
  documentation: 'biztalk-dr.md §2.7',
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: ({ management }: InManagement) =>
    `${boundedWait}SELECT UseCompression AS useCompression, ForceFull AS forceFull FROM ${dbo(management, 'adm_BackupSettings')};`,
  inputs: {},
  columns: { useCompression: 'flag', forceFull: 'flag' },
  example: { management: 'BizTalkMgmtDb' },
});

export const forceFullBackup = defineStatement({
  name: 'sp_ForceFullBackup',
  purpose: 'Asks for a full backup; takes effect at the next run of the job.',
  documentation: 'biztalk-dr.md §2.7',
  repeat: 'same',
  channel: 'batch',
  duration: 'short',
  text: ({ management }: InManagement) => `EXEC ${dbo(management, 'sp_ForceFullBackup')};`,
  inputs: {},
  columns: {},
  example: { management: 'BizTalkMgmtDb' },
});
