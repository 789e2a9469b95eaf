/** Parameters of procedures written in TypeScript, and the types that many of them have. Any layer may import this. */
import type { ProcedureParameter } from './computed-objects.ts';
import type { SqlType, SqlValue } from './values.ts';

export const bit: SqlType = { name: 'bit' };
export const tinyint: SqlType = { name: 'tinyint' };
export const int: SqlType = { name: 'int' };
export const bigint: SqlType = { name: 'bigint' };
export const guid: SqlType = { name: 'uniqueidentifier' };

export function nvarchar(length: number | 'max'): SqlType {
  return { name: 'nvarchar', length };
}

export const sysname = nvarchar(128);

/** Without a value: mandatory. */
export function parameter(name: string, type: SqlType, value?: SqlValue): ProcedureParameter {
  return value === undefined ? { name, type } : { name, type, default: value };
}

/** Need not be given. */
export function output(name: string, type: SqlType): ProcedureParameter {
  return { name, type, output: true, default: null };
}
