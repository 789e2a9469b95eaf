import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ownKeyPair, secureContexts, type KeyPair } from '../src/certificate.ts';
import { packet, packetType } from '../src/protocol/packets.ts';
import { encryption } from '../src/protocol/prelogin.ts';
import { startTinyServer, until, type Encryption } from './tiny-server.ts';
import { batch, login7, TlsClient } from './tls-client.ts';

type Tiny = Awaited<ReturnType<typeof startTinyServer>>;

const closers: (() => Promise<unknown>)[] = [];
let folder = '';
let pair: KeyPair;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'standin-tls-'));
  pair = await ownKeyPair(folder, 'TINY\\ONE', new Date());
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(encryption: Partial<Encryption> = {}): Promise<Tiny> {
  const contexts = secureContexts(pair);
  const quiet = { batch: async () => undefined };
  const tiny = await startTinyServer(quiet, undefined, { tls: () => Promise.resolve(contexts), ...encryption });
  closers.push(() => tiny.server.close());
  return tiny;
}

function client(tiny: Tiny): TlsClient {
  const opened = new TlsClient(tiny.port);
  closers.push(() => {
    opened.socket.destroy();
    return opened.closed;
  });
  return opened;
}

const login = login7('sa', 'Pa$$w0rd-ü');
const loginAck = 0xad;
const done = 0xfd;
const errorToken = 0xaa;
const { off, on, notSupported, required } = encryption;

describe('an encrypted login', () => {
  it('is answered in clear, and so is all that follows', async () => {
    const tiny = await start();
    const peer = client(tiny);
    expect(await peer.prelogin(off)).toBe(off);
    const tls = await peer.handshake(pair.certificate);
    tls.write(packet(login, 1, 0, true, packetType.login7));
    const welcome = await peer.message();
    expect([welcome.type, welcome.payload.includes(loginAck)]).toEqual([packetType.response, true]);
    expect([...tiny.attached].map(session => session.encrypted)).toEqual([false]);
    // What a client may send to end its TLS is no packet, and no answer to it may come between packets.
    tls.end();
    for (let round = 0; round < 2; round++) {
      peer.send(packetType.sqlBatch, batch('SELECT 1'));
      expect((await peer.message()).payload[0]).toBe(done);
    }
    expect(tiny.reported).toEqual([]);
  });

  it('may come in several records, and in pieces', async () => {
    const tiny = await start();
    const peer = client(tiny);
    await peer.prelogin(off);
    const tls = await peer.handshake(pair.certificate, 7);
    const bytes = packet(login, 1, 0, true, packetType.login7);
    for (let at = 0; at < bytes.length; at += 50) tls.write(bytes.subarray(at, at + 50));
    expect((await peer.message()).payload.includes(loginAck)).toBe(true);
    expect(tiny.attached.size).toBe(1);
  });

  it('is refused in clear when it is wrong', async () => {
    const tiny = await start();
    const peer = client(tiny);
    await peer.prelogin(off);
    const tls = await peer.handshake(pair.certificate);
    tls.write(packet(login7('sa', 'no'), 1, 0, true, packetType.login7));
    const { payload } = await peer.message();
    expect([payload[0], payload.readUInt32LE(3)]).toEqual([errorToken, 18456]);
    await peer.closed;
  });
});

describe('PRELOGIN', () => {
  it.each([
    ['REQ', required, on, false],
    ['ON', on, on, false],
    ['OFF where encryption is forced', off, required, true],
  ])('%s encrypts everything', async (_name, asked, answer, forceEncryption) => {
    const tiny = await start({ forceEncryption });
    const peer = client(tiny);
    expect(await peer.prelogin(asked)).toBe(answer);
    const tls = await peer.handshake(pair.certificate, 100);
    peer.startReading();
    tls.write(packet(login, 1, 0, true, packetType.login7));
    const [first] = await new Promise<Buffer>(resolve => tls.once('data', resolve));
    expect(first).toBe(packetType.response);
    await until(() => tiny.attached.size === 1);
    expect([...tiny.attached].map(session => session.encrypted)).toEqual([true]);
  });

  it('with an unknown value is refused in words at the login', async () => {
    const tiny = await start();
    const peer = client(tiny);
    expect(await peer.prelogin(0x81)).toBe(notSupported);
    peer.send(packetType.login7, login);
    const { payload } = await peer.message();
    expect(payload.toString('utf16le', 9)).toContain('STANDIN-UNSUPPORTED: PRELOGIN encryption 129');
    await peer.closed;
  });
});

describe('a connection ends', () => {
  it('when a client that cannot encrypt goes on where it has to', async () => {
    const tiny = await start({ forceEncryption: true });
    const peer = client(tiny);
    expect(await peer.prelogin(notSupported)).toBe(required);
    peer.send(packetType.login7, login);
    expect((await peer.closed).length).toBe(0);
    const hasty = client(tiny);
    hasty.send(packetType.login7, login);
    expect((await hasty.closed).length).toBe(0);
    expect([tiny.attached.size, tiny.reported]).toEqual([0, []]);
  });

  it.each([
    ['a login in clear', packet(login, 1, 0, true, packetType.login7)],
    ['a batch in clear', packet(batch('SELECT 1'), 1, 0, true, packetType.sqlBatch)],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['garbage in a packet', packet(Buffer.from('no TLS at all'), 1, 0, true, packetType.prelogin)],
    ['a packet without room for its header', Buffer.from([18, 1, 0, 3, 0, 0, 0, 0])],
    ['a record before the handshake', Buffer.from([23, 3, 3, 0, 2, 1, 2])],
  ])('when %s comes in place of a handshake', async (_name, bytes) => {
    for (const asked of [off, on]) {
      const tiny = await start();
      const peer = client(tiny);
      await peer.prelogin(asked);
      peer.socket.write(bytes);
      expect((await peer.closed).includes(loginAck)).toBe(false);
      expect([tiny.attached.size, tiny.reported]).toEqual([0, []]);
    }
  });

  it('when its client goes away within the handshake, and the next one is served', async () => {
    const tiny = await start();
    for (const asked of [off, on]) {
      const peer = client(tiny);
      await peer.prelogin(asked);
      const shaking = peer.handshake(pair.certificate, 60).catch((error: unknown) => error);
      peer.socket.resetAndDestroy();
      expect(await shaking).toMatchObject({ message: expect.stringMatching(/ended/) });
      await peer.closed;
    }
    const next = client(tiny);
    await next.prelogin(on);
    await next.handshake(pair.certificate);
    expect(tiny.reported).toEqual([]);
  });

  it('when it is asked to close within the handshake', async () => {
    const tiny = await start();
    const peer = client(tiny);
    await peer.prelogin(on);
    await peer.handshake(pair.certificate);
    await tiny.server.close();
    await peer.closed;
  });
});
