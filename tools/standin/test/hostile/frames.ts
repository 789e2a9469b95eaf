/** Bytes that no driver sends, drawn from a seed: whole frames of every kind, then spoilt. */
import { negotiate } from '../../src/protocol/ntlm-fixture.ts';
import { packet, packetType } from '../../src/protocol/packets.ts';
import { renderPrelogin } from '../../src/protocol/prelogin.ts';
import { batch, login7 } from '../tls-client.ts';

export type Random = () => number;

export const below = (random: Random, limit: number): number => Math.floor(random() * limit);
export const pick = <T>(random: Random, from: readonly T[]): T => from[below(random, from.length)] as T;

export function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(random, 256)));
}

/** sp_executesql with one parameter of each kind of length. */
function call(): Buffer {
  const text = Buffer.from('SELECT @a', 'utf16le');
  const headers = batch('');
  const parameters = [
    Buffer.from([0xff, 0xff, 10, 0, 0, 0]),
    Buffer.from([0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34, text.length, 0]),
    text,
    Buffer.from([2, 0x40, 0, 0x61, 0, 0, 0x26, 4, 4, 1, 0, 0, 0]),
    Buffer.from([0, 1, 0x6a, 17, 38, 2, 5, 1, 1, 2, 3, 4]),
    Buffer.from([
      0, 0, 0xa5, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0,
    ]),
    Buffer.from([0, 0, 0x2a, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
    Buffer.from([0, 0, 0x24, 16, 16]),
    Buffer.alloc(16, 7),
  ];
  return Buffer.concat([headers, ...parameters]);
}

function transactionRequest(): Buffer {
  return Buffer.concat([batch(''), Buffer.from([5, 0, 2, 2, 0x61, 0])]);
}

/** Logs in at a Windows account: the flag and the token are added to a plain LOGIN7. */
export function windowsLogin(): Buffer {
  const plain = login7('', '');
  plain.writeUInt8(0x80, 25);
  plain.writeUInt16LE(plain.length, 78);
  plain.writeUInt16LE(negotiate.length, 80);
  return Buffer.concat([plain, negotiate]);
}

/** Whole payloads by their packet type. */
export const wellFormed: readonly (readonly [number, Buffer])[] = [
  [packetType.prelogin, Buffer.from(renderPrelogin({ version: [0, 0, 0], encryption: 2 }))],
  [packetType.login7, login7('sa', 'not this')],
  [packetType.login7, windowsLogin()],
  [packetType.sqlBatch, batch('SELECT 1')],
  [packetType.rpc, call()],
  [packetType.transactionManager, transactionRequest()],
  [packetType.attention, Buffer.alloc(0)],
  [packetType.sspi, negotiate],
  [packetType.bulkLoad, Buffer.alloc(20, 3)],
];

const types = [0, 1, 2, 3, 4, 6, 7, 8, 14, 16, 17, 18, 22, 23, 255];
const edges = [0, 1, 2, 7, 8, 9, 0x7f, 0x80, 0xff, 0xfe];

/** A payload with some of its bytes changed, cut off, doubled, or made of noise. */
export function spoil(random: Random, payload: Buffer): Buffer {
  const kind = below(random, 6);
  if (kind === 0) return randomBytes(random, below(random, 200));
  if (kind === 1) return payload.subarray(0, below(random, payload.length + 1));
  if (kind === 2) return Buffer.concat([payload, payload.subarray(below(random, payload.length + 1))]);
  const spoilt = Buffer.from(payload);
  for (let changes = 1 + below(random, 4); changes > 0 && spoilt.length > 0; changes--) {
    const at = below(random, spoilt.length);
    // Two bytes at the edges of what a length can be find more than noise does.
    spoilt.writeUInt8(random() < 0.5 ? pick(random, edges) : below(random, 256), at);
    if (random() < 0.3 && at + 1 < spoilt.length) spoilt.writeUInt8(pick(random, edges), at + 1);
  }
  return spoilt;
}

/** One packet or several: rightly framed, or with a type, status or length that lies. */
export function hostileFrame(random: Random): Buffer {
  const [type, payload] = pick(random, wellFormed);
  const content = random() < 0.15 ? payload : spoil(random, payload);
  const lyingType = random() < 0.1 ? pick(random, types) : type;
  const frame = packet(content, below(random, 256), 0, random() < 0.9, lyingType);
  const lie = random();
  if (lie < 0.06) frame.writeUInt16BE(below(random, 0x1_0000), 2);
  else if (lie < 0.1) frame.writeUInt16BE(pick(random, edges), 2);
  else if (lie < 0.14) frame.writeUInt8(below(random, 256), 1);
  else if (lie < 0.18) return frame.subarray(0, below(random, frame.length + 1));
  else if (lie < 0.2) return randomBytes(random, 1 + below(random, 64));
  return frame;
}
