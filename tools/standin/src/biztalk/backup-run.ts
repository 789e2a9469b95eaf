/** sp_BackupAllFull and sp_MarkAll: one backup set over all covered databases (biztalk-dr.md §2.3, §2.4). */
import { compareText } from '../engine/compare.ts';
import { fail, SqlError, unsupported } from '../messages.ts';
import { complaint, failedIn, flagOf, quoted, stringOf, textOf, typedBigint, typedText } from './group-context.ts';
import { fullMarkName } from './names.ts';
import type { ProcedureContext } from '../contract.ts';
import type { TypedValue } from '../values.ts';

export const writerLock = 'BTS_BackupJob_Lock';

type Covered = { readonly server: string; readonly database: string };

/**
 * History rows are inserted one by one without a transaction: a failure half way leaves a partial set with SetComplete = 0. The set id is burned
 * in any case. On failure the writer lock stays with the session, as it does there.
 */
export async function backupAllFull(context: ProcedureContext): Promise<number> {
  const run = await beginRun(context);
  try {
    const databases = await coveredDatabases(context);
    for (const covered of databases) await backupOne(context, run, covered, 'Full');
    await completeSet(context, run, databases.length);
  } catch (failure) {
    throw failedIn('sp_BackupAllFull', 'BACKUP of one or more databases failed in sp_BackupAllFull.', failure);
  }
  await releaseWriterLock(context);
  return 0;
}

export async function markAll(context: ProcedureContext): Promise<number> {
  const run = await beginRun(context);
  try {
    const databases = await coveredDatabases(context);
    await context.execute('EXEC dbo.sp_MarkBTSLogs @MarkName = @mark', { mark: typedText(run.mark, 128) });
    for (const covered of databases) await backupOne(context, run, covered, 'Log');
    await completeSet(context, run, databases.length);
  } catch (failure) {
    throw failedIn('sp_MarkAll', 'The mark or the log backup of one or more databases failed in sp_MarkAll.', failure);
  }
  // The return code is the lock's, whatever happened before (biztalk-dr.md §2.4).
  return releaseWriterLock(context);
}

type Run = {
  readonly setId: bigint;
  readonly mark: string;
  readonly path: string;
  readonly startedAt: Date;
  readonly compress: boolean;
};

async function beginRun(context: ProcedureContext): Promise<Run> {
  const setId = await nextBackupSetId(context);
  const startedAt = context.engine.clock();
  const mark = fullMarkName(textOf(context, '@MarkName'), startedAt);
  await acquireWriterLock(context);
  const [settings] = await context.query('SELECT UseCompression FROM dbo.adm_BackupSettings');
  return {
    setId,
    mark,
    path: textOf(context, '@BackupPath').slice(0, 128),
    startedAt,
    compress: settings?.['UseCompression'] === true,
  };
}

/** Ids are taken before anything else and never given back. */
export async function nextBackupSetId(context: ProcedureContext): Promise<bigint> {
  const [row] = await context.query(
    'UPDATE dbo.adm_BackupSetId SET NextBackupSetId = NextBackupSetId + 1 OUTPUT deleted.NextBackupSetId AS id',
  );
  const id = row?.['id'];
  if (typeof id !== 'bigint')
    throw new SqlError([complaint('adm_BackupSetId has no row.', 'sp_GetNextBackupSetId')], 'statement');
  return id;
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

/** Ordered by server, as the marking needs them. Databases of another instance need linked servers. */
export async function coveredDatabases(context: ProcedureContext): Promise<readonly Covered[]> {
  const rows = await context.query(
    'SELECT ServerName, DatabaseName FROM dbo.admv_BackupDatabases ORDER BY ServerName, DatabaseName',
  );
  const covered = rows.map(row => ({ server: stringOf(row['ServerName']), database: stringOf(row['DatabaseName']) }));
  const remote = covered.find(({ server }) => compareText(server, context.engine.serverName) !== 0);
  if (remote !== undefined) throw unsupported(`a BizTalk database on another instance (${remote.server})`);
  return covered;
}

async function backupOne(context: ProcedureContext, run: Run, covered: Covered, kind: 'Full' | 'Log'): Promise<void> {
  const target = context.engine.database(covered.database);
  const compression =
    run.compress && target?.table('dbo', 'SSOX_GlobalInfo') === undefined ? ', @bCompression = 1' : '';
  const [row] = await context.query(
    `DECLARE @file nvarchar(4000);
     EXEC ${quoted(covered.database)}.dbo.sp_BackupBizTalk${kind} @seq = @mark, @path = @folder, @BackupLocation = @file OUTPUT${compression};
     SELECT @file AS name;`,
    { mark: typedText(run.mark, 128), folder: typedText(run.path, 3000) },
  );
  await insertHistory(context, run, covered, kind, stringOf(row?.['name']));
}

async function insertHistory(
  context: ProcedureContext,
  run: Run,
  covered: Covered,
  kind: 'Full' | 'Log',
  file: string,
): Promise<void> {
  const values: Readonly<Record<string, TypedValue>> = {
    set: typedBigint(run.setId),
    mark: { type: { name: 'nvarchar', length: 32 }, value: kind === 'Log' ? run.mark : null },
    database: typedText(covered.database, 128),
    file: typedText(file, 500),
    folder: typedText(run.path, 3000),
    type: { type: { name: 'char', length: 2 }, value: kind === 'Log' ? 'lg' : 'db' },
    at: typedText(run.startedAt.toISOString().slice(0, 23), 30),
    server: typedText(covered.server, 128),
  };
  await context.query(
    `INSERT INTO dbo.adm_BackupHistory (BackupSetId, MarkName, DatabaseName, BackupFileName, BackupFileLocation, BackupType, BackupDateTime, SetComplete, ServerName)
     VALUES (@set, @mark, @database, @file, @folder, @type, CONVERT(datetime, @at, 126), 0, @server)`,
    values,
  );
}

async function completeSet(context: ProcedureContext, run: Run, expected: number): Promise<void> {
  const set = { set: typedBigint(run.setId) };
  await context.query('UPDATE dbo.adm_BackupHistory SET SetComplete = 1 WHERE BackupSetId = @set', set);
  const [row] = await context.query('SELECT COUNT(*) AS n FROM dbo.adm_BackupHistory WHERE BackupSetId = @set', set);
  if (Number(row?.['n']) !== expected) {
    throw new SqlError(
      [complaint('The number of backed up databases is not the number of databases to back up.', 'sp_BackupAllFull')],
      'statement',
    );
  }
}

/** One marked transaction that writes the mark's name into every covered database (biztalk-dr.md §2.5). */
export async function markLogs(context: ProcedureContext): Promise<number> {
  const mark = textOf(context, '@MarkName');
  const databases = await coveredDatabases(context);
  const marks = databases.map(({ database }) => `EXEC ${quoted(database)}.dbo.sp_SetMark @mark;`).join('\n');
  const description = mark.replaceAll("'", "''");
  try {
    await context.execute(`BEGIN TRANSACTION @mark WITH MARK N'${description}';\n${marks}\nCOMMIT TRANSACTION;`, {
      mark: typedText(mark, 32),
    });
  } catch (failure) {
    if (context.session.nesting > 0) await context.execute('ROLLBACK TRANSACTION');
    throw failure;
  }
  return 0;
}

export function forceAfterPartial(context: ProcedureContext): boolean {
  return flagOf(context, '@ForceFullBackupAfterPartialSetFailure');
}
