import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StandbyId } from '@holdfast/domain';
import type { Store } from '@holdfast/store';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { full } from '../test/estate.ts';
import { dependenciesOf, fillStore, openWorldStore, operator } from '../test/world.ts';
import { shippingContext } from './context.ts';
import { resolvers } from './resolvers.ts';
import type { ShippingTables } from './tables.ts';

let folder: string;
let store: Store<ShippingTables>;
let standbyId: StandbyId;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-feed-'));
  store = await openWorldStore(folder);
  const address = { server: '127.0.0.1', port: 1, instanceName: null, encrypt: false, trustServerCertificate: false };
  const views = { read: '/from', write: '/to', standby: 'E:\\Copies' };
  standbyId = await fillStore(store, { sets: [full(1, 20, { files: [] })], server: { address }, folder: views });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('the subscription of a standby', () => {
  type Feed = AsyncIterator<unknown, undefined>;
  const subscribe = async (signal: AbortSignal): Promise<Feed> => {
    const context = shippingContext(
      { caller: operator, traceId: '', signal },
      dependenciesOf(store) as never,
      {
        observeEveryMs: 1_000,
      } as never,
    );
    const { subscribe: open } = resolvers.Subscription!.standby as unknown as {
      subscribe: (parent: object, args: { id: string }, of: typeof context) => Promise<Feed>;
    };
    return open({}, { id: standbyId }, context);
  };

  it('ends when its client has gone, though it waits for news', async () => {
    const gone = new AbortController();
    const feed = await subscribe(gone.signal);
    expect(await feed.next()).toMatchObject({ done: false, value: { id: standbyId } });
    const waiting = feed.next();
    gone.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('does not begin for a client that has gone already', async () => {
    expect(await (await subscribe(AbortSignal.abort())).next()).toEqual({ done: true, value: undefined });
  });
});
