import { join } from 'node:path';
import { noRecorder, seededRandom, startBackupJob, startLoad } from '@holdfast/demo';
import type { Bench } from '../bench.ts';
import { atMost, type Figure, figureOf } from '../figure.ts';
import { databases, type Pace, setPace, startProtectedEstate, until, untilNewMark } from '../protected-estate.ts';
import { readStatements, type Shipped, shippedSets } from '../statements.ts';
import { percentile } from '../statistics.ts';

const sets = { usual: 20, quick: 2 };
const backupEveryMs = 3_000;
/** Who has sets every three seconds looks more often than who has them every 15 minutes: a set waits for the next look. */
const observeEverySeconds = 0.25;
const overheadGoalSeconds = 1;
/** A set that comes every three seconds must be restored within them: twice two waves of statements of this length are. */
const pace = { bytesPerSecond: 1_048_576, msPerStatement: 200 };

export const shippingBench: Bench = {
  name: 'shipping',
  what: 'a log set complete at the source → restored to its mark on all 13 databases of the standby, less the raw RESTORE',
  usualRounds: 1,
  async measure({ rounds, quick, folder, say }) {
    const ways = { paced: [] as Shipped[], unpaced: [] as Shipped[] };
    for (let round = 1; round <= rounds; round += 1)
      for (const [name, shipped] of Object.entries(ways)) {
        const own = join(folder, `round-${round}-${name}`);
        const found = await shipSets(own, quick ? sets.quick : sets.usual, name === 'paced' ? pace : undefined);
        say(`  round ${round}  ${found.length} sets arrived, ${name}`);
        shipped.push(...found);
      }
    return {
      figures: [
        over('paced', ways.paced, 50, undefined),
        over('paced', ways.paced, 95, overheadGoalSeconds),
        over('unpaced', ways.unpaced, 50, undefined),
        over('unpaced', ways.unpaced, 95, undefined),
      ],
      notes: [
        'Complete: sp_MarkAll has ended at the source. The RESTORE statements: time within which the standby was busy with at least one.',
        `Paced: the stand-ins' fault restore-pace at the standby, ${pace.bytesPerSecond / 1_024} KiB/s of log for each database and ${pace.msPerStatement} ms for each RESTORE.`,
        'The standby rests at its mark, so every set is restored when it comes; light load.',
        `Holdfast looks at the source and the standby every ${observeEverySeconds} s (its setting observeEverySeconds; a look at both sources costs ten statements).`,
      ],
    };
  },
};

function over(way: string, shipped: readonly Shipped[], percent: number, goal: number | undefined): Figure {
  const seconds = (of: (set: Shipped) => number): number[] => shipped.map(set => of(set) / 1_000);
  const at = (of: (set: Shipped) => number): number => percentile(seconds(of), percent);
  return figureOf(
    {
      name: `p${percent} over the RESTOREs, ${way}, of ${shipped.length} sets`,
      unit: 's',
      rounds: [at(({ totalMs, restoringMs }) => totalMs - restoringMs)],
    },
    [
      { name: 'the RESTORE statements', rounds: [at(({ restoringMs }) => restoringMs)] },
      { name: 'both', rounds: [at(({ totalMs }) => totalMs)] },
    ],
    value => (goal === undefined ? [] : [atMost(value, goal, `${goal} s`)]),
  );
}

async function shipSets(folder: string, wanted: number, pace: Pace): Promise<readonly Shipped[]> {
  const run = await startProtectedEstate(folder, { restAtMark: true, observeEverySeconds });
  try {
    const { primaries, standbys } = run.estate;
    const load = startLoad({
      servers: primaries,
      connections: 4,
      pauseMs: 100,
      random: seededRandom(1),
      journal: noRecorder,
      run: 'bench',
    });
    const job = startBackupJob({ address: primaries[0].address, everyMs: backupEveryMs });
    const failed = Promise.race([load.failed, job.failed]);
    const look = async (): Promise<readonly Shipped[]> => {
      const [source, ...standby] = await Promise.all(
        [primaries[0], ...standbys].map(each => readStatements(each.statementLog)),
      );
      return shippedSets(source ?? [], standby.flat(), databases.length);
    };
    try {
      // The sets before are those of the seeding.
      const first = await Promise.race([untilNewMark(run, ''), failed]);
      for (const { controlUrl } of standbys) await setPace(controlUrl, pace);
      const arrived = until(
        (wanted + 20) * 2 * backupEveryMs,
        () => 'Too few sets arrived.',
        async () => {
          const since = (await look()).filter(({ mark }) => mark > first);
          return since.length >= wanted ? since : undefined;
        },
        // Whole logs are read each time, on the machine that is measured.
        backupEveryMs,
      );
      return await Promise.race([arrived, failed]);
    } finally {
      await Promise.allSettled([load.stop(), job.stop()]);
    }
  } finally {
    await run.stop();
  }
}
