/** The process that the injury harness has killed: it runs a trial on surroundings made elsewhere and ends itself by SIGKILL at one place. */
import { hookAt, type InjuryTrial, type Place } from './injury.ts';

const given = JSON.parse(process.argv[2] ?? '') as { module: string; world: unknown; place: Place };
const { trial } = (await import(given.module)) as { trial: InjuryTrial };
const { hook } = hookAt(given.place, () => {
  process.kill(process.pid, 'SIGKILL');
  // Nothing more of this step may happen until the signal has arrived.
  return new Promise(() => undefined);
});
const running = await trial.start(given.world, { hook, fencingToken: 1 });
await running.settled(new AbortController().signal);
await running.stop();
