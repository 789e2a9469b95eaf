/** A part of the hostile bytes over real sockets, at a real process, beside a session that must not notice. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { packet, packetType } from '../../src/protocol/packets.ts';
import { password, startInstance, statistics, type Instance } from '../clients/instance.ts';
import { login7 } from '../tls-client.ts';
import { randomFrom } from '../random.ts';
import { below, hostileFrame, wellFormed, type Random } from './frames.ts';
import { keptHeapBytes } from './heap.ts';

const seed = Number(process.env['STANDIN_SEED'] ?? 20_261_121);
const long = process.env['HOLDFAST_TESTS'] === 'long';
const rounds = long ? 40 : 3;
const connectionsPerRound = 150;
/** Compiled code and the executor's own caches, which fill up and stay; a connection that stays costs 4 KB: 24 MB in the long form, 1.8 MB otherwise. */
const heapNoiseBytes = long ? 3_000_000 : 1_200_000;

const prelogin = packet(wellFormed[0]?.[1] ?? Buffer.alloc(0), 1, 0, true, packetType.prelogin);
const rightLogin = packet(login7('sa', password), 1, 0, true, packetType.login7);

describe(`an instance under hostile connections (seed ${seed})`, () => {
  let instance: Instance;
  let pool: mssql.ConnectionPool;
  let inspector: string;
  const random = randomFrom(seed);

  beforeAll(async () => {
    instance = await startInstance([{ name: 'CONTOSO\\svc', roles: [], windows: true }], { inspected: true });
    inspector = (await instance.inspector) ?? '';
    const options = { encrypt: false, trustServerCertificate: true };
    pool = new mssql.ConnectionPool({
      server: '127.0.0.1',
      port: instance.port,
      user: 'sa',
      password,
      options,
      pool: { max: 1, min: 1 },
    });
    await pool.connect();
    await pool.request().batch('CREATE TABLE #own (n int)');
  });

  afterAll(async () => {
    await pool.close();
    expect(await instance.stop()).toBe(0);
  });

  const behaves = async (): Promise<void> => {
    await pool.request().batch('INSERT #own VALUES (1)');
    expect((await pool.request().query('SELECT 7 AS n')).recordset).toEqual([{ n: 7 }]);
  };

  async function round(): Promise<void> {
    for (let at = 0; at < connectionsPerRound; at += 25) {
      await Promise.all(Array.from({ length: 25 }, () => hostileConnection(instance.port, random)));
      await behaves();
    }
    // The hostile ones are all gone; what is left is the good one's.
    while ((await statistics(instance)).sessions > 1) await new Promise(resolve => setTimeout(resolve, 20));
  }

  it(`answers, keeps nothing and never fails (${rounds + 1} × ${connectionsPerRound} connections)`, async () => {
    await round();
    const before = await keptHeapBytes(inspector);
    for (let done = 0; done < rounds; done++) await round();
    const after = await keptHeapBytes(inspector);
    expect(await statistics(instance)).toMatchObject({ broken: 0, sessions: 1 });
    expect(after - before).toBeLessThan(heapNoiseBytes);
  });

  it('ends a login message that has no end, and takes as long a batch from who has logged in', async () => {
    const piece = packet(Buffer.alloc(30_000), 1, 0, false, packetType.login7);
    const socket = connect(instance.port, '127.0.0.1');
    const ended = closed(socket);
    socket.write(prelogin);
    for (let at = 0; at < 10; at++) socket.write(piece);
    await ended;
    const long = 'x'.repeat(200_000);
    expect((await pool.request().batch(`SELECT LEN('${long}') AS n`)).recordset).toEqual([{ n: long.length }]);
    await behaves();
  });
});

/** Some only connect; some log in and then go mad; the rest never were sane. Some leave in order, some do not. */
async function hostileConnection(port: number, random: Random): Promise<void> {
  const frames = Array.from({ length: below(random, 5) }, () => hostileFrame(random));
  if (random() < 0.4) frames.unshift(prelogin, rightLogin);
  else if (random() < 0.3) frames.unshift(prelogin);
  const inOrder = random() < 0.5;
  const socket = connect(port, '127.0.0.1');
  const ended = closed(socket);
  await new Promise(resolve => socket.once('connect', resolve));
  const bytes = Buffer.concat(frames);
  const cut = below(random, bytes.length + 1);
  socket.write(bytes.subarray(0, cut));
  if (inOrder) socket.end(bytes.subarray(cut));
  else
    socket.write(bytes.subarray(cut), () => {
      if (!socket.destroyed) socket.resetAndDestroy();
    });
  await ended;
}

/** The server's end of it, or an error, which is an end too. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  return new Promise(resolve => void socket.on('close', () => resolve()).resume());
}
