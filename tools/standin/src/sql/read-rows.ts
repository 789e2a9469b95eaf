/** Reading a stored table through the statement's transaction: hints, isolation, key look-up or scan. */
import { unsupported } from '../messages.ts';
import type { Table, Transaction } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { ColumnTests } from './column-tests.ts';
import type { Run } from './session-state.ts';

export type Seek = { readonly columns: readonly number[]; values(): readonly SqlValue[] };
export type ReadPlan = {
  readonly hints: readonly string[];
  readonly seek: Seek | undefined;
  readonly tests: ColumnTests;
  readonly intent: 'read' | 'update';
};
export type FoundRow = { readonly id: number; readonly row: readonly SqlValue[] };

type ScanHint = NonNullable<Parameters<Transaction['scan']>[2]>;

/** Hints that only steer plans or repeat what happens anyway. */
const withoutEffect = new Set([
  'ROWLOCK',
  'PAGLOCK',
  'READCOMMITTED',
  'FORCESEEK',
  'FORCESCAN',
  'NOEXPAND',
  'KEEPIDENTITY',
  'KEEPDEFAULTS',
]);

function scanHint(run: Run, hints: readonly string[]): { readonly hint: ScanHint; readonly update: boolean } {
  const has = (...names: readonly string[]): boolean => names.some(name => hints.includes(name));
  for (const each of hints) {
    const known = [
      'NOLOCK',
      'READUNCOMMITTED',
      'HOLDLOCK',
      'SERIALIZABLE',
      'REPEATABLEREAD',
      'UPDLOCK',
      'TABLOCKX',
      'READPAST',
    ].includes(each);
    if (!known && !withoutEffect.has(each) && !(has('TABLOCK') && has('XLOCK')))
      throw unsupported(`table hint ${each}`);
  }
  const { isolation } = run.state;
  const hint: ScanHint = {
    ...(has('NOLOCK', 'READUNCOMMITTED') || (isolation === 'READ UNCOMMITTED' && !has('HOLDLOCK', 'UPDLOCK'))
      ? { noLock: true }
      : {}),
    ...(has('HOLDLOCK', 'SERIALIZABLE', 'REPEATABLEREAD') ||
    isolation === 'SERIALIZABLE' ||
    isolation === 'REPEATABLE READ'
      ? { holdLock: true }
      : {}),
    ...(has('TABLOCKX') || (has('TABLOCK') && has('XLOCK')) ? { tableLockExclusive: true } : {}),
    ...(has('READPAST') ? { readPast: true } : {}),
  };
  return { hint, update: has('UPDLOCK') };
}

/** Rows that UPDLOCK keeps locked to the end of the transaction: a later UPDATE that passes over them must not release them. */
const kept = new WeakMap<Transaction, Map<Table, Set<number>>>();

export function isKept(transaction: Transaction, table: Table, id: number): boolean {
  return kept.get(transaction)?.get(table)?.has(id) === true;
}

function keep(transaction: Transaction, table: Table, rows: readonly FoundRow[]): void {
  const tables = kept.get(transaction) ?? new Map<Table, Set<number>>();
  const ids = tables.get(table) ?? new Set<number>();
  for (const { id } of rows) ids.add(id);
  tables.set(table, ids);
  kept.set(transaction, tables);
}

export async function readRows(run: Run, table: Table, plan: ReadPlan): Promise<FoundRow[]> {
  const { transaction } = run;
  if (transaction === undefined) throw new Error('a statement reads outside of a transaction');
  const { hint, update } = scanHint(run, plan.hints);
  const intent = plan.intent === 'update' || update ? 'update' : 'read';
  // Changing rows ignores NOLOCK: update locks are always taken.
  const scan = intent === 'update' ? { ...hint, noLock: false } : hint;
  const rows: FoundRow[] = [];
  const sought = scan.noLock !== true && scan.readPast !== true;
  if (plan.seek !== undefined && sought) {
    const values = plan.seek.values();
    // A key column equals nothing when it is compared with NULL.
    if (values.includes(null)) return rows;
    for await (const found of transaction.seek(table, { columns: plan.seek.columns, values }, intent, scan))
      rows.push(found);
  } else {
    const where = plan.tests();
    for await (const found of transaction.scan(table, intent, { ...scan, where })) rows.push(found);
  }
  if (update) keep(transaction, table, rows);
  return rows;
}
