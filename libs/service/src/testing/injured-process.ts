/** The process that the injury harness has killed: it runs a trial on surroundings made elsewhere and ends itself by SIGKILL at a place. */
import { writeSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Killed, KilledRun } from './chain.ts';
import { InProcess } from './incarnation.ts';
import { idOf, type InjuryTrial, startIn } from './injury.ts';
import { placesOf } from './places.ts';

const { module, world, fencingToken, wanted, passed } = JSON.parse(await text(process.stdin)) as KilledRun;
const { trial } = (await import(module)) as { trial: InjuryTrial };
const places = placesOf(trial, world, passed);
const ids = new Set(wanted.map(idOf));
const hook = async (checkpoint: string, subject?: string): Promise<void> => {
  const place = await places.passing(checkpoint, subject);
  if (!ids.has(idOf(place))) return;
  writeSync(1, JSON.stringify({ place, passed: places.passed() } satisfies Killed));
  process.kill(process.pid, 'SIGKILL');
  // Nothing more of this step may happen until the signal has arrived.
  await new Promise(() => undefined);
};
const running = await startIn(new InProcess(), trial, world, { hook, fencingToken });
await running.settled(new AbortController().signal);
await running.stop();
