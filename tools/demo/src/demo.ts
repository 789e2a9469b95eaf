import { randomUUID } from 'node:crypto';
import type { Scenario } from './config.ts';
import { type Crash, failOverThroughCrash } from './crash/crash.ts';
import { type Moment, momentOf } from './crash/moment.ts';
import { startBackupJob } from './estate/backup-job.ts';
import { type Estate, startEstate } from './estate/estate.ts';
import { wholeGroup } from './estate/sample-group.ts';
import { type Execution, followExecution, requestFailover } from './failover/failover.ts';
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
/** Log sets that have gone all the way before the primary may die. */
const marksBeforeTheKill = 3;
const inSyncLimitMs = 90_000;
const failoverLimitMs = 60_000;

/** Protects the sample group under load, kills its primaries, fails over and has the oracle judge what came back. */
export async function runDemo(options: DemoOptions): Promise<Report> {
  const { dataFolder, say, log, scenario, seed } = options;
  // Of its own, so that the same seed gives the same load with and without it.
  const moment = scenario === undefined ? undefined : momentOf(seed, seededRandom(seed));
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
  const { dataFolder, say, seed } = options;
  const { group, ports } = estate;
  say('Registering the group and its standby …');
  const registered = await protectEstate(holdfast.client(), { dataFolder, group, ports });
  const journal = new Journal(Date.now);
  say(`Working on it with ${connections} connections (seed ${seed}) …`);
  await workUntilKilled(options, estate, journal, () => untilInSync(holdfast.client(), registered.standbyId));
  const { committed, unknown } = journal.counts();
  say(`The primaries are dead: ${committed} transactions acknowledged, ${unknown} unanswered. Failing over …`);
  const startedAt = performance.now();
  const { execution, crash } = await failOver(estate, holdfast, registered, moment);
  const failoverSeconds = (performance.now() - startedAt) / 1_000;
  if (crash !== undefined) describeCrash(crash).forEach(say);
  const reasons = describeReasons(execution);
  if (execution.state !== 'COMPLETED')
    throw new Error([`The failover ended ${execution.state}.`, ...reasons].join('\n'));
  for (const reason of reasons) say(`  ${reason}`);
  say(`Failed over to ${execution.markName ?? 'no mark'} in ${failoverSeconds.toFixed(1)} s. Judging …`);
  return judged({ seed, say }, estate, journal, { execution, failoverSeconds, crash });
}

async function failOver(
  { standbys }: Estate,
  holdfast: Holdfast,
  registered: Protected,
  moment: Moment | undefined,
): Promise<{ execution: Execution; crash: Crash | undefined }> {
  const limitMs = failoverLimitMs;
  if (moment !== undefined) return failOverThroughCrash({ holdfast, registered, moment, instances: standbys, limitMs });
  const id = await requestFailover(holdfast.client(), registered, randomUUID());
  return { execution: await followExecution(holdfast.client(), id, limitMs), crash: undefined };
}

/** Load, backup job and watcher, until the standby follows; then the primaries are killed in the middle of all of it, and on odd seeds the share is lost. */
async function workUntilKilled(
  { seed, say }: DemoOptions,
  estate: Estate,
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
    const killWhenReady = async (): Promise<void> => {
      await until(inSyncLimitMs, async () => (job.runs() >= marksBeforeTheKill ? true : undefined));
      await untilReady();
      await until(inSyncLimitMs, async () => (random() < 0.2 ? true : undefined));
      await estate.killPrimaries();
      if (seed % 2 === 0) return;
      await estate.loseShare();
      say('The backup share is gone as well.');
    };
    try {
      await Promise.race([killWhenReady(), load.failed, job.failed]);
    } finally {
      // The one that gave up is told above; what the kill cut is no failure.
      await Promise.allSettled([load.stop(), watcher.stop(), job.stop()]);
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

async function judged(
  { seed, say }: Pick<DemoOptions, 'seed' | 'say'>,
  { primaries, standbys }: Estate,
  journal: Journal,
  failover: Pick<RunFacts, 'execution' | 'failoverSeconds' | 'crash'>,
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
