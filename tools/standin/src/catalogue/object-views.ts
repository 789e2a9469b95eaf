/** Tables, columns and procedures of one database (documentation pages of the views). */
import { foldText } from '../engine/compare.ts';
import type { ColumnDefinition, Database, Table, VirtualTable } from '../contract.ts';
import type { SqlType } from '../values.ts';
import type { CatalogueRegistry } from './catalogue-registry.ts';
import { moment, view, type Values } from './view.ts';

/** system_type_id of each type (unverified: the page of sys.types lists none). */
const typeIds: Readonly<Record<SqlType['name'], number>> = {
  bit: 104,
  tinyint: 48,
  smallint: 52,
  int: 56,
  bigint: 127,
  decimal: 106,
  money: 60,
  real: 59,
  float: 62,
  char: 175,
  varchar: 167,
  nchar: 239,
  nvarchar: 231,
  text: 35,
  ntext: 99,
  binary: 173,
  varbinary: 165,
  image: 34,
  uniqueidentifier: 36,
  date: 40,
  time: 41,
  datetime: 61,
  datetime2: 42,
  datetimeoffset: 43,
};

const objectColumns = `name sysname, object_id int not null, principal_id int, schema_id int not null, parent_object_id int not null,
  type char(2), type_desc nvarchar(60), create_date datetime not null, modify_date datetime not null, is_ms_shipped bit not null`;

export function objectViews(registry: CatalogueRegistry): readonly VirtualTable[] {
  return [
    view('sys.objects', objectColumns, (_session, database) => [
      ...tableRows(database),
      ...computedRows(registry, database),
    ]),
    view('sys.tables', objectColumns, (_session, database) => tableRows(database)),
    view('sys.procedures', objectColumns, (_session, database) =>
      computedRows(registry, database).filter(row => row['type'] === 'P '),
    ),
    view('sys.views', objectColumns, (_session, database) =>
      computedRows(registry, database).filter(row => row['type'] === 'V '),
    ),
    view('sys.schemas', 'name sysname, schema_id int not null, principal_id int', () => [
      { name: 'dbo', schema_id: 1n, principal_id: 1n },
      { name: 'INFORMATION_SCHEMA', schema_id: 3n, principal_id: 3n },
      { name: 'sys', schema_id: 4n, principal_id: 4n },
    ]),
    view(
      'sys.columns',
      `object_id int not null, name nvarchar(128), column_id int not null, system_type_id tinyint not null, user_type_id int not null,
       max_length smallint not null, precision tinyint not null, scale tinyint not null, collation_name nvarchar(128), is_nullable bit,
       is_identity bit not null`,
      (_session, database) => userTables(database).flatMap(columnRows),
    ),
    view(
      'sys.indexes',
      `object_id int not null, name nvarchar(128), index_id int not null, type tinyint not null, type_desc nvarchar(60), is_unique bit,
       is_primary_key bit, is_unique_constraint bit, has_filter bit`,
      (_session, database) => userTables(database).flatMap(indexRows),
    ),
    view(
      'INFORMATION_SCHEMA.TABLES',
      'TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME sysname, TABLE_TYPE varchar(10)',
      (_session, database) =>
        userTables(database).map(({ definition }) => ({
          TABLE_CATALOG: database.name,
          TABLE_SCHEMA: definition.schema,
          TABLE_NAME: definition.name,
          TABLE_TYPE: 'BASE TABLE',
        })),
    ),
    view(
      'INFORMATION_SCHEMA.COLUMNS',
      `TABLE_CATALOG nvarchar(128), TABLE_SCHEMA nvarchar(128), TABLE_NAME sysname, COLUMN_NAME nvarchar(128), ORDINAL_POSITION int,
       COLUMN_DEFAULT nvarchar(4000), IS_NULLABLE varchar(3), DATA_TYPE nvarchar(128), CHARACTER_MAXIMUM_LENGTH int, NUMERIC_PRECISION tinyint,
       NUMERIC_SCALE int`,
      (_session, database) => userTables(database).flatMap(table => informationColumns(database, table)),
    ),
  ];
}

function userTables(database: Database): readonly Table[] {
  return [...database.tables()].sort((a, b) => a.objectId - b.objectId);
}

function tableRows(database: Database): readonly Values[] {
  return userTables(database).map(table => ({
    ...objectRow(database, table.definition.name),
    object_id: BigInt(table.objectId),
    type: 'U ',
    type_desc: 'USER_TABLE',
  }));
}

function computedRows(registry: CatalogueRegistry, database: Database): readonly Values[] {
  return registry.objectsIn(database).map(({ kind, name, objectId }) => ({
    ...objectRow(database, name),
    object_id: objectId,
    type: kind === 'view' ? 'V ' : 'P ',
    type_desc: kind === 'view' ? 'VIEW' : 'SQL_STORED_PROCEDURE',
  }));
}

function objectRow(database: Database, name: string): Values {
  return {
    name,
    schema_id: 1n,
    parent_object_id: 0n,
    create_date: moment(database.createdAt),
    modify_date: moment(database.createdAt),
    is_ms_shipped: database.system,
  };
}

function columnRows(table: Table): readonly Values[] {
  return table.definition.columns.map((column, index) => ({
    object_id: BigInt(table.objectId),
    name: column.name,
    column_id: BigInt(index + 1),
    system_type_id: BigInt(typeIds[column.type.name]),
    user_type_id: BigInt(typeIds[column.type.name]),
    max_length: BigInt(maxLength(column)),
    precision: BigInt(column.type.precision ?? 0),
    scale: BigInt(column.type.scale ?? 0),
    collation_name: collationOf(column),
    is_nullable: column.nullable,
    is_identity: column.identity !== undefined,
  }));
}

function collationOf({ type }: ColumnDefinition): string | null {
  if (!/char|text/.test(type.name)) return null;
  return type.collation === 'binary' ? 'Latin1_General_100_BIN2' : 'SQL_Latin1_General_CP1_CI_AS';
}

/** A primary key is shown as the clustered index whatever its statement said; a table without one is a heap. */
function indexRows({ objectId, definition }: Table): readonly Values[] {
  const { primaryKey, uniques, indexes = [] } = definition;
  const row = (index: number, values: Values): Values => ({
    object_id: BigInt(objectId),
    index_id: BigInt(index),
    type: index === 0 ? 0n : index === 1 ? 1n : 2n,
    type_desc: index === 0 ? 'HEAP' : index === 1 ? 'CLUSTERED' : 'NONCLUSTERED',
    is_unique: false,
    is_primary_key: false,
    is_unique_constraint: false,
    has_filter: false,
    ...values,
  });
  const first =
    primaryKey === undefined ? row(0, {}) : row(1, { name: primaryKey.name, is_unique: true, is_primary_key: true });
  return [
    first,
    ...uniques.map(({ name }, i) => row(2 + i, { name, is_unique: true, is_unique_constraint: true })),
    ...indexes.map(({ name, unique, filter }, i) =>
      row(2 + uniques.length + i, { name, is_unique: unique, has_filter: filter !== undefined }),
    ),
  ];
}

/** Bytes; -1 for (max). */
function maxLength({ type }: ColumnDefinition): number {
  if (type.length === 'max') return -1;
  const characters = type.length ?? 0;
  const fixed: Partial<Record<SqlType['name'], number>> = {
    bit: 1,
    tinyint: 1,
    smallint: 2,
    int: 4,
    bigint: 8,
    real: 4,
    float: 8,
    money: 8,
    datetime: 8,
    datetime2: 8,
    datetimeoffset: 10,
    date: 3,
    time: 5,
    decimal: 17,
    uniqueidentifier: 16,
  };
  return fixed[type.name] ?? (type.name.startsWith('n') ? characters * 2 : characters);
}

function informationColumns(database: Database, table: Table): readonly Values[] {
  const { schema, name, columns } = table.definition;
  return columns.map((column, index) => {
    const { type } = column;
    const isText = /char|binary/.test(type.name);
    return {
      TABLE_CATALOG: database.name,
      TABLE_SCHEMA: schema,
      TABLE_NAME: name,
      COLUMN_NAME: column.name,
      ORDINAL_POSITION: BigInt(index + 1),
      COLUMN_DEFAULT: column.defaultText ?? null,
      IS_NULLABLE: column.nullable ? 'YES' : 'NO',
      DATA_TYPE: foldText(type.name).toLowerCase(),
      CHARACTER_MAXIMUM_LENGTH: isText ? BigInt(type.length === 'max' ? -1 : (type.length ?? 1)) : null,
      NUMERIC_PRECISION: type.precision === undefined ? null : BigInt(type.precision),
      NUMERIC_SCALE: type.scale === undefined ? null : BigInt(type.scale),
    };
  });
}
