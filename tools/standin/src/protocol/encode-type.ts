import type { SqlType } from '../values.ts';
import type { ByteWriter } from './bytes.ts';
import { collation } from './code-page.ts';
import { code, decimalBytes, maxLength } from './type-codes.ts';

/** Where a TYPE_INFO stands: a result column of text/ntext/image also names its table. */
export type TypePlace = { readonly nullable: boolean; readonly column: boolean };

/** [fixed code for NOT NULL, variable code, bytes] */
const fixedTypes = {
  bit: [code.bit, code.bitN, 1],
  tinyint: [code.int1, code.intN, 1],
  smallint: [code.int2, code.intN, 2],
  int: [code.int4, code.intN, 4],
  bigint: [code.int8, code.intN, 8],
  real: [code.float4, code.floatN, 4],
  float: [code.float8, code.floatN, 8],
  money: [code.money, code.moneyN, 8],
  datetime: [code.dateTime, code.dateTimeN, 8],
} as const;

export function fixedType(type: SqlType): readonly [number, number, number] | undefined {
  return type.name in fixedTypes ? fixedTypes[type.name as keyof typeof fixedTypes] : undefined;
}

export function writeType(writer: ByteWriter, type: SqlType, place: TypePlace): void {
  const fixed = fixedType(type);
  if (fixed) {
    if (place.nullable) writer.u8(fixed[1]).u8(fixed[2]);
    else writer.u8(fixed[0]);
    return;
  }
  switch (type.name) {
    case 'decimal':
      writer
        .u8(code.numericN)
        .u8(decimalBytes(type.precision ?? 18))
        .u8(type.precision ?? 18)
        .u8(type.scale ?? 0);
      return;
    case 'char':
    case 'varchar':
      writer
        .u8(type.name === 'char' ? code.char : code.varChar)
        .u16(byteLength(type, 1, 8000))
        .raw(collation);
      return;
    case 'nchar':
    case 'nvarchar':
      writer
        .u8(type.name === 'nchar' ? code.nChar : code.nVarChar)
        .u16(byteLength(type, 2, 8000))
        .raw(collation);
      return;
    case 'binary':
    case 'varbinary':
      writer.u8(type.name === 'binary' ? code.binary : code.varBinary).u16(byteLength(type, 1, 8000));
      return;
    case 'uniqueidentifier':
      writer.u8(code.guid).u8(16);
      return;
    case 'date':
      writer.u8(code.date);
      return;
    case 'time':
      writer.u8(code.time).u8(type.scale ?? 7);
      return;
    case 'datetime2':
      writer.u8(code.dateTime2).u8(type.scale ?? 7);
      return;
    case 'datetimeoffset':
      writer.u8(code.dateTimeOffset).u8(type.scale ?? 7);
      return;
    case 'text':
    case 'ntext':
    case 'image':
      writeLargeType(writer, type.name, place);
      return;
    default:
      throw new Error(`type ${type.name} has no wire form`);
  }
}

function writeLargeType(writer: ByteWriter, name: 'text' | 'ntext' | 'image', place: TypePlace): void {
  if (name === 'image') writer.u8(code.image).u32(0x7fffffff);
  else
    writer
      .u8(name === 'text' ? code.text : code.nText)
      .u32(name === 'text' ? 0x7fffffff : 0x7ffffffe)
      .raw(collation);
  // One empty part: the stand-in does not know the base table here, and clients use it for updates through cursors only.
  if (place.column) writer.u8(1).longText('');
}

function byteLength(type: SqlType, bytesPerCharacter: number, limit: number): number {
  if (type.length === 'max') return maxLength;
  const bytes = (type.length ?? 1) * bytesPerCharacter;
  if (bytes < 0 || bytes > limit)
    throw new Error(`type ${type.name}(${type.length ?? 1}) is longer than ${limit} bytes`);
  return Math.max(bytes, bytesPerCharacter);
}
