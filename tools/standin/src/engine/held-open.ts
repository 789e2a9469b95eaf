/** A fault that keeps a step of a distributed transaction from going on; cleared or changed, it lets go at once. */
import { setTimeout as delay } from 'node:timers/promises';
import { RequestAborted } from './request-aborted.ts';

/** How soon a change takes hold. */
const sliceMs = 20;

/** `durationMs`: from the beginning of the wait, asked again in every slice. Throws RequestAborted when `signal` is aborted first. */
export async function holdOpen(durationMs: () => number, signal?: AbortSignal): Promise<void> {
  const begun = performance.now();
  for (;;) {
    const leftMs = durationMs() - (performance.now() - begun);
    if (leftMs <= 0) return;
    await delay(Math.min(leftMs, sliceMs), undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw new RequestAborted(signal?.reason);
    });
  }
}
