import { createHash } from 'node:crypto';

/** A version 4 GUID in upper case, drawn from the injected random source so that runs repeat. */
export function newGuid(random: () => number): string {
  const bytes = new Uint8Array(16);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Math.floor(random() * 256);
  return written(bytes, 0x40);
}

/** The same GUID for the same text, in upper case. */
export function guidOf(text: string): string {
  return written(new Uint8Array(createHash('sha256').update(text).digest().subarray(0, 16)), 0x80);
}

const pairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, '0'));

function written(bytes: Uint8Array, version: number): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | version;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  let text = '';
  for (let at = 0; at < bytes.length; at += 1) {
    if (at === 4 || at === 6 || at === 8 || at === 10) text += '-';
    text += pairs[bytes[at] ?? 0] ?? '';
  }
  return text;
}
