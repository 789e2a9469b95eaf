/** Servers of a group: linking them, and their real names behind the configured ones (biztalk-dr.md §2.5, §2.7). */
import { SqlError } from '../messages.ts';
import { procedureAt, type Covered } from './covered-databases.ts';
import { complaint, isServer, stringOf, typedText, unset } from './group-context.ts';
import { nvarchar } from '../procedure-parameters.ts';
import type { ProcedureContext } from '../contract.ts';

/** bts_SafeAddLinkedServer: it sets no option, so a server without RPC Out still answers 7411 (biztalk-dr.md §2.10 rule 3, §7.1). */
export async function linkIfMissing(context: ProcedureContext, server: string): Promise<void> {
  const { engine } = context;
  if (server === '' || isServer(engine, server) || engine.linked.find(server) !== undefined) return;
  await context.query("EXEC sp_addlinkedserver @server = @name, @srvproduct = N'SQL Server'", {
    name: typedText(server, 128),
  });
}

/** sp_GetLinkedServerQTimeout: of a server without a limit of its own, and none has one here, the instance's; 0: for ever. */
export function remoteTimeoutSeconds({ engine }: ProcedureContext): number {
  return engine.serverOptions.inUse('remote query timeout (s)');
}

/**
 * After the failure of a log backup that lasted as long as a remote query may (biztalk-dr.md §7.1 F-15). The text counts seconds as DATEDIFF does,
 * and asks neither whether the server is another one nor whether there is a limit: without one every failure has lasted long enough.
 */
export function warnOfTimeout(context: ProcedureContext, startedAt: Date): void {
  const second = (moment: Date): number => Math.floor(moment.getTime() / 1000);
  if (second(context.engine.clock()) - second(startedAt) < remoteTimeoutSeconds(context)) return;
  context.raise({ number: 0, severity: 0, state: 1, text: 'Warning: A Remote Query Timeout may have occurred' });
}

/** What the server itself says it is: an alias and `server,port` are names of the same one. */
export async function realServerName(context: ProcedureContext, covered: Covered): Promise<string> {
  const { parts, name: procedure } = procedureAt(context, covered, 'sp_GetServerName');
  const text = `EXEC ${procedure} @name = @real OUTPUT`;
  const { outputs } = await context.call(parts, text, [{ ...unset(nvarchar(128)), name: '@name' }]);
  const name = stringOf(outputs[0]);
  if (name === '') throw new SqlError([complaint(`${covered.server} has no name.`, 'sp_GetServerName')], 'statement');
  return name;
}
