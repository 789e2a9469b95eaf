/** SQL types and values as every layer of the stand-in passes them on; the wire codec alone knows their bytes. */

export type SqlTypeName =
  | 'bit'
  | 'tinyint'
  | 'smallint'
  | 'int'
  | 'bigint'
  | 'decimal'
  | 'money'
  | 'real'
  | 'float'
  | 'char'
  | 'varchar'
  | 'nchar'
  | 'nvarchar'
  | 'text'
  | 'ntext'
  | 'binary'
  | 'varbinary'
  | 'image'
  | 'uniqueidentifier'
  | 'date'
  | 'time'
  | 'datetime'
  | 'datetime2'
  | 'datetimeoffset';

/** `length`: characters (bytes for binary), `max` for (max) types; `precision`/`scale` for decimal, `scale` for time types. */
export type SqlType = {
  readonly name: SqlTypeName;
  readonly length?: number | 'max';
  readonly precision?: number;
  readonly scale?: number;
  /** Text of a column that compares by code units, trailing blanks ignored; otherwise as the server's collation has it. */
  readonly collation?: 'binary';
};

/** Exact numbers keep every digit: an LSN is decimal(25,0). value = unscaled / 10^scale. */
export type Decimal = { readonly kind: 'decimal'; readonly unscaled: bigint; readonly scale: number };

/**
 * All date and time types. `ticks`: 100 ns since 0001-01-01T00:00 of the value's own clock (date: midnight; time: since midnight).
 * `offsetMinutes` only for datetimeoffset.
 */
export type SqlDateTime = { readonly kind: 'datetime'; readonly ticks: bigint; readonly offsetMinutes?: number };

/**
 * null · boolean (bit) · bigint (tinyint … bigint) · number (real, float) · string (character types; uniqueidentifier in upper case)
 * · Uint8Array (binary types) · Decimal (decimal, money) · SqlDateTime.
 */
export type SqlValue = null | boolean | bigint | number | string | Uint8Array | Decimal | SqlDateTime;

export type TypedValue = { readonly type: SqlType; readonly value: SqlValue };
