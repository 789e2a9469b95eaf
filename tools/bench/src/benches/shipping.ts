import { join } from 'node:path';
import { noRecorder, seededRandom, startBackupJob, startLoad } from '@holdfast/demo';
import type { Bench } from '../bench.ts';
import { atMost, figureOf } from '../figure.ts';
import { databases, startProtectedEstate, until, untilNewMark } from '../protected-estate.ts';
import { readStatements, type Shipped, shippedSets } from '../statements.ts';
import { percentile } from '../statistics.ts';

const sets = { usual: 20, quick: 2 };
const backupEveryMs = 3_000;
const overheadGoalSeconds = 1;

export const shippingBench: Bench = {
  name: 'shipping',
  what: 'a log set complete at the source → restored to its mark on all 13 databases of the standby, less the raw RESTORE',
  usualRounds: 1,
  async measure({ rounds, quick, folder, say }) {
    const shipped: Shipped[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const found = await shipSets(join(folder, `round-${round}`), quick ? sets.quick : sets.usual);
      say(`  round ${round}  ${found.length} sets arrived`);
      shipped.push(...found);
    }
    const seconds = (of: (set: Shipped) => number): number[] => shipped.map(set => of(set) / 1_000);
    const over = seconds(({ totalMs, restoringMs }) => totalMs - restoringMs);
    const [total, restoring] = [seconds(({ totalMs }) => totalMs), seconds(({ restoringMs }) => restoringMs)];
    const at = (percent: number, goal: number | undefined) =>
      figureOf(
        {
          name: `p${percent} over the RESTOREs, of ${shipped.length} sets`,
          unit: 's',
          rounds: [percentile(over, percent)],
        },
        [
          { name: 'the RESTORE statements', rounds: [percentile(restoring, percent)] },
          { name: 'both', rounds: [percentile(total, percent)] },
        ],
        value => (goal === undefined ? [] : [atMost(value, goal, `${goal} s`)]),
      );
    return {
      figures: [at(50, undefined), at(95, overheadGoalSeconds)],
      notes: [
        'Complete: sp_MarkAll has ended at the source. The RESTORE statements: time within which the standby was busy with at least one.',
        'The standby rests at its mark, so every set is restored when it comes; Holdfast looks at the source and the standby every second, under light load.',
      ],
    };
  },
};

async function shipSets(folder: string, wanted: number): Promise<readonly Shipped[]> {
  const run = await startProtectedEstate(folder, { restAtMark: true });
  try {
    const { primaries, standbys } = run.estate;
    const load = startLoad({
      ...{
        servers: primaries,
        connections: 4,
        pauseMs: 100,
        random: seededRandom(1),
        journal: noRecorder,
        run: 'bench',
      },
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
      const arrived = until(
        (wanted + 20) * 2 * backupEveryMs,
        () => 'Too few sets arrived.',
        async () => {
          const since = (await look()).filter(({ mark }) => mark > first);
          return since.length >= wanted ? since : undefined;
        },
      );
      return await Promise.race([arrived, failed]);
    } finally {
      await Promise.allSettled([load.stop(), job.stop()]);
    }
  } finally {
    await run.stop();
  }
}
