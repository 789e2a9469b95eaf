import { fail, type SqlError } from '../messages.ts';
import type { KeyIndex, StoredTable } from './stored-table.ts';
import type { Row } from '../contract.ts';
import type { SqlValue } from '../values.ts';

export function assertNotNull(table: StoredTable, row: Row, statement: 'INSERT' | 'UPDATE'): void {
  const { definition, database } = table;
  definition.columns.forEach((column, index) => {
    if (column.nullable || (row[index] ?? null) !== null) return;
    throw fail(515, column.name, `${database.name}.${definition.schema}.${definition.name}`, statement);
  });
}

export function duplicateKey(table: StoredTable, key: KeyIndex, row: Row): SqlError {
  const values = shownKey(key, row);
  const { schema, name } = table.definition;
  if (key.kind === 'index') return fail(2601, `${schema}.${name}`, key.name, values);
  return fail(2627, key.kind === 'primary' ? 'PRIMARY KEY' : 'UNIQUE KEY', key.name, `${schema}.${name}`, values);
}

/** Of a unique index that cannot be made: two rows have this key. */
export function duplicateRows(table: StoredTable, key: KeyIndex, row: Row): SqlError {
  const { schema, name } = table.definition;
  return fail(1505, `${schema}.${name}`, key.name, shownKey(key, row));
}

function shownKey(key: KeyIndex, row: Row): string {
  return key.columns.map(column => shown(row[column] ?? null)).join(', ');
}

function shown(value: SqlValue): string {
  if (value === null) return '<NULL>';
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex').toUpperCase()}`;
  if (typeof value !== 'object') return String(value);
  if (value.kind === 'datetime') return String(value.ticks);
  const digits = value.unscaled.toString().padStart(value.scale + 1, '0');
  return value.scale === 0 ? digits : `${digits.slice(0, -value.scale)}.${digits.slice(-value.scale)}`;
}
