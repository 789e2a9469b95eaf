import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { atMost, figureOf } from '../figure.ts';
import { startAndStop, type StartFacts } from '../started.ts';

const readyGoalSeconds = 5;
const memoryGoalMebibytes = 450;

export const startBench: Bench = {
  name: 'start',
  what: '`npm start` until it says that Holdfast is ready, and the memory it then has',
  usualRounds: 3,
  async measure({ rounds, folder, say }) {
    const dataFolder = join(folder, 'holdfast');
    say('  first start, of a new estate …');
    const first = await startAndStop(dataFolder);
    const warm: StartFacts[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const facts = await startAndStop(dataFolder);
      warm.push(facts);
      say(`  round ${round}  ${facts.readySeconds.toFixed(2)} s, ${facts.holdfastMebibytes.toFixed(0)} MiB`);
    }
    const of = (number: keyof StartFacts): number[] => warm.map(facts => facts[number]);
    return {
      figures: [
        figureOf(
          { name: 'warm start', unit: 's', rounds: of('readySeconds') },
          [{ name: 'a new estate', rounds: [first.readySeconds] }],
          value => [atMost(value, readyGoalSeconds, `${readyGoalSeconds} s`)],
        ),
        figureOf(
          { name: 'RSS of Holdfast', unit: 'MiB', rounds: of('holdfastMebibytes') },
          [{ name: 'all processes', rounds: of('allMebibytes') }],
          value => [atMost(value, memoryGoalMebibytes, `${memoryGoalMebibytes} MiB`)],
        ),
      ],
      notes: [
        'Warm: the estate is there from a start before, and the files are in the page cache. RSS of Holdfast: gateway and four services in one process.',
        'All processes: npm, the supervisor, the sample estate and its four stand-ins as well; shared pages count in each.',
      ],
    };
  },
};
