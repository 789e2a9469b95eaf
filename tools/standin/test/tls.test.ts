import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import mssql from 'mssql';
import { ownKeyPair, secureContexts, type KeyPair } from '../src/certificate.ts';
import type { Executor, Session } from '../src/contract.ts';
import { driverConfig, startTinyServer, until, type Encryption } from './tiny-server.ts';

type Tiny = Awaited<ReturnType<typeof startTinyServer>>;

const closers: (() => Promise<unknown>)[] = [];
let folder = '';
let pair: KeyPair;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'standin-tls-'));
  pair = await ownKeyPair(join(folder, 'tls'), 'TINY\\ONE', new Date());
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const select = 193;

const quiet: Partial<Executor> = {
  batch: async () => undefined,
  call: async () => ({ status: 0, outputs: [] }),
};

async function start(executor: Partial<Executor> = {}, encryption: Partial<Encryption> = {}): Promise<Tiny> {
  const contexts = secureContexts(pair);
  const tiny = await startTinyServer({ ...quiet, ...executor }, undefined, {
    tls: () => Promise.resolve(contexts),
    ...encryption,
  });
  closers.push(() => tiny.server.close());
  return tiny;
}

const trusted = (): object => ({ cryptoCredentialsDetails: { ca: pair.certificate } });

async function connectTo(tiny: Tiny, options: object, change: object = {}): Promise<mssql.ConnectionPool> {
  const pool = new mssql.ConnectionPool({ ...driverConfig(tiny.port), pool: { max: 1, min: 1 }, ...change, options });
  closers.push(() => pool.close());
  await pool.connect();
  await pool.request().batch('SELECT 1');
  return pool;
}

const refusal = (tiny: Tiny, options: object, change: object = {}): Promise<unknown> =>
  connectTo(tiny, options, change).then(
    () => 'connected',
    (error: unknown) => error,
  );

/** Of so many sessions, once the driver's probes are gone. */
async function encrypted(tiny: Tiny, count: number): Promise<readonly boolean[]> {
  await until(() => tiny.attached.size === count);
  return [...tiny.attached].map(session => session.encrypted);
}

const waitForAbort = (session: Session): Promise<void> =>
  new Promise(resolve => {
    if (session.signal.aborted) resolve();
    else session.signal.addEventListener('abort', () => resolve());
  });

/** One row of so many characters, and as many rows. */
const big: Partial<Executor> = {
  batch: async (session, text, sink) => {
    if (text === 'wait') return waitForAbort(session);
    if (text !== 'big') {
      if (!text.startsWith('/*')) return undefined;
      sink.columns([{ name: 'length', type: { name: 'int' }, nullable: false }]);
      sink.row([BigInt(text.length)]);
      sink.done({ command: select, rowCount: 1n });
      return undefined;
    }
    sink.columns([{ name: 't', type: { name: 'nvarchar', length: 'max' }, nullable: false }]);
    for (let n = 0; n < 20; n++) {
      sink.row(['λ'.repeat(50_000 + n)]);
      await sink.flush();
    }
    sink.done({ command: select, rowCount: 20n });
    return undefined;
  },
};
const wholeWays: [string, object][] = [
  ['true', { encrypt: true }],
  ['strict', { encrypt: 'strict' }],
  ['strict with TDS 8.0 at the login', { encrypt: 'strict', tdsVersion: '8_0' }],
];

describe.each(wholeWays)('encrypt %s', (_name, way) => {
  it('connects, and its sessions are encrypted', async () => {
    const tiny = await start();
    await connectTo(tiny, { ...way, ...trusted() });
    expect(await encrypted(tiny, 1)).toEqual([true]);
    expect(tiny.reported).toEqual([]);
  });

  it('refuses a certificate that it does not know', async () => {
    const tiny = await start();
    const error = await refusal(tiny, { ...way, trustServerCertificate: false });
    expect(error).toMatchObject({ code: 'ESOCKET', message: expect.stringMatching(/self-signed certificate/) });
    await until(() => tiny.attached.size === 0);
    expect(tiny.reported).toEqual([]);
  });

  it('refuses a wrong password with 18456', async () => {
    const tiny = await start();
    const error = await refusal(tiny, { ...way, ...trusted() }, { password: 'no' });
    expect(error).toMatchObject({ code: 'ELOGIN', message: "Login failed for user 'sa'." });
  });

  it('carries large texts both ways', async () => {
    const tiny = await start(big);
    const pool = await connectTo(tiny, { ...way, ...trusted() });
    const { recordset } = await pool.request().batch('big');
    expect(recordset.map((row: { t: string }) => row.t)).toEqual(
      Array.from({ length: 20 }, (_, n) => 'λ'.repeat(50_000 + n)),
    );
    const text = `/*${'λ'.repeat(300_000)}*/`;
    expect((await pool.request().batch(text)).recordset).toEqual([{ length: text.length }]);
  });

  it('cancels, and goes on with the same connection', async () => {
    const tiny = await start(big);
    const pool = await connectTo(tiny, { ...way, ...trusted() });
    const request = pool.request();
    const finished = request.batch('wait').catch((thrown: unknown) => thrown);
    await until(() => [...tiny.attached].some(session => session.request?.text === 'wait'));
    request.cancel();
    expect(await finished).toMatchObject({ code: 'ECANCEL' });
    expect((await pool.request().batch('/**/')).recordset).toEqual([{ length: 4 }]);
    expect(tiny.attached.size).toBe(1);
  });

  it('serves a pool', async () => {
    const tiny = await start(big);
    const pool = await connectTo(tiny, { ...way, ...trusted() }, { pool: { max: 5, min: 5 } });
    const answers = await Promise.all(Array.from({ length: 30 }, () => pool.request().batch('/**/')));
    expect(answers.map(answer => answer.recordset)).toEqual(Array.from({ length: 30 }, () => [{ length: 4 }]));
    expect(await encrypted(tiny, 5)).toEqual([true, true, true, true, true]);
  });

  it('ends its session with KILL and with its socket', async () => {
    const tiny = await start(big);
    const pool = await connectTo(tiny, { ...way, ...trusted() });
    const killed = pool
      .request()
      .batch('wait')
      .catch((thrown: unknown) => thrown);
    await until(() => [...tiny.attached].some(session => session.request?.text === 'wait'));
    for (const session of tiny.attached) session.kill(undefined);
    expect(await killed).toMatchObject({ number: 596 });
    await until(() => tiny.attached.size === 0);
    expect(tiny.reported).toEqual([]);
  });
});

describe.each(wholeWays.slice(0, 2))('encrypt %s, cut off', (_name, way) => {
  it.each([1, 2, 3])('after %i answers of the server: the driver is told, and nothing stays', async answers => {
    const tiny = await start();
    const proxy = createServer(client => {
      const server = connect(tiny.port, '127.0.0.1');
      let seen = 0;
      server.on('data', chunk => {
        seen += 1;
        if (seen < answers) client.write(chunk);
        else client.resetAndDestroy();
      });
      client.on('data', chunk => server.write(chunk));
      for (const socket of [client, server]) socket.on('error', () => undefined);
      client.on('close', () => server.resetAndDestroy());
    });
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise(resolve => proxy.close(resolve)));
    const { port } = proxy.address() as AddressInfo;
    const config = { ...driverConfig(port), options: { ...way, ...trusted() } };
    const error = await new mssql.ConnectionPool(config).connect().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ESOCKET' });
    await until(() => tiny.attached.size === 0);
    expect(tiny.reported).toEqual([]);
  });
});

describe('a certificate', () => {
  it('is not asked for with trustServerCertificate, except by strict clients', async () => {
    const tiny = await start();
    await connectTo(tiny, { encrypt: true, trustServerCertificate: true });
    expect(await encrypted(tiny, 1)).toEqual([true]);
    const strict = await refusal(tiny, { encrypt: 'strict', trustServerCertificate: true });
    expect(strict).toMatchObject({ message: expect.stringMatching(/self-signed certificate/) });
  });

  it('is for its own names only', async () => {
    const tiny = await start();
    const error = await refusal(tiny, { encrypt: true, serverName: 'sql1.example', ...trusted() });
    expect(error).toMatchObject({ message: expect.stringMatching(/does not match certificate's altnames/) });
  });

  it('that cannot be made closes the connection and is reported', async () => {
    const tiny = await start({}, { tls: () => Promise.reject(new Error('disk full')) });
    await refusal(tiny, { encrypt: true });
    await refusal(tiny, { encrypt: 'strict' });
    expect(tiny.reported).toMatchObject([{ message: 'disk full' }, { message: 'disk full' }]);
  });
});

describe('clients in clear', () => {
  it('are served', async () => {
    const tiny = await start();
    await connectTo(tiny, { encrypt: false });
    expect(await encrypted(tiny, 1)).toEqual([false]);
  });

  it('are told to encrypt where that is forced, while others get in', async () => {
    const tiny = await start({}, { forceEncryption: true });
    const error = await refusal(tiny, { encrypt: false });
    expect(error).toMatchObject({ message: expect.stringMatching(/Server requires encryption/) });
    expect(tiny.attached.size).toBe(0);
    await connectTo(tiny, { encrypt: true, ...trusted() });
    await connectTo(tiny, { encrypt: 'strict', ...trusted() });
    expect(await encrypted(tiny, 2)).toEqual([true, true]);
  });
});

describe('what begins with TLS and is no strict client', () => {
  const closed = (socket: Socket): Promise<string> =>
    new Promise(resolve => {
      let said = '';
      socket.on('error', (error: NodeJS.ErrnoException) => (said = error.code ?? error.message));
      socket.on('close', () => resolve(said)).resume();
    });

  it.each([
    ['another protocol', ['http/1.1']],
    ['no protocol', undefined],
  ])('is dropped: %s', async (_name, protocols) => {
    const tiny = await start();
    const socket = connectTls({
      port: tiny.port,
      host: '127.0.0.1',
      ca: pair.certificate,
      ...(protocols === undefined ? {} : { ALPNProtocols: protocols }),
    });
    const said = await closed(socket);
    expect(said === '' || /ALPN|ALERT|ECONNRESET/i.test(said)).toBe(true);
    expect(tiny.reported).toEqual([]);
  });

  it('is dropped by versions that do not know TDS 8.0', async () => {
    const tiny = await start({}, { productVersion: '15.0.2000.5' });
    const error = await refusal(tiny, { encrypt: 'strict', ...trusted() });
    expect(error).toMatchObject({ code: 'ESOCKET' });
    await connectTo(tiny, { encrypt: true, ...trusted() });
  });

  it('is dropped: garbage', async () => {
    const tiny = await start();
    const socket = connect(tiny.port, '127.0.0.1', () => socket.write(Buffer.from([22, 3, 1, 0, 4, 1, 2, 3, 4])));
    await closed(socket);
    expect(tiny.reported).toEqual([]);
  });
});
