import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Migration, Reader } from '@holdfast/store';
import { temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import { liveFeed } from './live-feed.ts';

type Tables = { thing: { id: string; version: number } };
const things: Migration = {
  number: 1,
  name: 'thing',
  phase: 'expand',
  text: '-- expand\ncreate table thing (id text primary key, version integer not null) strict;\n',
  sha256: 'a',
};

let temporary: TemporaryStore<Tables>;
beforeEach(async () => {
  temporary = await temporaryStore<Tables>([{ source: 'test', migrations: [things] }]);
});
afterEach(() => temporary.remove());

const save = (version: number, id = 'a') =>
  temporary.store.transaction(tx =>
    tx.dialect.upsert(tx.insertInto('thing').values({ id, version }), { key: ['id'], columns: ['version'] }).execute(),
  );
const load = async (db: Reader<Tables>) => {
  const row = await db.selectFrom('thing').select('version').where('id', '=', 'a').executeTakeFirst();
  return row && { version: row.version, state: `v${row.version}` };
};
const feed = (afterVersion?: number) => liveFeed(temporary.store, load, { afterVersion });

describe('a live feed', () => {
  it('gives the current state, then each later version once', async () => {
    await save(3);
    const states = feed();
    expect((await states.next()).value).toBe('v3');
    const next = states.next();
    await save(3);
    await save(1, 'b');
    await save(4);
    expect((await next).value).toBe('v4');
    await states.return?.();
  });

  it('waits for what does not exist yet, and for what comes after the version that was seen', async () => {
    const fresh = feed().next();
    const later = feed(1).next();
    await save(1);
    expect((await fresh).value).toBe('v1');
    await save(2);
    expect((await later).value).toBe('v2');
  });

  it('merges what came while the subscriber was busy', async () => {
    await save(1);
    const states = feed();
    await states.next();
    for (let version = 2; version <= 50; version += 1) await save(version);
    expect((await states.next()).value).toBe('v50');
  });

  it('loses no version that is committed while it reads', async () => {
    const states = feed();
    const seen: (string | undefined)[] = [];
    const reading = (async () => {
      for (let state = await states.next(); state.value !== 'v200'; state = await states.next()) seen.push(state.value);
    })();
    for (let version = 1; version <= 200; version += 1) await save(version);
    await reading;
    const versions = seen.map(state => Number(state?.slice(1)));
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });

  it('ends a waiting reader at return, and listens no more', async () => {
    await save(1);
    const states = feed();
    await states.next();
    const waiting = [states.next(), states.next()];
    expect(await states.return?.()).toEqual({ done: true, value: undefined });
    expect(await Promise.all(waiting)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
    await save(2);
    expect(await states.next()).toEqual({ done: true, value: undefined });
  });

  it('ends with the signal, also one that was given before', async () => {
    const leaving = new AbortController();
    const feed = () => liveFeed(temporary.store, load, { signal: leaving.signal });
    const waiting = feed().next();
    leaving.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await save(1);
    expect(await feed().next()).toEqual({ done: true, value: undefined });
  });

  it('tells the reader what went wrong, and ends', async () => {
    const states = liveFeed(temporary.store, () => Promise.reject(new Error('no such column')));
    await expect(states.next()).rejects.toThrow('no such column');
    expect((await states.next()).done).toBe(true);
  });
});
