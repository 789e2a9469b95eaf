/** MD4 (RFC 1320), which OpenSSL 3 has put away and Windows accounts still need: the hash of their passwords. */
export function md4(message: Uint8Array): Buffer {
  const blocks = paddedBlocks(message);
  const state: [number, number, number, number] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
  for (let at = 0; at < blocks.length; at += 64) {
    const words = Array.from({ length: 16 }, (_, word) => blocks.readInt32LE(at + word * 4));
    mix(state, words);
  }
  const digest = Buffer.alloc(16);
  for (const [at, word] of state.entries()) digest.writeInt32LE(word, at * 4);
  return digest;
}

type State = [number, number, number, number];
type Round = {
  readonly add: number;
  readonly order: readonly number[];
  readonly shifts: readonly number[];
  readonly choose: (x: number, y: number, z: number) => number;
};

const rounds: readonly Round[] = [
  {
    add: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
    choose: (x, y, z) => (x & y) | (~x & z),
  },
  {
    add: 0x5a827999,
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
    choose: (x, y, z) => (x & y) | (x & z) | (y & z),
  },
  {
    add: 0x6ed9eba1,
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
    choose: (x, y, z) => x ^ y ^ z,
  },
];

function mix(state: State, words: readonly number[]): void {
  let [a, b, c, d] = state;
  for (const { add, order, shifts, choose } of rounds) {
    for (const [step, word] of order.entries()) {
      const sum = (a + choose(b, c, d) + (words[word] ?? 0) + add) | 0;
      const shift = shifts[step % 4] ?? 0;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    }
  }
  for (const [at, word] of [a, b, c, d].entries()) state[at] = ((state[at] ?? 0) + word) | 0;
}

/** The message, a one bit, zeros, and its length in bits. */
function paddedBlocks(message: Uint8Array): Buffer {
  const blocks = Buffer.alloc(Math.ceil((message.length + 9) / 64) * 64);
  blocks.set(message);
  blocks.writeUInt8(0x80, message.length);
  blocks.writeBigUInt64LE(BigInt(message.length) * 8n, blocks.length - 8);
  return blocks;
}
