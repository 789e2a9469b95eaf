import { expect, it } from '@jest/globals';
import { prepared } from './prepared.ts';
import type { Reader, Transactor } from './store.ts';
import { temporaryStore } from './testing.ts';

type Tables = { account: { id: string; balance: number; note: string | null } };

it('compiles a statement once and runs it with the values of each call', async () => {
  const text =
    '-- expand\ncreate table account (id text not null primary key, balance integer not null, note text) strict;\n';
  const migrations = [{ number: 1, name: 'account', phase: 'expand', text, sha256: 'a' } as const];
  const temporary = await temporaryStore<Tables>([{ source: 'test', migrations }]);
  const { store } = temporary;
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
  await temporary.remove();
});
