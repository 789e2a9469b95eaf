/** Procedures of every covered database: the mark and the backup of this one database (biztalk-dr.md §2.7, §2.8). */
import { isFailure } from '../messages.ts';
import { joinServerPath } from '../engine/host-paths.ts';
import { flagOf, isCovered, isSso, isTracking, quoted, textOf, typedText } from './group-context.ts';
import { backupFileName } from './names.ts';
import { bit, nvarchar, output, parameter } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext, SqlFailure } from '../contract.ts';

const workerParameters = [
  parameter('@seq', nvarchar(128)),
  parameter('@path', nvarchar(3000)),
  output('@BackupLocation', nvarchar(4000)),
  // An SSO database has no such parameter there; here it has no effect.
  parameter('@bCompression', bit, false),
];

export const workerProcedures: readonly NativeProcedure[] = [
  {
    schema: 'dbo',
    name: 'sp_SetMark',
    existsIn: isCovered,
    parameters: [parameter('@name', nvarchar(128))],
    run: async context => {
      if (context.engine.faults.jobs.skipsMark(context.database.name)) return 0;
      await context.query('INSERT INTO dbo.MarkLog (MarkName) VALUES (@name)', {
        name: typedText(textOf(context, '@name'), 128),
      });
      return 0;
    },
  },
  {
    schema: 'dbo',
    name: 'sp_SetMarkRemote',
    existsIn: isCovered,
    parameters: [parameter('@name', nvarchar(128))],
    run: setMarkRemote,
  },
  {
    schema: 'dbo',
    name: 'sp_GetServerName',
    existsIn: isCovered,
    parameters: [output('@name', nvarchar(128))],
    run: context => {
      context.output('@name', context.engine.serverName);
      return Promise.resolve(0);
    },
  },
  {
    schema: 'dbo',
    name: 'TDDS_BlockTDDS',
    existsIn: isTracking,
    parameters: [],
    run: blockTracking,
  },
  backupProcedure('Full'),
  backupProcedure('Log'),
];

function backupProcedure(kind: 'Full' | 'Log'): NativeProcedure {
  return {
    schema: 'dbo',
    name: `sp_BackupBizTalk${kind}`,
    existsIn: isCovered,
    parameters: workerParameters,
    run: context => backupThis(context, kind),
  };
}

/**
 * Opens a transaction WITH MARK of its own: within the caller's it names that one's part at this server. Where the part is marked already it is
 * 3920, which sets @@ERROR; the name is written all the same (biztalk-dr.md §2.5).
 */
async function setMarkRemote(context: ProcedureContext): Promise<number> {
  if (context.engine.faults.jobs.skipsMark(context.database.name)) return 0;
  const name = { name: typedText(textOf(context, '@name'), 128) };
  let ignored: SqlFailure | undefined;
  try {
    await context.execute('BEGIN TRANSACTION @name WITH MARK @name', name);
  } catch (failure) {
    if (!isFailure(failure) || failure.messages.at(-1)?.number !== 3920) throw failure;
    ignored = failure;
  }
  await context.execute('INSERT INTO dbo.MarkLog (MarkName) VALUES (@name); COMMIT TRANSACTION', name);
  if (ignored !== undefined) throw ignored;
  return 0;
}

/** Until the caller's transaction ends; outside of one there is nothing to hold (the procedure's name and result: unverified). */
async function blockTracking(context: ProcedureContext): Promise<number> {
  if (context.session.nesting === 0) return -1;
  await context.execute('SELECT * FROM dbo.TDDS_StreamStatus WITH (TABLOCKX, HOLDLOCK)');
  return 0;
}

/** One file per backup; no INIT, no COPY_ONLY, no CHECKSUM. @BackupLocation gives back the file's whole path (unverified). */
async function backupThis(context: ProcedureContext, kind: 'Full' | 'Log'): Promise<number> {
  const { database, engine } = context;
  const name = backupFileName(engine.serverName, database.name, kind, textOf(context, '@seq'));
  const file = joinServerPath(textOf(context, '@path'), name);
  const does = engine.faults.jobs.workerOf(database.name, kind === 'Log' ? 'log' : 'full');
  if (does === 'fails') return 1;
  if (does === 'skips') {
    context.output('@BackupLocation', file);
    return 0;
  }
  const statement = `BACKUP ${kind === 'Log' ? 'LOG' : 'DATABASE'} ${quoted(database.name)} TO DISK = @file WITH `;
  if (flagOf(context, '@bCompression') && !isSso(database)) await backupCompressed(context, statement, file);
  else await context.execute(`${statement}NO_COMPRESSION`, { file: typedText(file) });
  context.output('@BackupLocation', file);
  return 0;
}

/**
 * The shipped TRY/CATCH: after 3013 once more without compression; any other error is swallowed, and the set counts as complete although this
 * file is missing (biztalk-dr.md §2.8).
 */
async function backupCompressed(context: ProcedureContext, statement: string, file: string): Promise<void> {
  try {
    await context.execute(`${statement}COMPRESSION`, { file: typedText(file) });
  } catch (failure) {
    if (!isFailure(failure)) throw failure;
    if (failure.messages.at(-1)?.number === 3013)
      await context.execute(`${statement}NO_COMPRESSION`, { file: typedText(file) });
  }
}
