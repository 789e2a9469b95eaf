/** TYPE_INFO bytes (MS-TDS data type definitions). */
export const code = {
  null: 0x1f,
  int1: 0x30,
  bit: 0x32,
  int2: 0x34,
  int4: 0x38,
  dateTime4: 0x3a,
  float4: 0x3b,
  money: 0x3c,
  dateTime: 0x3d,
  float8: 0x3e,
  money4: 0x7a,
  int8: 0x7f,
  guid: 0x24,
  intN: 0x26,
  date: 0x28,
  time: 0x29,
  dateTime2: 0x2a,
  dateTimeOffset: 0x2b,
  decimal: 0x37,
  numeric: 0x3f,
  bitN: 0x68,
  decimalN: 0x6a,
  numericN: 0x6c,
  floatN: 0x6d,
  moneyN: 0x6e,
  dateTimeN: 0x6f,
  image: 0x22,
  text: 0x23,
  nText: 0x63,
  varBinary: 0xa5,
  varChar: 0xa7,
  binary: 0xad,
  char: 0xaf,
  nVarChar: 0xe7,
  nChar: 0xef,
} as const;

/** Length 0xFFFF in TYPE_INFO: the value is sent in chunks (PLP). As a value's length: NULL. */
export const maxLength = 0xffff;

/** Types that a parameter may have on the wire and that are refused by name. */
export const refusedTypes: ReadonlyMap<number, string> = new Map([
  [0x62, 'sql_variant'],
  [0xf0, 'CLR type'],
  [0xf1, 'xml'],
  [0xf3, 'table-valued parameter'],
  [0x25, 'varbinary of TDS 4.2'],
  [0x27, 'varchar of TDS 4.2'],
  [0x2d, 'binary of TDS 4.2'],
  [0x2f, 'char of TDS 4.2'],
]);

export const ticksPerDay = 864_000_000_000n;
/** 0001-01-01 to 1900-01-01. */
export const daysTo1900 = 693_595n;

export function timeBytes(scale: number): number {
  return scale <= 2 ? 3 : scale <= 4 ? 4 : 5;
}

export function decimalBytes(precision: number): number {
  return precision <= 9 ? 5 : precision <= 19 ? 9 : precision <= 28 ? 13 : 17;
}

export function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}
