import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { kinds, openPlace, type Place } from './testing/places.ts';
import { loadMigrations, migrate } from './migrate.ts';
import { openStore, type Store, type StoreLocation } from './store.ts';

type Tables = { thing: { id: string; size: number } };

const thing = 'create table thing (id nvarchar(100) collate Latin1_General_100_BIN2 not null primary key)';
const texts = {
  sqlite: {
    first:
      '-- expand\n-- why this table\ncreate table thing (id text not null primary key) strict;\ncreate index thing_by_id on thing (id);\n',
    second: '-- expand\nalter table thing add column size integer not null default 0;\n',
    nonsense: '-- expand\ncreate table thing (id text) strict;\ncreate table nonsense (;\n',
  },
  mssql: {
    first: `-- expand\n-- why this table\n${thing};\ncreate index thing_by_id on thing (id);\n`,
    second: '-- expand\nalter table thing add size bigint not null default 0;\n',
    nonsense: `-- expand\n${thing};\ncreate table nonsense (;\n`,
  },
};

describe.each(kinds)('on %s', kind => {
  let folder: string;
  let place: Place;
  let location: StoreLocation;
  let store: Store<Tables>;
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-migrate-'));
    location = await place.fresh();
    store = openStore<Tables>(location);
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const file = (name: string, text: string) => writeFileSync(join(folder, name), text);
  const load = () => loadMigrations(pathToFileURL(`${folder}/`), kind);
  const apply = async (source = 'test') => migrate(store, [{ source, migrations: await load() }]);

  const { first, second, nonsense } = texts[kind];

  it('applies what is new, in order, once; racing processes are safe', async () => {
    file(`0001-thing.${kind}.sql`, first);
    await apply();
    file(`0002-size.${kind}.sql`, second);
    const other = openStore<Tables>(location);
    const migrations = await load();
    await Promise.all([
      migrate(store, [{ source: 'test', migrations }]),
      migrate(other, [{ source: 'test', migrations }]),
    ]);
    await other.close();
    await apply();
    await store.transaction(tx => tx.insertInto('thing').values({ id: 'a', size: 3 }).execute());
    expect(await store.read(db => db.selectFrom('thing').selectAll().execute())).toEqual([{ id: 'a', size: 3 }]);
  });

  it('keeps sources apart', async () => {
    file(`0001-thing.${kind}.sql`, first);
    await migrate(store, [{ source: 'messaging', migrations: [] }]);
    await apply('inventory');
    await store.transaction(tx =>
      tx
        .insertInto('thing')
        .values({ id: 'a' } as never)
        .execute(),
    );
  });

  describe('refusals', () => {
    it('an applied file that was edited', async () => {
      file(`0001-thing.${kind}.sql`, first);
      await apply();
      file(`0001-thing.${kind}.sql`, `${first}\n-- edited\n`);
      await expect(apply()).rejects.toThrow('test 0001-thing was applied with other content');
    });

    it('a store that is newer than the code', async () => {
      file(`0001-thing.${kind}.sql`, first);
      file(`0002-size.${kind}.sql`, second);
      await apply();
      rmSync(join(folder, `0002-size.${kind}.sql`));
      await expect(apply()).rejects.toThrow('test 0002-size, which this version does not know');
    });

    it('a failing step leaves nothing of itself', async () => {
      file(`0001-thing.${kind}.sql`, nonsense);
      await expect(apply()).rejects.toThrow('nonsense');
      file(`0001-thing.${kind}.sql`, first);
      await apply();
    });

    it.each([
      ['a gap', `0002-thing.${kind}.sql`, first, 'expected number 1'],
      ['another name', `thing.${kind}.sql`, first, 'not named'],
      ['no phase', `0001-thing.${kind}.sql`, 'create table thing (id text);', 'first line'],
    ])('%s', async (_what, name, text, message) => {
      file(name, text);
      await expect(load()).rejects.toThrow(message);
    });
  });
});
