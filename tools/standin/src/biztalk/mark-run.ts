/** sp_MarkBTSLogs and what it calls: one marked transaction over all covered databases of all instances (biztalk-dr.md §2.5). */
import { compareText } from '../engine/compare.ts';
import { coveredDatabases, procedureAt, type Covered } from './covered-databases.ts';
import { realServerName } from './group-servers.ts';
import { failedIn, isServer, stringOf, textOf, typedText } from './group-context.ts';
import { SqlError } from '../messages.ts';
import type { ProcedureContext } from '../contract.ts';
import type { TypedValue } from '../values.ts';

type Place = Covered & { readonly realServer: string };

/**
 * WITH MARK may be said once per server and transaction: this server has it from BEGIN, each other one from its first database. That only holds
 * when two spellings of one server are known to be the same, so every name is resolved before, and the databases are visited server by server.
 */
export async function markLogs(context: ProcedureContext): Promise<number> {
  const procedure = 'sp_MarkBTSLogs';
  const mark = { mark: typedText(textOf(context, '@MarkName'), 32) };
  const places = await resolvedPlaces(context);
  try {
    await context.execute('BEGIN TRANSACTION @mark WITH MARK @mark', mark);
    await context.execute('EXEC dbo.sp_BlockTDDS');
    let marked = context.engine.serverName;
    for (const place of places) {
      const again = isServer(context.engine, place.realServer) || compareText(place.realServer, marked) === 0;
      try {
        await setMark(context, place, again ? 'sp_SetMark' : 'sp_SetMarkRemote', mark.mark);
      } catch (failure) {
        throw failedIn(procedure, `Failed running the marking proc on ${place.server}.${place.database}`, failure);
      }
      marked = place.realServer;
    }
    await context.execute('COMMIT TRANSACTION');
  } catch (failure) {
    if (context.session.nesting > 0) await context.execute('ROLLBACK TRANSACTION');
    throw failure;
  }
  return 0;
}

async function setMark(
  context: ProcedureContext,
  place: Place,
  procedure: 'sp_SetMark' | 'sp_SetMarkRemote',
  mark: TypedValue,
): Promise<void> {
  const { parts, name } = procedureAt(context, place, procedure);
  const { status } = await context.call(parts, `EXEC @status = ${name} @mark`, [{ value: mark }]);
  if (status !== 0) throw new SqlError([], 'statement');
}

async function resolvedPlaces(context: ProcedureContext): Promise<readonly Place[]> {
  const places: Place[] = [];
  for (const covered of await coveredDatabases(context)) {
    try {
      places.push({ ...covered, realServer: await realServerName(context, covered) });
    } catch (failure) {
      const text = `sp_GetRemoteServerName failed to resolve server name ${covered.server}`;
      // The text raises it where it fails and again at its end.
      throw failedIn('sp_MarkBTSLogs', text, failedIn('sp_MarkBTSLogs', text, failure));
    }
  }
  return places.sort((a, b) => compareText(a.realServer, b.realServer));
}

/** Without a tracking database there is nothing to block. */
export async function blockTracking(context: ProcedureContext): Promise<number> {
  const [row] = await context.query(
    "SELECT TrackingDBServerName AS server, TrackingDBName AS name FROM dbo.adm_Group WHERE TrackingDBServerName <> N''",
  );
  const place = { server: stringOf(row?.['server']), database: stringOf(row?.['name']) };
  if (place.server !== '' && place.database !== '')
    await context.execute(`EXEC ${procedureAt(context, place, 'TDDS_BlockTDDS').name}`);
  return 0;
}
