import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type MessagingTables, messagingMigrations } from '@holdfast/messaging';
import { openStore } from '@holdfast/store';
import { type TemporaryStore, temporaryStore } from '@holdfast/store/testing';
import { InProcess } from './incarnation.ts';

const removals: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const remove of removals.splice(0)) await remove();
});

async function ownStore(): Promise<TemporaryStore<MessagingTables>> {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  removals.push(() => temporary.remove());
  return temporary;
}

/** Whether it has come to an end after the promises before it. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  return Promise.race([promise.then(() => false), new Promise<boolean>(resolve => setImmediate(() => resolve(true)))]);
}

describe('an incarnation that is killed in this process', () => {
  it('commits nothing that was under way, and reads no more', async () => {
    const temporary = await ownStore();
    const killed = new InProcess();
    const store = killed.holds(openStore<MessagingTables>(temporary.location));
    const begun = Promise.withResolvers<undefined>();
    const decided = Promise.withResolvers<undefined>();
    const writing = store.transaction(async tx => {
      await tx.insertInto('inbox').values({ consumer: 'c', event_id: 'e', received_at: 'now' }).execute();
      begun.resolve(undefined);
      await decided.promise;
    });
    await begun.promise;
    const killing = killed.kill();
    decided.resolve(undefined);
    await killing;
    const rows = await temporary.store.read(db => db.selectFrom('inbox').selectAll().execute());
    expect(rows).toEqual([]);
    const reading = store.read(async () => 'never');
    expect(await isPending(writing)).toBe(true);
    expect(await isPending(reading)).toBe(true);
    killed.bury();
    await expect(writing).rejects.toThrow('gone');
    await expect(reading).rejects.toThrow('gone');
  });

  it('loses its connections and its timers, and makes no new ones', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    removals.push(async () => server.close());
    await once(server, 'listening');
    const { port } = server.address() as { readonly port: number };
    const killed = new InProcess();
    const cut = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
    let ticks = 0;
    const reconnect = await killed.run(async () => {
      const open = () => connect({ port, host: '127.0.0.1' });
      await once(open(), 'connect');
      setInterval(() => (ticks += 1), 1);
      return () => open();
    });
    await killed.kill();
    const before = ticks;
    const again = await killed.run(async () => reconnect());
    while (!again.destroyed) await new Promise(resolve => setImmediate(resolve));
    await cut;
    expect(ticks).toBe(before);
    const connected = () =>
      new Promise<number>((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
      });
    // The server hears of the second one after us.
    while ((await connected()) > 0) await new Promise(resolve => setImmediate(resolve));
  });

  it('leaves others alone', async () => {
    const [killed, other] = [new InProcess(), new InProcess()];
    const store = other.holds((await ownStore()).store);
    await killed.kill();
    expect(await store.read(async () => 'read')).toBe('read');
    expect(await other.alive('alive')).toBe('alive');
    expect(await isPending(killed.alive('alive'))).toBe(true);
  });
});
