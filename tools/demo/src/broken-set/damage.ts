import { readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';

/** truncated: its end is gone. missing: it is gone. rotten: header and structure are whole, some of what it holds is not. */
const damages = ['truncated', 'missing', 'rotten'] as const;

export type Damage = (typeof damages)[number];

export function damageOf(seed: number): Damage {
  return damages[seed % damages.length] ?? 'truncated';
}

/** Does it to a backup file of a stand-in. */
export async function damageFile(path: string, damage: Damage): Promise<void> {
  switch (damage) {
    case 'truncated':
      return truncate(path, Math.floor((await stat(path)).size / 2));
    case 'missing':
      return rm(path);
    case 'rotten': {
      const bytes = await readFile(path);
      const at = placeInLog(bytes);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
      return writeFile(path, bytes);
    }
  }
}

/**
 * The middle of the longest run of log records. The file's format is the stand-in's own (tools/standin/src/recovery/media.ts): eight bytes,
 * then frames `type u8 · length u32 · crc32 u32 · payload`. A frame of any other type is a header, and would be found out at once.
 */
function placeInLog(bytes: Buffer): number {
  let [place, longest] = [-1, 0];
  for (let at = 8; at + 9 <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 1);
    if (String.fromCharCode(bytes.readUInt8(at)) === 'L' && length > longest)
      [place, longest] = [at + 9 + Math.floor(length / 2), length];
    at += 9 + length;
  }
  if (place < 0) throw new Error('The backup file holds no log.');
  return place;
}
