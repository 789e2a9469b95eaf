/** The stand-in's own bytes for values, rows and table definitions: in its data files, logs and backup files. Not SQL Server's format. */
import { frame } from './frames.ts';
import type { ColumnDefinition, Row, TableDefinition } from '../contract.ts';
import type { SqlValue } from '../values.ts';

const tags = {
  null: 0,
  false: 1,
  true: 2,
  integer: 3,
  float: 4,
  text: 5,
  bytes: 6,
  decimal: 7,
  datetime: 8,
  offset: 9,
} as const;

/** Up to here a text is written unit by unit: the call into the machine costs more. */
const shortText = 64;
/** As much as a writer holds on to. */
const keptBytes = 1_048_576;

/**
 * Bytes of one record or chunk at a time. Every change and every row of a checkpoint passes here: the numbers are set through a view, which the
 * compiler turns into plain stores, and one writer serves again after `clear`.
 */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(4096);
  #view = new DataView(this.#buffer.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Begins anew. The room that a large value took is given back. */
  clear(): void {
    this.#length = 0;
    if (this.#buffer.length <= keptBytes) return;
    this.#buffer = Buffer.allocUnsafeSlow(4096);
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Where the next `bytes` go. */
  #reserve(bytes: number): number {
    const at = this.#length;
    if (at + bytes > this.#buffer.length) this.#grow(at + bytes);
    this.#length = at + bytes;
    return at;
  }

  #grow(needed: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, needed));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  i64(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigInt64(at, value, true);
  }

  f64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  bytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.raw(bytes);
  }

  text(text: string): void {
    // utf16le keeps lone surrogates, which nvarchar may hold and UTF-8 would replace.
    const { length } = text;
    const at = this.#reserve(4 + length * 2);
    this.#view.setUint32(at, length * 2, true);
    if (length > shortText) this.#buffer.write(text, at + 4, 'utf16le');
    else for (let i = 0; i < length; i += 1) this.#view.setUint16(at + 4 + i * 2, text.charCodeAt(i), true);
  }

  /** Integers of any size: LSNs and decimals pass 64 bits. */
  big(value: bigint): void {
    this.text(value.toString(36));
  }

  value(value: SqlValue): void {
    if (value === null) this.u8(tags.null);
    else if (typeof value === 'boolean') this.u8(value ? tags.true : tags.false);
    else if (typeof value === 'bigint') {
      this.u8(tags.integer);
      this.i64(value);
    } else if (typeof value === 'number') {
      this.u8(tags.float);
      this.f64(value);
    } else if (typeof value === 'string') {
      this.u8(tags.text);
      this.text(value);
    } else if (value instanceof Uint8Array) {
      this.u8(tags.bytes);
      this.bytes(value);
    } else if (value.kind === 'decimal') {
      this.u8(tags.decimal);
      this.u8(value.scale);
      this.big(value.unscaled);
    } else {
      this.u8(value.offsetMinutes === undefined ? tags.datetime : tags.offset);
      this.i64(value.ticks);
      if (value.offsetMinutes !== undefined) this.f64(value.offsetMinutes);
    }
  }

  row(row: Row): void {
    this.u32(row.length);
    for (const value of row) this.value(value);
  }

  /** A copy of it as a frame (frames.ts). */
  framed(): Buffer {
    return frame(this.#buffer.subarray(0, this.#length));
  }
}

/** Of base 36, as many as a number holds exactly. */
const exactDigits = 10;

export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#buffer.length)
      throw new Error(`record ends ${at + bytes - this.#buffer.length} bytes early`);
    this.#at = at + bytes;
    return at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  i64(): bigint {
    return this.#buffer.readBigInt64LE(this.#take(8));
  }

  f64(): number {
    return this.#buffer.readDoubleLE(this.#take(8));
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }

  text(): string {
    const length = this.u32();
    const at = this.#take(length);
    return this.#buffer.toString('utf16le', at, at + length);
  }

  big(): bigint {
    const digits = this.text();
    const negative = digits.startsWith('-');
    let value = 0n;
    for (let at = negative ? 1 : 0; at < digits.length; at += exactDigits) {
      const part = digits.slice(at, at + exactDigits);
      value = value * 36n ** BigInt(part.length) + BigInt(parseInt(part, 36));
    }
    return negative ? -value : value;
  }

  value(): SqlValue {
    const tag = this.u8();
    switch (tag) {
      case tags.null:
        return null;
      case tags.false:
        return false;
      case tags.true:
        return true;
      case tags.integer:
        return this.i64();
      case tags.float:
        return this.f64();
      case tags.text:
        return this.text();
      case tags.bytes:
        return Uint8Array.from(this.bytes());
      case tags.decimal: {
        const scale = this.u8();
        return { kind: 'decimal', unscaled: this.big(), scale };
      }
      case tags.datetime:
        return { kind: 'datetime', ticks: this.i64() };
      case tags.offset:
        return { kind: 'datetime', ticks: this.i64(), offsetMinutes: this.f64() };
      default:
        throw new Error(`value tag ${tag} is unknown`);
    }
  }

  row(): Row {
    const length = this.u32();
    const row: SqlValue[] = [];
    for (let index = 0; index < length; index += 1) row.push(this.value());
    return row;
  }
}

type StoredColumn = Omit<ColumnDefinition, 'identity'> & {
  readonly identity?: { readonly seed: string; readonly increment: string };
};
export type StoredDefinition = Omit<TableDefinition, 'columns'> & { readonly columns: readonly StoredColumn[] };

/** A table definition as JSON can hold it. */
export function toStoredDefinition(definition: TableDefinition): StoredDefinition {
  return {
    ...definition,
    columns: definition.columns.map(({ identity, ...column }) =>
      identity === undefined
        ? column
        : { ...column, identity: { seed: String(identity.seed), increment: String(identity.increment) } },
    ),
  };
}

export function fromStoredDefinition(stored: StoredDefinition): TableDefinition {
  return {
    ...stored,
    columns: stored.columns.map(({ identity, ...column }) =>
      identity === undefined
        ? column
        : { ...column, identity: { seed: BigInt(identity.seed), increment: BigInt(identity.increment) } },
    ),
  };
}
