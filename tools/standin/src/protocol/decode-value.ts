import { unsupported } from '../messages.ts';
import type { SqlType, SqlValue, TypedValue } from '../values.ts';
import { ByteReader, ProtocolError } from './bytes.ts';
import { decodeCodePage } from './code-page.ts';
import { code, daysTo1900, maxLength, powerOfTen, refusedTypes, ticksPerDay, timeBytes } from './type-codes.ts';

type Read = (reader: ByteReader) => SqlValue;
type Decoder = { readonly type: SqlType; readonly read: Read };

const plpNull = 0xffff_ffff_ffff_ffffn;

/** TYPE_INFO and value of an RPC parameter. Throws `unsupported` for types that are not built, ProtocolError for bytes that make no sense. */
export function readTypedValue(reader: ByteReader): TypedValue {
  const decoder = readType(reader);
  return { type: decoder.type, value: decoder.read(reader) };
}

function readType(reader: ByteReader): Decoder {
  const token = reader.u8();
  const refused = refusedTypes.get(token);
  if (refused !== undefined) throw unsupported(`parameter of type ${refused}`);
  return (
    readFixedType(token) ?? readNumberType(token, reader) ?? readTimeType(token, reader) ?? readBytesType(token, reader)
  );
}

function readFixedType(token: number): Decoder | undefined {
  switch (token) {
    case code.null:
      // A NULL without a type, as for `@p = NULL`; an int, which converts to everything.
      return { type: { name: 'int' }, read: () => null };
    case code.bit:
      return sized({ name: 'bit' }, 1);
    case code.int1:
      return sized({ name: 'tinyint' }, 1);
    case code.int2:
      return sized({ name: 'smallint' }, 2);
    case code.int4:
      return sized({ name: 'int' }, 4);
    case code.int8:
      return sized({ name: 'bigint' }, 8);
    case code.float4:
      return sized({ name: 'real' }, 4);
    case code.float8:
      return sized({ name: 'float' }, 8);
    case code.money4:
      return sized({ name: 'money' }, 4);
    case code.money:
      return sized({ name: 'money' }, 8);
    case code.dateTime4:
      return sized({ name: 'datetime' }, 4);
    case code.dateTime:
      return sized({ name: 'datetime' }, 8);
    default:
      return undefined;
  }
}

function sized(type: SqlType, bytes: number): Decoder {
  return { type, read: reader => readFixedValue(reader, type, bytes) };
}

/** One byte of length before the value; 0 is NULL. The value has exactly that length. */
function counted(type: SqlType, read: (reader: ByteReader, bytes: number) => SqlValue): Decoder {
  return {
    type,
    read: reader => {
      const bytes = reader.u8();
      if (bytes === 0) return null;
      const own = new ByteReader(reader.raw(bytes));
      const value = read(own, bytes);
      if (own.left > 0) throw new ProtocolError(`${type.name} of ${bytes} bytes`);
      return value;
    },
  };
}

function readFixedValue(reader: ByteReader, type: SqlType, bytes: number): SqlValue {
  switch (type.name) {
    case 'bit':
      return reader.u8() !== 0;
    case 'real':
    case 'float':
      return finite(bytes === 4 ? reader.f32() : reader.f64());
    case 'money': {
      if (bytes === 4) return { kind: 'decimal', unscaled: BigInt(reader.i32()), scale: 4 };
      const high = BigInt(reader.i32());
      return { kind: 'decimal', unscaled: (high << 32n) | BigInt(reader.u32()), scale: 4 };
    }
    case 'datetime':
      return bytes === 4 ? readSmallDateTime(reader) : readDateTime(reader);
    default:
      if (bytes === 1) return BigInt(reader.u8());
      if (bytes === 2) return BigInt(reader.i16());
      if (bytes === 4) return BigInt(reader.i32());
      if (bytes === 8) return reader.i64();
      throw new ProtocolError(`${type.name} of ${bytes} bytes`);
  }
}

function readDateTime(reader: ByteReader): SqlValue {
  const days = BigInt(reader.i32()) + daysTo1900;
  const units = BigInt(reader.u32());
  // Shown as .000, .003 and .007 seconds: rounded to the millisecond.
  return instant(days * ticksPerDay + timeOfDay(((units * 20n + 3n) / 6n) * 10_000n));
}

function readSmallDateTime(reader: ByteReader): SqlValue {
  const days = BigInt(reader.u16()) + daysTo1900;
  return instant(days * ticksPerDay + timeOfDay(BigInt(reader.u16()) * 600_000_000n));
}

function readNumberType(token: number, reader: ByteReader): Decoder | undefined {
  switch (token) {
    case code.intN: {
      const name = ({ 1: 'tinyint', 2: 'smallint', 4: 'int', 8: 'bigint' } as const)[reader.u8()];
      if (name === undefined) throw new ProtocolError('INTN of an unknown length');
      return countedFixed({ name });
    }
    case code.bitN:
      reader.u8();
      return countedFixed({ name: 'bit' });
    case code.floatN:
      return countedFixed({ name: reader.u8() === 4 ? 'real' : 'float' });
    case code.moneyN:
      reader.u8();
      return countedFixed({ name: 'money' });
    case code.dateTimeN:
      reader.u8();
      return countedFixed({ name: 'datetime' });
    case code.decimal:
    case code.numeric:
    case code.decimalN:
    case code.numericN: {
      reader.u8();
      const precision = reader.u8();
      const scale = reader.u8();
      if (precision < 1 || precision > 38 || scale > precision)
        throw new ProtocolError(`decimal(${precision}, ${scale})`);
      return counted({ name: 'decimal', precision, scale }, (values, bytes) => {
        const positive = values.u8() !== 0;
        const magnitude = values.unsigned(bytes - 1);
        return { kind: 'decimal', unscaled: positive ? magnitude : -magnitude, scale };
      });
    }
    case code.guid:
      reader.u8();
      return counted({ name: 'uniqueidentifier' }, (values, bytes) => guidText(values.raw(bytes)));
    default:
      return undefined;
  }
}

function countedFixed(type: SqlType): Decoder {
  return counted(type, (reader, bytes) => readFixedValue(reader, type, bytes));
}

function readTimeType(token: number, reader: ByteReader): Decoder | undefined {
  switch (token) {
    case code.date:
      return counted({ name: 'date' }, values => instant(values.unsigned(3) * ticksPerDay));
    case code.time: {
      const scale = readTimeScale(reader);
      return counted({ name: 'time', scale }, values => ({ kind: 'datetime', ticks: readTime(values, scale) }));
    }
    case code.dateTime2: {
      const scale = readTimeScale(reader);
      return counted({ name: 'datetime2', scale }, values => {
        const time = readTime(values, scale);
        return instant(values.unsigned(3) * ticksPerDay + time);
      });
    }
    case code.dateTimeOffset: {
      const scale = readTimeScale(reader);
      return counted({ name: 'datetimeoffset', scale }, values => {
        const time = readTime(values, scale);
        const utc = values.unsigned(3) * ticksPerDay + time;
        const offsetMinutes = values.i16();
        if (Math.abs(offsetMinutes) > 14 * 60) throw new ProtocolError(`offset of ${offsetMinutes} minutes`);
        return { ...instant(utc + BigInt(offsetMinutes) * 600_000_000n), offsetMinutes };
      });
    }
    default:
      return undefined;
  }
}

function readTime(reader: ByteReader, scale: number): bigint {
  return timeOfDay(reader.unsigned(timeBytes(scale)) * powerOfTen(7 - scale));
}

function readTimeScale(reader: ByteReader): number {
  const scale = reader.u8();
  if (scale > 7) throw new ProtocolError(`time with ${scale} digits after the second`);
  return scale;
}

/** 0001-01-01 to 9999-12-31. */
const daysOfAllYears = 3_652_059n;

function instant(ticks: bigint): { readonly kind: 'datetime'; readonly ticks: bigint } {
  if (ticks < 0n || ticks >= daysOfAllYears * ticksPerDay) throw new ProtocolError('date outside the years 1 to 9999');
  return { kind: 'datetime', ticks };
}

function timeOfDay(ticks: bigint): bigint {
  if (ticks > ticksPerDay) throw new ProtocolError('time beyond its day');
  return ticks;
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new ProtocolError('float that is no number');
  return value;
}

function readBytesType(token: number, reader: ByteReader): Decoder {
  switch (token) {
    case code.char:
      return bytesType('char', reader, 1, true, decodeCodePage);
    case code.varChar:
      return bytesType('varchar', reader, 1, true, decodeCodePage);
    case code.nChar:
      return bytesType('nchar', reader, 2, true, bytes => bytes.toString('utf16le'));
    case code.nVarChar:
      return bytesType('nvarchar', reader, 2, true, bytes => bytes.toString('utf16le'));
    case code.binary:
      return bytesType('binary', reader, 1, false, bytes => new Uint8Array(bytes));
    case code.varBinary:
      return bytesType('varbinary', reader, 1, false, bytes => new Uint8Array(bytes));
    case code.text:
      return largeType('text', reader, true, decodeCodePage);
    case code.nText:
      return largeType('ntext', reader, true, bytes => bytes.toString('utf16le'));
    case code.image:
      return largeType('image', reader, false, bytes => new Uint8Array(bytes));
    default:
      throw new ProtocolError(`parameter of unknown type 0x${token.toString(16)}`);
  }
}

function bytesType(
  name: SqlType['name'],
  reader: ByteReader,
  bytesPerCharacter: number,
  collated: boolean,
  convert: (bytes: Buffer) => SqlValue,
): Decoder {
  const length = reader.u16();
  if (collated) reader.raw(5);
  if (length === maxLength) {
    return {
      type: { name, length: 'max' },
      read: values => {
        const bytes = readChunks(values);
        return bytes === null ? null : convert(bytes);
      },
    };
  }
  return {
    type: { name, length: Math.max(1, Math.floor(length / bytesPerCharacter)) },
    read: values => {
      const bytes = values.u16();
      return bytes === maxLength ? null : convert(values.raw(bytes));
    },
  };
}

function largeType(
  name: SqlType['name'],
  reader: ByteReader,
  collated: boolean,
  convert: (bytes: Buffer) => SqlValue,
): Decoder {
  reader.u32();
  if (collated) reader.raw(5);
  return {
    type: { name },
    read: values => {
      const bytes = values.i32();
      return bytes < 0 ? null : convert(values.raw(bytes));
    },
  };
}

function readChunks(reader: ByteReader): Buffer | null {
  if (reader.u64() === plpNull) return null;
  const chunks: Buffer[] = [];
  for (;;) {
    const bytes = reader.u32();
    if (bytes === 0) return Buffer.concat(chunks);
    chunks.push(reader.raw(bytes));
  }
}

function guidText(bytes: Buffer): string {
  if (bytes.length !== 16) throw new ProtocolError(`uniqueidentifier of ${bytes.length} bytes`);
  const copy = Buffer.from(bytes);
  copy.subarray(0, 4).reverse();
  copy.subarray(4, 6).reverse();
  copy.subarray(6, 8).reverse();
  return copy
    .toString('hex')
    .toUpperCase()
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
