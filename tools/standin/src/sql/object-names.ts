/** Names → objects: three-part names, temporary tables, catalogue tables. What a linked server can do for a statement was done before. */
import { fail, unsupported } from '../messages.ts';
import { assertOpen } from '../open-database.ts';
import type { Database, NativeProcedure, Table, VirtualTable } from '../contract.ts';
import { currentDatabase, type Run } from './session-state.ts';

export type ResolvedTable =
  | { readonly kind: 'stored'; readonly table: Table; readonly database: Database; readonly temporary: boolean }
  | { readonly kind: 'virtual'; readonly table: VirtualTable; readonly database: Database };

/** Database, schema and object of a name; an omitted schema is dbo. */
export function splitParts(
  run: Run,
  parts: readonly string[],
): { readonly database: Database; readonly schema: string; readonly name: string; readonly explicitSchema: boolean } {
  if (parts.length > 3) {
    if ((parts[0] ?? '').toLowerCase() !== run.engine.serverName.toLowerCase())
      throw unsupported(`linked server ${parts[0] ?? ''}`);
    return splitParts(run, parts.slice(1));
  }
  const name = parts[parts.length - 1] ?? '';
  const schema = parts.length >= 2 ? (parts[parts.length - 2] ?? '') : '';
  const databaseName = parts.length === 3 ? (parts[0] ?? '') : '';
  const database = databaseName === '' ? currentDatabase(run) : openDatabase(run, databaseName, parts);
  return { database, schema: schema === '' ? 'dbo' : schema, name, explicitSchema: schema !== '' };
}

/** Only an ONLINE database can be read or written through a name (sqlserver.md §1.4, §9.2). */
function openDatabase(run: Run, name: string, parts: readonly string[]): Database {
  const database = run.engine.database(name);
  if (database === undefined) throw parts.length === 3 ? fail(208, parts.join('.')) : fail(911, name);
  assertOpen(database);
  return database;
}

export function isTemporary(name: string): boolean {
  return name.startsWith('#');
}

export function temporaryDatabase(run: Run): Database {
  const database = run.engine.database('tempdb');
  if (database === undefined) throw new Error('tempdb is missing');
  return database;
}

export function resolveTable(run: Run, parts: readonly string[]): ResolvedTable | undefined {
  const last = parts[parts.length - 1] ?? '';
  if (last.startsWith('@')) {
    const table = run.tableVariables.get(last.toLowerCase());
    if (table === undefined) throw fail(1087, last);
    return { kind: 'stored', table, database: temporaryDatabase(run), temporary: true };
  }
  if (isTemporary(last)) {
    const table = run.state.temporary.get(last.toLowerCase());
    const database = temporaryDatabase(run);
    // A rolled back CREATE TABLE took the table away.
    if (table === undefined || database.table(table.definition.schema, table.definition.name) !== table)
      return undefined;
    return { kind: 'stored', table, database, temporary: true };
  }
  const { database, schema, name, explicitSchema } = splitParts(run, parts);
  if (parts.length < 3) assertOpen(database);
  const stored = database.table(schema, name);
  if (stored !== undefined) return { kind: 'stored', table: stored, database, temporary: false };
  const virtual =
    run.registry.findTable(database, schema, name) ??
    (explicitSchema ? undefined : run.registry.findTable(database, 'sys', name));
  return virtual === undefined ? undefined : { kind: 'virtual', table: virtual, database };
}

export function requireTable(run: Run, parts: readonly string[]): ResolvedTable {
  const found = resolveTable(run, parts);
  if (found === undefined) throw fail(208, parts.join('.'));
  return found;
}

/** A procedure of the named or current database, then of master (system procedures are found from everywhere). */
export function resolveProcedure(
  run: Run,
  parts: readonly string[],
): { readonly procedure: NativeProcedure; readonly database: Database } | undefined {
  // A procedure of a database that does not exist is a procedure that does not exist.
  if (parts.length === 3 && parts[0] !== '' && run.engine.database(parts[0] ?? '') === undefined) return undefined;
  const { database, schema, name } = splitParts(run, parts);
  const procedure =
    run.registry.findProcedure(database, schema, name) ??
    (schema === 'dbo'
      ? run.registry.findProcedure(database, 'sys', name)
      : run.registry.findProcedure(database, 'dbo', name));
  if (procedure === undefined) return undefined;
  const home = procedure.database === undefined ? database : run.engine.database(procedure.database);
  return { procedure, database: home ?? database };
}
