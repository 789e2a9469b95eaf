import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from '@jest/globals';
import { openPlace, type Place } from './testing/places.ts';
import { acquireLease } from './lease.ts';
import { migrate } from './migrate.ts';
import type { SqlServerLocation } from './sql-server.ts';
import { openStore, type Store } from './store.ts';

type Tables = { account: { id: string } };
const text = '-- expand\ncreate table account (id nvarchar(100) not null primary key);\n';
const migrations = [{ number: 1, name: 'account', phase: 'expand', text, sha256: 'a' } as const];

// TDS: a transaction manager request (packet type 14) whose kind, behind the headers, is commit (MS-TDS).
const isCommit = (packet: Buffer): boolean => packet[0] === 14 && packet.readUInt16LE(8 + packet.readUInt32LE(8)) === 7;

/** Between the store and its server: cuts one connection at the next commit, before the server hears of it or before it has answered. */
class Cutter {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  cut: 'before' | 'after' | undefined;

  constructor(target: number) {
    this.#server = createServer(client => {
      const server = connect(target, '127.0.0.1');
      let mute = false;
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          client.destroy();
          server.destroy();
        });
      }
      client.on('data', (packet: Buffer) => {
        const { cut } = this;
        if (cut === undefined || !isCommit(packet)) return void server.write(packet);
        this.cut = undefined;
        if (cut === 'before') return void client.destroy();
        mute = true;
        server.write(packet);
      });
      server.on('data', (answer: Buffer) => {
        if (mute) client.destroy();
        else client.write(answer);
      });
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

let place: Place;
let cutter: Cutter;
let store: Store<Tables>;
beforeAll(async () => {
  place = await openPlace('mssql');
});
afterAll(() => place.close());
beforeEach(async () => {
  const { sqlServer } = (await place.fresh()) as { readonly sqlServer: SqlServerLocation };
  const { address } = sqlServer;
  cutter = new Cutter(address.port ?? 1433);
  const port = await cutter.listen();
  store = openStore<Tables>({ sqlServer: { ...sqlServer, address: { ...address, server: '127.0.0.1', port } } });
  await migrate(store, [{ source: 'test', migrations }]);
});
afterEach(async () => {
  await store.close();
  cutter.close();
});

const insert = (id: string) => store.transaction(tx => tx.insertInto('account').values({ id }).execute());
const ids = async () =>
  (await store.read(db => db.selectFrom('account').select('id').orderBy('id').execute())).map(({ id }) => id);

it('is one service alone that leads a database', async () => {
  const { sqlServer } = (await place.fresh()) as { readonly sqlServer: SqlServerLocation };
  const lease = await acquireLease({ sqlServer, owner: 'inventory' });
  await expect(acquireLease({ sqlServer, owner: 'backup' })).rejects.toMatchObject({
    kind: 'cannot-open',
    message: `The database ${sqlServer.database} is the store of inventory: give backup a database of its own.`,
  });
  lease.release();
});

describe('a connection that is lost inside a commit', () => {
  it('is told as lost when the server never heard of it, and the store goes on', async () => {
    await insert('a');
    cutter.cut = 'before';
    await expect(insert('b')).rejects.toMatchObject({ name: 'StoreError', kind: 'lost' });
    await insert('c');
    expect(await ids()).toEqual(['a', 'c']);
  });

  it('is no failure when the server has committed', async () => {
    let told = 0;
    store.afterCommit(() => (told += 1));
    cutter.cut = 'after';
    await insert('a');
    await insert('b');
    expect(await ids()).toEqual(['a', 'b']);
    expect(told).toBe(2);
  });
});
