/** Checksummed frames: `length u32 · crc32 u32 · payload`. The unit of everything the engine and the recovery layer write to disk. */
import { crc32 } from 'node:zlib';

export const frameHeaderBytes = 8;

export function frame(payload: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  framed.writeUInt32LE(payload.length, 0);
  framed.writeUInt32LE(crc32(payload), 4);
  framed.set(payload, frameHeaderBytes);
  return framed;
}

/** What one frame holds. */
export function payloadOf(framed: Buffer): Buffer {
  return framed.subarray(frameHeaderBytes);
}

/** Reads whole frames from `start`. Stops at the first that is cut off or damaged; `end` is where that one begins. */
export function readFrames(
  buffer: Buffer,
  start: number,
): { readonly payloads: readonly Buffer[]; readonly end: number } {
  const payloads: Buffer[] = [];
  let at = start;
  while (at + frameHeaderBytes <= buffer.length) {
    const length = buffer.readUInt32LE(at);
    const end = at + frameHeaderBytes + length;
    if (end > buffer.length) break;
    const payload = buffer.subarray(at + frameHeaderBytes, end);
    if (crc32(payload) !== buffer.readUInt32LE(at + 4)) break;
    payloads.push(payload);
    at = end;
  }
  return { payloads, end: at };
}
