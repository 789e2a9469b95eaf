import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SqlError } from '../messages.ts';
import type { SqlType, SqlValue } from '../values.ts';
import { ByteReader, ByteWriter, ProtocolError } from './bytes.ts';
import { readTypedValue } from './decode-value.ts';
import { writeType } from './encode-type.ts';
import { writeValue } from './encode-value.ts';
import { parseLogin7 } from './login7.ts';
import { parsePrelogin } from './prelogin.ts';
import { parseBatch, parseCalls, parseTransactionRequest } from './requests.ts';

const noHeaders = Buffer.from([4, 0, 0, 0]);

describe('parsing', () => {
  it('of any bytes gives a request or a refusal, never another failure', () => {
    const parsers = [parseBatch, parseCalls, parseTransactionRequest, parseLogin7, parsePrelogin];
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(...parsers),
        fc.boolean(),
        (bytes, parse, headed) => {
          try {
            parse(headed ? Buffer.concat([noHeaders, bytes]) : Buffer.from(bytes));
          } catch (error) {
            expect(error instanceof ProtocolError || error instanceof SqlError).toBe(true);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('of a message with two calls gives both', () => {
    const call = (id: number): ByteWriter => new ByteWriter().u16(0xffff).u16(id).u16(0);
    const bytes = Buffer.concat([
      noHeaders,
      call(10).shortText('@a').u8(1).u8(0x26).u8(4).u8(4).i32(-5).u8(0xff).bytes(),
      new ByteWriter().u16(3).ucs2('b.c').u16(0).bytes(),
    ]);
    expect(parseCalls(bytes)).toEqual([
      {
        procedure: 'sp_executesql',
        parameters: [{ name: '@a', output: true, value: { type: { name: 'int' }, value: -5n } }],
      },
      { procedure: 'b.c', parameters: [] },
    ]);
  });

  it('refuses types that are not built by name', () => {
    const bytes = Buffer.concat([
      noHeaders,
      new ByteWriter().u16(0xffff).u16(10).u16(0).shortText('@x').u8(0).u8(0xf1).bytes(),
    ]);
    expect(() => parseCalls(bytes)).toThrow('STANDIN-UNSUPPORTED: parameter of type xml');
  });
});

describe('values', () => {
  const decimal = fc
    .tuple(fc.integer({ min: 1, max: 38 }), fc.nat(), fc.bigInt(-(10n ** 38n) + 1n, 10n ** 38n - 1n))
    .map(([precision, scaleSeed, digits]): [SqlType, SqlValue] => {
      const scale = scaleSeed % (precision + 1);
      const unscaled = digits % 10n ** BigInt(precision);
      return [
        { name: 'decimal', precision, scale },
        { kind: 'decimal', unscaled, scale },
      ];
    });
  const ticks = fc.bigInt(0n, 3_652_059n * 864_000_000_000n - 1n);
  const time = fc.tuple(ticks, fc.integer({ min: 0, max: 7 })).map(([at, scale]): [SqlType, SqlValue] => {
    const step = 10n ** BigInt(7 - scale);
    return [
      { name: 'datetime2', scale },
      { kind: 'datetime', ticks: (at / step) * step },
    ];
  });
  const text = fc
    .string({ unit: 'grapheme', maxLength: 50 })
    .map((value): [SqlType, SqlValue] => [{ name: 'nvarchar', length: 'max' }, value]);
  const bigint = fc
    .bigInt(-(2n ** 63n), 2n ** 63n - 1n)
    .map((value): [SqlType, SqlValue] => [{ name: 'bigint' }, value]);
  const money = fc
    .bigInt(-(2n ** 63n), 2n ** 63n - 1n)
    .map((unscaled): [SqlType, SqlValue] => [{ name: 'money' }, { kind: 'decimal', unscaled, scale: 4 }]);

  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.oneof(decimal, time, text, bigint, money), ([type, value]) => {
        const writer = new ByteWriter();
        writeType(writer, type, { nullable: true, column: false });
        writeValue(writer, type, true, value);
        const reader = new ByteReader(Buffer.from(writer.bytes()));
        expect(readTypedValue(reader)).toEqual({ type, value });
        expect(reader.left).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('that do not fit their type are never written', () => {
    const writer = new ByteWriter();
    const wrong: [SqlType, SqlValue][] = [
      [{ name: 'varchar', length: 2 }, 'abc'],
      [
        { name: 'decimal', precision: 3, scale: 0 },
        { kind: 'decimal', unscaled: 1000n, scale: 0 },
      ],
      [
        { name: 'decimal', precision: 3, scale: 0 },
        { kind: 'decimal', unscaled: 15n, scale: 1 },
      ],
      [{ name: 'int' }, 2n ** 40n],
      [{ name: 'tinyint' }, -1n],
      [{ name: 'bit' }, 1n],
    ];
    for (const [type, value] of wrong) expect(() => writeValue(writer, type, true, value)).toThrow();
  });
});
