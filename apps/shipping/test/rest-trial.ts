/**
 * A standby that rests at its mark, for the injury harness: from nothing to resting in the log of the second set. Then the third one is
 * shipped: the same log is applied again to its end, and the standby rests in the next.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { InjuryTrial } from '@holdfast/service/trial';
import type { Store } from '@holdfast/store';
import { saveSet } from '../src/estate/estate-store.ts';
import type { ShippingTables } from '../src/tables.ts';
import type { SetPayload } from './estate.ts';
import {
  isSettled,
  nameOfStream,
  prepareStream,
  progressOfStream,
  readStored,
  removeStream,
  saveCopies,
  startStream,
  type Stored,
  streamEnd,
  type StreamWorld,
} from './stream-trial.ts';
import { sentByShipping } from './world.ts';

const shippedBefore = 2;

export const trial: InjuryTrial<StreamWorld> = {
  runners: ['stream'],
  prepare: () => prepareStream(shippedBefore, { restAtMark: true }),
  start: (world, incarnation) => startStream(world, incarnation, isAtRest, store => startShipping(world, store)),
  endState: async world => ({ ...(await streamEnd(world)), went: await wayOf(world) }),
  remove: removeStream,
  nameOf: nameOfStream,
  progress: progressOfStream,
};

/** Every database stands one slot beyond the newest mark, and the standby says so. */
export function isAtRest(stored: Stored, sets: readonly SetPayload[]): boolean {
  const { files } = sets.at(-1)!;
  const there = stored.streams.every(({ databaseId, position }) => {
    const mark = files.find(file => file.databaseId === databaseId)?.markLsn;
    return mark != null && position?.lsn === String(BigInt(mark) + 1n);
  });
  return there && isSettled(stored, sets);
}

/** Ships the last set once the standby rests at the mark of the one before. */
function startShipping(
  { folder, standbyId, sets }: StreamWorld,
  store: Store<ShippingTables>,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async () => {
    while (!stopping.signal.aborted) {
      const stored = await readStored(store, standbyId);
      if (isAtRest(stored, sets.slice(0, shippedBefore + 1))) {
        await store.transaction(async tx => {
          for (const set of sets) await saveSet(tx, set);
        });
        await saveCopies(store, standbyId, sets, join(folder, 'copies'));
        return;
      }
      // Whoever shipped it before may have ended since.
      if (isAtRest(stored, sets)) return;
      await pause(5);
    }
  };
  const running = run();
  // Read when it is stopped.
  running.catch(() => undefined);
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
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
