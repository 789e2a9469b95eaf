/** sp_BackupAllFull and sp_MarkAll: one backup set over all covered databases of all instances (biztalk-dr.md §2.3, §2.4). */
import { toDatetimePrecision } from '../engine/times.ts';
import { SqlError, fail } from '../messages.ts';
import { coveredDatabases, procedureAt, type Covered } from './covered-databases.ts';
import { linkIfMissing, warnOfTimeout } from './group-servers.ts';
import {
  abortingBatch,
  complains,
  dateOf,
  endsBatch,
  failedIn,
  flagOf,
  momentOf,
  stringOf,
  textOf,
  typedBigint,
  typedText,
  unset,
} from './group-context.ts';
import { int, nvarchar } from '../procedure-parameters.ts';
import { fullMarkName } from './names.ts';
import type { ProcedureContext } from '../contract.ts';
import type { TypedValue } from '../values.ts';

export const writerLock = 'BTS_BackupJob_Lock';

/**
 * History rows are inserted one by one without a transaction: a failure half way leaves a partial set with SetComplete = 0. The set id is burned
 * in any case. On failure the writer lock stays with the session, as it does there. Only this step links servers.
 */
export async function backupAllFull(context: ProcedureContext): Promise<number> {
  const procedure = 'sp_BackupAllFull';
  const given = dateOf(context.argument('@TimeStamp'));
  // Without it the files have a moment of their own, and the history does not take the first of them (515).
  const markedAt = given ?? (await momentOf(context, flagOf(context, '@UseLocalTime')));
  const run = await beginRun(context, procedure, markedAt, given);
  const databases = await coveredDatabases(context);
  for (const covered of databases) {
    try {
      await linkIfMissing(context, covered.server);
      await backupOne(context, run, covered, 'Full');
    } catch (failure) {
      throw failedIn(procedure, `Failed running the backup on ${covered.server}.${covered.database}`, failure);
    }
  }
  await completeSet(context, run, databases.length, procedure);
  await releaseWriterLock(context);
  return 0;
}

/** The return code is the lock's, whatever happened before: only the raised error tells a failure (biztalk-dr.md §2.4). */
export async function markAll(context: ProcedureContext): Promise<number> {
  const startedAt = await momentOf(context, flagOf(context, '@UseLocalTime'));
  try {
    await markAndBackupLogs(context, await beginRun(context, 'sp_MarkAll', startedAt, startedAt));
  } catch (failure) {
    if (endsBatch(failure)) throw failure;
    // Always given back, whether it is held or not.
    const status = await releaseWriterLock(context);
    throw failure instanceof SqlError ? Object.assign(failure, { status }) : failure;
  }
  return releaseWriterLock(context);
}

async function markAndBackupLogs(context: ProcedureContext, run: Run): Promise<void> {
  const procedure = 'sp_MarkAll';
  try {
    await context.execute('EXEC dbo.sp_MarkBTSLogs @MarkName = @mark', { mark: typedText(run.mark, 32) });
  } catch (failure) {
    throw failedIn(procedure, 'sp_MarkAll failed running sp_MarkBTSLogs', failure);
  }
  const databases = await coveredDatabases(context);
  for (const covered of databases) {
    const startedAt = context.engine.clock();
    try {
      await backupOne(context, run, covered, 'Log');
    } catch (failure) {
      warnOfTimeout(context, startedAt);
      throw failedIn(procedure, `Failed running the log backup on ${covered.server}.${covered.database}`, failure);
    }
  }
  await completeSet(context, run, databases.length, procedure);
}

type Run = {
  readonly setId: bigint;
  readonly mark: string;
  readonly path: string;
  readonly recordedAt: Date | undefined;
  readonly compress: boolean;
};

type Procedure = 'sp_BackupAllFull' | 'sp_MarkAll';

async function beginRun(
  context: ProcedureContext,
  procedure: Procedure,
  markedAt: Date,
  recordedAt: Date | undefined,
): Promise<Run> {
  const setId = await nextBackupSetId(context);
  if (setId === noSetId) throw complains(procedure, 'Failed running sp_GetNextBackupSetId');
  const mark = fullMarkName(textOf(context, '@MarkName'), markedAt);
  await acquireWriterLock(context);
  const [settings] = await context.query('SELECT UseCompression FROM dbo.adm_BackupSettings');
  return {
    setId,
    mark,
    path: textOf(context, '@BackupPath').slice(0, 128),
    recordedAt,
    compress: settings?.['UseCompression'] === true,
  };
}

const noSetId = -1n;

/** Ids are taken before anything else and never given back. -1: there is none, because the table has not one row with an id above 0. */
export async function nextBackupSetId(context: ProcedureContext): Promise<bigint> {
  const [row] = await context.query(
    `UPDATE dbo.adm_BackupSetId SET NextBackupSetId = NextBackupSetId + 1 OUTPUT deleted.NextBackupSetId AS id
     WHERE NextBackupSetId > 0 AND (SELECT COUNT(*) FROM dbo.adm_BackupSetId) = 1`,
  );
  const id = row?.['id'];
  return typeof id === 'bigint' ? id : noSetId;
}

/** Session-owned and without a time-out (biztalk-dr.md §2.7). */
export async function acquireWriterLock(context: ProcedureContext): Promise<number> {
  const { engine, session, database } = context;
  const status = await engine.getApplock(session, {
    resource: writerLock,
    mode: 'Exclusive',
    owner: 'Session',
    timeoutMs: -1,
    database,
  });
  if (status === -3) throw fail(1205, session.spid, 'lock');
  return status;
}

export function releaseWriterLock(context: ProcedureContext): Promise<number> {
  const { engine, session, database } = context;
  return Promise.resolve(engine.releaseApplock(session, { resource: writerLock, owner: 'Session', database }));
}

/** The worker's status counts as much as its errors; what it gives back is the file's whole path. */
async function backupOne(context: ProcedureContext, run: Run, covered: Covered, kind: 'Full' | 'Log'): Promise<void> {
  const compresses = run.compress && !(await isSso(context, covered));
  const { parts, name } = procedureAt(context, covered, `sp_BackupBizTalk${kind}`);
  const { status, outputs } = await context.call(
    parts,
    `EXEC @status = ${name} @seq = @mark, @path = @folder, @BackupLocation = @file OUTPUT${compresses ? ', @bCompression = 1' : ''}`,
    [
      { name: '@seq', value: typedText(run.mark, 128) },
      { name: '@path', value: typedText(run.path, 3000) },
      { name: '@BackupLocation', ...unset(nvarchar(4000)) },
      ...(compresses ? [{ name: '@bCompression', value: { type: int, value: 1n } }] : []),
    ],
  );
  if (status !== 0) throw new SqlError([], 'statement');
  await insertHistory(context, run, covered, kind, stringOf(outputs[0]).replace(/^.*[\\/]/, ''));
}

/** By the row that covers it, not by what is in the database (biztalk-dr.md §1.2). */
async function isSso(context: ProcedureContext, { server, database }: Covered): Promise<boolean> {
  const rows = await context.query(
    "SELECT 1 AS sso FROM dbo.adm_OtherBackupDatabases WHERE DefaultDatabaseName = N'SSO' AND DatabaseName = @database AND ServerName = @server",
    { database: typedText(database, 128), server: typedText(server, 128) },
  );
  return rows.length > 0;
}

async function insertHistory(
  context: ProcedureContext,
  run: Run,
  covered: Covered,
  kind: 'Full' | 'Log',
  file: string,
): Promise<void> {
  if (context.engine.faults.jobs.losesBackupRow(covered.database, kind === 'Log' ? 'log' : 'full')) return;
  const values: Readonly<Record<string, TypedValue>> = {
    set: typedBigint(run.setId),
    mark: { type: { name: 'nvarchar', length: 32 }, value: kind === 'Log' ? run.mark : null },
    database: typedText(covered.database, 128),
    file: typedText(file, 500),
    folder: typedText(run.path, 3000),
    type: { type: { name: 'char', length: 2 }, value: kind === 'Log' ? 'lg' : 'db' },
    at: {
      type: { name: 'datetime' },
      value: run.recordedAt === undefined ? null : toDatetimePrecision(run.recordedAt),
    },
    server: typedText(covered.server, 128),
  };
  const insert = `INSERT INTO dbo.adm_BackupHistory (BackupSetId, MarkName, DatabaseName, BackupFileName, BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName)
     VALUES (@set, @mark, @database, @file, @folder, @type, @at, 0, @server)`;
  await abortingBatch(context.query(insert, values));
}

async function completeSet(context: ProcedureContext, run: Run, expected: number, procedure: Procedure): Promise<void> {
  const set = { set: typedBigint(run.setId) };
  await context.query('UPDATE dbo.adm_BackupHistory SET SetComplete = 1 WHERE BackupSetId = @set', set);
  const [row] = await context.query('SELECT COUNT(*) AS n FROM dbo.adm_BackupHistory WHERE BackupSetId = @set', set);
  if (Number(row?.['n']) !== expected) throw complains(procedure, 'Failed backing up the databases');
}
