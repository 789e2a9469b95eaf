import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { SecureContext } from 'node:tls';
import { ProtocolError } from './protocol/bytes.ts';
import { PacketReader, packetType, type IncomingMessage } from './protocol/packets.ts';
import type { EncryptedPart } from './protocol/prelogin.ts';
import { isRecordType, recordLength, recordType } from './protocol/tls-records.ts';
import { TlsLayer } from './tls-layer.ts';

export type TransportEvents = {
  readonly messages: (messages: readonly IncomingMessage[]) => void;
  /** The bytes cannot be what a client sends here. */
  readonly failed: (error: unknown) => void;
};

type Strict = (() => Promise<SecureContext>) | undefined;

/**
 * `first` nothing has come yet · `opening` TLS came first, its certificate is awaited · `packets` clear TDS packets · `handshake` TLS in PRELOGIN
 * packets · `records` all of it is TLS · `login` TLS records until the first clear packet
 */
type Mode = 'first' | 'opening' | 'packets' | 'handshake' | 'records' | 'login';

const packetHeaderBytes = 8;
/** Of a message: who has not shown who it is must not fill the memory (LOGIN7 has at most 128K-1 bytes: MS-TDS 2.2.6.4). */
const beforeLoginBytes = 128 * 1024 - 1;
const afterLoginBytes = 256 * 1024 * 1024;

/** One TCP connection as messages: in clear, with an encrypted login, or encrypted as a whole (sqlserver.md §8.6). */
export class Transport {
  readonly #socket: Socket;
  readonly #events: TransportEvents;
  readonly #strict: Strict;
  readonly #packets = new PacketReader(beforeLoginBytes);
  #mode: Mode = 'first';
  #part: EncryptedPart = 'nothing';
  #layer: TlsLayer | undefined;
  /** Bytes as they came, which are not yet a whole packet or record of the handshake. */
  #pending: Buffer = Buffer.alloc(0);
  #decryptedSome = false;
  #tlsFirst = false;

  /** `strict`: the certificate for clients that begin with TLS; undefined: they are dropped. */
  constructor(socket: Socket, strict: Strict, events: TransportEvents) {
    this.#socket = socket;
    this.#strict = strict;
    this.#events = events;
    socket.on('data', chunk => this.#guarded(() => this.#receive(chunk)));
    // The error itself says no more than the close that follows it: the client is gone.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#layer?.destroy());
  }

  /** Where answers are written. */
  get output(): Writable {
    return this.#part === 'everything' && this.#layer ? this.#layer.clear : this.#socket;
  }

  get encrypted(): boolean {
    return this.#part === 'everything';
  }

  /** TLS came before TDS, as with TDS 8.0. */
  get tlsFirst(): boolean {
    return this.#tlsFirst;
  }

  /** The client has shown who it is. */
  loggedIn(): void {
    this.#packets.maximumMessageBytes = afterLoginBytes;
  }

  /** From here on the client speaks TLS; the answer that told it so has been written. */
  startTls(part: 'login' | 'everything', context: SecureContext): void {
    if (this.#socket.destroyed) return;
    this.#mode = 'handshake';
    this.#part = part;
    this.#layer = this.#newLayer(context, 'prelogin');
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Once everything written has left. */
  closeSoon(): void {
    const { output } = this;
    if (output === this.#socket || !output.writable) this.#socket.destroySoon();
    else output.end(() => this.#socket.destroySoon());
  }

  #newLayer(context: SecureContext, handshake: 'prelogin' | 'bare'): TlsLayer {
    return new TlsLayer(this.#socket, {
      context,
      handshake,
      received: chunk => this.#guarded(() => this.#decrypted(chunk)),
      ended: () => this.#socket.destroySoon(),
    });
  }

  #guarded(step: () => void): void {
    if (this.#socket.destroyed) return;
    try {
      step();
    } catch (error) {
      this.#events.failed(error);
    }
  }

  #receive(chunk: Buffer): void {
    switch (this.#mode) {
      case 'first':
        this.#mode = chunk[0] === recordType.handshake && this.#strict ? 'opening' : 'packets';
        if (this.#mode === 'opening') this.#openStrict(chunk);
        else this.#deliver(chunk);
        return;
      case 'packets':
        this.#deliver(chunk);
        return;
      case 'records':
        this.#layer?.receive(chunk);
        return;
      case 'opening':
        this.#pending = Buffer.concat([this.#pending, chunk]);
        return;
      case 'handshake':
      case 'login':
        this.#pending = Buffer.concat([this.#pending, chunk]);
        while (this.#takeOne());
    }
  }

  #openStrict(first: Buffer): void {
    this.#pending = first;
    this.#strict?.().then(
      context => {
        this.#mode = 'records';
        this.#tlsFirst = true;
        this.#part = 'everything';
        if (this.#socket.destroyed) return;
        this.#layer = this.#newLayer(context, 'bare');
        this.#layer.receive(this.#takePending(this.#pending.length));
      },
      (error: unknown) => this.#events.failed(error),
    );
  }

  /** The next packet or record of a handshake or an encrypted login; false when there is no whole one. */
  #takeOne(): boolean {
    const [type] = this.#pending;
    if (type === undefined) return false;
    if (this.#mode === 'handshake' && type === packetType.prelogin) {
      const length = this.#pending.length < packetHeaderBytes ? Infinity : this.#pending.readUInt16BE(2);
      if (length < packetHeaderBytes) throw new ProtocolError(`packet length ${length} is shorter than its header`);
      if (this.#pending.length < length) return false;
      this.#layer?.receive(this.#takePending(length).subarray(packetHeaderBytes));
      return true;
    }
    if (isRecordType(type)) return this.#takeRecord();
    // Clear packets follow the login, or at the earliest its first packet; what is decrypted must come before them.
    if (this.#mode !== 'login') throw new ProtocolError(`packet type ${type} in a TLS handshake`);
    if (!this.#decryptedSome) return false;
    this.#mode = 'packets';
    this.#deliver(this.#takePending(this.#pending.length));
    return false;
  }

  #takeRecord(): boolean {
    if (this.#part === 'everything') {
      this.#mode = 'records';
      this.#layer?.receive(this.#takePending(this.#pending.length));
      return false;
    }
    this.#mode = 'login';
    const length = recordLength(this.#pending);
    if (length === undefined || this.#pending.length < length) return false;
    this.#layer?.receive(this.#takePending(length));
    return true;
  }

  #takePending(length: number): Buffer {
    const taken = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return taken;
  }

  #decrypted(chunk: Buffer): void {
    this.#decryptedSome = true;
    if (this.#part === 'login') this.#layer?.mute();
    this.#deliver(chunk);
    if (this.#mode === 'login') while (this.#takeOne());
  }

  #deliver(chunk: Buffer): void {
    this.#events.messages(this.#packets.push(chunk));
  }
}
