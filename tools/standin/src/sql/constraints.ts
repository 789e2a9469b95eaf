/** CHECK and FOREIGN KEY: rows on their way into a table, and keys that others refer to on their way out. */
import { fail } from '../messages.ts';
import { Shared } from '../shared.ts';
import type { Database, ReferenceDefinition, Table } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import { bindCondition } from './bind-condition.ts';
import { EMPTY_FRAME, type BoundCondition } from './bound.ts';
import { compareSame } from './compare.ts';
import { Loader } from './loader.ts';
import { parseConditionText } from './parser.ts';
import type { Run } from './session-state.ts';
import { isBinary } from './types.ts';

type Row = readonly SqlValue[];
type Place = { readonly table: Table; readonly database: Database };

export type Constraints = {
  /** Before it is written. 547. */
  assertRow(row: Row, statement: 'INSERT' | 'UPDATE'): Promise<void>;
  /** `after`: undefined for a row that goes. 547. */
  assertUnreferenced(before: Row, after: Row | undefined): Promise<void>;
};

/** Foreign keys to `table`. */
export function referrers(
  database: Database,
  table: Table,
): readonly { readonly table: Table; readonly reference: ReferenceDefinition }[] {
  return database
    .tables()
    .flatMap(each =>
      (each.definition.references ?? [])
        .filter(reference => database.table(reference.schema, reference.table) === table)
        .map(reference => ({ table: each, reference })),
    );
}

/** Of tables that exist: each text is parsed once. */
const conditions = new Shared(parseConditionText);

export function bindConstraints(run: Run, place: Place): Constraints {
  const { table, database } = place;
  const { definition } = table;
  const loader = new Loader();
  const scope = {
    sources: [{ alias: definition.name, qualifier: [], columns: definition.columns, offset: 0 }],
    parent: undefined,
    correlated: false,
  };
  const checks = (definition.checks ?? []).map(({ name, text }): { name: string; condition: BoundCondition } => ({
    name,
    condition: bindCondition({ run, scope, loader }, conditions.of(text)),
  }));
  return {
    async assertRow(row, statement) {
      for (const { name, condition } of checks)
        // UNKNOWN passes.
        if (condition.evaluate({ ...EMPTY_FRAME, row }) === false)
          throw conflict(statement, 'CHECK', name, place, definition.columns.length === 1 ? [0] : []);
      for (const reference of definition.references ?? [])
        await assertReferred(run, place, { reference, row, statement });
    },
    async assertUnreferenced(before, after) {
      for (const { table: from, reference } of referrers(database, table)) {
        const same = reference.toColumns.every(
          column => after !== undefined && equal(table, column, before[column] ?? null, after[column] ?? null),
        );
        if (!same && (await isReferred(run, from, { reference, before, to: table })))
          throw conflict(
            after === undefined ? 'DELETE' : 'UPDATE',
            'REFERENCE',
            reference.name,
            { table: from, database },
            reference.columns,
          );
      }
    },
  };
}

async function assertReferred(
  run: Run,
  place: Place,
  row: { readonly reference: ReferenceDefinition; readonly row: Row; readonly statement: string },
): Promise<void> {
  const { reference, statement } = row;
  const values = reference.columns.map(column => row.row[column] ?? null);
  // A key with a NULL in it refers to nothing.
  if (values.includes(null)) return;
  const to = place.database.table(reference.schema, reference.table);
  if (to === undefined || run.transaction === undefined)
    throw new Error(`${reference.name} refers to a table that is gone`);
  for await (const _found of run.transaction.seek(to, { columns: reference.toColumns, values }, 'read')) return;
  throw conflict(
    statement,
    'FOREIGN KEY',
    reference.name,
    { table: to, database: place.database },
    reference.toColumns,
  );
}

async function isReferred(
  run: Run,
  from: Table,
  key: { readonly reference: ReferenceDefinition; readonly before: Row; readonly to: Table },
): Promise<boolean> {
  if (run.transaction === undefined) throw new Error('a statement writes outside of a transaction');
  const { columns, toColumns } = key.reference;
  for await (const { row } of run.transaction.scan(from, 'read'))
    if (
      columns.every((column, i) =>
        equal(key.to, toColumns[i] ?? 0, row[column] ?? null, key.before[toColumns[i] ?? 0] ?? null),
      )
    )
      return true;
  return false;
}

function equal(table: Table, column: number, left: SqlValue, right: SqlValue): boolean {
  return (
    left !== null && right !== null && compareSame(left, right, isBinary(table.definition.columns[column]?.type)) === 0
  );
}

function conflict(
  statement: string,
  kind: 'CHECK' | 'FOREIGN KEY' | 'REFERENCE',
  name: string,
  { table, database }: Place,
  columns: readonly number[],
): Error {
  const { schema, name: shown, columns: all } = table.definition;
  const [column] = columns;
  const where = columns.length === 1 && column !== undefined ? `, column '${all[column]?.name ?? ''}'` : '';
  return fail(547, statement, kind, name, database.name, `${schema}.${shown}`, where);
}
