/**
 * A standby that rests at its mark, for the injury harness: from nothing to resting in the log of the second set. Then the third one is
 * shipped: the same log is applied again to its end, and the standby rests in the next.
 */
import { join } from 'node:path';
import { saveSet } from '../src/estate/estate-store.ts';
import type { SetPayload } from './estate.ts';
import { isSettled, keepLooking, streamTrial } from './stream-trial.ts';
import { prepareStream, readStored, saveCopies, type Stored, type StreamWorld } from './stream-world.ts';
import { sentByShipping } from './world.ts';

const shippedBefore = 2;

export const trial = streamTrial({
  prepare: () => prepareStream(shippedBefore, { restAtMark: true }),
  isDone: (stored, { sets }) => isAtRest(stored, sets),
  // Ships the last set once the standby rests at the mark of the one before.
  beside: ({ folder, standbyId, sets }, store) =>
    keepLooking(async () => {
      const stored = await readStored(store, standbyId);
      // Whoever shipped it before may have ended since.
      if (isAtRest(stored, sets)) return 'done';
      if (!isAtRest(stored, sets.slice(0, shippedBefore + 1))) return undefined;
      await store.transaction(async tx => {
        for (const set of sets) await saveSet(tx, set);
      });
      await saveCopies(store, standbyId, sets, join(folder, 'copies'));
      return 'done';
    }),
  endState: async world => ({ went: await wayOf(world) }),
});

/** Every database stands one slot beyond the newest mark, and the standby says so. */
export function isAtRest(stored: Stored, sets: readonly SetPayload[]): boolean {
  const { files } = sets.at(-1)!;
  const there = stored.streams.every(({ databaseId, position }) => {
    const mark = files.find(file => file.databaseId === databaseId)?.markLsn;
    return mark != null && position?.lsn === String(BigInt(mark) + 1n);
  });
  return there && isSettled(stored, sets);
}

/** What was carried out at each database, in order. A log is sent again only when nobody knows that it was carried out: never here. */
export async function wayOf({ folder }: StreamWorld): Promise<Record<string, string[]>> {
  const way: Record<string, string[]> = {};
  for (const { text, outcome } of await sentByShipping(join(folder, 'standby'))) {
    const [, database, set] = /^RESTORE (?:DATABASE|LOG) \[(\w+)\] FROM .*_(\d+)\.bak'/.exec(text) ?? [];
    if (database === undefined || set === undefined || outcome !== 'ok') continue;
    const stop = /STOPATMARK = N'(\w+)'/.exec(text)?.[1];
    (way[database] ??= []).push(stop === undefined ? set : `${set} to ${stop}`);
  }
  return way;
}
