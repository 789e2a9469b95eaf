/**
 * Content that makes a backup as long as wanted, without a database that large: no codec makes it shorter, and each block of it is made from the seed
 * and its place alone. So it is written and checked block by block in one buffer, whatever its length.
 */
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';

export const paddingBlockBytes = 1_048_576;
/** Blocks that are written before others get a turn: files may be written without waiting (durable-file.ts, `hasty`). */
const blocksATurn = 8;

// Looked up once: in the context of a test every look at a global is slow.
const { imul } = Math;

/** Of one backup set: so many bytes of the stream that the seed begins. */
export type PaddingPart = { readonly seed: string; readonly bytes: number };

/** One block with room before it, for whoever frames it. `bytes` are overwritten by the next `fill`. */
export class PaddingBlock {
  readonly whole: Buffer;
  readonly #words: Uint32Array;
  readonly #roomBytes: number;

  constructor(roomBytes = 0) {
    const aligned = Math.ceil(roomBytes / 4) * 4;
    const memory = new ArrayBuffer(aligned + paddingBlockBytes);
    this.whole = Buffer.from(memory, aligned - roomBytes);
    this.#words = new Uint32Array(memory, aligned);
    this.#roomBytes = roomBytes;
  }

  /** The block of that number, cut where the part ends. */
  fill({ seed, bytes }: PaddingPart, block: number): Buffer {
    const key = createHash('sha256').update(`${seed}/${block}`).digest();
    const [offset, mask] = [key.readUInt32LE(0), key.readUInt32LE(4)];
    const words = this.#words;
    // In counter mode: a word is its place, mixed (the finalizer of MurmurHash3). Of one block no two words are the same.
    for (let at = 0, word = offset; at < words.length; at += 1, word = (word + 0x9e3779b1) | 0) {
      let mixed = word ^ (word >>> 16);
      mixed = imul(mixed, 0x85ebca6b);
      mixed ^= mixed >>> 13;
      mixed = imul(mixed, 0xc2b2ae35);
      words[at] = mixed ^ (mixed >>> 16) ^ mask;
    }
    const length = Math.min(paddingBlockBytes, bytes - block * paddingBlockBytes);
    return this.whole.subarray(this.#roomBytes, this.#roomBytes + length);
  }
}

export function blocksOf(part: PaddingPart): number {
  return Math.ceil(part.bytes / paddingBlockBytes);
}

/** Passed after each block. */
export async function takeTurns(block: number): Promise<void> {
  if ((block + 1) % blocksATurn === 0) await turn();
}

/** Reads a part back, block after block. */
export class PaddingCheck {
  /** For what lies in the file: its frame and its block. */
  readonly found: PaddingBlock;
  readonly #part: PaddingPart;
  readonly #made = new PaddingBlock();
  #block = 0;

  constructor(part: PaddingPart, roomBytes: number) {
    this.found = new PaddingBlock(roomBytes);
    this.#part = part;
  }

  /** Whether this is the next block. */
  next(payload: Buffer): boolean {
    const made = this.#made.fill(this.#part, this.#block);
    this.#block += 1;
    return made.equals(payload);
  }
}
