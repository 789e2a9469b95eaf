/** admv_BackupDatabases: exactly what the job covers, as a union of six sources (biztalk-dr.md §1.3). */
import { compareText, keyText } from '../engine/compare.ts';
import { parseResultColumns } from '../engine/table-text.ts';
import { isManagement, isServer, quoted, stringOf } from './group-context.ts';
import type { Database, Engine, ProcedureContext, Row, Session, Transaction, VirtualTable } from '../contract.ts';
import type { SqlValue } from '../values.ts';

/** `server`: as configured, which may be an alias. */
export type Covered = { readonly server: string; readonly database: string };

/** A procedure of a covered database. `name`: its parts as a statement has them. */
export type Place = { readonly parts: readonly string[]; readonly name: string };

/** A database that is listed under two spellings of its server is there twice (biztalk-dr.md §1.3). */
export async function coveredDatabases(context: ProcedureContext): Promise<readonly Covered[]> {
  const rows = await context.query(
    'SELECT ServerName, DatabaseName FROM dbo.admv_BackupDatabases ORDER BY ServerName, DatabaseName',
  );
  return rows.map(row => ({ server: stringOf(row['ServerName']), database: stringOf(row['DatabaseName']) }));
}

/** Called at the server of the database; one of this instance without going through a linked server. */
export function procedureAt({ engine }: ProcedureContext, { server, database }: Covered, procedure: string): Place {
  const within = [database, 'dbo', procedure];
  const parts = isServer(engine, server) ? within : [server, ...within];
  return { parts, name: parts.map(quoted).join('.') };
}

export function coveredDatabasesView(engine: Engine): VirtualTable {
  return {
    schema: 'dbo',
    name: 'admv_BackupDatabases',
    columns: parseResultColumns('ServerName nvarchar(128), DatabaseName nvarchar(128)'),
    existsIn: isManagement,
    rows: (session, database) => (database === undefined ? [] : coveredRows(engine, session, database)),
  };
}

async function coveredRows(engine: Engine, session: Session, management: Database): Promise<readonly Row[]> {
  // In the caller's transaction, if any: a view never waits for its own caller.
  const transaction = session.transaction ?? engine.begin(session, undefined);
  const rows: Row[] = [[engine.serverName, management.name]];
  for (const group of await readTable(transaction, management, 'adm_Group')) {
    for (const [server, name] of [
      ['TrackingDBServerName', 'TrackingDBName'],
      ['BamDBServerName', 'BamDBName'],
      ['RuleEngineDBServerName', 'RuleEngineDBName'],
    ] as const) {
      if (isNamed(group[server])) rows.push([group[server] ?? null, group[name] ?? null]);
    }
  }
  for (const box of await readTable(transaction, management, 'adm_MessageBox')) {
    if (isNamed(box['DBServerName'])) rows.push([box['DBServerName'] ?? null, box['DBName'] ?? null]);
  }
  for (const other of await readTable(transaction, management, 'adm_OtherBackupDatabases')) {
    if (isNamed(other['ServerName'])) rows.push([other['ServerName'] ?? null, other['DatabaseName'] ?? null]);
  }
  if (transaction !== session.transaction) await transaction.commit();
  return union(rows);
}

/** The same pair once, whatever its case and blanks at its end. Of two spellings the first stays (unverified). */
function union(rows: readonly Row[]): readonly Row[] {
  const found = new Map<string, Row>();
  for (const row of rows) {
    const key = JSON.stringify(row.map(value => keyText(value)));
    if (!found.has(key)) found.set(key, row);
  }
  return [...found.values()];
}

function isNamed(value: SqlValue | undefined): boolean {
  return typeof value === 'string' && compareText(value, '') !== 0;
}

async function readTable(
  transaction: Transaction,
  database: Database,
  name: string,
): Promise<readonly Readonly<Record<string, SqlValue>>[]> {
  const table = database.table('dbo', name);
  if (table === undefined) return [];
  const found: Readonly<Record<string, SqlValue>>[] = [];
  for await (const { row } of transaction.scan(table, 'read')) {
    found.push(Object.fromEntries(table.definition.columns.map((column, index) => [column.name, row[index] ?? null])));
  }
  return found;
}
