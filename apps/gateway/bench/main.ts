import { parseArgs } from 'node:util';
import { listRounds } from './list.ts';
import { serveChild } from './child.ts';
import { startFixedPlan } from './fixed-plan.ts';
import { startHoldfast } from './holdfast.ts';
import { startSubgraphs } from './subgraphs.ts';

/**
 * Started by tools/bench: `main.ts list --rounds N --milliseconds N --connections N --folder DIR [--apollo DIR]`; `--apollo` is a folder in
 * which @apollo/gateway is installed. Prints one line of JSON for every measurement; ends with whoever started it, because nobody would
 * read the rest. The other words start what is measured, as children of it.
 */
const end = (): never => process.exit(0);
try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      milliseconds: { type: 'string' },
      connections: { type: 'string' },
      folder: { type: 'string' },
      apollo: { type: 'string' },
    },
  });
  const { rounds, milliseconds, connections, folder = '', apollo } = values;
  switch (positionals.join()) {
    case 'list': {
      process.stdin.resume().once('end', () => process.exit(1));
      // As all of them run in production; the children inherit it.
      process.env['NODE_ENV'] = 'production';
      const numbers = { rounds: Number(rounds), milliseconds: Number(milliseconds), connections: Number(connections) };
      for await (const measured of listRounds({ ...numbers, folder, apollo }))
        process.stdout.write(`${JSON.stringify(measured)}\n`);
      end();
      break;
    }
    case 'subgraphs':
      await serveChild(startSubgraphs, end);
      break;
    case 'holdfast':
      await serveChild(() => startHoldfast(folder), end);
      break;
    case 'fixed-plan':
      await serveChild(() => startFixedPlan(folder), end);
      break;
    default:
      throw new Error(`not known: ${positionals.join(' ')}`);
  }
} catch (error) {
  console.error(error);
  process.exit(1);
}
