/** A growing buffer. All numbers little endian unless the name says otherwise; TDS mixes both. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The written bytes; valid until the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes back what was written after `length`. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** Forgets the first `count` bytes, which were sent. */
  dropFront(count: number): void {
    this.#buffer.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  u8(value: number): this {
    this.#length = this.#room(1).writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#length = this.#room(2).writeUInt16LE(value, this.#length);
    return this;
  }

  u16be(value: number): this {
    this.#length = this.#room(2).writeUInt16BE(value, this.#length);
    return this;
  }

  i32(value: number): this {
    this.#length = this.#room(4).writeInt32LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#length = this.#room(4).writeUInt32LE(value, this.#length);
    return this;
  }

  u32be(value: number): this {
    this.#length = this.#room(4).writeUInt32BE(value, this.#length);
    return this;
  }

  i16(value: number): this {
    this.#length = this.#room(2).writeInt16LE(value, this.#length);
    return this;
  }

  i64(value: bigint): this {
    this.#length = this.#room(8).writeBigInt64LE(value, this.#length);
    return this;
  }

  u64(value: bigint): this {
    this.#length = this.#room(8).writeBigUInt64LE(value, this.#length);
    return this;
  }

  f32(value: number): this {
    this.#length = this.#room(4).writeFloatLE(value, this.#length);
    return this;
  }

  f64(value: number): this {
    this.#length = this.#room(8).writeDoubleLE(value, this.#length);
    return this;
  }

  /** An unsigned integer of `size` bytes, little endian. */
  unsigned(value: bigint, size: number): this {
    const buffer = this.#room(size);
    let rest = value;
    for (let at = 0; at < size; at++) {
      buffer[this.#length + at] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    if (rest !== 0n) throw new RangeError(`${value} does not fit into ${size} bytes`);
    this.#length += size;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  ucs2(text: string): this {
    this.#length += this.#room(text.length * 2).write(text, this.#length, 'utf16le');
    return this;
  }

  /** B_VARCHAR: characters counted in one byte. */
  shortText(text: string): this {
    const cut = text.slice(0, 255);
    return this.u8(cut.length).ucs2(cut);
  }

  /** US_VARCHAR: characters counted in two bytes. */
  longText(text: string): this {
    const cut = text.slice(0, 30_000);
    return this.u16(cut.length).ucs2(cut);
  }

  #room(more: number): Buffer {
    if (this.#length + more > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more));
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    return this.#buffer;
  }
}

/** The client broke the protocol: the connection cannot be trusted further and closes. */
export class ProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** Reads a complete message; running past its end is a ProtocolError. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get left(): number {
    return this.#buffer.length - this.#at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }

  i16(): number {
    return this.#buffer.readInt16LE(this.#take(2));
  }

  i32(): number {
    return this.#buffer.readInt32LE(this.#take(4));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  i64(): bigint {
    return this.#buffer.readBigInt64LE(this.#take(8));
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#take(8));
  }

  f32(): number {
    return this.#buffer.readFloatLE(this.#take(4));
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#take(8));
  }

  /** An unsigned integer of `size` bytes, little endian. */
  unsigned(size: number): bigint {
    const bytes = this.raw(size);
    let value = 0n;
    for (let at = size - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at] ?? 0);
    return value;
  }

  /** A view, not a copy: messages are owned by the reader's caller. */
  raw(length: number): Buffer {
    const from = this.#take(length);
    return this.#buffer.subarray(from, from + length);
  }

  ucs2(characters: number): string {
    return this.raw(characters * 2).toString('utf16le');
  }

  shortText(): string {
    return this.ucs2(this.u8());
  }

  #take(length: number): number {
    const from = this.#at;
    if (length > this.left) throw new ProtocolError(`message ends ${length - this.left} bytes too early`);
    this.#at += length;
    return from;
  }
}
