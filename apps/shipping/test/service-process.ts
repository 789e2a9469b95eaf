/** The stream runner in a process of its own, which somebody else ends. */
import { isSettled, startStream } from './stream-trial.ts';
import { type StreamWorld } from './stream-world.ts';

const world = JSON.parse(process.argv[2] ?? '') as StreamWorld;
const running = await startStream(world, { hook: () => undefined, fencingToken: 1 }, isSettled);
await running.settled(new AbortController().signal);
await running.stop();
