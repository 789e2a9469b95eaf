import { createHash } from 'node:crypto';

/** A version 4 GUID in upper case, drawn from the injected random source so that runs repeat. */
export function newGuid(random: () => number): string {
  return written(
    Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256)),
    0x40,
  );
}

/** The same GUID for the same text, in upper case. */
export function guidOf(text: string): string {
  return written(new Uint8Array(createHash('sha256').update(text).digest().subarray(0, 16)), 0x80);
}

function written(bytes: Uint8Array, version: number): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | version;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex').toUpperCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
