import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Scenario } from './config.ts';
import { type Crash, failOverThroughCrash } from './crash/crash.ts';
import { type Moment, momentOf } from './crash/moment.ts';
import { startBackupJob } from './estate/backup-job.ts';
import { type Estate, startEstate } from './estate/estate.ts';
import { databases } from './estate/sample-group.ts';
import { type Execution, followExecution, requestFailover } from './failover/failover.ts';
import { readRecovered } from './failover/recovered.ts';
import { countUnsafeRepeats, criticalPathSeconds, parseStatementLog } from './failover/statements.ts';
import type { GatewayClient } from './gateway-client.ts';
import { type Holdfast, startHoldfast } from './holdfast.ts';
import { judge } from './oracle/oracle.ts';
import { until } from './protect/answers.ts';
import { type Protected, protectEstate } from './protect/protect.ts';
import { seededRandom } from './random.ts';
import { type Report, reportOf, type RunFacts } from './report.ts';
import { connect, type SqlConnection } from './sql-connection.ts';
import { Journal } from './workload/journal.ts';
import { startLoad } from './workload/load.ts';
import { startWatcher } from './workload/watcher.ts';
import { totalBalanceOf } from './workload/transaction-plan.ts';

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
const inSyncLimitMs = 60_000;
const failoverLimitMs = 60_000;

/** Protects the sample group under load, kills its primary, fails over and has the oracle judge what came back. */
export async function runDemo(options: DemoOptions): Promise<Report> {
  const { dataFolder, say, log, scenario, seed } = options;
  // Of its own, so that the same seed gives the same load with and without it.
  const moment = scenario === undefined ? undefined : momentOf(seed, seededRandom(seed));
  say('Starting the sample estate …');
  const estate = await startEstate(dataFolder, log);
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
  say('Registering the group and its standby …');
  const ports = { primary: estate.primary.address.port, standby: estate.standby.address.port };
  const registered = await protectEstate(holdfast.client(), { dataFolder, ports });
  const journal = new Journal(Date.now);
  say(`Working on it with ${connections} connections (seed ${seed}) …`);
  await workUntilKilled(options, estate, journal, () => untilInSync(holdfast.client(), registered.standbyId));
  const { committed, unknown } = journal.counts();
  say(`The primary is dead: ${committed} transactions acknowledged, ${unknown} unanswered. Failing over …`);
  const startedAt = performance.now();
  const { execution, crash } = await failOver(estate, holdfast, registered, moment);
  const failoverSeconds = (performance.now() - startedAt) / 1_000;
  if (crash !== undefined) describeCrash(crash).forEach(say);
  if (execution.state !== 'COMPLETED') throw new Error(describeFailure(execution));
  say(`Failed over to ${execution.markName ?? 'no mark'} in ${failoverSeconds.toFixed(1)} s. Judging …`);
  return judged({ seed, say }, estate, journal, { execution, failoverSeconds, crash });
}

async function failOver(
  { standby }: Estate,
  holdfast: Holdfast,
  registered: Protected,
  moment: Moment | undefined,
): Promise<{ execution: Execution; crash: Crash | undefined }> {
  const limitMs = failoverLimitMs;
  if (moment !== undefined)
    return failOverThroughCrash({ holdfast, registered, moment, statementLog: standby.statementLog, limitMs });
  const id = await requestFailover(holdfast.client(), registered, randomUUID());
  return { execution: await followExecution(holdfast.client(), id, limitMs), crash: undefined };
}

/** Load, backup job and watcher, until the standby follows; then the primary is killed in the middle of all of it. */
async function workUntilKilled(
  { seed }: DemoOptions,
  { primary }: Estate,
  journal: Journal,
  untilReady: () => Promise<void>,
): Promise<void> {
  const { address } = primary;
  const watching: SqlConnection = await connect(address, 'watcher');
  const random = seededRandom(seed);
  const load = startLoad({ address, databases, connections, pauseMs, random, journal, run: String(seed) });
  const watcher = startWatcher(watching, databases, journal, watchEveryMs);
  const job = startBackupJob(address, backupEveryMs);
  try {
    await until(inSyncLimitMs, async () => (job.runs() >= marksBeforeTheKill ? true : undefined));
    await untilReady();
    await until(inSyncLimitMs, async () => (random() < 0.2 ? true : undefined));
    await primary.process.kill();
  } finally {
    await Promise.all([load.stop(), watcher.stop(), job.stop()]);
    await watching.close();
  }
}

async function untilInSync(client: GatewayClient, standbyId: string): Promise<void> {
  await until(inSyncLimitMs, async () => {
    const { standby: found } = await client.ask<{
      standby: { state: string; newestCommonMarkName: string | null } | null;
    }>('query ($id: ID!) { standby(id: $id) { state newestCommonMarkName } }', { id: standbyId });
    return found?.state === 'IN_SYNC' && found.newestCommonMarkName !== null ? true : undefined;
  });
}

async function judged(
  { seed, say }: Pick<DemoOptions, 'seed' | 'say'>,
  { primary, standby: target }: Estate,
  journal: Journal,
  failover: Pick<RunFacts, 'execution' | 'failoverSeconds' | 'crash'>,
): Promise<Report> {
  const recovered = await readRecovered(target.address);
  const verdict = judge({
    transactions: journal.entries(),
    rounds: journal.rounds,
    recovered,
    mark: failover.execution.markName ?? '',
    totalBalance: totalBalanceOf(databases),
  });
  for (const { rule, message } of verdict.findings.slice(0, 20)) say(`  ${rule}: ${message}`);
  const sourceLog = parseStatementLog(await readFile(primary.statementLog, 'utf8'));
  const targetLog = parseStatementLog(await readFile(target.statementLog, 'utf8'));
  // The dead one answers no more; its log does.
  const unsupported = [...sourceLog, ...targetLog].filter(({ outcome }) => outcome === 'unsupported').length;
  return reportOf({
    seed,
    databases,
    counts: journal.counts(),
    entries: journal.entries(),
    recovered,
    ...failover,
    criticalPathSeconds: criticalPathSeconds(targetLog),
    verdict,
    unsupported,
    unsafeRepeats: countUnsafeRepeats(targetLog),
  });
}

function describeCrash({ at, restartSeconds, marksShown }: Crash): string[] {
  const marks = marksShown.length > 1 ? [`  mark: it changed: ${marksShown.join(', ')}`] : [];
  return [`Holdfast was killed: ${at}. It answered again after ${restartSeconds.toFixed(1)} s.`, ...marks];
}

function describeFailure({ state, steps }: Execution): string {
  const reasons = steps.flatMap(step =>
    step.reasons.map(({ code, message, fix }) => `${step.name}: ${code}: ${message} ${fix}`),
  );
  return [`The failover ended ${state}.`, ...reasons].join('\n');
}
