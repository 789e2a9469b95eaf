import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { StoreError } from './errors.ts';
import type { Migration } from './migrate.ts';
import type { MigratableStore } from './store.ts';
import { temporaryStore, type TemporaryStore } from './testing.ts';

type Tables = { account: { id: string; balance: number; note: string | null } };

const migrations: Migration[] = [
  {
    number: 1,
    name: 'account',
    phase: 'expand',
    text: '-- expand\ncreate table account (id text not null primary key, balance integer not null, note text) strict;\n',
    sha256: 'a',
  },
];

let temporary: TemporaryStore<Tables>;
beforeEach(async () => {
  temporary = await temporaryStore<Tables>([{ source: 'test', migrations }]);
});
afterEach(() => temporary.remove());

const insert = (id: string, balance: number) =>
  temporary.store.transaction(tx => tx.insertInto('account').values({ id, balance, note: null }).execute());
const balances = () =>
  temporary.store.read(db => db.selectFrom('account').select(['id', 'balance']).orderBy('id').execute());

describe('transaction', () => {
  it('loses none of 200 interleaved read-modify-writes', async () => {
    await insert('a', 0);
    await Promise.all(
      Array.from({ length: 200 }, () =>
        temporary.store.transaction(async tx => {
          const { balance } = await tx
            .selectFrom('account')
            .select('balance')
            .where('id', '=', 'a')
            .executeTakeFirstOrThrow();
          await tx
            .updateTable('account')
            .set({ balance: balance + 1 })
            .where('id', '=', 'a')
            .execute();
        }),
      ),
    );
    expect(await balances()).toEqual([{ id: 'a', balance: 200 }]);
  });

  it('undoes everything and throws what its work threw', async () => {
    const failing = temporary.store.transaction(async tx => {
      await tx.insertInto('account').values({ id: 'a', balance: 1, note: null }).execute();
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await balances()).toEqual([]);
  });

  it('tells listeners after a commit and not after a rollback', async () => {
    let told = 0;
    const stop = temporary.store.afterCommit(() => (told += 1));
    await insert('a', 1);
    await expect(insert('a', 1)).rejects.toThrow(StoreError);
    expect(told).toBe(1);
    stop();
    await insert('b', 1);
    expect(told).toBe(1);
  });

  it('is refused inside another one, which would wait for itself', async () => {
    await expect(temporary.store.transaction(() => insert('a', 1))).rejects.toThrow('inside a transaction');
    await expect(temporary.store.read(() => insert('a', 1))).rejects.toThrow('inside a read');
  });
});

describe('after SQLite has rolled back by itself', () => {
  it('commits nothing of a transaction that goes on', async () => {
    await insert('a', 1);
    const { database } = temporary.store as MigratableStore<Tables>;
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database);
    await sql.raw(`pragma max_page_count = ${rows[0]?.page_count ?? 0}`).execute(database);
    const goingOn = temporary.store.transaction(async tx => {
      const big = tx.insertInto('account').values({ id: 'big', balance: 1, note: 'x'.repeat(100_000) });
      await big.execute().catch(() => undefined);
      await tx.insertInto('account').values({ id: 'later', balance: 1, note: null }).execute();
    });
    await expect(goingOn).rejects.toThrow('rolled back by an earlier error');
    expect(await balances()).toEqual([{ id: 'a', balance: 1 }]);
  });
});

it('reads integers beyond 2^53 exactly', async () => {
  await temporary.store.transaction(tx =>
    tx
      .insertInto('account')
      .values({ id: 'a', balance: 9007199254740993n as never, note: null })
      .execute(),
  );
  expect(await balances()).toEqual([{ id: 'a', balance: 9007199254740993n }]);
});

it('lets work that outlives its transaction start another one', async () => {
  let later: Promise<unknown> | undefined;
  await temporary.store.transaction(async () => {
    later = new Promise(resolve => setImmediate(resolve)).then(() => insert('a', 1));
  });
  await later;
  expect(await balances()).toEqual([{ id: 'a', balance: 1 }]);
});

describe('what the driver refuses', () => {
  it.each([
    ['undefined', undefined],
    ['a Date', new Date(0)],
    ['an unsafe integer', 2 ** 60],
    ['no number', Number.NaN],
  ])('%s as a parameter', async (_what, value) => {
    const writing = temporary.store.transaction(tx =>
      tx
        .insertInto('account')
        .values({ id: 'a', balance: value as never, note: null })
        .execute(),
    );
    await expect(writing).rejects.toThrow(StoreError);
    expect(await balances()).toEqual([]);
  });
});

it('reports a full disk by its kind and keeps what was committed', async () => {
  await insert('a', 1);
  const { database } = temporary.store as MigratableStore<Tables>;
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database);
  await sql.raw(`pragma max_page_count = ${rows[0]?.page_count ?? 0}`).execute(database);
  const filling = temporary.store.transaction(tx =>
    tx
      .insertInto('account')
      .values({ id: 'b', balance: 1, note: 'x'.repeat(100_000) })
      .execute(),
  );
  await expect(filling).rejects.toMatchObject({ name: 'StoreError', kind: 'full' });
  expect(await balances()).toEqual([{ id: 'a', balance: 1 }]);
});

describe('dialect', () => {
  it('insertIgnore leaves the first row, upsert replaces the named columns, page bounds', async () => {
    await temporary.store.transaction(async tx => {
      const add = (balance: number) => tx.insertInto('account').values({ id: 'a', balance, note: 'n' });
      await tx.dialect.insertIgnore(add(1)).execute();
      const second = await tx.dialect.insertIgnore(add(2)).executeTakeFirst();
      expect(second.numInsertedOrUpdatedRows).toBe(0n);
      await tx.dialect.upsert(add(3), { key: ['id'], columns: ['balance'] }).execute();
      await tx.insertInto('account').values({ id: 'b', balance: 9, note: null }).execute();
    });
    expect(await balances()).toEqual([
      { id: 'a', balance: 3 },
      { id: 'b', balance: 9 },
    ]);
    const page = await temporary.store.read(db =>
      db.dialect.page(db.selectFrom('account').select('id').orderBy('id'), 1).execute(),
    );
    expect(page).toEqual([{ id: 'a' }]);
  });
});
