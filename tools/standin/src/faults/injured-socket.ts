/** The faults `cut-after-bytes` and `slow-bytes`: everything that a socket sends passes here, encrypted or not. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Socket } from 'node:net';
import type { WireFaults } from './wire-faults.ts';

/** Slow bytes leave in so many slices a second. */
const slicesPerSecond = 20;

type Write = (chunk: Buffer, encoding: string, done: (error?: Error | null) => void) => void;

/** For a new connection. Its stream's own order of writing and ending stays, so that nothing is lost when it closes after a slow answer. */
export function injure(socket: Socket, faults: WireFaults): void {
  const cutAfter = faults.cutsAfterBytes();
  if (cutAfter === undefined && faults.bytesPerSecond() === undefined) return;
  const plain = socket._write.bind(socket) as Write;
  const write = (bytes: Buffer): Promise<void> =>
    new Promise((resolve, reject) => plain(bytes, 'buffer', error => (error ? reject(error) : resolve())));
  let left = cutAfter ?? Infinity;

  const send = async (bytes: Buffer): Promise<void> => {
    let at = 0;
    while (at < bytes.length && !socket.destroyed) {
      const rate = faults.bytesPerSecond();
      const slice = rate === undefined ? bytes.length : Math.max(1, Math.ceil(rate / slicesPerSecond));
      const part = bytes.subarray(at, at + Math.min(slice, left));
      if (part.length > 0) await write(part);
      at += part.length;
      left -= part.length;
      if (left <= 0) {
        socket.resetAndDestroy();
        return;
      }
      if (rate !== undefined) await delay(1000 / slicesPerSecond);
    }
  };
  const injured: Write = (chunk, _encoding, done) => void send(chunk).then(() => done(), done);
  // Without _writev, chunks that wait come one by one.
  Object.assign(socket, { _write: injured, _writev: null });
}
