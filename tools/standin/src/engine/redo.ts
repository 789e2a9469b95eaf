/** Applies log records to a database: crash recovery, RESTORE and undo share this one place. */
import type { Change, LogRecord } from './log-records.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';
import type { StoredTable } from './stored-table.ts';
import type { Lsn } from '../contract.ts';

/**
 * Takes one record in. Records before `applyFrom` are already in the tables (a snapshot holds their effect): only the list of open transactions
 * learns from them, so that their later rollback is possible.
 */
export function redo(database: StoredDatabase, record: LogRecord, applyFrom: Lsn): void {
  const { entry, lsn } = record;
  if (entry.kind === 'checkpoint') {
    database.lastCheckpointRecordLsn = lsn;
    if (lsn >= applyFrom) database.appliedTimeMs = Math.max(database.appliedTimeMs, entry.timeMs);
    return;
  }
  if (entry.kind === 'padding') {
    if (lsn < applyFrom) return;
    database.padding = { ...entry.padding, changedLsn: lsn };
    database.appliedTimeMs = Math.max(database.appliedTimeMs, entry.timeMs);
    return;
  }
  if (entry.kind === 'begin') {
    database.open.set(entry.transaction, { beginLsn: lsn, changes: [], decision: undefined });
    return;
  }
  const open = database.open.get(entry.transaction);
  // Its begin lies before what the log holds: it ended before anything that matters here.
  if (open === undefined) return;
  switch (entry.kind) {
    case 'change':
      open.changes.push(entry.change);
      if (lsn >= applyFrom) applyChange(database, entry.change, lsn);
      return;
    case 'undo': {
      const change = open.changes.pop();
      if (change !== undefined && lsn >= applyFrom) undoChange(database, change, lsn);
      return;
    }
    case 'prepare':
      open.decision = entry.decision;
      if (entry.coordinator !== undefined) open.prepared = { coordinator: entry.coordinator, mark: entry.mark };
      return;
    case 'commit':
    case 'abort':
      database.open.delete(entry.transaction);
      if (lsn >= applyFrom) database.appliedTimeMs = Math.max(database.appliedTimeMs, entry.timeMs);
  }
}

export function applyChange(database: StoredDatabase, change: Change, lsn: Lsn): void {
  switch (change.kind) {
    case 'create table':
      database.addTable(change.table, change.definition, lsn);
      return;
    case 'drop table':
      database.detachTable(tableOf(database, change.table));
      return;
    case 'alter table':
      touched(database, change.table, lsn).redefine(change.after);
      return;
    case 'insert':
      touched(database, change.table, lsn).add(change.id, change.row);
      return;
    case 'update':
      touched(database, change.table, lsn).replace(change.id, change.after);
      return;
    case 'delete':
      touched(database, change.table, lsn).remove(change.id);
  }
}

export function undoChange(database: StoredDatabase, change: Change, lsn: Lsn): void {
  switch (change.kind) {
    case 'create table':
      database.detachTable(tableOf(database, change.table));
      return;
    case 'drop table':
      database.addTable(change.table, change.definition, lsn);
      return;
    case 'alter table':
      touched(database, change.table, lsn).redefine(change.before);
      return;
    case 'insert':
      touched(database, change.table, lsn).remove(change.id);
      return;
    case 'update':
      touched(database, change.table, lsn).replace(change.id, change.before);
      return;
    case 'delete':
      touched(database, change.table, lsn).add(change.id, change.before);
  }
}

/**
 * Rolls open transactions back, newest change first, writing the compensation records a standby will need. Those that `keep` names stay: their
 * outcome is not known here.
 */
export function undoOpen(
  database: StoredDatabase,
  timeMs: number,
  keep: (open: OpenTransaction) => boolean = () => false,
): number {
  const losers = [...database.open].filter(([, open]) => !keep(open));
  for (const [transaction, open] of losers) {
    for (let change = open.changes.pop(); change !== undefined; change = open.changes.pop()) {
      undoChange(database, change, database.log.append({ kind: 'undo', transaction }));
    }
    database.log.append({ kind: 'abort', transaction, timeMs });
    database.open.delete(transaction);
  }
  return losers.length;
}

function tableOf(database: StoredDatabase, objectId: number): StoredTable {
  const table = database.tableById(objectId);
  if (table === undefined) throw new Error(`the log of ${database.name} names table ${objectId}, which does not exist`);
  return table;
}

function touched(database: StoredDatabase, objectId: number, lsn: Lsn): StoredTable {
  const table = tableOf(database, objectId);
  table.changedLsn = lsn;
  return table;
}
