/** Rows of the Agent's msdb tables as objects, read and written within one transaction. */
import { foldText } from '../engine/compare.ts';
import { fail } from '../messages.ts';
import type { Engine, RowId, Table, Transaction } from '../contract.ts';
import type { SqlValue } from '../values.ts';

export type Values = Readonly<Record<string, SqlValue>>;
export type JobTable =
  | 'sysjobs'
  | 'sysjobsteps'
  | 'sysschedules'
  | 'sysjobschedules'
  | 'sysjobservers'
  | 'sysjobhistory'
  | 'sysjobactivity'
  | 'syssessions'
  | 'syscategories';

type Match = (row: Values) => boolean;
type Found = { readonly id: RowId; readonly row: Values };

/** 208 when somebody dropped it. */
export function jobTable(engine: Engine, name: JobTable): Table {
  const table = engine.database('msdb')?.table('dbo', name);
  if (table === undefined) throw fail(208, `msdb.dbo.${name}`);
  return table;
}

/** `dirty`: without locks, so also what another transaction has not committed. */
export async function select(
  transaction: Transaction,
  table: Table,
  match: Match,
  dirty = false,
): Promise<readonly Values[]> {
  const rows: Values[] = [];
  for await (const { row } of transaction.scan(table, 'read', dirty ? { noLock: true } : {})) {
    const values = named(table, row);
    if (match(values)) rows.push(values);
  }
  return rows;
}

/** Missing columns are NULL, a missing identity is drawn. Returns the whole row. */
export async function insert(transaction: Transaction, table: Table, values: Values): Promise<Values> {
  const row = table.definition.columns.map(column => {
    const value = values[column.name];
    if (value !== undefined) return value;
    return column.identity === undefined ? null : transaction.nextIdentity(table);
  });
  await transaction.insert(table, row);
  return named(table, row);
}

/** @returns how many rows were changed */
export async function change(transaction: Transaction, table: Table, match: Match, changes: Values): Promise<number> {
  const found = await lock(transaction, table, match);
  for (const { id, row } of found) {
    const after = { ...row, ...changes };
    await transaction.update(
      table,
      id,
      table.definition.columns.map(column => after[column.name] ?? null),
    );
  }
  return found.length;
}

export async function remove(transaction: Transaction, table: Table, match: Match): Promise<void> {
  for (const { id } of await lock(transaction, table, match)) await transaction.delete(table, id);
}

/** First all, then the changes: a scan must not meet what it causes. */
async function lock(transaction: Transaction, table: Table, match: Match): Promise<readonly Found[]> {
  const found: Found[] = [];
  for await (const { id, row } of transaction.scan(table, 'update')) {
    const values = named(table, row);
    if (match(values)) found.push({ id, row: values });
    else transaction.release?.(table, id);
  }
  return found;
}

function named(table: Table, row: readonly SqlValue[]): Values {
  const values: Record<string, SqlValue> = {};
  for (const [at, column] of table.definition.columns.entries()) values[column.name] = row[at] ?? null;
  return values;
}

export function textOf(row: Values, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : '';
}

export function numberOf(row: Values, column: string): number {
  const value = row[column];
  return typeof value === 'bigint' ? Number(value) : 0;
}

export function sameText(left: string, right: string): boolean {
  return foldText(left) === foldText(right);
}

export function ofJob(jobId: string): Match {
  return row => row['job_id'] === jobId;
}
