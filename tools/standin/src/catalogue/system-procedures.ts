/** System procedures that the product or the BizTalk objects call. */
import { mkdir } from 'node:fs/promises';
import { parseResultColumns } from '../engine/table-text.ts';
import { fail, unsupported, type SqlError } from '../messages.ts';
import { int, nvarchar, output, parameter } from '../procedure-parameters.ts';
import { operatingSystemText, systemErrorNumber } from '../recovery/operating-system-errors.ts';
import type { NativeProcedure, ProcedureContext } from '../contract.ts';
import { fileExists } from './server-views.ts';

/** CurCmd of a SELECT (unverified). */
const selectCommand = 193;
const existColumns = parseResultColumns('[File Exists] int, [File is a Directory] int, [Parent Directory Exists] int');

export const systemProcedures: readonly NativeProcedure[] = [
  {
    schema: 'sys',
    name: 'sp_getapplock',
    parameters: [
      parameter('@Resource', nvarchar(255)),
      parameter('@LockMode', nvarchar(32)),
      parameter('@LockOwner', nvarchar(32), 'Transaction'),
      parameter('@LockTimeout', int, null),
      parameter('@DbPrincipal', nvarchar(128), 'public'),
    ],
    run: getApplock,
  },
  {
    schema: 'sys',
    name: 'sp_releaseapplock',
    parameters: [
      parameter('@Resource', nvarchar(255)),
      parameter('@LockOwner', nvarchar(32), 'Transaction'),
      parameter('@DbPrincipal', nvarchar(128), 'public'),
    ],
    run: releaseApplock,
  },
  {
    schema: 'sys',
    name: 'xp_fileexist',
    parameters: [parameter('@filename', nvarchar(260)), output('@exists', int)],
    run: xpFileExist,
  },
  {
    schema: 'sys',
    name: 'xp_cmdshell',
    parameters: [parameter('@command_string', nvarchar(4000)), parameter('@no_output', nvarchar(20), null)],
    run: xpCmdshell,
  },
  { schema: 'sys', name: 'xp_create_subdir', parameters: [parameter('@path', nvarchar(260))], run: xpCreateSubdir },
];

async function getApplock(context: ProcedureContext): Promise<number> {
  const owner = ownerOf(context);
  const mode = modes.find(each => each.toUpperCase() === text(context, '@LockMode').toUpperCase());
  const wait = context.argument('@LockTimeout');
  // Wrong parameters are a return code, not an error.
  if (owner === undefined || mode === undefined) return -999;
  return context.engine.getApplock(context.session, {
    resource: text(context, '@Resource'),
    mode,
    owner,
    timeoutMs: typeof wait === 'bigint' ? Number(wait) : context.session.options.lockTimeoutMs,
    database: context.database,
  });
}

const modes = ['Shared', 'Exclusive', 'Update'] as const;

function releaseApplock(context: ProcedureContext): Promise<number> {
  const owner = ownerOf(context);
  if (owner === undefined) return Promise.resolve(-999);
  const resource = text(context, '@Resource');
  return Promise.resolve(
    context.engine.releaseApplock(context.session, { resource, owner, database: context.database }),
  );
}

function ownerOf(context: ProcedureContext): 'Session' | 'Transaction' | undefined {
  const owner = text(context, '@LockOwner').toUpperCase();
  if (owner === 'SESSION') return 'Session';
  return owner === 'TRANSACTION' && context.session.transaction !== undefined ? 'Transaction' : undefined;
}

async function xpFileExist(context: ProcedureContext): Promise<number> {
  const found = await fileExists(context.engine, text(context, '@filename'));
  const { sink } = context;
  sink.columns(existColumns);
  sink.row(found);
  sink.done({ command: selectCommand, rowCount: 1n });
  context.output('@exists', found[0]);
  return 0;
}

/** Off at a new instance (sqlserver.md §7.3); switched on it is not built. */
function xpCmdshell({ engine }: ProcedureContext): Promise<number> {
  const off = fail(15281, 'procedure', 'sys.xp_cmdshell', 'xp_cmdshell', 'xp_cmdshell', 'xp_cmdshell', 'xp_cmdshell');
  return Promise.reject(engine.serverOptions.inUse('xp_cmdshell') === 0 ? off : unsupported('xp_cmdshell'));
}

/** A folder that is there already is made once more (sqlserver.md §7.3). */
async function xpCreateSubdir(context: ProcedureContext): Promise<number> {
  const path = text(context, '@path');
  const host = context.engine.hostPath(path);
  if (host === undefined) throw unsupported('xp_create_subdir outside the mapped folders');
  const refused = context.engine.faults.media.pathError(path);
  if (refused !== undefined) throw notMade(refused);
  await mkdir(host, { recursive: true }).catch((failure: unknown) => {
    throw notMade(systemErrorNumber(failure));
  });
  return 0;
}

function notMade(error: number): SqlError {
  return fail(22048, error, operatingSystemText(error));
}

function text(context: ProcedureContext, name: string): string {
  const value = context.argument(name);
  return typeof value === 'string' ? value : '';
}
