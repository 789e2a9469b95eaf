/**
 * Names and types at a log shipping destination that no public source gives (biztalk-dr.md §3.5, §10), each in two readings, so that a product
 * must discover them. Documented, and so the same in both: the tables bts_LogShippingDatabases, bts_LogShippingHistory and
 * bts_LogShippingLastRestoreSet, the columns LogFileLocation, DBFileLocation, Restored, RestoredDateTime and those of adm_BackupHistory, and
 * sp_LogShippingClean. Job names and the configuration procedure are documented in several forms (biztalk-dr.md §1.8, §3.3).
 */
import { tableOf } from '../engine/table-text.ts';
import type { Database, TableDefinition } from '../contract.ts';
import type { SqlType } from '../values.ts';

export const spellings = ['a', 'b'] as const;
export type Spelling = (typeof spellings)[number];

export type DestinationNames = {
  readonly spelling: Spelling;
  /** Procedures: of the configuration, and those that the jobs' steps call. */
  readonly configure: string;
  readonly importHistory: string;
  readonly restoreDatabases: string;
  readonly restoreToMark: string;
  readonly createJobs: string;
  readonly jobs: { readonly history: string; readonly restore: string; readonly mark: string };
  /** The column by which every table names a source. */
  readonly source: string;
  readonly sourceType: SqlType;
  readonly sourcesTable: string;
  /** In bts_LogShippingDatabases. */
  readonly server: string;
  readonly database: string;
  /** In bts_LogShippingLastRestoreSet. */
  readonly lastSet: string;
  readonly jobsTable: string;
  readonly jobName: string;
  readonly jobEnabled: string;
  readonly jobScript: string;
  readonly tables: readonly TableDefinition[];
};

/** What sp_standin_setup_destination was told; a real server has no such table. */
export const readingTable = 'standin_LogShippingReading';
export const databasesTable = 'bts_LogShippingDatabases';
export const historyTable = 'bts_LogShippingHistory';
export const pointerTable = 'bts_LogShippingLastRestoreSet';

const reading = tableOf(
  readingTable,
  'Spelling nchar(1) not null, TrailingSets int not null, PartialFullBreaks bit not null, NotesPassedFulls bit not null, JobsEnabled bit not null',
);

const historyColumns = `BackupId bigint not null, BackupSetId bigint not null, MarkName nvarchar(32), DatabaseName nvarchar(128) not null,
  BackupFileName nvarchar(500) not null, BackupFileLocation nvarchar(3000) not null, BackupType char(2) not null,
  BackupDateTime datetime not null, SetComplete bit not null, ServerName nvarchar(128)`;
const places = 'LogFileLocation nvarchar(3000), DBFileLocation nvarchar(3000)';
const origin = `Description nvarchar(256), MgmtServerName nvarchar(128) not null, MgmtDatabaseName nvarchar(128) not null,
  SourceServerName nvarchar(128)`;

export const namesOf: Readonly<Record<Spelling, DestinationNames>> = {
  a: {
    spelling: 'a',
    configure: 'bts_ConfigureBizTalkLogShipping',
    importHistory: 'bts_LogShippingGetBackupHistory',
    restoreDatabases: 'bts_LogShippingRestoreDatabases',
    restoreToMark: 'bts_LogShippingRestoreToMark',
    createJobs: 'bts_LogShippingCreateAgentJobs',
    jobs: {
      history: 'BTS Log Shipping - Get Backup History',
      restore: 'BTS Log Shipping - Restore Databases',
      mark: 'BTS Log Shipping - Restore To Mark',
    },
    source: 'SourceID',
    sourceType: { name: 'int' },
    sourcesTable: 'bts_LogShippingSources',
    server: 'ServerName',
    database: 'DatabaseName',
    lastSet: 'LastBackupSetId',
    jobsTable: 'bts_LogShippingAgentJobs',
    jobName: 'JobName',
    jobEnabled: 'Enabled',
    jobScript: 'JobScript',
    tables: [
      reading,
      tableOf('bts_LogShippingSources', `SourceID int not null, ${origin}`, { primary: ['SourceID'] }),
      tableOf(
        databasesTable,
        `SourceID int not null, ServerName nvarchar(128) not null, DatabaseName nvarchar(128) not null, ${places}`,
        { primary: ['SourceID', 'ServerName', 'DatabaseName'] },
      ),
      tableOf(
        historyTable,
        `SourceID int not null, ${historyColumns}, Restored bit not null default 0, RestoredDateTime datetime`,
        { primary: ['SourceID', 'BackupId'] },
      ),
      tableOf(pointerTable, 'SourceID int not null, LastBackupSetId bigint not null', { primary: ['SourceID'] }),
      tableOf(
        'bts_LogShippingAgentJobs',
        'SourceID int not null, JobName nvarchar(128) not null, Enabled bit not null, JobScript nvarchar(max) not null',
        { primary: ['SourceID', 'JobName'] },
      ),
    ],
  },
  b: {
    spelling: 'b',
    configure: 'bts_ConfigureBtsLogShipping',
    importHistory: 'sp_LogShippingGetBackupHistory',
    restoreDatabases: 'sp_LogShippingRestoreDatabases',
    restoreToMark: 'sp_LogShippingRestoreToMark',
    createJobs: 'sp_LogShippingRecreateJobs',
    jobs: {
      history: 'BTS Log Shipping Get Backup History',
      restore: 'BTS Server Log Shipping Restore Databases',
      mark: 'BTS Log Shipping Restore To Mark',
    },
    source: 'Source',
    sourceType: { name: 'nvarchar', length: 256 },
    sourcesTable: 'bts_LogShippingConfiguration',
    server: 'SourceServer',
    database: 'DBName',
    lastSet: 'RestoredSetId',
    jobsTable: 'bts_LogShippingJobs',
    jobName: 'Name',
    jobEnabled: 'IsEnabled',
    jobScript: 'Definition',
    tables: [
      reading,
      tableOf('bts_LogShippingConfiguration', `Source nvarchar(256) not null, ${origin}`, { primary: ['Source'] }),
      tableOf(
        databasesTable,
        `Source nvarchar(256) not null, SourceServer nvarchar(128) not null, DBName nvarchar(128) not null, ${places}`,
        { primary: ['Source', 'SourceServer', 'DBName'] },
      ),
      tableOf(
        historyTable,
        `Source nvarchar(256) not null, ${historyColumns}, Restored int not null default 0, RestoredDateTime datetime`,
        { primary: ['Source', 'BackupId'] },
      ),
      tableOf(pointerTable, 'Source nvarchar(256) not null, RestoredSetId int not null', { primary: ['Source'] }),
      tableOf(
        'bts_LogShippingJobs',
        'Source nvarchar(256) not null, Name nvarchar(128) not null, IsEnabled tinyint not null, Definition nvarchar(max) not null',
        { primary: ['Source', 'Name'] },
      ),
    ],
  },
};

/** `master`, after the schema script of that spelling ran in it. */
export function hasSpelling(spelling: Spelling): (database: Database) => boolean {
  return database => database.table('dbo', namesOf[spelling].sourcesTable) !== undefined;
}

export function isDestination(database: Database): boolean {
  return spellings.some(each => hasSpelling(each)(database));
}
