/** The faults `restore-pace` and `slow-backup`: what is a memory copy here takes the time of disks and of redo on a real server. */
import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted } from '../engine/request-aborted.ts';
import type { Instance } from '../engine/instance.ts';
import type { Session } from '../contract.ts';
import type { Progress } from './progress.ts';

/** How soon a pace that is changed or cleared takes hold, and how often the percentage moves. */
const sliceMs = 100;

/**
 * Waits as long as a statement that reads or rolls forward so many bytes takes at the pace of now; at once without one. The session alone
 * waits: its database stays locked, every other session goes on. @throws RequestAborted when the statement is cancelled meanwhile.
 */
export function takeTime({ faults }: Instance, session: Session, bytes: number, progress?: Progress): Promise<void> {
  const durationMs = (): number => {
    const pace = faults.media.restorePace();
    return pace === undefined ? 0 : pace.msPerStatement + (bytes * 1_000) / pace.bytesPerSecond;
  };
  return wait(session, durationMs, progress);
}

/** The same for a BACKUP of the database. */
export function takeBackupTime(
  { faults }: Instance,
  session: Session,
  database: string,
  progress: Progress,
): Promise<void> {
  return wait(session, () => faults.media.backupMs(database), progress);
}

/** `durationMs` is asked again in every slice. */
async function wait(session: Session, durationMs: () => number, progress: Progress | undefined): Promise<void> {
  const begun = performance.now();
  for (;;) {
    const totalMs = durationMs();
    const leftMs = totalMs - (performance.now() - begun);
    if (leftMs <= 0) break;
    await progress?.reached(totalMs - leftMs, totalMs);
    await delay(Math.min(leftMs, sliceMs), undefined, { signal: session.signal }).catch(() => throwIfAborted(session));
  }
  throwIfAborted(session);
}
