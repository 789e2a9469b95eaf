import type { Decimal, SqlDateTime, SqlType, SqlValue } from '../values.ts';
import type { ByteWriter } from './bytes.ts';
import { encodeCodePage } from './code-page.ts';
import { fixedType } from './encode-type.ts';
import { daysTo1900, decimalBytes, maxLength, powerOfTen, ticksPerDay, timeBytes } from './type-codes.ts';

const chunkBytes = 0x8000;
const plpNull = 0xffff_ffff_ffff_ffffn;

/**
 * One value as COLMETADATA or RETURNVALUE announced it with the same type and nullability. A value that its type cannot hold is a mistake of
 * the layer that made it and throws: a client must never see half a row or other digits.
 */
export function writeValue(writer: ByteWriter, type: SqlType, nullable: boolean, value: SqlValue): void {
  const fixed = fixedType(type);
  if (fixed) {
    if (value === null) {
      if (!nullable) throw new Error(`NULL in a column of type ${type.name} that was announced as NOT NULL`);
      writer.u8(0);
      return;
    }
    if (nullable) writer.u8(fixed[2]);
    writeFixed(writer, type, value);
    return;
  }
  switch (type.name) {
    case 'decimal':
      if (value === null) writer.u8(0);
      else writeDecimal(writer, type, decimalOf(value, type));
      return;
    case 'uniqueidentifier':
      if (value === null) writer.u8(0);
      else writer.u8(16).raw(guidBytes(textOf(value, type)));
      return;
    case 'date':
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      if (value === null) writer.u8(0);
      else writeTemporal(writer, type, dateTimeOf(value, type));
      return;
    default:
      writeBytes(writer, type, value === null ? null : contentBytes(type, value));
  }
}

function writeFixed(writer: ByteWriter, type: SqlType, value: Exclude<SqlValue, null>): void {
  switch (type.name) {
    case 'bit':
      if (typeof value !== 'boolean') throw mismatch(type, value);
      writer.u8(value ? 1 : 0);
      return;
    case 'tinyint':
      writer.u8(Number(bigintOf(value, type)));
      return;
    case 'smallint':
      writer.i16(Number(bigintOf(value, type)));
      return;
    case 'int':
      writer.i32(Number(bigintOf(value, type)));
      return;
    case 'bigint':
      writer.i64(bigintOf(value, type));
      return;
    case 'real':
      writer.f32(numberOf(value, type));
      return;
    case 'float':
      writer.f64(numberOf(value, type));
      return;
    case 'money':
      writeMoney(writer, decimalOf(value, type));
      return;
    case 'datetime':
      writeDateTime(writer, dateTimeOf(value, type));
      return;
    default:
      throw mismatch(type, value);
  }
}

function writeMoney(writer: ByteWriter, value: Decimal): void {
  const unscaled = rescale(value, 4);
  writer.i32(Number(BigInt.asIntN(32, unscaled >> 32n))).u32(Number(BigInt.asUintN(32, unscaled)));
}

/** Three-hundredths of a second since midnight. */
function writeDateTime(writer: ByteWriter, value: SqlDateTime): void {
  let days = value.ticks / ticksPerDay - daysTo1900;
  let units = ((value.ticks % ticksPerDay) * 3n + 50_000n) / 100_000n;
  if (units === 25_920_000n) {
    days += 1n;
    units = 0n;
  }
  writer.i32(Number(days)).u32(Number(units));
}

function writeDecimal(writer: ByteWriter, type: SqlType, value: Decimal): void {
  const precision = type.precision ?? 18;
  const unscaled = rescale(value, type.scale ?? 0);
  const magnitude = unscaled < 0n ? -unscaled : unscaled;
  if (magnitude >= powerOfTen(precision)) throw new Error(`${unscaled} does not fit into decimal(${precision})`);
  const bytes = decimalBytes(precision);
  writer
    .u8(bytes)
    .u8(unscaled < 0n ? 0 : 1)
    .unsigned(magnitude, bytes - 1);
}

function rescale(value: Decimal, scale: number): bigint {
  if (value.scale <= scale) return value.unscaled * powerOfTen(scale - value.scale);
  const divisor = powerOfTen(value.scale - scale);
  if (value.unscaled % divisor !== 0n)
    throw new Error(`a decimal of scale ${value.scale} would lose digits at scale ${scale}`);
  return value.unscaled / divisor;
}

function writeTemporal(writer: ByteWriter, type: SqlType, value: SqlDateTime): void {
  const scale = type.scale ?? 7;
  const offset = value.offsetMinutes ?? 0;
  // datetimeoffset travels in UTC beside its offset; our value holds its own clock.
  const ticks = type.name === 'datetimeoffset' ? value.ticks - BigInt(offset) * 600_000_000n : value.ticks;
  const timeLength = type.name === 'date' ? 0 : timeBytes(scale);
  const dateLength = type.name === 'time' ? 0 : 3;
  writer.u8(timeLength + dateLength + (type.name === 'datetimeoffset' ? 2 : 0));
  if (timeLength > 0) writer.unsigned((ticks % ticksPerDay) / powerOfTen(7 - scale), timeLength);
  if (dateLength > 0) writer.unsigned(ticks / ticksPerDay, dateLength);
  if (type.name === 'datetimeoffset') writer.i16(offset);
}

function contentBytes(type: SqlType, value: Exclude<SqlValue, null>): Uint8Array {
  switch (type.name) {
    case 'char':
    case 'varchar':
    case 'text':
      return encodeCodePage(padded(textOf(value, type), type, ' '));
    case 'nchar':
    case 'nvarchar':
    case 'ntext':
      return Buffer.from(padded(textOf(value, type), type, ' '), 'utf16le');
    case 'binary':
    case 'varbinary':
    case 'image': {
      if (!(value instanceof Uint8Array)) throw mismatch(type, value);
      if (type.name !== 'binary' || typeof type.length !== 'number') return value;
      return Buffer.concat([value, Buffer.alloc(Math.max(0, type.length - value.length))]);
    }
    default:
      throw mismatch(type, value);
  }
}

function padded(text: string, type: SqlType, fill: string): string {
  return (type.name === 'char' || type.name === 'nchar') && typeof type.length === 'number'
    ? text.padEnd(type.length, fill)
    : text;
}

function writeBytes(writer: ByteWriter, type: SqlType, bytes: Uint8Array | null): void {
  if (type.name === 'text' || type.name === 'ntext' || type.name === 'image') {
    if (bytes === null) writer.u8(0);
    // The text pointer and its timestamp mean nothing to clients that do not use READTEXT.
    else writer.u8(16).raw(Buffer.alloc(24)).u32(bytes.length).raw(bytes);
    return;
  }
  if (type.length === 'max') {
    writeChunks(writer, bytes);
    return;
  }
  if (bytes === null) {
    writer.u16(maxLength);
    return;
  }
  const limit = (type.length ?? 1) * (type.name === 'nchar' || type.name === 'nvarchar' ? 2 : 1);
  if (bytes.length > limit) {
    throw new Error(`${bytes.length} bytes in a value of type ${type.name}(${type.length ?? 1})`);
  }
  writer.u16(bytes.length).raw(bytes);
}

function writeChunks(writer: ByteWriter, bytes: Uint8Array | null): void {
  if (bytes === null) {
    writer.u64(plpNull);
    return;
  }
  writer.u64(BigInt(bytes.length));
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    writer.u32(chunk.length).raw(chunk);
  }
  writer.u32(0);
}

/** The first three groups of a GUID are little endian on the wire. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  if (bytes.length !== 16) throw new Error(`${text} is no uniqueidentifier`);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function bigintOf(value: SqlValue, type: SqlType): bigint {
  if (typeof value === 'bigint') return value;
  throw mismatch(type, value);
}

function numberOf(value: SqlValue, type: SqlType): number {
  if (typeof value === 'number') return value;
  throw mismatch(type, value);
}

function textOf(value: SqlValue, type: SqlType): string {
  if (typeof value === 'string') return value;
  throw mismatch(type, value);
}

function decimalOf(value: SqlValue, type: SqlType): Decimal {
  if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'decimal') return value;
  throw mismatch(type, value);
}

function dateTimeOf(value: SqlValue, type: SqlType): SqlDateTime {
  if (typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'datetime') return value;
  throw mismatch(type, value);
}

function mismatch(type: SqlType, value: SqlValue): Error {
  const shown = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : typeof value;
  return new Error(`a ${shown} is no value of type ${type.name}`);
}
