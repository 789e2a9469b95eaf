import { parseArgs } from 'node:util';
import { eventsRounds } from './events.ts';
import { latencyRounds } from './latency.ts';

/**
 * Started by tools/bench: `main.ts events|latency --rounds N --events N --folder DIR [--brokers HOST:PORT,…]`. Prints one line of JSON for every
 * measurement; ends with whoever started it, because nobody would read the rest.
 */
process.stdin.resume().once('end', () => process.exit(1));
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      events: { type: 'string' },
      folder: { type: 'string' },
      brokers: { type: 'string' },
    },
  });
  const { rounds, events, folder, brokers } = values;
  const run = { events: eventsRounds, latency: latencyRounds }[positionals.join()];
  if (run === undefined || folder === undefined) throw new Error('events or latency, and --folder, are needed');
  const options = { rounds: Number(rounds), events: Number(events), folder, brokers: brokers?.split(',') };
  for await (const measured of run(options)) process.stdout.write(`${JSON.stringify(measured)}\n`);
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
