/** What a database log holds. Changes are logical (table, row id, row before and after), so that redo and undo need nothing else. */
import {
  ByteReader,
  ByteWriter,
  fromStoredDefinition,
  toStoredDefinition,
  type StoredDefinition,
} from './binary-codec.ts';
import type { Lsn, Row, RowId, TableDefinition } from '../contract.ts';

/** Undone by its inverse. A dropped or truncated table is logged row by row first, so that the undo has the rows. */
export type Change =
  | { readonly kind: 'insert'; readonly table: number; readonly id: RowId; readonly row: Row }
  | { readonly kind: 'update'; readonly table: number; readonly id: RowId; readonly before: Row; readonly after: Row }
  | { readonly kind: 'delete'; readonly table: number; readonly id: RowId; readonly before: Row }
  | { readonly kind: 'create table'; readonly table: number; readonly definition: TableDefinition }
  | { readonly kind: 'drop table'; readonly table: number; readonly definition: TableDefinition }
  /** Rows that get new columns are logged as updates behind it. */
  | {
      readonly kind: 'alter table';
      readonly table: number;
      readonly before: TableDefinition;
      readonly after: TableDefinition;
    };

export type MarkRecord = { readonly name: string; readonly description: string | undefined; readonly user: string };

export type LogEntry =
  | { readonly kind: 'begin'; readonly transaction: bigint }
  | { readonly kind: 'change'; readonly transaction: bigint; readonly change: Change }
  /** The transaction's newest change that is not undone yet is undone: a compensation record. */
  | { readonly kind: 'undo'; readonly transaction: bigint }
  /**
   * First phase of a commit over several databases; `decision` names the record of the commit journal that settles it. `coordinator`: the
   * transaction spans instances, and that one's journal decides. `mark`: what the commit will be.
   */
  | {
      readonly kind: 'prepare';
      readonly transaction: bigint;
      readonly decision: string;
      readonly coordinator?: string;
      readonly mark?: MarkRecord;
    }
  | {
      readonly kind: 'commit';
      readonly transaction: bigint;
      readonly timeMs: number;
      readonly mark?: MarkRecord;
      readonly decision?: string;
    }
  | { readonly kind: 'abort'; readonly transaction: bigint; readonly timeMs: number }
  /** Written when a data backup or a checkpoint starts. */
  | { readonly kind: 'checkpoint'; readonly timeMs: number }
  /** The database has this padding from here on. No part of a transaction. */
  | { readonly kind: 'padding'; readonly timeMs: number; readonly padding: Padding };

/** What makes backups of a database longer than its rows would: `bytes` of a data backup, `logBytes` of each log backup. */
export type Padding = { readonly seed: string; readonly bytes: number; readonly logBytes: number };

export type LogRecord = { readonly lsn: Lsn; readonly entry: LogEntry };

const kinds = ['begin', 'change', 'undo', 'prepare', 'commit', 'abort', 'checkpoint', 'padding'] as const;
const changeKinds = ['insert', 'update', 'delete', 'create table', 'drop table', 'alter table'] as const;

/** One for all: nothing waits while a record is written. */
const writer = new ByteWriter();

/** The record in its frame (frames.ts), as it lies in the log and in backups. */
export function frameRecord(record: LogRecord): Buffer {
  writer.clear();
  writer.u8(kinds.indexOf(record.entry.kind));
  writer.big(record.lsn);
  writeEntry(record.entry);
  return writer.framed();
}

function writeEntry(entry: LogEntry): void {
  if (entry.kind === 'checkpoint') {
    writer.f64(entry.timeMs);
    return;
  }
  if (entry.kind === 'padding') {
    writer.f64(entry.timeMs);
    writer.text(JSON.stringify(entry.padding));
    return;
  }
  writer.i64(entry.transaction);
  if (entry.kind === 'change') writeChange(entry.change);
  if (entry.kind === 'prepare') {
    writer.text(entry.decision);
    if (entry.coordinator !== undefined)
      writer.text(JSON.stringify({ coordinator: entry.coordinator, mark: entry.mark }));
  }
  if (entry.kind === 'abort') writer.f64(entry.timeMs);
  if (entry.kind === 'commit') {
    writer.f64(entry.timeMs);
    writer.text(JSON.stringify({ mark: entry.mark, decision: entry.decision }));
  }
}

export function decodeRecord(bytes: Uint8Array): LogRecord {
  const reader = new ByteReader(bytes);
  const kind = kinds[reader.u8()];
  const lsn = reader.big();
  if (kind === undefined) throw new Error(`log record at ${lsn} has an unknown kind`);
  if (kind === 'checkpoint') return { lsn, entry: { kind, timeMs: reader.f64() } };
  if (kind === 'padding')
    return { lsn, entry: { kind, timeMs: reader.f64(), padding: JSON.parse(reader.text()) as Padding } };
  const transaction = reader.i64();
  switch (kind) {
    case 'begin':
    case 'undo':
      return { lsn, entry: { kind, transaction } };
    case 'change':
      return { lsn, entry: { kind, transaction, change: readChange(reader) } };
    case 'prepare':
      return { lsn, entry: { kind, transaction, ...readPrepare(reader) } };
    case 'abort':
      return { lsn, entry: { kind, transaction, timeMs: reader.f64() } };
    case 'commit': {
      const timeMs = reader.f64();
      const extra = JSON.parse(reader.text()) as { mark?: MarkRecord; decision?: string };
      return { lsn, entry: { kind, transaction, timeMs, ...extra } };
    }
  }
}

function readPrepare(reader: ByteReader): { decision: string; coordinator?: string; mark?: MarkRecord } {
  const decision = reader.text();
  if (reader.done) return { decision };
  return { decision, ...(JSON.parse(reader.text()) as { coordinator?: string; mark?: MarkRecord }) };
}

function writeChange(change: Change): void {
  writer.u8(changeKinds.indexOf(change.kind));
  writer.u32(change.table);
  if (change.kind === 'create table' || change.kind === 'drop table') {
    writer.text(JSON.stringify(toStoredDefinition(change.definition)));
    return;
  }
  if (change.kind === 'alter table') {
    writer.text(JSON.stringify(toStoredDefinition(change.before)));
    writer.text(JSON.stringify(toStoredDefinition(change.after)));
    return;
  }
  writer.f64(change.id);
  if (change.kind !== 'insert') writer.row(change.before);
  if (change.kind === 'insert') writer.row(change.row);
  if (change.kind === 'update') writer.row(change.after);
}

function readChange(reader: ByteReader): Change {
  const kind = changeKinds[reader.u8()];
  const table = reader.u32();
  if (kind === undefined) throw new Error('a change of unknown kind in the log');
  switch (kind) {
    case 'insert':
      return { kind, table, id: reader.f64(), row: reader.row() };
    case 'update':
      return { kind, table, id: reader.f64(), before: reader.row(), after: reader.row() };
    case 'delete':
      return { kind, table, id: reader.f64(), before: reader.row() };
    case 'create table':
    case 'drop table':
      return { kind, table, definition: readDefinition(reader) };
    case 'alter table':
      return { kind, table, before: readDefinition(reader), after: readDefinition(reader) };
  }
}

function readDefinition(reader: ByteReader): TableDefinition {
  return fromStoredDefinition(JSON.parse(reader.text()) as StoredDefinition);
}
