import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { criticalPathSeconds, type Protected, startBackupJob, wholeGroup } from '@holdfast/demo';
import type { Bench } from '../bench.ts';
import { failOver, fillAndBackUp, untilIdle } from '../failed-over.ts';
import { atMost, figureOf } from '../figure.ts';
import { type Pace, setPace, startProtectedEstate, untilNewMark } from '../protected-estate.ts';
import { replaySerially } from '../replay.ts';
import { readStatements } from '../statements.ts';

/** Rows of 4,000 characters that the database with the most log gets before the last log backup. */
const mostRows = { usual: 256, quick: 32 };
/** As on a server with slow disks: the largest log takes some seconds, and no RESTORE is free. */
const pace = { bytesPerSecond: 204_800, msPerStatement: 100 };

/** `serially`: the same RESTOREs sent one after the other, seconds. */
type Run = { readonly seconds: number; readonly criticalSeconds: number; serially(): Promise<number> };
type Round = Record<'unpaced' | 'paced', Pick<Run, 'seconds' | 'criticalSeconds'>> & { readonly serialSeconds: number };

export const failoverBench: Bench = {
  name: 'failover',
  what: 'failover of 13 databases on two instances, from the request until all are open and verified',
  usualRounds: 3,
  async measure({ rounds, quick, folder, say }) {
    const size = quick ? mostRows.quick : mostRows.usual;
    const again = await protectOnce(folder, size);
    const all: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const unpaced = await again(undefined);
      const paced = await again(pace);
      const serialSeconds = await paced.serially();
      all.push({ unpaced, paced, serialSeconds });
      say(
        `  round ${round}  ${inWords(paced)}, one after the other ${serialSeconds.toFixed(2)} s; unpaced ${inWords(unpaced)}`,
      );
    }
    const of = (run: 'unpaced' | 'paced', number: 'seconds' | 'criticalSeconds'): number[] =>
      all.map(round => round[run][number]);
    const figure = figureOf(
      { name: '13 databases', unit: 's', rounds: of('paced', 'seconds') },
      [
        { name: 'critical path', rounds: of('paced', 'criticalSeconds') },
        { name: 'one after the other', rounds: all.map(({ serialSeconds }) => serialSeconds) },
      ],
      (value, [critical, serial]) => [
        atMost(value, 1.1 * (critical?.value ?? 0), '1.1 × critical path'),
        atMost(value, 0.35 * (serial?.value ?? 0), '0.35 × one after the other'),
      ],
    );
    const fixed = figureOf(
      {
        name: 'what is ours: all but the critical path, with RESTOREs that cost nothing',
        unit: 'ms',
        rounds: all.map(({ unpaced }) => (unpaced.seconds - unpaced.criticalSeconds) * 1_000),
      },
      [{ name: 'critical path', rounds: of('unpaced', 'criticalSeconds').map(seconds => seconds * 1_000) }],
    );
    return {
      figures: [figure, fixed],
      notes: [
        `Paced: the stand-ins' fault restore-pace, ${pace.bytesPerSecond / 1_024} KiB/s of log for each database and ${pace.msPerStatement} ms for each RESTORE. The largest logs hold ${size} rows of 4,000 characters, ${sharesInWords}.`,
        'Critical path: the RESTOREs of the database that took longest, as they ran. One after the other: the same statements, sent singly to fresh stand-ins of the same pace that stood where the standby stood.',
        'Both source instances were killed before. All runs begin from the same folder.',
      ],
    };
  },
};

function inWords({ seconds, criticalSeconds }: Round['paced']): string {
  return `${seconds.toFixed(2)} s, critical path ${criticalSeconds.toFixed(2)} s`;
}

/** Of the largest log: what messages and their tracking write is most of a group's log (unverified), what is configured once the least. */
const shares: Readonly<Record<string, number>> = {
  masterMessageBox: 1,
  messageBox: 1,
  tracking: 1,
  bamPrimaryImport: 1 / 2,
  custom: 1 / 4,
};
const leastShare = 1 / 8;
const sharesInWords = 'that of BAM a half, of custom databases a quarter, of the others an eighth of it';

function rowsOf(database: string, most: number): number {
  const role = wholeGroup.flatMap(({ databases }) => databases).find(({ name }) => name === database)?.role ?? '';
  return most * (shares[role] ?? leastShare);
}

/** Protects a new estate and gives its last log set something to roll forward. Answers how to fail over from there, as often as one likes. */
async function protectOnce(folder: string, most: number): Promise<(pace: Pace) => Promise<Run>> {
  const [estate, kept] = [join(folder, 'estate'), join(folder, 'kept')];
  const run = await startProtectedEstate(estate, { restAtMark: false });
  try {
    const job = startBackupJob({ address: run.estate.primaries[0].address, everyMs: 2_500 });
    try {
      await Promise.race([untilNewMark(run, ''), job.failed]);
    } finally {
      await job.stop();
    }
    const mark = await fillAndBackUp(run, database => rowsOf(database, most));
    await untilNewMark(run, before(mark));
    await untilIdle(run);
  } finally {
    await run.stop();
  }
  await cp(estate, kept, { recursive: true });
  return async runPace => {
    await rm(estate, { recursive: true, force: true, maxRetries: 5 });
    await cp(kept, estate, { recursive: true });
    return once(folder, run.registered, runPace);
  };
}

/** Kills the sources and fails over. */
async function once(folder: string, registered: Protected, runPace: Pace): Promise<Run> {
  const estate = join(folder, 'estate');
  const run = await startProtectedEstate(estate, { restAtMark: false, registered });
  try {
    const { standbys } = run.estate;
    await untilNewMark(run, '');
    await untilIdle(run);
    await run.estate.killPrimaries();
    for (const { controlUrl } of standbys) await setPace(controlUrl, runPace);
    const seconds = await failOver(run);
    const statements = (await Promise.all(standbys.map(each => readStatements(each.statementLog)))).flat();
    const criticalSeconds = criticalPathSeconds(statements);
    await run.stop();
    return {
      seconds,
      criticalSeconds,
      serially: () => replaySerially(estate, run.estate, join(folder, 'replay'), runPace),
    };
  } finally {
    await run.stop();
  }
}

/** The newest name that sorts before a mark: `untilNewMark` then waits for that mark or a later one. */
function before(mark: string): string {
  return mark.slice(0, -1);
}
