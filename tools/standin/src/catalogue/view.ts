/** Catalogue views written as a column list and a function that gives objects: missing columns are NULL. */
import { parseResultColumns } from '../engine/table-text.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import type { Database, ResultColumn, Session, VirtualTable } from '../contract.ts';
import type { SqlValue } from '../values.ts';

export type Values = Readonly<Record<string, SqlValue>>;

export function view(
  fullName: string,
  columnText: string,
  rows: (session: Session, database: Database) => Iterable<Values>,
): VirtualTable {
  const [schema = '', name = ''] = fullName.split('.');
  const columns = parseResultColumns(columnText);
  return {
    schema,
    name,
    columns,
    rows: (session, database) => shape(columns, rows(session, database ?? session.database)),
  };
}

export function shape(columns: readonly ResultColumn[], rows: Iterable<Values>): readonly (readonly SqlValue[])[] {
  return [...rows].map(row => columns.map(column => row[column.name] ?? null));
}

export function lsn(value: bigint | undefined): SqlValue {
  return value === undefined ? null : { kind: 'decimal', unscaled: value, scale: 0 };
}

export function moment(value: Date): SqlValue {
  return toDatetimePrecision(value);
}
