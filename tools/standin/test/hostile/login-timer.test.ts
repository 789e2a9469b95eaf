/** Who takes the time of the server without logging in loses the connection. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ownKeyPair, secureContexts } from '../../src/certificate.ts';
import { packet, packetType } from '../../src/protocol/packets.ts';
import { renderPrelogin } from '../../src/protocol/prelogin.ts';
import { startTinyServer } from '../tiny-server.ts';
import { windowsLogin } from './frames.ts';

const prelogin = (encryption: number): Buffer =>
  packet(renderPrelogin({ version: [0, 0, 0], encryption }), 1, 0, true, packetType.prelogin);
/** The beginning of a ClientHello. */
const halfHello = Buffer.from('1603010200010001fc0303', 'hex');
const inPacket = (bytes: Buffer): Buffer => packet(bytes, 1, 0, true, packetType.prelogin);

describe('the login timer', () => {
  let tiny: Awaited<ReturnType<typeof startTinyServer>>;
  let folder: string;
  const loginTimeoutMs = 300;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'standin-login-timer-'));
    const pair = await ownKeyPair(join(folder, 'tls'), 'TINY\\ONE', new Date());
    tiny = await startTinyServer({}, loginTimeoutMs, { tls: () => Promise.resolve(secureContexts(pair)) });
  });

  afterAll(async () => {
    await tiny.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each<[string, readonly Buffer[]]>([
    ['nothing', []],
    ['half a header', [Buffer.from([18, 1, 0])]],
    ['a packet of which the end never comes', [prelogin(2).subarray(0, -1)]],
    ['PRELOGIN alone', [prelogin(2)]],
    ['half a ClientHello inside TDS', [prelogin(1), inPacket(halfHello)]],
    ['half a ClientHello before TDS', [halfHello]],
    ['an encrypted login that does not come', [prelogin(0)]],
    ['the first half of a Windows login', [prelogin(2), packet(windowsLogin(), 1, 0, true, packetType.login7)]],
  ])('ends a connection that sends %s', async (_, frames) => {
    await endOf(tiny.port, frames);
    expect([tiny.attached.size, tiny.reported]).toEqual([0, []]);
  });

  it('ends one that sends a byte now and then', async () => {
    const bytes = Buffer.concat([prelogin(2), packet(Buffer.alloc(94), 1, 0, true, packetType.login7)]);
    const socket = connect(tiny.port, '127.0.0.1').on('error', () => undefined);
    const ended = new Promise<number>(resolve => {
      let sent = 0;
      const drip = setInterval(() => {
        if (sent < bytes.length) socket.write(bytes.subarray(sent, (sent += 1)));
      }, 10);
      socket.resume().on('close', () => {
        clearInterval(drip);
        resolve(sent);
      });
    });
    expect(await ended).toBeLessThan(bytes.length);
  });
});

/** Resolves when the server has closed it. */
function endOf(port: number, frames: readonly Buffer[]): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  for (const frame of frames) socket.write(frame);
  return new Promise(resolve => void socket.resume().on('close', () => resolve()));
}
