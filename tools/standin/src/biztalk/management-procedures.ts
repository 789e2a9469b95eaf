/** Procedures of the Management database (biztalk-dr.md §2.2–§2.7). */
import { toSqlDateTime } from '../engine/times.ts';
import { acquireWriterLock, backupAllFull, markAll, nextBackupSetId, releaseWriterLock } from './backup-run.ts';
import { isFullDue, parseFrequency } from './full-schedule.ts';
import { linkIfMissing, realServerName, remoteTimeoutSeconds } from './group-servers.ts';
import { blockTracking, markLogs } from './mark-run.ts';
import {
  complains,
  dateOf,
  failedIn,
  flagOf,
  isManagement,
  momentOf,
  numberOf,
  textOf,
  typedBigint,
  typedText,
} from './group-context.ts';
import { bigint, bit, int, nvarchar, output, parameter, sysname } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext, ProcedureParameter } from '../contract.ts';
import type { SqlType } from '../values.ts';

const nameAndPath = [parameter('@MarkName', nvarchar(8)), parameter('@BackupPath', nvarchar(128))];
const localTime = parameter('@UseLocalTime', bit, false);
const datetime: SqlType = { name: 'datetime' };
const scheduleParameters = [
  parameter('@Frequency', { name: 'nchar', length: 1 }),
  ...nameAndPath,
  parameter('@ForceFullBackupAfterPartialSetFailure', bit, false),
  parameter('@BackupHour', int, null),
  localTime,
];
/** Names and types as in the public text, here and of bts_SafeAddLinkedServer. */
const remoteNameParameters = [
  parameter('@ServerName', nvarchar(256)),
  parameter('@DatabaseName', sysname),
  output('@RemoteServerName', sysname),
];
const databasesParameters = [parameter('@ServerName', sysname, null)];
const deleteParameters = [parameter('@DaysToKeep', { name: 'smallint' }, null), localTime];

export const managementProcedures: readonly NativeProcedure[] = [
  procedure('sp_BackupAllFull_Schedule', scheduleParameters, backupAllFullOnSchedule),
  procedure('sp_BackupAllFull', [...nameAndPath, parameter('@TimeStamp', datetime, null), localTime], backupAllFull),
  procedure('sp_MarkAll', [...nameAndPath, localTime], markAll),
  procedure('sp_MarkBTSLogs', [parameter('@MarkName', nvarchar(32))], markLogs),
  procedure('sp_BlockTDDS', [], blockTracking),
  procedure('bts_SafeAddLinkedServer', [parameter('@linkedServer', sysname)], async context => {
    await linkIfMissing(context, textOf(context, '@linkedServer'));
    return 0;
  }),
  procedure('sp_GetRemoteServerName', remoteNameParameters, async context => {
    const place = { server: textOf(context, '@ServerName'), database: textOf(context, '@DatabaseName') };
    context.output('@RemoteServerName', await realServerName(context, place));
    return 0;
  }),
  procedure('sp_GetNextBackupSetId', [], async context => Number(await nextBackupSetId(context))),
  procedure('sp_ForceFullBackup', [], async context => {
    await context.query('UPDATE dbo.adm_BackupSettings SET ForceFull = 1');
    return 0;
  }),
  procedure('sp_SetBackupCompression', [parameter('@bCompression', bit)], async context => {
    // As it is given: NULL is an UPDATE that fails (515).
    const value = { type: bit, value: context.argument('@bCompression') };
    await context.query('UPDATE dbo.adm_BackupSettings SET UseCompression = @on', { on: value });
    return 0;
  }),
  procedure('sp_AcquireBackupWriterLock', [], acquireWriterLock),
  procedure('sp_ReleaseBackupWriterLock', [], releaseWriterLock),
  procedure('sp_GetBackupHistory', [parameter('@LastBackupSetId', bigint, null)], getBackupHistory),
  procedure('sp_GetBackupDatabasesForServer', databasesParameters, getDatabasesForServer),
  procedure('sp_GetBackupDatabaseLocation', [parameter('@DefaultDatabaseName', nvarchar(128))], getDatabaseLocation),
  procedure('sp_GetLinkedServerQTimeout', [parameter('@server', sysname)], context =>
    Promise.resolve(remoteTimeoutSeconds(context)),
  ),
  procedure('sp_DeleteBackupHistory', deleteParameters, deleteBackupHistory),
];

function procedure(
  name: string,
  parameters: readonly ProcedureParameter[],
  run: (context: ProcedureContext) => Promise<number>,
): NativeProcedure {
  return { schema: 'dbo', name, parameters, existsIn: isManagement, run };
}

async function backupAllFullOnSchedule(context: ProcedureContext): Promise<number> {
  const procedure = 'sp_BackupAllFull_Schedule';
  const [settings] = await context.query('SELECT ForceFull FROM dbo.adm_BackupSettings');
  const forceFull = settings?.['ForceFull'] === true;
  const local = flagOf(context, '@UseLocalTime');
  const now = await momentOf(context, local);
  const due = isFullDue(parseFrequency(textOf(context, '@Frequency')), numberOf(context, '@BackupHour'), {
    now,
    localNow: await momentOf(context, true),
    forceFull,
    forceAfterPartial: flagOf(context, '@ForceFullBackupAfterPartialSetFailure'),
    partialOpen: await hasOpenPartialSet(context),
    newestFullAt: await newestFullAt(context),
    dateFirst: context.session.options.dateFirst,
  });
  if (due === 'unknown frequency') throw complains(procedure, 'Unknown value for the parameter @Frequency');
  if (!due) return 0;
  try {
    await context.execute('EXEC dbo.sp_BackupAllFull @mark, @path, @now, @local', {
      mark: typedText(textOf(context, '@MarkName').slice(0, 8), 8),
      path: typedText(textOf(context, '@BackupPath').slice(0, 128), 128),
      now: { type: datetime, value: toSqlDateTime(now) },
      local: { type: bit, value: local },
    });
  } catch (failure) {
    throw failedIn(procedure, 'Failed running sp_BackupAllFull', failure);
  }
  // Only after success: a request for a full survives its failure.
  if (forceFull) await context.query('UPDATE dbo.adm_BackupSettings SET ForceFull = 0');
  return 0;
}

/** By the time of the rows, whatever their sets' ids: a clock that was put back leaves them in another order. */
async function newestFullAt(context: ProcedureContext): Promise<Date | undefined> {
  const [row] = await context.query(
    "SELECT MAX(BackupDateTime) AS at FROM dbo.adm_BackupHistory WHERE BackupType = 'db'",
  );
  return dateOf(row?.['at']);
}

async function hasOpenPartialSet(context: ProcedureContext): Promise<boolean> {
  const [row] = await context.query(
    `SELECT (SELECT MAX(BackupSetId) FROM dbo.adm_BackupHistory WHERE SetComplete = 0) AS partial,
            (SELECT MAX(BackupSetId) FROM dbo.adm_BackupHistory WHERE SetComplete = 1 AND BackupType = 'db') AS complete`,
  );
  const [partial, complete] = [row?.['partial'], row?.['complete']];
  return typeof partial === 'bigint' && (typeof complete !== 'bigint' || complete < partial);
}

/** Waits for a running job: it takes the same exclusive lock. */
async function getBackupHistory(context: ProcedureContext): Promise<number> {
  const last = context.argument('@LastBackupSetId');
  await acquireWriterLock(context);
  await context.execute(
    `SELECT BackupId, BackupSetId, MarkName, DatabaseName, ServerName, BackupFileName, BackupFileLocation, BackupType, BackupDateTime, SetComplete
     FROM dbo.adm_BackupHistory WHERE BackupSetId > @last ORDER BY BackupId`,
    { last: typedBigint(typeof last === 'bigint' ? last : -1n) },
  );
  return releaseWriterLock(context);
}

async function getDatabasesForServer(context: ProcedureContext): Promise<number> {
  await context.execute(
    `SELECT ServerName, DatabaseName FROM dbo.admv_BackupDatabases WHERE @server IS NULL OR ServerName = @server
     ORDER BY ServerName, DatabaseName`,
    { server: { type: sysname, value: context.argument('@ServerName') } },
  );
  return 0;
}

/** Where a database lies that the job covers beside the group's own ones, by its default name (public copies of the product's schema). */
async function getDatabaseLocation(context: ProcedureContext): Promise<number> {
  await context.execute(
    'SELECT ServerName, DatabaseName FROM dbo.adm_OtherBackupDatabases WHERE DefaultDatabaseName = @name',
    { name: typedText(textOf(context, '@DefaultDatabaseName'), 128) },
  );
  return 0;
}

/** Deletes sets that are wholly older than the limit and followed by a later full; files are never touched (biztalk-dr.md §2.7). */
async function deleteBackupHistory(context: ProcedureContext): Promise<number> {
  const days = numberOf(context, '@DaysToKeep');
  if (days === undefined || days <= 0) return 0;
  const now = await momentOf(context, flagOf(context, '@UseLocalTime'));
  const limit = typedText(new Date(now.getTime() - days * 86_400_000).toISOString().slice(0, 23), 30);
  // Only what is old is looked at: the job runs this each time, and the history is long.
  const old = await context.query(
    `SELECT DISTINCT BackupSetId FROM dbo.adm_BackupHistory WHERE BackupDateTime < CONVERT(datetime, @limit, 126)
       AND BackupSetId < (SELECT MAX(BackupSetId) FROM dbo.adm_BackupHistory WHERE BackupType = 'db')`,
    { limit },
  );
  for (const row of old) {
    const set = row['BackupSetId'];
    if (typeof set !== 'bigint') continue;
    await context.query(
      `IF NOT EXISTS (SELECT 1 FROM dbo.adm_BackupHistory WHERE BackupSetId = @set AND BackupDateTime >= CONVERT(datetime, @limit, 126))
         DELETE FROM dbo.adm_BackupHistory WHERE BackupSetId = @set`,
      { set: typedBigint(set), limit },
    );
  }
  return 0;
}
