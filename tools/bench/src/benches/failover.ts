import { join } from 'node:path';
import { criticalPathSeconds, startBackupJob } from '@holdfast/demo';
import type { Bench } from '../bench.ts';
import { failOver, fillAndBackUp, untilIdle } from '../failed-over.ts';
import { atMost, figureOf } from '../figure.ts';
import { startProtectedEstate, untilNewMark } from '../protected-estate.ts';
import { replaySerially } from '../replay.ts';
import { readStatements } from '../statements.ts';

/** Rows of 4,000 bytes that each database gets before its last log backup. */
const rows = { usual: 1_024, quick: 64 };

type Round = { readonly seconds: number; readonly criticalSeconds: number; readonly serialSeconds: number };

export const failoverBench: Bench = {
  name: 'failover',
  what: 'failover of 13 databases on two instances, from the request until all are open and verified',
  usualRounds: 3,
  async measure({ rounds, quick, folder, say }) {
    const all: Round[] = [];
    const size = quick ? rows.quick : rows.usual;
    for (let round = 1; round <= rounds; round += 1) {
      const one = await once(join(folder, `round-${round}`), size);
      all.push(one);
      const { seconds, criticalSeconds, serialSeconds } = one;
      say(
        `  round ${round}  ${seconds.toFixed(2)} s; critical path ${criticalSeconds.toFixed(2)} s, one after the other ${serialSeconds.toFixed(2)} s`,
      );
    }
    const of = (number: keyof Round): number[] => all.map(each => each[number]);
    const figure = figureOf(
      { name: '13 databases', unit: 's', rounds: of('seconds') },
      [
        { name: 'critical path', rounds: of('criticalSeconds') },
        { name: 'one after the other', rounds: of('serialSeconds') },
      ],
      (value, [critical, serial]) => [
        atMost(value, 1.1 * (critical?.value ?? 0), '1.1 × critical path'),
        atMost(value, 0.35 * (serial?.value ?? 0), '0.35 × one after the other'),
      ],
    );
    return {
      figures: [figure],
      notes: [
        `Each database has a log of ${Math.round((size * 4_000) / 1_048_576)} MiB to roll forward; both source instances were killed before.`,
        'Critical path: the RESTOREs of the database that took longest, as they ran. One after the other: the same statements, sent singly to fresh stand-ins that stood where the standby stood.',
        'A stand-in is one thread: RESTOREs of one instance share it, so two instances can at best halve the time of one after the other.',
      ],
    };
  },
};

/** Protects a new estate, gives its last log set something to roll forward, kills its sources and fails over. */
async function once(folder: string, size: number): Promise<Round> {
  const run = await startProtectedEstate(join(folder, 'estate'), { restAtMark: false });
  try {
    const { primaries, standbys } = run.estate;
    const job = startBackupJob({ address: primaries[0].address, everyMs: 2_500 });
    try {
      await Promise.race([untilNewMark(run, ''), job.failed]);
    } finally {
      await job.stop();
    }
    const mark = await fillAndBackUp(run, size);
    await untilNewMark(run, before(mark));
    await untilIdle(run);
    await run.estate.killPrimaries();
    const seconds = await failOver(run);
    const statements = (await Promise.all(standbys.map(each => readStatements(each.statementLog)))).flat();
    const criticalSeconds = criticalPathSeconds(statements);
    await run.stop();
    const serialSeconds = await replaySerially(join(folder, 'estate'), run.estate, join(folder, 'replay'));
    return { seconds, criticalSeconds, serialSeconds };
  } finally {
    await run.stop();
  }
}

/** The newest name that sorts before a mark: `untilNewMark` then waits for that mark or a later one. */
function before(mark: string): string {
  return mark.slice(0, -1);
}
