/**
 * What one entry of the catalogue is. Statements are values: the same value gives the text that is sent, the typed parameters,
 * the shape of its rows and what a repeat does, so that no other file builds SQL.
 */

import type { Lsn } from '@holdfast/domain/lsn';

/** How a parameter travels: `name` nvarchar(128) · `text` nvarchar(4000) · `integer` int · `digits` varchar(25), for LSNs and bigints. */
export type ParameterKind = 'name' | 'text' | 'integer' | 'digits';

/**
 * How a column is read; `?` allows NULL. `lsn` and `digits` are decimal strings, converted to varchar by the server because the driver
 * turns numeric into a JavaScript number (sqlserver.md §8.2). `uuid` is lower-case text. Times are `text`, as recorded.
 */
export type ColumnKind = Scalar | `${Scalar}?`;
type Scalar = 'text' | 'flag' | 'integer' | 'real' | 'digits' | 'lsn' | 'uuid';

export type Columns = Readonly<Record<string, ColumnKind>>;

type ScalarValue<K> = K extends 'flag'
  ? boolean
  : K extends 'integer' | 'real'
    ? number
    : K extends 'lsn'
      ? Lsn
      : string;
type ColumnValue<K extends ColumnKind> = K extends `${infer S}?` ? ScalarValue<S> | null : ScalarValue<K>;
export type Row<C extends Columns> = { readonly [N in keyof C]: ColumnValue<C[N]> };

/**
 * What sending it a second time does. `same`: nothing that was not true already. `refused`: the server says so with an error.
 * `unsafe`: it may do more than the first time: observe before sending it again.
 */
export type Repeat = 'same' | 'refused' | 'unsafe';

export type Statement<P extends object = object, C extends Columns = Columns> = {
  readonly name: string;
  readonly purpose: string;
  /** Section and page that document the syntax; `unverified` where neither does. */
  readonly documentation: string;
  readonly repeat: Repeat;
  /** `query`: sp_executesql with typed parameters. `batch`: a SQL batch, for RESTORE, KILL and temp tables (sqlserver.md §8.1). */
  readonly channel: 'query' | 'batch';
  /** `long` statements run on an exclusive connection without a request timeout. */
  readonly duration: 'short' | 'long';
  text(params: P): string;
  /** The members of P that travel as typed parameters `@member`; the others are quoted into the text. */
  readonly inputs: Readonly<Partial<Record<keyof P & string, ParameterKind>>>;
  /** Empty: no rows are expected. */
  readonly columns: C;
  readonly example: P;
};

export const defineStatement = <P extends object, const C extends Columns>(
  statement: Statement<P, C>,
): Statement<P, C> => statement;

/** An entry whose parameter type does not matter to its reader (printing, checking). */
export type AnyStatement = Statement;
