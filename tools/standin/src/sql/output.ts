/** OUTPUT of INSERT, UPDATE and DELETE: rows of inserted/deleted to the client or into a table. */
import type { ResultColumn, Table } from '../contract.ts';
import type { SqlValue } from '../values.ts';
import type { OutputClause } from './ast.ts';
import { bindExpression, columnAt, matchesQualifier } from './bind-expression.ts';
import { EMPTY_FRAME, type Bound, type Scope, type ScopeSource } from './bound.ts';
import { fail } from '../messages.ts';
import type { Loader } from './loader.ts';
import type { Run } from './session-state.ts';

export type BoundOutput = {
  readonly columns: readonly ResultColumn[];
  /** `rest`: the FROM row of UPDATE … FROM and DELETE … FROM. */
  row(inserted: readonly SqlValue[], deleted: readonly SqlValue[], rest: readonly SqlValue[]): SqlValue[];
};

export function bindOutput(
  run: Run,
  loader: Loader,
  output: OutputClause,
  table: Table,
  from: readonly ScopeSource[],
): BoundOutput {
  const columns = table.definition.columns.map(({ name, type }) => ({ name, type, nullable: true }));
  const width = columns.length;
  const scope: Scope = {
    sources: [
      { alias: 'inserted', qualifier: [], columns, offset: 0 },
      { alias: 'deleted', qualifier: [], columns, offset: width },
      ...from.map(source => ({ ...source, offset: source.offset + 2 * width })),
    ],
    parent: undefined,
    correlated: false,
  };
  const items = output.items.flatMap((item): { readonly name: string; readonly value: Bound }[] => {
    if (item.kind === 'assign') throw fail(141);
    if (item.kind === 'expression') {
      const own = item.value.kind === 'column' ? (item.value.name.parts[item.value.name.parts.length - 1] ?? '') : '';
      return [{ name: item.alias ?? own, value: bindExpression({ run, scope, loader }, item.value) }];
    }
    const { qualifier } = item;
    return scope.sources
      .filter(source => qualifier === undefined || matchesQualifier(source, qualifier.parts))
      .flatMap(source =>
        source.columns.map((column, i) => ({
          name: column.name,
          value: columnAt(source.offset + i, 0, column.type, true),
        })),
      );
  });
  const blank = new Array<null>(width).fill(null);
  return {
    columns: items.map(({ name, value }) => ({ name, type: value.type, nullable: value.nullable })),
    row: (inserted, deleted, rest) => {
      const frame = {
        ...EMPTY_FRAME,
        row: [...(inserted.length === 0 ? blank : inserted), ...(deleted.length === 0 ? blank : deleted), ...rest],
      };
      return items.map(item => item.value.evaluate(frame));
    },
  };
}
