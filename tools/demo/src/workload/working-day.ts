import { type BackupJob, startBackupJob } from '../estate/backup-job.ts';
import type { Ending } from '../ending.ts';
import type { Estate } from '../estate/estate.ts';
import { patienceMs, until } from '../protect/answers.ts';
import type { Random } from '../random.ts';
import { connected } from '../sql-connection.ts';
import { untilCovered } from './coverage-pace.ts';
import type { Journal } from './journal.ts';
import { startLoad } from './load.ts';
import { placesOf } from './places.ts';
import { startWatcher } from './watcher.ts';

const connections = 8;
const pauseMs = 15;
const backupEveryMs = 2_500;
const watchEveryMs = 100;
/** Log sets that have gone all the way before the primary may end. */
const marksBeforeTheEnd = 3;

export type WorkingDay = {
  readonly seed: number;
  readonly random: Random;
  readonly estate: Estate;
  readonly ending: Ending;
  readonly journal: Journal;
  /**
   * Resolves when the standby follows, or the signal is raised. The job waits for it: one every 15 minutes leaves time enough; one every few
   * seconds would, on a busy machine, outrun copies and restores for ever.
   */
  readonly untilFollowing: (signal?: AbortSignal) => Promise<void>;
  /** What is done before the end, while the load goes on and the job rests; `mayRun` as for every run of the job. */
  readonly beforeTheEnd: ((mayRun: () => Promise<void>) => Promise<void>) | undefined;
  readonly say: (line: string) => void;
};

/**
 * Load, backup job and watcher, until the standby follows and longer; then the source ends as it is to end: killed in the middle of all of it,
 * or with its applications stopped first.
 */
export async function workUntilTheEnd(day: WorkingDay): Promise<void> {
  const { seed, random, estate, journal, untilFollowing } = day;
  const { primaries } = estate;
  const places = placesOf(primaries);
  await connected(primaries, 'watcher', async watched => {
    const load = startLoad({ servers: primaries, connections, pauseMs, random, journal, run: String(seed) });
    const watcher = startWatcher(watched, journal, watchEveryMs);
    const covered = (signal: AbortSignal): Promise<void> => untilCovered(journal, places, signal);
    const mayRun = async (signal: AbortSignal): Promise<void> => {
      await covered(signal);
      if (job.runs() >= marksBeforeTheEnd) await untilFollowing(signal);
    };
    const job: BackupJob = startBackupJob({ address: primaries[0].address, everyMs: backupEveryMs, mayRun });
    const over = new AbortController();
    // What one dead instance does to the work on the others is no failure of the run.
    const untilOver = (failed: Promise<never>): Promise<never> =>
      failed.catch((error: unknown) => {
        if (over.signal.aborted) return new Promise<never>(() => undefined);
        throw error;
      });
    try {
      const end = endWhenReady(day, job, () => covered(over.signal), over);
      await Promise.race([end, untilOver(load.failed), untilOver(job.failed)]);
    } finally {
      over.abort();
      // The one that gave up is told above; what the kill cut is no failure. Nobody writes any more when the last look at the marks is taken.
      await Promise.allSettled([load.stop(), job.stop()]);
      await Promise.allSettled([watcher.stop()]);
    }
  });
}

async function endWhenReady(
  { random, estate, ending, untilFollowing, beforeTheEnd, say }: WorkingDay,
  job: BackupJob,
  mayRun: () => Promise<void>,
  over: AbortController,
): Promise<void> {
  await until(patienceMs, async () => (job.runs() >= marksBeforeTheEnd ? true : undefined));
  await untilFollowing();
  await until(patienceMs, async () => (random() < 0.2 ? true : undefined));
  if (beforeTheEnd !== undefined) {
    await job.stop();
    await beforeTheEnd(mayRun);
  }
  if (ending.mode === 'PLANNED') {
    // The switch takes one mark more: it too wants work of every database since the one before.
    await job.stop();
    await mayRun();
  }
  over.abort();
  if (ending.mode === 'PLANNED') return;
  await estate.killPrimaries(ending.dead);
  if (!ending.shareLost) return;
  await estate.loseShare();
  say('The backup share is gone as well.');
}
