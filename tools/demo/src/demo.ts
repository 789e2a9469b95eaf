import { randomUUID } from 'node:crypto';
import type { Scenario } from './config.ts';
import { type Crash, failOverThroughCrash } from './crash/crash.ts';
import { type Ending, endingOf } from './ending.ts';
import { type Moment, momentOf } from './crash/moment.ts';
import { startBackupJob } from './estate/backup-job.ts';
import { type Estate, startEstate } from './estate/estate.ts';
import { wholeGroup } from './estate/sample-group.ts';
import { type Execution, followExecution, requestFailover } from './failover/failover.ts';
import { fenceComplaints } from './failover/fenced.ts';
import { startOperator } from './failover/operator.ts';
import { previewWhenIdle } from './failover/preview.ts';
import { readRecovered } from './failover/recovered.ts';
import { countUnsafeRepeats, criticalPathSeconds, readStatementLogs } from './failover/statements.ts';
import type { GatewayClient } from './gateway-client.ts';
import { type Holdfast, startHoldfast } from './holdfast.ts';
import { judge } from './oracle/oracle.ts';
import { until } from './protect/answers.ts';
import { type Protected, protectEstate } from './protect/protect.ts';
import { seededRandom } from './random.ts';
import { type Report, reportOf, type RunFacts } from './report.ts';
import { connected } from './sql-connection.ts';
import { untilCovered } from './workload/coverage-pace.ts';
import { Journal } from './workload/journal.ts';
import { startLoad } from './workload/load.ts';
import { placesOf } from './workload/places.ts';
import { totalBalanceOf } from './workload/transaction-plan.ts';
import { startWatcher } from './workload/watcher.ts';

export type DemoOptions = {
  readonly seed: number;
  readonly scenario: Scenario | undefined;
  readonly dataFolder: string;
  readonly say: (line: string) => void;
  /** Lines of the processes that it starts. */
  readonly log: (line: string) => void;
};

const connections = 8;
const pauseMs = 15;
const backupEveryMs = 2_500;
const watchEveryMs = 100;
/** Log sets that have gone all the way before the primary may end. */
const marksBeforeTheEnd = 3;
const inSyncLimitMs = 90_000;
const failoverLimitMs = 60_000;

/** Protects the sample group under load, kills its primaries, fails over and has the oracle judge what came back. */
export async function runDemo(options: DemoOptions): Promise<Report> {
  const { dataFolder, say, log, scenario, seed } = options;
  // Of its own, so that the same seed gives the same load with and without it.
  const moment = scenario === 'control-plane-crash' ? momentOf(seed, seededRandom(seed)) : undefined;
  say('Starting the sample estate …');
  const estate = await startEstate(dataFolder, wholeGroup, log);
  let holdfast: Holdfast | undefined;
  try {
    say('Starting Holdfast …');
    holdfast = await startHoldfast(dataFolder, log, moment === undefined ? {} : { holdAt: [moment.holdAt] });
    return await protectAndFailOver(options, estate, holdfast, moment);
  } finally {
    await holdfast?.stop();
    await estate.stop();
  }
}

async function protectAndFailOver(
  options: DemoOptions,
  estate: Estate,
  holdfast: Holdfast,
  moment: Moment | undefined,
): Promise<Report> {
  const { dataFolder, say, seed, scenario } = options;
  const { group, ports, primaries } = estate;
  const ending = endingOf(scenario, seed, primaries);
  say('Registering the group and its standby …');
  const registered = await protectEstate(holdfast.client(), { dataFolder, group, ports });
  const journal = new Journal(Date.now);
  say(`Working on it with ${connections} connections (seed ${seed}) …`);
  await workUntilTheEnd(options, estate, ending, journal, () => untilInSync(holdfast.client(), registered.standbyId));
  const { committed, unknown } = journal.counts();
  say(`${ending.words}: ${committed} transactions acknowledged, ${unknown} unanswered.`);
  // A planned switch takes a last mark of its own: there is nothing to foresee.
  const previewedMark =
    ending.mode === 'PLANNED' ? undefined : await previewWhenIdle(holdfast.client(), registered, ending);
  say(`Failing over${previewedMark === undefined ? '' : `; the preview names ${previewedMark}`} …`);
  const startedAt = performance.now();
  const { execution, crash } = await failOver(options, estate, { holdfast, registered, ending, moment });
  const failoverSeconds = (performance.now() - startedAt) / 1_000;
  if (crash !== undefined) describeCrash(crash).forEach(say);
  const reasons = describeReasons(execution);
  if (execution.state !== 'COMPLETED')
    throw new Error([`The failover ended ${execution.state}.`, ...reasons].join('\n'));
  for (const reason of reasons) say(`  ${reason}`);
  const complaints = await fenceComplaints(execution, ending, primaries);
  for (const complaint of complaints) say(`  source: ${complaint}`);
  say(`Failed over to ${execution.markName ?? 'no mark'} in ${failoverSeconds.toFixed(1)} s. Judging …`);
  return judged(options, estate, journal, {
    ...{ execution, failoverSeconds, crash, previewedMark },
    ...{ scenario, fenceComplaints: complaints, mayLose: ending.mode === 'UNPLANNED' },
  });
}

type Failover = {
  readonly holdfast: Holdfast;
  readonly registered: Protected;
  readonly ending: Ending;
  readonly moment: Moment | undefined;
};

async function failOver(
  { say }: DemoOptions,
  { standbys }: Estate,
  { holdfast, registered, ending, moment }: Failover,
): Promise<{ execution: Execution; crash: Crash | undefined }> {
  const limitMs = failoverLimitMs;
  if (moment !== undefined) return failOverThroughCrash({ holdfast, registered, moment, instances: standbys, limitMs });
  const client = holdfast.client();
  const id = await requestFailover(client, registered, randomUUID(), ending);
  const operator = startOperator(client, id, say);
  try {
    const followed = followExecution(client, id, limitMs);
    return { execution: await Promise.race([followed, operator.failed]), crash: undefined };
  } finally {
    await Promise.allSettled([operator.stop()]);
  }
}

/**
 * Load, backup job and watcher, until the standby follows and longer; then the source ends as it is to end: killed in the middle of all of it,
 * or with its applications stopped first.
 */
async function workUntilTheEnd(
  { seed, say }: DemoOptions,
  estate: Estate,
  ending: Ending,
  journal: Journal,
  untilReady: () => Promise<void>,
): Promise<void> {
  const { primaries } = estate;
  const places = placesOf(primaries);
  const random = seededRandom(seed);
  await connected(primaries, 'watcher', async watched => {
    const load = startLoad({ servers: primaries, connections, pauseMs, random, journal, run: String(seed) });
    const watcher = startWatcher(watched, journal, watchEveryMs);
    const job = startBackupJob({
      address: primaries[0].address,
      everyMs: backupEveryMs,
      mayRun: signal => untilCovered(journal, places, signal),
    });
    let isOver = false;
    // What one dead instance does to the work on the others is no failure of the run.
    const untilOver = (failed: Promise<never>): Promise<never> =>
      failed.catch((error: unknown) => {
        if (isOver) return new Promise<never>(() => undefined);
        throw error;
      });
    const endWhenReady = async (): Promise<void> => {
      await until(inSyncLimitMs, async () => (job.runs() >= marksBeforeTheEnd ? true : undefined));
      await untilReady();
      await until(inSyncLimitMs, async () => (random() < 0.2 ? true : undefined));
      isOver = true;
      if (ending.dead.length === 0) return;
      await estate.killPrimaries(ending.dead);
      if (!ending.shareLost) return;
      await estate.loseShare();
      say('The backup share is gone as well.');
    };
    try {
      await Promise.race([endWhenReady(), untilOver(load.failed), untilOver(job.failed)]);
    } finally {
      // The one that gave up is told above; what the kill cut is no failure. Nobody writes any more when the last look at the marks is taken.
      await Promise.allSettled([load.stop(), job.stop()]);
      await Promise.allSettled([watcher.stop()]);
    }
  });
}

async function untilInSync(client: GatewayClient, standbyId: string): Promise<void> {
  let last: unknown;
  const inSync = until(inSyncLimitMs, async () => {
    const { standby } = await client.ask<{ standby: { state: string; newestCommonMarkName: string | null } | null }>(
      `query ($id: ID!) { standby(id: $id) { state newestCommonMarkName reasons { code message }
         streams { databaseName state reasons { code message } } } }`,
      { id: standbyId },
    );
    last = standby;
    return standby?.state === 'IN_SYNC' && standby.newestCommonMarkName !== null ? true : undefined;
  });
  await inSync.catch((error: unknown) => {
    throw new Error(`The standby did not follow: ${JSON.stringify(last)}`, { cause: error });
  });
}

type FailoverFacts = Omit<
  RunFacts,
  | 'seed'
  | 'places'
  | 'standbys'
  | 'counts'
  | 'entries'
  | 'recovered'
  | 'verdict'
  | 'criticalPathSeconds'
  | 'unsupported'
  | 'unsafeRepeats'
>;

async function judged(
  { seed, say }: DemoOptions,
  { primaries, standbys }: Estate,
  journal: Journal,
  failover: FailoverFacts,
): Promise<Report> {
  const places = placesOf(primaries);
  const recovered = await readRecovered(standbys);
  const verdict = judge({
    transactions: journal.entries(),
    rounds: journal.rounds,
    places,
    recovered,
    mark: failover.execution.markName ?? '',
    totalBalance: totalBalanceOf(places),
  });
  for (const { rule, message } of verdict.findings.slice(0, 20)) say(`  ${rule}: ${message}`);
  const targetLogs = await readStatementLogs(standbys);
  // The dead ones answer no more; their logs do.
  const all = [...(await readStatementLogs(primaries)), ...targetLogs].flat();
  return reportOf({
    seed,
    places,
    standbys: standbys.length,
    counts: journal.counts(),
    entries: journal.entries(),
    recovered,
    ...failover,
    criticalPathSeconds: criticalPathSeconds(targetLogs.flat()),
    verdict,
    unsupported: all.filter(({ outcome }) => outcome === 'unsupported').length,
    unsafeRepeats: targetLogs.reduce((sum, log) => sum + countUnsafeRepeats(log), 0),
  });
}

function describeCrash({ at, restartSeconds, marksShown }: Crash): string[] {
  const marks = marksShown.length > 1 ? [`  mark: it changed: ${marksShown.join(', ')}`] : [];
  return [`Holdfast was killed: ${at}. It answered again after ${restartSeconds.toFixed(1)} s.`, ...marks];
}

/** What its steps complain of; one that ended well may as well. */
function describeReasons({ steps }: Execution): readonly string[] {
  return steps.flatMap(step =>
    step.reasons.map(({ code, message, fix }) => `${step.name}: ${code}: ${message} ${fix}`),
  );
}
