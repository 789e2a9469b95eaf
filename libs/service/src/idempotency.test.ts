import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import { findEarlierRequest, type IdempotencyTables, rememberRequest } from './idempotency.ts';

const caller = { sub: 'anna', roles: [], groups: [] };
const request = { caller, key: 'k1', mutation: 'registerGroup', input: { name: 'Orders' } };

let temporary: TemporaryStore<IdempotencyTables>;
beforeEach(async () => {
  const folder = new URL('../migrations/', import.meta.url);
  temporary = await temporaryStore<IdempotencyTables>([{ source: 'service', folder }]);
  await temporary.store.transaction(tx => rememberRequest(tx, request, 'g1'));
});
afterEach(() => temporary.remove());

const earlier = (change: object) => temporary.store.read(db => findEarlierRequest(db, { ...request, ...change }));

it('gives the same answer to the same request', async () => {
  expect(await earlier({})).toEqual({ resultId: 'g1' });
});

it.each([{ input: { name: 'Claims' } }, { mutation: 'registerSqlInstance' }])(
  'refuses the key for %p',
  async change => {
    expect(await earlier(change)).toBe('other input');
  },
);

it.each([{ key: 'k2' }, { caller: { ...caller, sub: 'ben' } }])('knows nothing of %p', async change => {
  expect(await earlier(change)).toBeUndefined();
});
