/** @@SPID and its kin. */
import { unsupported } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import type { Run } from './session-state.ts';
import { INT, NAME } from './types.ts';

const variables: Readonly<Record<string, readonly [SqlType, (run: Run) => SqlValue]>> = {
  '@@SPID': [{ name: 'smallint' }, run => BigInt(run.session.spid)],
  '@@TRANCOUNT': [INT, run => BigInt(run.session.nesting)],
  '@@ERROR': [INT, run => BigInt(run.state.error)],
  '@@ROWCOUNT': [INT, run => run.state.rowCount],
  '@@SERVERNAME': [NAME, run => run.engine.serverName],
  '@@SERVICENAME': [NAME, run => run.engine.serverName.split('\\')[1] ?? 'MSSQLSERVER'],
  '@@VERSION': [
    { name: 'nvarchar', length: 300 },
    run => `Microsoft SQL Server (stand-in) - ${run.engine.productVersion}`,
  ],
  '@@IDENTITY': [
    { name: 'decimal', precision: 38, scale: 0 },
    run => (run.state.identity === undefined ? null : { kind: 'decimal', unscaled: run.state.identity, scale: 0 }),
  ],
  '@@LANGUAGE': [NAME, () => 'us_english'],
  '@@LOCK_TIMEOUT': [INT, run => BigInt(run.session.options.lockTimeoutMs)],
  '@@NESTLEVEL': [INT, run => BigInt(run.level)],
  '@@DATEFIRST': [{ name: 'tinyint' }, run => BigInt(run.session.options.dateFirst)],
  '@@MAX_PRECISION': [{ name: 'tinyint' }, () => 38n],
  '@@TEXTSIZE': [INT, () => 2147483647n],
  '@@PROCID': [INT, () => 0n],
  '@@MICROSOFTVERSION': [INT, run => BigInt(run.engine.majorVersion) << 24n],
};

export function globalVariable(run: Run, name: string): Bound {
  const found = variables[name];
  if (found === undefined) throw unsupported(name);
  const [type, value] = found;
  return { type, nullable: true, constant: true, evaluate: () => value(run) };
}
