import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HandshakeFrames, recordType } from './tls-records.ts';

const { alert, applicationData, changeCipherSpec, handshake } = recordType;

function record(type: number, payload: readonly number[]): Buffer {
  return Buffer.from([type, 3, 3, payload.length >> 8, payload.length & 0xff, ...payload]);
}

/** A handshake message; its length is honest. */
const message = (type: number, body: readonly number[]): number[] => [type, 0, 0, body.length, ...body];

/** The payloads of the messages in `bytes`, and what follows the last one. */
function read(bytes: Buffer): { messages: Buffer[]; bare: Buffer } {
  const messages: Buffer[] = [];
  let parts: Buffer[] = [];
  let at = 0;
  for (; bytes[at] === 18; at += bytes.readUInt16BE(at + 2)) {
    parts.push(bytes.subarray(at + 8, at + bytes.readUInt16BE(at + 2)));
    if (bytes[at + 1] === 0) continue;
    messages.push(Buffer.concat(parts));
    parts = [];
  }
  expect(parts).toEqual([]);
  return { messages, bare: bytes.subarray(at) };
}

const hello = record(handshake, [...message(2, [1, 2, 3]), ...message(11, [14, 0, 0, 0, 0])]);
// A message that crosses records, whose end alone looks like the last one of a flight.
const keys = [record(handshake, message(12, [9, 9, 14, 0, 0, 0]).slice(0, 6)), record(handshake, [14, 0, 0, 0])];
const helloDone = record(handshake, message(14, []));
const first = Buffer.concat([hello, ...keys, helloDone]);
const second = Buffer.concat([
  record(handshake, message(4, [7])),
  record(changeCipherSpec, [1]),
  record(handshake, [14, 0, 0, 0]),
]);
const rest = Buffer.concat([record(applicationData, [1, 2]), record(alert, [1, 0])]);

describe('HandshakeFrames', () => {
  it('makes one message of each flight, however the bytes come, and lets the rest through', () => {
    const stream = Buffer.concat([first, second, rest]);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), cuts => {
        const frames = new HandshakeFrames();
        const sent: Buffer[] = [];
        for (let at = 0, cut = 0; at < stream.length; cut++) {
          const length = cuts[cut % cuts.length] ?? 1;
          sent.push(frames.push(stream.subarray(at, at + length)));
          at += length;
        }
        expect(read(Buffer.concat(sent))).toEqual({ messages: [first, second], bare: rest });
      }),
    );
  });

  it('cuts a flight with a long chain of certificates into packets of one message', () => {
    const chain = Array.from({ length: 5 }, () => record(handshake, message(11, Array<number>(250).fill(1))));
    const flight = Buffer.concat([...chain, ...chain, ...chain, ...chain, helloDone]);
    const sent = new HandshakeFrames().push(flight);
    expect(sent.readUInt16BE(2)).toBe(4096);
    expect(read(sent).messages).toEqual([flight]);
  });

  it('sends an alert at once, also the one that says why there is no handshake', () => {
    expect(read(new HandshakeFrames().push(record(alert, [2, 40]))).messages).toEqual([record(alert, [2, 40])]);
  });
});
