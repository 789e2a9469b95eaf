/** Table definitions of system objects, written as the column lists of the domain files write them. */
import type { ColumnDefinition, ResultColumn, TableDefinition } from '../contract.ts';
import type { SqlType, SqlTypeName } from '../values.ts';

/**
 * `backup_set_id int identity, name nvarchar(128), first_lsn numeric(25,0), at datetime default getdate()`. Columns are nullable unless they say
 * `not null` or `identity`. `sysname` is nvarchar(128) not null.
 */
export function parseColumns(text: string): readonly ColumnDefinition[] {
  return text
    .split(/,(?![^(]*\))/)
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(parseColumn);
}

export function parseResultColumns(text: string): readonly ResultColumn[] {
  return parseColumns(text).map(({ name, type, nullable }) => ({ name, type, nullable }));
}

export function tableOf(
  name: string,
  columns: string,
  keys: { readonly primary?: readonly string[]; readonly unique?: readonly string[] } = {},
): TableDefinition {
  const parsed = parseColumns(columns);
  const places = (names: readonly string[]): readonly number[] =>
    names.map(column => parsed.findIndex(each => each.name === column));
  return {
    schema: 'dbo',
    name,
    columns: parsed,
    ...(keys.primary === undefined ? {} : { primaryKey: { name: `PK_${name}`, columns: places(keys.primary) } }),
    uniques: keys.unique === undefined ? [] : [{ name: `UQ_${name}`, columns: places(keys.unique) }],
  };
}

function parseColumn(text: string): ColumnDefinition {
  const match = /^(\[[^\]]+\]|\S+)\s+([a-z0-9]+)(?:\(([^)]*)\))?\s*(.*)$/i.exec(text);
  if (match === null) throw new Error(`column ${text} cannot be read`);
  const [, name = '', word = '', size, rest = ''] = match;
  const identity = /\bidentity\b/i.test(rest);
  const defaultText = /\bdefault\s+(.+)$/i.exec(rest)?.[1];
  return {
    name: name.replace(/^\[|\]$/g, ''),
    type: typeOf(word.toLowerCase(), size),
    nullable: !identity && word !== 'sysname' && !/\bnot null\b/i.test(rest),
    ...(identity ? { identity: { seed: 1n, increment: 1n } } : {}),
    ...(defaultText === undefined ? {} : { defaultText }),
  };
}

export function typeOf(word: string, size?: string): SqlType {
  if (word === 'sysname') return { name: 'nvarchar', length: 128 };
  if (word === 'numeric' || word === 'decimal') {
    const [precision = 18, scale = 0] = (size ?? '').split(',').map(Number);
    return { name: 'decimal', precision, scale };
  }
  if (['datetime2', 'datetimeoffset', 'time'].includes(word)) {
    return { name: word as SqlTypeName, scale: size === undefined ? 7 : Number(size) };
  }
  const name = word as SqlTypeName;
  if (size === undefined) return { name };
  return { name, length: size === 'max' ? 'max' : Number(size) };
}
