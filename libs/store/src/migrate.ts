import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { type Kysely, sql } from 'kysely';
import type { MigratableStore, Store } from './store.ts';

/** One step. `phase`: expand may run while the old code still works on the store, contract may not. */
export type Migration = {
  readonly number: number;
  readonly name: string;
  readonly phase: 'expand' | 'contract';
  readonly text: string;
  readonly sha256: string;
};
/** Whose steps: the files of `folder` for the store's dialect, or those given. */
export type MigrationSource = { readonly source: string } & (
  { readonly folder: URL } | { readonly migrations: readonly Migration[] }
);

export class MigrationError extends Error {
  override readonly name = 'MigrationError';
}

type AppliedTable = { source: string; number: number; name: string; sha256: string; applied_at: string };
type MigrationTables = { schema_migration: AppliedTable };

/** Reads `0001-name.<dialect>.sql` files; a gap, a double number or a missing first line is a MigrationError. */
export async function loadMigrations(folder: URL, dialect: 'sqlite' | 'mssql'): Promise<Migration[]> {
  const pattern = new RegExp(`^(\\d{4})-([a-z0-9-]+)\\.${dialect}\\.sql$`);
  const files = (await readdir(folder)).filter(file => file.endsWith(`.${dialect}.sql`)).sort();
  const migrations: Migration[] = [];
  for (const file of files) {
    const [, digits, name] = pattern.exec(file) ?? [];
    if (digits === undefined || name === undefined)
      throw new MigrationError(`${file}: not named 0001-name.${dialect}.sql`);
    const number = Number(digits);
    if (number !== migrations.length + 1) throw new MigrationError(`${file}: expected number ${migrations.length + 1}`);
    const text = (await readFile(new URL(file, folder), 'utf8')).replaceAll('\r\n', '\n');
    const phase = /^-- (expand|contract)\n/.exec(text)?.[1];
    if (phase !== 'expand' && phase !== 'contract')
      throw new MigrationError(`${file}: the first line must be "-- expand" or "-- contract"`);
    migrations.push({ number, name, phase, text, sha256: createHash('sha256').update(text).digest('hex') });
  }
  return migrations;
}

/**
 * Brings the store up to date, source by source, each step in one transaction with its record. Two processes may race: the second finds
 * the first one's record. A store that knows a step which we do not is left alone: older code must not run on a newer store.
 */
export async function migrate<DB>(
  store: Store<DB>,
  sources: readonly MigrationSource[],
  clock: () => number = Date.now,
): Promise<void> {
  const { database, dialect } = store as MigratableStore<DB>;
  const db = database as unknown as Kysely<MigrationTables>;
  // In a transaction like every write, so that a leader that was replaced does not even do this.
  await db.transaction().execute(tx => sql.raw(recordTable[dialect]).execute(tx));
  for (const each of sources) {
    const { source } = each;
    const migrations = 'folder' in each ? await loadMigrations(each.folder, dialect) : each.migrations;
    const applied = await db
      .selectFrom('schema_migration')
      .selectAll()
      .where('source', '=', source)
      .orderBy('number')
      .execute();
    refuseDifferences(source, applied, migrations);
    for (const migration of migrations) await applyOnce(db, source, migration, clock);
  }
}

const recordTable = {
  sqlite: `create table if not exists schema_migration (
  source text not null, number integer not null, name text not null, sha256 text not null, applied_at text not null,
  primary key (source, number)
) strict`,
  mssql: `if object_id(N'schema_migration') is null create table schema_migration (
  source nvarchar(100) collate Latin1_General_100_BIN2 not null, number bigint not null,
  name nvarchar(200) collate Latin1_General_100_BIN2 not null, sha256 nvarchar(64) collate Latin1_General_100_BIN2 not null,
  applied_at nvarchar(40) collate Latin1_General_100_BIN2 not null, primary key (source, number)
)`,
} as const;

function refuseDifferences(source: string, applied: readonly AppliedTable[], known: readonly Migration[]): void {
  for (const { number, name, sha256 } of applied) {
    const ours = known[number - 1];
    const step = `${source} ${stepName(number, name)}`;
    if (ours === undefined)
      throw new MigrationError(`The store has ${step}, which this version does not know: run the newer version.`);
    if (ours.sha256 !== sha256)
      throw new MigrationError(`${step} was applied with other content: a migration is never edited, add a new one.`);
  }
}

async function applyOnce(
  db: Kysely<MigrationTables>,
  source: string,
  migration: Migration,
  clock: () => number,
): Promise<void> {
  const { number, name, text, sha256 } = migration;
  await db.transaction().execute(async tx => {
    const done = await tx
      .selectFrom('schema_migration')
      .select('sha256')
      .where('source', '=', source)
      .where('number', '=', number)
      .executeTakeFirst();
    if (done !== undefined) return;
    for (const statement of statementsOf(text)) {
      await sql
        .raw(statement)
        .execute(tx)
        .catch((cause: unknown) => {
          throw new MigrationError(`${source} ${stepName(number, name)} failed at: ${statement}`, { cause });
        });
    }
    await tx
      .insertInto('schema_migration')
      .values({ source, number, name, sha256, applied_at: new Date(clock()).toISOString() })
      .execute();
  });
}

function stepName(number: number, name: string): string {
  return `${String(number).padStart(4, '0')}-${name}`;
}

/** A statement ends at a `;` that ends a line. */
function statementsOf(text: string): string[] {
  return text
    .split(/;[ \t]*$/m)
    .map(statement => statement.replace(/^\s*--.*$/gm, '').trim())
    .filter(statement => statement !== '');
}
