import { parseArgs } from 'node:util';
import { copyRounds } from './copy.ts';

/**
 * Started by tools/bench: `main.ts copy --rounds N --bytes N --folder DIR`. Prints one line of JSON for every measurement; ends with whoever
 * started it, because nobody would read the rest.
 */
process.stdin.resume().once('end', () => process.exit(1));
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string' }, bytes: { type: 'string' }, folder: { type: 'string' } },
  });
  const { rounds, bytes, folder } = values;
  if (positionals.join() !== 'copy' || folder === undefined) throw new Error('copy and --folder are needed');
  for await (const measured of copyRounds({ rounds: Number(rounds), bytes: Number(bytes), folder }))
    process.stdout.write(`${JSON.stringify(measured)}\n`);
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
