import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { packet, packetType } from '../src/protocol/packets.ts';
import { renderPrelogin } from '../src/protocol/prelogin.ts';

/** A client of its own: the driver knows no login-only encryption, and nothing that a server has to refuse. */
export class TlsClient {
  readonly socket: Socket;
  /** Resolves once the socket is gone, with everything that came in clear. */
  readonly closed: Promise<Buffer>;
  #received: Buffer = Buffer.alloc(0);
  #tls: TLSSocket | undefined;
  #encrypted: Duplex | undefined;
  #wakeUp = (): void => undefined;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wakeUp();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise(resolve => {
      this.socket.on('close', () => {
        this.#tls?.destroy();
        this.#wakeUp();
        resolve(this.#received);
      });
    });
  }

  send(type: number, payload: Buffer): void {
    this.socket.write(packet(payload, 1, 0, true, type));
  }

  /** Asks with this ENCRYPTION value; resolves with the server's. */
  async prelogin(encryption: number): Promise<number> {
    this.send(packetType.prelogin, renderPrelogin({ version: [0, 0, 0], encryption }));
    const answer = (await this.message()).payload;
    for (let at = 0; answer[at] !== 0xff; at += 5) {
      if (answer[at] === 1) return answer.readUInt8(answer.readUInt16BE(at + 1));
    }
    throw new Error('no encryption in the answer');
  }

  /** The next message in clear; rejects when the connection ends before. */
  async message(): Promise<{ readonly type: number; readonly payload: Buffer }> {
    const parts: Buffer[] = [];
    for (;;) {
      const header = await this.#take(8);
      parts.push(await this.#take(header.readUInt16BE(2) - 8));
      if ((header.readUInt8(1) & 1) === 1) return { type: header.readUInt8(0), payload: Buffer.concat(parts) };
    }
  }

  /** TLS 1.2 in PRELOGIN packets; `cut`: the largest piece in which it is written, to show that pieces do not matter. */
  async handshake(ca: string, cut = Infinity): Promise<TLSSocket> {
    const outgoing: Buffer[] = [];
    let bare = false;
    this.#encrypted = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (bare) this.socket.write(chunk);
        else outgoing.push(chunk);
        done();
        this.#wakeUp();
      },
    });
    const tls = connectTls({ socket: this.#encrypted, host: '127.0.0.1', ca, maxVersion: 'TLSv1.2' });
    this.#tls = tls;
    const outcome: { ended?: Error | 'secure' } = {};
    const secure = new Promise<void>((resolve, reject) => {
      tls.once('secureConnect', () => {
        outcome.ended = 'secure';
        resolve();
      });
      tls.once('error', (error: Error) => {
        outcome.ended = error;
        reject(error);
      });
    });
    secure.catch(() => undefined);
    while (outcome.ended === undefined) {
      await this.#until(() => outgoing.length > 0 || outcome.ended !== undefined);
      const flight = packet(Buffer.concat(outgoing.splice(0)), 1, 0, true, packetType.prelogin);
      for (let at = 0; at < flight.length; at += cut) this.socket.write(flight.subarray(at, at + cut));
      const { type, payload } = await this.message();
      if (type !== packetType.prelogin) throw new Error(`packet type ${type} in the handshake`);
      this.#encrypted.push(payload);
      await this.#until(() => outgoing.length > 0 || outcome.ended !== undefined);
    }
    await secure;
    bare = true;
    return tls;
  }

  /** Everything from here on is encrypted in both directions. */
  startReading(): void {
    const feed = (): void => {
      if (this.#received.length > 0) this.#encrypted?.push(this.#received);
      this.#received = Buffer.alloc(0);
    };
    this.#wakeUp = feed;
    feed();
  }

  async #take(length: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= length);
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.socket.destroyed) throw new Error('the connection has ended');
      await new Promise<void>(resolve => (this.#wakeUp = resolve));
    }
  }
}

/** LOGIN7 of TDS 7.4 without extensions. */
export function login7(user: string, password: string): Buffer {
  const fixed = Buffer.alloc(94);
  fixed.writeUInt32LE(0x74000004, 4);
  fixed.writeUInt32LE(4096, 8);
  const texts = new Map([
    [40, Buffer.from(user, 'utf16le')],
    [44, Buffer.from(Buffer.from(password, 'utf16le').map(byte => ((byte << 4) | (byte >> 4)) ^ 0xa5))],
  ]);
  let end = fixed.length;
  for (const [at, text] of texts) {
    fixed.writeUInt16LE(end, at);
    fixed.writeUInt16LE(text.length / 2, at + 2);
    end += text.length;
  }
  fixed.writeUInt32LE(end, 0);
  return Buffer.concat([fixed, ...texts.values()]);
}

/** A batch with its ALL_HEADERS: no transaction, one request. */
export function batch(text: string): Buffer {
  const headers = Buffer.alloc(22);
  headers.writeUInt32LE(22, 0);
  headers.writeUInt32LE(18, 4);
  headers.writeUInt16LE(2, 8);
  headers.writeUInt32LE(1, 18);
  return Buffer.concat([headers, Buffer.from(text, 'utf16le')]);
}
