import { packet, packetType, payloadBytesPerPacket } from './packets.ts';

/** Content types of TLS records (RFC 5246 §6.2.1). No TDS packet that a client sends begins with one of them. */
export const recordType = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

export const recordHeaderBytes = 5;
const handshakeHeaderBytes = 4;
const serverHelloDone = 14;
const packetBytes = 4096;

export function isRecordType(byte: number): boolean {
  return byte >= recordType.changeCipherSpec && byte <= recordType.applicationData;
}

/** Length of the record at the beginning of `bytes`, header included; undefined while its header is not complete. */
export function recordLength(bytes: Buffer): number | undefined {
  return bytes.length < recordHeaderBytes ? undefined : recordHeaderBytes + bytes.readUInt16BE(3);
}

/**
 * What a server sends of a TLS 1.2 handshake inside TDS: each flight is one PRELOGIN message, because clients read exactly one message between two
 * flights of their own; from the first application record on the records travel bare (standin.md).
 */
export class HandshakeFrames {
  #pending: Buffer = Buffer.alloc(0);
  #flight: Buffer[] = [];
  /** Handshake messages of this flight that have not been walked yet: they may cross records. */
  #messages: Buffer = Buffer.alloc(0);
  #cipherChanged = false;
  #bare = false;

  /** The bytes that can go out now; chunks may end anywhere. */
  push(chunk: Buffer): Buffer {
    if (this.#bare) return chunk;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const ready: Buffer[] = [];
    for (;;) {
      if (this.#pending[0] === recordType.applicationData) {
        this.#bare = true;
        return Buffer.concat([...ready, ...this.#endFlight(), this.#pending]);
      }
      const length = recordLength(this.#pending);
      if (length === undefined || this.#pending.length < length) return Buffer.concat(ready);
      const record = this.#pending.subarray(0, length);
      this.#pending = this.#pending.subarray(length);
      this.#flight.push(record);
      if (this.#endsFlight(record)) ready.push(...this.#endFlight());
    }
  }

  #endsFlight(record: Buffer): boolean {
    switch (record[0]) {
      case recordType.alert:
        return true;
      case recordType.changeCipherSpec:
        this.#cipherChanged = true;
        return false;
      default:
        // What follows the change of the cipher is Finished, encrypted.
        return this.#cipherChanged || this.#holdsHelloDone(record.subarray(recordHeaderBytes));
    }
  }

  #holdsHelloDone(payload: Buffer): boolean {
    this.#messages = Buffer.concat([this.#messages, payload]);
    while (this.#messages.length >= handshakeHeaderBytes) {
      const length = handshakeHeaderBytes + this.#messages.readUIntBE(1, 3);
      if (this.#messages.length < length) return false;
      if (this.#messages[0] === serverHelloDone) return true;
      this.#messages = this.#messages.subarray(length);
    }
    return false;
  }

  #endFlight(): Buffer[] {
    const flight = Buffer.concat(this.#flight);
    this.#flight = [];
    this.#messages = Buffer.alloc(0);
    const room = payloadBytesPerPacket(packetBytes);
    const packets: Buffer[] = [];
    for (let at = 0; at < flight.length; at += room) {
      const last = at + room >= flight.length;
      packets.push(packet(flight.subarray(at, at + room), packets.length + 1, 0, last, packetType.prelogin));
    }
    return packets;
  }
}
