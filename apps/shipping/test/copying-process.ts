/** The copy runner in a process of its own, under whatever limits that was started with; somebody else ends it. */
import { startCopying } from './copying.ts';
import { openWorldStore } from './world.ts';

startCopying(await openWorldStore(process.argv[2] ?? ''), { fencingToken: 1 });
