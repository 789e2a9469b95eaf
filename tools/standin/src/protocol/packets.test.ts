import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PacketReader, packet, packetType, type IncomingMessage } from './packets.ts';

const batch = packetType.sqlBatch;

function frame(payload: Buffer, status: number, type: number = batch): Buffer {
  const bytes = packet(payload, 1, 0, false, type);
  bytes.writeUInt8(status, 1);
  return bytes;
}

describe('PacketReader', () => {
  it('finds the same messages however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 }), { maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (messages, cuts) => {
          const stream = Buffer.concat(
            messages.flatMap(parts =>
              parts.map((part, at) => frame(Buffer.from(part), at === parts.length - 1 ? 1 : 0)),
            ),
          );
          const reader = new PacketReader();
          const found: IncomingMessage[] = [];
          for (let at = 0, cut = 0; at < stream.length; cut++) {
            const length = cuts[cut % cuts.length] ?? 1;
            found.push(...reader.push(stream.subarray(at, at + length)));
            at += length;
          }
          expect(found.map(message => message.payload)).toEqual(messages.map(parts => Buffer.concat(parts)));
        },
      ),
    );
  });

  it('tells ignored messages and session resets', () => {
    const read = (status: number): object | undefined => new PacketReader().push(frame(Buffer.from('x'), status))[0];
    expect(read(1)).toMatchObject({ ignored: false, reset: 'none' });
    expect(read(3)).toMatchObject({ ignored: true });
    expect(read(9)).toMatchObject({ reset: 'all' });
    expect(read(17)).toMatchObject({ reset: 'keep transaction' });
  });

  it('refuses what cannot be TDS', () => {
    expect(() => new PacketReader().push(Buffer.from('GET / HTTP/1.1'))).toThrow('packet type 71');
    const short = frame(Buffer.alloc(0), 1);
    short.writeUInt16BE(7, 2);
    expect(() => new PacketReader().push(short)).toThrow('shorter than its header');
    const mixed = Buffer.concat([frame(Buffer.from('a'), 0), frame(Buffer.from('b'), 1, packetType.rpc)]);
    expect(() => new PacketReader().push(mixed)).toThrow('inside a message');
    expect(() => new PacketReader(10).push(frame(Buffer.alloc(11), 0))).toThrow('too long');
  });
});
