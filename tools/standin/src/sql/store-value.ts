/** A value on its way into a column: converted, and refused when it would lose text or bytes. */
import { fail } from '../messages.ts';
import type { ColumnDefinition, Database, Table } from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';
import { checkImplicit } from './bind-expression.ts';
import type { Bound } from './bound.ts';
import { convert } from './convert.ts';
import { familyOf } from './types.ts';

export type StoreTarget = { readonly table: Table; readonly database: Database; readonly majorVersion: number };

/** `bound` as it goes into `column`. */
export function stored(target: StoreTarget, column: ColumnDefinition, bound: Bound): Bound {
  if (bound.untypedNull === true) return { ...bound, type: column.type };
  checkImplicit(bound.type, column.type);
  return {
    type: column.type,
    nullable: bound.nullable,
    constant: bound.constant,
    evaluate: frame => storeValue(target, column, bound.evaluate(frame), bound.type),
  };
}

export function storeValue(target: StoreTarget, column: ColumnDefinition, value: SqlValue, from: SqlType): SqlValue {
  if (value === null) return null;
  const to = column.type;
  const family = familyOf(to);
  if ((family === 'text' || family === 'binary') && typeof to.length === 'number') {
    const whole = convert(value, from, {
      name:
        to.name === 'char'
          ? 'varchar'
          : to.name === 'nchar'
            ? 'nvarchar'
            : to.name === 'binary'
              ? 'varbinary'
              : to.name,
      length: 'max',
    });
    // Trailing blanks beyond the length are dropped without complaint.
    if (typeof whole === 'string' && whole.replace(/ +$/, '').length > to.length)
      throw truncation(target, column, whole.slice(0, to.length));
    if (whole instanceof Uint8Array && whole.length > to.length) throw truncation(target, column, '');
    return convert(whole, { name: family === 'text' ? 'nvarchar' : 'varbinary', length: 'max' }, to);
  }
  return convert(value, from, to);
}

/** 2628 names the column since 2019; 8152 did not. */
function truncation(target: StoreTarget, column: ColumnDefinition, kept: string): Error {
  const { schema, name } = target.table.definition;
  return target.majorVersion >= 15
    ? fail(2628, `${target.database.name}.${schema}.${name}`, column.name, kept)
    : fail(8152);
}
