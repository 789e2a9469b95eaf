import { expect, it } from '@jest/globals';
import { prepared } from './prepared.ts';
import { openStore, type Reader, type Transactor } from './store.ts';
import { kinds, openPlace } from './testing/places.ts';
import { migrate } from './migrate.ts';

type Tables = { account: { id: string; balance: number; note: string | null } };

const texts = {
  sqlite: 'create table account (id text not null primary key, balance integer not null, note text) strict;',
  mssql:
    'create table account (id nvarchar(100) not null primary key, balance bigint not null, note nvarchar(100) null);',
};

it.each(kinds)('compiles a statement once and runs it with the values of each call: %s', async kind => {
  const migrations = [
    { number: 1, name: 'account', phase: 'expand', text: `-- expand\n${texts[kind]}\n`, sha256: 'a' } as const,
  ];
  const place = await openPlace(kind);
  const store = openStore<Tables>(await place.fresh());
  await migrate(store, [{ source: 'test', migrations }]);
  let built = 0;
  const open = prepared((tx: Transactor<Tables>, { id, balance, note }: Tables['account']) => {
    built += 1;
    return tx.dialect.upsert(tx.insertInto('account').values({ id, balance, note }), {
      key: ['id'],
      columns: ['balance'],
    });
  });
  const richest = prepared((db: Reader<Tables>, { above, rows }: { above: number; rows: number }) =>
    db.dialect.page(db.selectFrom('account').selectAll().where('balance', '>', above).orderBy('balance', 'desc'), rows),
  );
  await store.transaction(async tx => {
    expect((await open(tx, { id: 'a', balance: 1, note: null })).numAffectedRows).toBe(1n);
    await open(tx, { id: 'b', balance: 2, note: 'later' });
    await open(tx, { id: 'a', balance: 3, note: 'kept' });
  });
  expect(built).toBe(1);
  await store.read(async db => {
    expect((await richest(db, { above: 0, rows: 1 })).rows).toEqual([{ id: 'a', balance: 3, note: null }]);
    expect((await richest(db, { above: 0, rows: 2 })).rows).toHaveLength(2);
    expect((await richest(db, { above: 2, rows: 2 })).rows.map(({ id }) => id)).toEqual(['a']);
  });
  await store.close();
  await place.close();
});
