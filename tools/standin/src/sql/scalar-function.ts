/** The shape of a built-in scalar function. */
import type { SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import type { Run } from './session-state.ts';

export type CallSite = {
  readonly run: Run;
  /** The arguments' own types, before the conversion to `parameters`. */
  readonly types: readonly SqlType[];
  readonly type: SqlType;
  /** The date part word of DATEADD and its kin, in lower case. */
  readonly part: string | undefined;
};

export type ScalarFunction = {
  readonly arguments: readonly [least: number, most: number];
  readonly type: SqlType | ((args: readonly Bound[], part: string | undefined) => SqlType);
  /** What the arguments are converted to; the last one repeats; undefined leaves an argument as it is. */
  readonly parameters?: readonly (SqlType | undefined)[];
  /** 'kept': NULL arguments reach `evaluate`; otherwise the result is NULL. */
  readonly nulls?: 'kept';
  /** The result is never NULL, and its column says so. */
  readonly never?: 'null';
  evaluate(values: readonly SqlValue[], site: CallSite): SqlValue;
};

/** Numbers of arguments that were converted to int or bigint. */
export function integer(value: SqlValue | undefined): number {
  return typeof value === 'bigint' ? Number(value) : 0;
}

export function text(value: SqlValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
