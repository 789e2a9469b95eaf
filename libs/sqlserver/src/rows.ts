import { type Lsn, parseLsn } from '@holdfast/domain/lsn';
import type { ColumnKind, Columns, Row } from './statement.ts';

const wrong = (statement: string, column: string, why: string): never => {
  throw new TypeError(`${statement}: column ${column} ${why}`);
};

const decoders: Record<string, (value: unknown) => string | number | boolean | Lsn | undefined> = {
  text: value => (typeof value === 'string' ? value : undefined),
  // int and tinyint columns serve as flags in several catalogue views.
  flag: value => (typeof value === 'boolean' ? value : value === 1 || value === 0 ? value === 1 : undefined),
  integer: value => (Number.isSafeInteger(value) ? (value as number) : undefined),
  real: value => (typeof value === 'number' && Number.isFinite(value) ? value : undefined),
  digits: value => (typeof value === 'string' && /^\d{1,25}$/.test(value) ? value : undefined),
  lsn: parseLsn,
  uuid: value => (typeof value === 'string' && /^[0-9a-f-]{36}$/i.test(value) ? value.toLowerCase() : undefined),
};

const decode = (statement: string, column: string, kind: ColumnKind, value: unknown) => {
  const optional = kind.endsWith('?');
  if (value === undefined) return wrong(statement, column, 'did not come back');
  if (value === null) return optional ? null : wrong(statement, column, 'is NULL');
  // An LSN that arrives as a number has already lost digits: the decoder refuses it, whatever the number looks like.
  const decoded = decoders[optional ? kind.slice(0, -1) : kind]?.(value);
  return decoded ?? wrong(statement, column, `is not a ${kind} but ${typeof value}`);
};

/** Rows exactly as the catalogue promises them, or a TypeError that names statement and column. Additional columns are dropped. */
export const decodeRows = <C extends Columns>(
  statement: string,
  columns: C,
  rows: readonly unknown[],
): readonly Row<C>[] =>
  rows.map(
    row =>
      Object.fromEntries(
        Object.entries(columns).map(([column, kind]) => [
          column,
          decode(statement, column, kind, (row as Readonly<Record<string, unknown>>)[column]),
        ]),
      ) as Row<C>,
  );
