import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Kysely, sql } from 'kysely';
import { loadMigrations, migrate } from '../src/migrate.ts';
import { type MigratableStore, openStore } from '../src/store.ts';
import { openPlace, type Place } from '../src/testing/places.ts';

// Whoever else keeps a store: each with its migrations for both databases.
const sources = ['libs/messaging', 'libs/service', 'apps/inventory', 'apps/backup', 'apps/shipping', 'apps/restore'];
const folderOf = (source: string): URL => new URL(`../../../${source}/migrations/`, import.meta.url);

type Column = { readonly table: string; readonly column: string; readonly type: string; readonly nullable: boolean };
type Index = { readonly table: string; readonly name: string; readonly unique: boolean };

const bySqlite = {
  columns: sql<{ name: string; column: string; type: string; required: number; key: number }>`
    select t.name, c.name as "column", lower(c.type) as type, c."notnull" as required, c.pk as key
    from sqlite_schema as t, pragma_table_info(t.name) as c where t.type = 'table'`,
  indexes: sql<{ name: string; index: string; unique: number }>`
    select t.name, i.name as "index", i."unique" as "unique"
    from sqlite_schema as t, pragma_index_list(t.name) as i where t.type = 'table' and i.origin = 'c'`,
};
const byServer = {
  columns: sql<{ name: string; column: string; type: number; nullable: number }>`
    select t.name, c.name as "column", c.system_type_id as type, c.is_nullable as nullable
    from sys.tables as t inner join sys.columns as c on c.object_id = t.object_id`,
  indexes: sql<{ name: string; index: string; unique: number }>`
    select t.name, i.name as "index", i.is_unique as "unique"
    from sys.tables as t inner join sys.indexes as i on i.object_id = t.object_id
    where i.is_primary_key = 0 and i.is_unique_constraint = 0 and i.type = 2`,
};
const serverTypes: Readonly<Record<number, string>> = { 231: 'text', 127: 'integer', 62: 'real' };
// The server keeps its fence beside the tables, the file's leader makes it in its own time.
const ofTheStore = ['leader_fence', 'store_commit', 'schema_migration'];

const sorted = <T>(rows: readonly T[]): string[] => rows.map(row => JSON.stringify(row)).sort();

let places: Record<'sqlite' | 'mssql', Place>;
beforeAll(async () => {
  places = { sqlite: await openPlace('sqlite'), mssql: await openPlace('mssql') };
});
afterAll(async () => {
  await places.sqlite.close();
  await places.mssql.close();
});

async function applied(kind: 'sqlite' | 'mssql', source: string): Promise<{ columns: string[]; indexes: string[] }> {
  const store = openStore(await places[kind].fresh());
  await migrate(store, [{ source, migrations: await loadMigrations(folderOf(source), kind) }]);
  const { database } = store as MigratableStore<unknown>;
  const result = kind === 'sqlite' ? await ofFile(database) : await ofServer(database);
  await store.close();
  const own = ({ table }: { readonly table: string }) => !ofTheStore.includes(table);
  return { columns: sorted(result.columns.filter(own)), indexes: sorted(result.indexes.filter(own)) };
}

async function ofFile(database: Kysely<unknown>): Promise<{ columns: Column[]; indexes: Index[] }> {
  const columns = (await bySqlite.columns.execute(database)).rows.map(({ name, column, type, required, key }) => ({
    table: name,
    column,
    type,
    nullable: required === 0 && key === 0,
  }));
  const indexes = (await bySqlite.indexes.execute(database)).rows;
  return {
    columns,
    indexes: indexes.map(({ name, index, unique }) => ({ table: name, name: index, unique: unique === 1 })),
  };
}

async function ofServer(database: Kysely<unknown>): Promise<{ columns: Column[]; indexes: Index[] }> {
  const columns = (await byServer.columns.execute(database)).rows.map(({ name, column, type, nullable }) => ({
    table: name,
    column,
    type: serverTypes[type] ?? String(type),
    nullable: nullable === 1,
  }));
  const indexes = (await byServer.indexes.execute(database)).rows;
  return {
    columns,
    indexes: indexes.map(({ name, index, unique }) => ({ table: name, name: index, unique: unique === 1 })),
  };
}

describe.each(sources)('the migrations of %s', source => {
  it('have the same steps for both databases', async () => {
    const [files, server] = await Promise.all([
      loadMigrations(folderOf(source), 'sqlite'),
      loadMigrations(folderOf(source), 'mssql'),
    ]);
    const steps = (each: typeof files) => each.map(({ number, name, phase }) => ({ number, name, phase }));
    expect(steps(server)).toEqual(steps(files));
  });

  it('make the same tables, columns and indexes in both', async () => {
    const [files, server] = [await applied('sqlite', source), await applied('mssql', source)];
    expect(files.columns.length).toBeGreaterThan(0);
    expect(server).toEqual(files);
  });
});
