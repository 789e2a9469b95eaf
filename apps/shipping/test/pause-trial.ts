/**
 * A standby that people pause while it is brought into step, for the injury harness: once its first database is seeded, until all of ours
 * has stopped there; then they give the pause an end, and it goes on by itself.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { InjuryTrial } from '@holdfast/service/trial';
import type { Store } from '@holdfast/store';
import { pauseStandby } from '../src/standby/pause-commands.ts';
import type { ShippingTables } from '../src/tables.ts';
import {
  isSettled,
  nameOfStream,
  prepareStream,
  progressOfStream,
  readStored,
  removeStream,
  startStream,
  streamEnd,
  type StreamWorld,
} from './stream-trial.ts';
import { dependenciesOf, operator } from './world.ts';

const logs = 3;
const pausedFile = ({ folder }: StreamWorld) => join(folder, 'paused');

export const trial: InjuryTrial<StreamWorld> = {
  runners: ['stream'],
  prepare: () => prepareStream(logs),
  start: (world, incarnation) =>
    startStream(
      world,
      incarnation,
      (stored, sets) => existsSync(pausedFile(world)) && stored.standby.pause === null && isSettled(stored, sets),
      store => startPeople(world, store),
    ),
  endState: streamEnd,
  remove: removeStream,
  nameOf: nameOfStream,
  progress: progressOfStream,
};

function startPeople(world: StreamWorld, store: Store<ShippingTables>): { stop(): Promise<void> } {
  const { standbyId } = world;
  const stopping = new AbortController();
  const ask = (until: string | null) =>
    pauseStandby(dependenciesOf(store), operator, { standbyId, reason: 'patching', until });
  const run = async () => {
    while (!stopping.signal.aborted) {
      const { standby, streams } = await readStored(store, standbyId);
      if (standby.pause !== null) await writeFile(pausedFile(world), '');
      else if (!existsSync(pausedFile(world)) && streams.some(({ position }) => position !== null)) await ask(null);
      if (standby.pause?.stoppedAt != null && standby.pause.until === null)
        await ask(new Date(Date.now() + 20).toISOString());
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
