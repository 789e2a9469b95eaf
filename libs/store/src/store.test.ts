import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { kinds, openPlace, type Place } from './testing/places.ts';
import { StoreError } from './errors.ts';
import { migrate, type Migration } from './migrate.ts';
import { type MigratableStore, openStore, type Store, type StoreLocation, type Transactor } from './store.ts';

type Tables = { account: { id: string; balance: number; note: string | null } };

const texts = {
  sqlite: 'create table account (id text not null primary key, balance integer not null, note text) strict',
  mssql: `create table account (id nvarchar(100) collate Latin1_General_100_BIN2 not null primary key,
    balance bigint not null, note nvarchar(max) null)`,
};

describe.each(kinds)('on %s', kind => {
  const migrations: Migration[] = [
    { number: 1, name: 'account', phase: 'expand', text: `-- expand\n${texts[kind]};\n`, sha256: 'a' },
  ];
  let place: Place;
  let location: StoreLocation;
  let store: Store<Tables>;
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    location = await place.fresh();
    store = openStore<Tables>(location);
    await migrate(store, [{ source: 'test', migrations }]);
  });
  afterEach(() => store.close());

  const insert = (id: string, balance: number) =>
    store.transaction(tx => tx.insertInto('account').values({ id, balance, note: null }).execute());
  const balances = () => store.read(db => db.selectFrom('account').select(['id', 'balance']).orderBy('id').execute());

  describe('transaction', () => {
    it('loses none of 200 interleaved read-modify-writes', async () => {
      await insert('a', 0);
      await Promise.all(
        Array.from({ length: 200 }, () =>
          store.transaction(async tx => {
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
      const failing = store.transaction(async tx => {
        await tx.insertInto('account').values({ id: 'a', balance: 1, note: null }).execute();
        throw new Error('no');
      });
      await expect(failing).rejects.toThrow('no');
      expect(await balances()).toEqual([]);
    });

    it('tells listeners after a commit and not after a rollback', async () => {
      let told = 0;
      const stop = store.afterCommit(() => (told += 1));
      await insert('a', 1);
      await expect(insert('a', 1)).rejects.toThrow(StoreError);
      expect(told).toBe(1);
      stop();
      await insert('b', 1);
      expect(told).toBe(1);
    });

    it('is refused inside another one, which would wait for itself', async () => {
      await expect(store.transaction(() => insert('a', 1))).rejects.toThrow('inside a transaction');
      await expect(store.read(() => insert('a', 1))).rejects.toThrow('inside a read');
    });
  });

  it('reads integers beyond 2^53 exactly', async () => {
    await store.transaction(tx =>
      tx
        .insertInto('account')
        .values({ id: 'a', balance: 9007199254740993n as never, note: null })
        .execute(),
    );
    expect(await balances()).toEqual([{ id: 'a', balance: 9007199254740993n }]);
  });

  it('lets work that outlives its transaction start another one', async () => {
    let later: Promise<unknown> | undefined;
    await store.transaction(async () => {
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
      const writing = store.transaction(tx =>
        tx
          .insertInto('account')
          .values({ id: 'a', balance: value as never, note: null })
          .execute(),
      );
      await expect(writing).rejects.toThrow(StoreError);
      expect(await balances()).toEqual([]);
    });
  });

  describe('dialect', () => {
    it('insertIgnore leaves the first row, upsert replaces the named columns, page bounds', async () => {
      await store.transaction(async tx => {
        const add = (balance: number) => tx.insertInto('account').values({ id: 'a', balance, note: 'n' });
        await tx.dialect.insertIgnore(add(1), { key: ['id'] }).execute();
        const second = await tx.dialect.insertIgnore(add(2), { key: ['id'] }).executeTakeFirst();
        expect(second.numInsertedOrUpdatedRows).toBe(0n);
        await tx.dialect.upsert(add(3), { key: ['id'], columns: ['balance'] }).execute();
        await tx.insertInto('account').values({ id: 'b', balance: 9, note: null }).execute();
      });
      expect(await balances()).toEqual([
        { id: 'a', balance: 3 },
        { id: 'b', balance: 9 },
      ]);
      const page = await store.read(db =>
        db.dialect.page(db.selectFrom('account').select('id').orderBy('id'), 1).execute(),
      );
      expect(page).toEqual([{ id: 'a' }]);
    });

    it('finds nothing in an empty list, and everything outside of it', async () => {
      await insert('a', 1);
      const ids = (operator: 'in' | 'not in') =>
        store.read(db => db.selectFrom('account').select('id').where('id', operator, []).execute());
      expect(await ids('in')).toEqual([]);
      expect(await ids('not in')).toEqual([{ id: 'a' }]);
    });
  });

  it('lets another process write while many read without a pause, and each read sees what was there before it', async () => {
    const other = openStore<Tables>(location);
    await insert('a', 0);
    let written = 0;
    const read = async (): Promise<void> => {
      while (written < 20) {
        const before = written;
        const [first] = await balances();
        expect(first?.balance).toBeGreaterThanOrEqual(before);
      }
    };
    const readers = Promise.all(Array.from({ length: 8 }, read));
    for (let balance = 1; balance <= 20; balance += 1) {
      await other.transaction(tx => tx.updateTable('account').set({ balance }).where('id', '=', 'a').execute());
      written = balance;
    }
    await readers;
    await other.close();
  });

  it('shares what it has with another process, one writer at a time', async () => {
    const other = openStore<Tables>(location);
    await insert('a', 0);
    const add = (through: Store<Tables>) =>
      through.transaction(async tx => {
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
      });
    await Promise.all(Array.from({ length: 20 }, (_, at) => add(at % 2 === 0 ? store : other)));
    await other.close();
    expect(await balances()).toEqual([{ id: 'a', balance: 20 }]);
  });

  if (kind === 'sqlite') {
    describe('after SQLite has rolled back by itself', () => {
      it('commits nothing of a transaction that goes on', async () => {
        await insert('a', 1);
        const { database } = store as MigratableStore<Tables>;
        const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database);
        await sql.raw(`pragma max_page_count = ${rows[0]?.page_count ?? 0}`).execute(database);
        const goingOn = store.transaction(async tx => {
          const big = tx.insertInto('account').values({ id: 'big', balance: 1, note: 'x'.repeat(100_000) });
          await big.execute().catch(() => undefined);
          await tx.insertInto('account').values({ id: 'later', balance: 1, note: null }).execute();
        });
        await expect(goingOn).rejects.toThrow('rolled back by an earlier error');
        expect(await balances()).toEqual([{ id: 'a', balance: 1 }]);
      });
    });

    it('reports a full disk by its kind and keeps what was committed', async () => {
      await insert('a', 1);
      const { database } = store as MigratableStore<Tables>;
      const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(database);
      await sql.raw(`pragma max_page_count = ${rows[0]?.page_count ?? 0}`).execute(database);
      const filling = store.transaction(tx =>
        tx
          .insertInto('account')
          .values({ id: 'b', balance: 1, note: 'x'.repeat(100_000) })
          .execute(),
      );
      await expect(filling).rejects.toMatchObject({ name: 'StoreError', kind: 'full' });
      expect(await balances()).toEqual([{ id: 'a', balance: 1 }]);
    });
  } else {
    describe('dialect on SQL Server', () => {
      it('inserts and replaces several rows in one statement, and tells how many', async () => {
        const rows = [
          { id: 'a', balance: 1, note: null },
          { id: 'b', balance: 2, note: 'n' },
        ];
        await store.transaction(async tx => {
          const [first] = rows;
          await tx.insertInto('account').values(first!).execute();
          const added = await tx.dialect
            .insertIgnore(tx.insertInto('account').values(rows), { key: ['id'] })
            .executeTakeFirst();
          expect(added.numInsertedOrUpdatedRows).toBe(1n);
          const changed = rows.map(row => ({ ...row, balance: row.balance + 10 }));
          await tx.dialect
            .upsert(tx.insertInto('account').values([...changed, { id: 'c', balance: 3, note: null }]), {
              key: ['id'],
              columns: ['balance'],
            })
            .execute();
        });
        expect((await balances()).map(({ balance }) => balance)).toEqual([11, 12, 3]);
      });

      it('refuses what SQL Server has no statement for', async () => {
        const refused = (work: (tx: Transactor<Tables>) => Promise<unknown>, text: string) =>
          expect(store.transaction(work)).rejects.toThrow(text);
        const row = { id: 'a', balance: 1, note: null };
        await refused(
          tx =>
            tx
              .insertInto('account')
              .values(row)
              .onConflict(conflict => conflict.doNothing())
              .execute(),
          'the key has to be named',
        );
        await refused(
          tx => tx.dialect.page(tx.selectFrom('account').select('id'), 1).execute(),
          'A page needs an order',
        );
        await refused(tx => tx.insertInto('account').values(row).returning('id').execute(), 'RETURNING');
      });

      it('tells ids apart by the case of their letters, and sorts them as SQLite does', async () => {
        for (const id of ['b', 'A', 'a', 'B']) await insert(id, 1);
        expect((await balances()).map(({ id }) => id)).toEqual(['A', 'B', 'a', 'b']);
      });

      it('keeps texts beyond 4,000 characters', async () => {
        const note = 'ü'.repeat(100_000);
        await store.transaction(tx => tx.insertInto('account').values({ id: 'a', balance: 1, note }).execute());
        expect(await store.read(db => db.selectFrom('account').select('note').execute())).toEqual([{ note }]);
      });
    });
  }
});
