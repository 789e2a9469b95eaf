import { ProtocolError } from './bytes.ts';

export const packetType = {
  sqlBatch: 1,
  rpc: 3,
  response: 4,
  attention: 6,
  bulkLoad: 7,
  federatedToken: 8,
  transactionManager: 14,
  login7: 16,
  sspi: 17,
  prelogin: 18,
} as const;

const fromClients: ReadonlySet<number> = new Set(
  Object.values(packetType).filter(type => type !== packetType.response),
);

const headerBytes = 8;
const endOfMessage = 0x01;
const ignoreMessage = 0x02;
const resetConnection = 0x08;
const resetConnectionSkipTransaction = 0x10;

export type IncomingMessage = {
  readonly type: number;
  readonly payload: Buffer;
  /** The client gave up while it was sending: nothing of it may run, but it is answered like any other. */
  readonly ignored: boolean;
  /** RESETCONNECTION: the session starts afresh before this request runs. */
  readonly reset: 'none' | 'all' | 'keep transaction';
};

/** Puts packets together to messages. Chunks may end anywhere, inside a header too. */
export class PacketReader {
  #maximumMessageBytes: number;
  #pending: Buffer = Buffer.alloc(0);
  #payloads: Buffer[] = [];
  #payloadBytes = 0;
  #type = 0;
  #reset: IncomingMessage['reset'] = 'none';

  constructor(maximumMessageBytes = Infinity) {
    this.#maximumMessageBytes = maximumMessageBytes;
  }

  /** From the next packet on. */
  set maximumMessageBytes(bytes: number) {
    this.#maximumMessageBytes = bytes;
  }

  /** Throws ProtocolError when the bytes cannot be TDS 7. */
  push(chunk: Buffer): IncomingMessage[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const messages: IncomingMessage[] = [];
    while (this.#pending.length >= headerBytes) {
      const type = this.#pending.readUInt8(0);
      if (!fromClients.has(type)) throw new ProtocolError(`packet type ${type}`);
      const length = this.#pending.readUInt16BE(2);
      if (length < headerBytes) throw new ProtocolError(`packet length ${length} is shorter than its header`);
      if (this.#pending.length < length) break;
      const message = this.#packet(this.#pending.subarray(0, length));
      this.#pending = this.#pending.subarray(length);
      if (message) messages.push(message);
    }
    return messages;
  }

  #packet(packet: Buffer): IncomingMessage | undefined {
    const type = packet.readUInt8(0);
    const status = packet.readUInt8(1);
    if (this.#payloads.length === 0) {
      this.#type = type;
      this.#reset =
        (status & resetConnection) !== 0
          ? 'all'
          : (status & resetConnectionSkipTransaction) !== 0
            ? 'keep transaction'
            : 'none';
    } else if (type !== this.#type) {
      throw new ProtocolError(`packet of type ${type} inside a message of type ${this.#type}`);
    }
    // A copy: the chunk's memory belongs to the socket.
    this.#payloads.push(Buffer.from(packet.subarray(headerBytes)));
    this.#payloadBytes += packet.length - headerBytes;
    if (this.#payloadBytes > this.#maximumMessageBytes) throw new ProtocolError('message is too long');
    if ((status & endOfMessage) === 0) return undefined;
    const payload = this.#payloads.length === 1 ? (this.#payloads[0] as Buffer) : Buffer.concat(this.#payloads);
    this.#payloads = [];
    this.#payloadBytes = 0;
    return { type, payload, ignored: (status & ignoreMessage) !== 0, reset: this.#reset };
  }
}

/** One packet of a server message. `payload` must fit into the negotiated packet size. */
export function packet(
  payload: Uint8Array,
  sequence: number,
  spid: number,
  last: boolean,
  type: number = packetType.response,
): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt8(last ? endOfMessage : 0, 1);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(spid & 0xffff, 4);
  bytes.writeUInt8(sequence & 0xff, 6);
  bytes.writeUInt8(0, 7);
  bytes.set(payload, headerBytes);
  return bytes;
}

export function payloadBytesPerPacket(packetSize: number): number {
  return packetSize - headerBytes;
}
