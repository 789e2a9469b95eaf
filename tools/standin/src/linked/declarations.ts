import type { RpcParameter } from '../contract.ts';
import type { SqlType } from '../values.ts';

/** `@a int, @b nvarchar(50) OUTPUT`: the second argument of sp_executesql. */
export function declarations(parameters: readonly RpcParameter[]): string {
  return parameters
    .map(({ name, value, output }) => `${name} ${declared(value.type)}${output ? ' OUTPUT' : ''}`)
    .join(', ');
}

function declared({ name, length, precision, scale }: SqlType): string {
  if (length !== undefined) return `${name}(${length})`;
  if (name === 'decimal' && precision !== undefined) return `decimal(${precision}, ${scale ?? 0})`;
  if (scale !== undefined && ['time', 'datetime2', 'datetimeoffset'].includes(name)) return `${name}(${scale})`;
  return name;
}
