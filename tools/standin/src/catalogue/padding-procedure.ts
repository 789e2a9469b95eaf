import { fail } from '../messages.ts';
import { bigint, nvarchar, parameter } from '../procedure-parameters.ts';
import { assertAdministrator } from '../rights.ts';
import type { NativeProcedure, ProcedureContext } from '../contract.ts';

/** Not of SQL Server. `@bytes`: of each full backup, besides its rows; `@logBytes`: of each log backup. 0 takes it away; files stay as large as they are. */
export const paddingProcedure: NativeProcedure = {
  schema: 'sys',
  name: 'sp_standin_pad_database',
  parameters: [parameter('@database', nvarchar(128)), parameter('@bytes', bigint), parameter('@logBytes', bigint, 0n)],
  run: padDatabase,
};

async function padDatabase(context: ProcedureContext): Promise<number> {
  assertAdministrator(context.session);
  const name = context.argument('@database');
  const database = context.engine.database(typeof name === 'string' ? name : '');
  if (database === undefined) throw fail(911, typeof name === 'string' ? name : '');
  const bytes = (argument: string): bigint => {
    const value = context.argument(argument);
    return typeof value === 'bigint' ? value : 0n;
  };
  await context.engine.padDatabase(context.session, database, { bytes: bytes('@bytes'), logBytes: bytes('@logBytes') });
  return 0;
}
