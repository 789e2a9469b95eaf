import { readFleet, startFleet } from '../fleet.ts';
import { stopInOrder } from '../lifetime.ts';
import type { Command } from './command.ts';
import { optionTable, readyLine } from './serve.ts';

const basicStopMs = 10_000;
const stopMsPerInstance = 200;

/** Many instances in this process: a ready line for each, then one for the fleet. Exit code 1 when none could start. */
export const fleet: Command = {
  help: `npm run standin -- fleet --instances N --data DIR --name 'PATTERN' [options of serve]

Runs N instances in one process (at most 1000). Each has a TDS port, a control port and a folder of its own.

  --instances N      how many
  --data DIR         each instance has a folder there, named by its number: DIR/1, DIR/2, …
  --name PATTERN     {n} becomes the number, from 1: 'NODE{n}\\BTS'
  --map 'P=FOLDER'   {n} in FOLDER too; without it all share the folder; folders are made
  --port N, --control-port N, --peer-port N
                     of the first instance, the others take the next ones; 0 (the default): a free one each

All other options hold for each instance:

${optionTable}

Prints one line for each instance as it is ready, in any order, with its number as "instance", and at last {"fleet":N,"ready":M}. An instance that
cannot start is told on stderr by its name and leaves the others alone; exit code 1 when none could. Linked instances: write the --peers file
from the lines. SIGTERM and SIGINT stop all of them in order.`,
  run: async args => {
    const configs = readFleet(args, process.env);
    const running = await startFleet(configs, {
      ready: ({ config, service }) =>
        console.log(JSON.stringify({ ...readyLine(config, service), instance: configs.indexOf(config) + 1 })),
      failed: ({ config, error }) => console.error(`${config.serverName} cannot start:`, error),
      broken: (config, error) => console.error(`${config.serverName}:`, error),
    });
    const whole = JSON.stringify({ fleet: configs.length, ready: running.started.length, pid: process.pid });
    if (running.started.length === 0) {
      console.log(whole);
      return 1;
    }
    const timeoutMs = basicStopMs + stopMsPerInstance * configs.length;
    stopInOrder(running, configs[0]?.parentPid, code => process.exit(code), timeoutMs);
    console.log(whole);
    return undefined;
  },
};
