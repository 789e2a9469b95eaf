import type { Writable } from 'node:stream';
import { ByteWriter } from './bytes.ts';
import { packet, payloadBytesPerPacket } from './packets.ts';

/**
 * One server message, cut into packets. Tokens are written whole into `tokens`; a packet may end inside a token, a message never does.
 */
export class MessageWriter {
  readonly tokens = new ByteWriter();
  readonly #socket: Writable;
  readonly #spid: number;
  readonly #payloadBytes: number;
  #sequence = 1;

  constructor(socket: Writable, spid: number, packetSize: number) {
    this.#socket = socket;
    this.#spid = spid;
    this.#payloadBytes = payloadBytesPerPacket(packetSize);
  }

  /** Sends the packets that are full; at least one byte stays, so that the last packet is never empty. */
  sendFull(): void {
    if (this.tokens.length <= this.#payloadBytes) return;
    const bytes = this.tokens.bytes();
    let at = 0;
    for (; at + this.#payloadBytes < bytes.length; at += this.#payloadBytes) {
      this.#send(bytes.subarray(at, at + this.#payloadBytes), false);
    }
    this.tokens.dropFront(at);
  }

  /** Sends everything written so far and waits while the client is slower than we are. */
  async flush(signal: AbortSignal): Promise<void> {
    this.sendFull();
    if (this.tokens.length > 0) {
      this.#send(this.tokens.bytes(), false);
      this.tokens.truncate(0);
    }
    await drained(this.#socket, signal);
  }

  /** Ends the message. Tokens must have been written since the last flush. */
  end(): void {
    this.sendFull();
    this.#send(this.tokens.bytes(), true);
    this.tokens.truncate(0);
  }

  #send(payload: Uint8Array, last: boolean): void {
    if (this.#socket.writable) this.#socket.write(packet(payload, this.#sequence, this.#spid, last));
    this.#sequence += 1;
  }
}

/** Also resolves when the socket is gone or the request was aborted: the caller sees that from its signal. */
function drained(socket: Writable, signal: AbortSignal): Promise<void> {
  if (!socket.writableNeedDrain || !socket.writable || signal.aborted) return Promise.resolve();
  return new Promise(resolve => {
    const finish = (): void => {
      socket.off('drain', finish);
      socket.off('close', finish);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    socket.on('drain', finish);
    socket.on('close', finish);
    signal.addEventListener('abort', finish);
  });
}
