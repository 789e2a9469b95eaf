/** The bulk of the hostile bytes, without sockets: every reader of client bytes refuses by name or reads, and nothing else. */
import { describe, expect, it } from '@jest/globals';
import { SqlError } from '../../src/messages.ts';
import { ProtocolError } from '../../src/protocol/bytes.ts';
import { parseLogin7 } from '../../src/protocol/login7.ts';
import { NtlmExchange } from '../../src/protocol/ntlm.ts';
import { answer, negotiate } from '../../src/protocol/ntlm-fixture.ts';
import { PacketReader, packetType } from '../../src/protocol/packets.ts';
import { parsePrelogin } from '../../src/protocol/prelogin.ts';
import { parseBatch, parseCalls, parseTransactionRequest } from '../../src/protocol/requests.ts';
import { randomFrom } from '../random.ts';
import { hostileFrame, pick, spoil, wellFormed, type Random } from './frames.ts';

const seed = Number(process.env['STANDIN_SEED'] ?? 20_261_121);
const long = process.env['HOLDFAST_TESTS'] === 'long';
const frames = long ? 100_000 : 2_500;

const exchange = new NtlmExchange(negotiate, {
  serverChallenge: Buffer.alloc(8, 1),
  domain: 'CONTOSO',
  computer: 'PRIMARY',
  now: new Date('2026-03-01T12:00:00Z'),
});

const readers: readonly (readonly [number, (payload: Buffer) => unknown])[] = [
  [packetType.prelogin, parsePrelogin],
  [packetType.login7, parseLogin7],
  [packetType.sqlBatch, parseBatch],
  [packetType.rpc, parseCalls],
  [packetType.transactionManager, parseTransactionRequest],
  [packetType.sspi, payload => exchange.authenticated(payload, () => Buffer.alloc(16))],
];

/** 'read' or 'refused'; whatever else is thrown is a mistake of the reader. */
function outcome(read: (payload: Buffer) => unknown, payload: Buffer): 'read' | 'refused' {
  try {
    read(payload);
    return 'read';
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof SqlError) return 'refused';
    throw new Error(`seed ${seed}: ${payload.toString('hex').slice(0, 400)}`, { cause: error });
  }
}

describe(`readers of client bytes (seed ${seed})`, () => {
  it.each(readers)(`of packet type %i read or refuse ${frames} spoilt payloads`, (type, read) => {
    const random: Random = randomFrom(seed + type);
    const whole = wellFormed.filter(each => each[0] === type).map(each => each[1]);
    if (type === packetType.sspi) whole.push(answer(exchange.challenge));
    const counts = { read: 0, refused: 0 };
    for (let at = 0; at < frames; at++) counts[outcome(read, spoil(random, pick(random, whole)))] += 1;
    // Both happen, or the spoiling is too weak or too strong to say anything.
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(frames / 100);
  });

  it(`puts ${frames} frames together in pieces of any size, or drops the connection`, () => {
    const random = randomFrom(seed);
    let reader = new PacketReader(100_000);
    const counts = { messages: 0, dropped: 0 };
    for (let at = 0; at < frames; at++) {
      // A length that lies swallows what follows; connections end.
      if (random() < 0.1) reader = new PacketReader(100_000);
      const frame = hostileFrame(random);
      const cut = Math.floor(random() * (frame.length + 1));
      try {
        for (const piece of [frame.subarray(0, cut), frame.subarray(cut)]) {
          for (const { type, payload } of reader.push(piece)) {
            counts.messages += 1;
            const read = readers.find(each => each[0] === type)?.[1];
            if (read) outcome(read, payload);
          }
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        counts.dropped += 1;
        reader = new PacketReader(100_000);
      }
    }
    expect(Math.min(counts.messages, counts.dropped)).toBeGreaterThan(frames / 100);
  });

  it('never keeps more of a message than it may have', () => {
    const reader = new PacketReader(100_000);
    const piece = Buffer.alloc(4096);
    piece.writeUInt8(packetType.sqlBatch, 0);
    piece.writeUInt16BE(piece.length, 2);
    const push = (): void => {
      for (let at = 0; at < 100; at++) reader.push(piece);
    };
    expect(push).toThrow(/message is too long/);
  });
});
