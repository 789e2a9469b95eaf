/** Procedures of every covered database: the mark and the backup of this one database (biztalk-dr.md §2.7, §2.8). */
import { joinServerPath } from '../engine/host-paths.ts';
import {
  bit,
  flagOf,
  isCovered,
  isFailure,
  isSso,
  nvarchar,
  parameter,
  quoted,
  textOf,
  typedText,
} from './group-context.ts';
import { backupFileName } from './names.ts';
import type { NativeProcedure, ProcedureContext } from '../contract.ts';

const workerParameters = [
  parameter('@seq', nvarchar(128)),
  parameter('@path', nvarchar(3000)),
  { name: '@BackupLocation', type: nvarchar(4000), output: true, default: null },
  parameter('@bCompression', bit, false),
];

export const workerProcedures: readonly NativeProcedure[] = [
  {
    schema: 'dbo',
    name: 'sp_SetMark',
    existsIn: isCovered,
    parameters: [parameter('@name', nvarchar(128))],
    run: async context => {
      await context.query('INSERT INTO dbo.MarkLog (MarkName) VALUES (@name)', {
        name: typedText(textOf(context, '@name'), 128),
      });
      return 0;
    },
  },
  {
    schema: 'dbo',
    name: 'sp_BackupBizTalkFull',
    existsIn: isCovered,
    parameters: workerParameters,
    run: context => backupThis(context, 'Full'),
  },
  {
    schema: 'dbo',
    name: 'sp_BackupBizTalkLog',
    existsIn: isCovered,
    parameters: workerParameters,
    run: context => backupThis(context, 'Log'),
  },
];

/** One file per backup; no INIT, no COPY_ONLY, no CHECKSUM. @BackupLocation gives back the bare file name (unverified). */
async function backupThis(context: ProcedureContext, kind: 'Full' | 'Log'): Promise<number> {
  const { database, engine } = context;
  const name = backupFileName(engine.serverName, database.name, kind, textOf(context, '@seq'));
  const file = joinServerPath(textOf(context, '@path'), name);
  const statement = `BACKUP ${kind === 'Log' ? 'LOG' : 'DATABASE'} ${quoted(database.name)} TO DISK = @file WITH `;
  const compressed = flagOf(context, '@bCompression') && !isSso(database);
  try {
    await context.execute(`${statement}${compressed ? 'COMPRESSION' : 'NO_COMPRESSION'}`, { file: typedText(file) });
  } catch (failure) {
    if (!isFailure(failure)) throw failure;
    // The shipped TRY/CATCH: after 3013 once more without compression; any other error is swallowed, and the set counts as complete although
    // this file is missing (biztalk-dr.md §2.8).
    if (failure.messages.at(-1)?.number === 3013) {
      await context.execute(`${statement}NO_COMPRESSION`, { file: typedText(file) });
    }
  }
  context.output('@BackupLocation', name);
  return 0;
}
