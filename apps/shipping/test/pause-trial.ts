/**
 * A standby that people pause while it is brought into step, for the injury harness: once its first database is seeded, until all of ours
 * has stopped there; then they give the pause an end, and it goes on by itself.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pauseStandby } from '../src/standby/pause-commands.ts';
import { isSettled, keepLooking, streamTrial } from './stream-trial.ts';
import { logs, prepareStream, readStored, type StreamWorld } from './stream-world.ts';
import { dependenciesOf, operator } from './world.ts';

const pausedFile = ({ folder }: StreamWorld) => join(folder, 'paused');

export const trial = streamTrial({
  prepare: () => prepareStream(logs),
  isDone: (stored, world) =>
    existsSync(pausedFile(world)) && stored.standby.pause === null && isSettled(stored, world.sets),
  beside: (world, store) => {
    const { standbyId } = world;
    const ask = (until: string | null) =>
      pauseStandby(dependenciesOf(store), operator, { standbyId, reason: 'patching', until });
    return keepLooking(async () => {
      const { standby, streams } = await readStored(store, standbyId);
      if (standby.pause !== null) await writeFile(pausedFile(world), '');
      else if (!existsSync(pausedFile(world)) && streams.some(({ position }) => position !== null)) await ask(null);
      if (standby.pause?.stoppedAt != null && standby.pause.until === null)
        await ask(new Date(Date.now() + 20).toISOString());
      return undefined;
    });
  },
});
