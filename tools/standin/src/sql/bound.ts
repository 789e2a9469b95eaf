/** What binding makes of syntax: typed closures over frames. Evaluation is synchronous; rows were loaded before (loader.ts). */
import type { ResultColumn } from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';

/** One row while it is looked at. `parent`: the row of the query around a correlated subquery. */
export type Frame = {
  readonly row: readonly SqlValue[];
  readonly parent: Frame | undefined;
  /** Results of the aggregates of this group. */
  readonly aggregates: readonly SqlValue[];
  /** Results of the window functions for this row. */
  readonly windows: readonly SqlValue[];
};

export type Bound = {
  readonly type: SqlType;
  readonly nullable: boolean;
  evaluate(frame: Frame): SqlValue;
  /** No column anywhere inside: one value for the whole statement. */
  readonly constant: boolean;
  /** Digits of an integer literal: its precision when it meets a decimal. */
  readonly digits?: number;
  /** A bare NULL takes the type of its neighbour. */
  readonly untypedNull?: boolean;
  /** A column of the innermost query, by position in the joined row. */
  readonly column?: number;
  /** The value of a literal, for functions whose result type depends on it. */
  readonly literal?: SqlValue;
};

/** Three-valued: null is UNKNOWN. */
export type BoundCondition = { readonly constant: boolean; evaluate(frame: Frame): boolean | null };

export type BoundQuery = {
  readonly columns: readonly ResultColumn[];
  /** No reference to an outer row: its rows may be computed once. */
  readonly constant: boolean;
  /** Result columns that are a bare NULL: in a union they take the other side's type. */
  readonly untypedNulls?: ReadonlySet<number>;
  run(parent: Frame | undefined): SqlValue[][];
};

export const EMPTY_FRAME: Frame = { row: [], parent: undefined, aggregates: [], windows: [] };

/** The columns that a FROM clause offers, in one joined row. */
export type ScopeSource = {
  /** The exposed name: alias, or the table's own name. */
  readonly alias: string;
  /** Database and schema when no alias hides them, for `db.schema.table.column`. */
  readonly qualifier: readonly string[];
  readonly columns: readonly ResultColumn[];
  readonly offset: number;
};
export type Scope = {
  readonly sources: readonly ScopeSource[];
  readonly parent: Scope | undefined;
  /** A name inside was found further out: the query depends on the outer row. */
  correlated: boolean;
};

export function scopeColumns(scope: Scope): readonly ResultColumn[] {
  return scope.sources.flatMap(source => source.columns);
}
