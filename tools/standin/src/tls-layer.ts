import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { TLSSocket, type SecureContext } from 'node:tls';
import { HandshakeFrames } from './protocol/tls-records.ts';

/** Clients of TDS 8.0 name it in the handshake, so that a browser or another server does not get through by mistake. */
const strictProtocol = 'tds/8.0';

export type TlsLayerOptions = {
  readonly context: SecureContext;
  /** `prelogin`: the handshake travels in PRELOGIN packets; `bare`: TLS comes first, as with TDS 8.0. */
  readonly handshake: 'prelogin' | 'bare';
  readonly received: (decrypted: Buffer) => void;
  /** The handshake failed, or TLS has ended. */
  readonly ended: () => void;
};

/** The server's side of TLS between a socket and what reads and writes in clear. */
export class TlsLayer {
  /** Writes what is to be encrypted. */
  readonly clear: TLSSocket;
  readonly #socket: Socket;
  readonly #encrypted: Duplex;
  readonly #frames: HandshakeFrames | undefined;
  #muted = false;

  constructor(socket: Socket, options: TlsLayerOptions) {
    this.#socket = socket;
    this.#frames = options.handshake === 'prelogin' ? new HandshakeFrames() : undefined;
    this.#encrypted = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => this.#send(chunk, done),
    });
    const strict = options.handshake === 'bare';
    this.clear = new TLSSocket(this.#encrypted, {
      isServer: true,
      secureContext: options.context,
      ...(strict ? { ALPNProtocols: [strictProtocol] } : {}),
    });
    this.clear.on('secure', () => {
      // A client that names no protocol at all passes the negotiation (that it must name one: unverified).
      if (strict && this.clear.alpnProtocol !== strictProtocol) options.ended();
    });
    this.clear.on('data', options.received);
    // The error itself says no more than the close that follows it: the client does not trust us, or is gone.
    this.clear.on('error', () => this.clear.destroy());
    this.clear.on('close', () => {
      if (!this.#muted) options.ended();
    });
  }

  /** Bytes of TLS records, without packets around them. */
  receive(encrypted: Buffer): void {
    this.#encrypted.push(encrypted);
  }

  /** Nothing more is sent: after a login that alone was encrypted, a record would be taken for a packet. */
  mute(): void {
    this.#muted = true;
  }

  destroy(): void {
    this.#muted = true;
    this.clear.destroy();
  }

  #send(chunk: Buffer, done: () => void): void {
    const bytes = this.#frames === undefined ? chunk : this.#frames.push(chunk);
    if (this.#muted || bytes.length === 0 || !this.#socket.writable) done();
    else this.#socket.write(bytes, () => done());
  }
}
