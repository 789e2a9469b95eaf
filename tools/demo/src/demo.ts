import { randomUUID } from 'node:crypto';
import { type BrokenSet, breakNewestSet } from './broken-set/broken-set.ts';
import { brokenSetComplaints } from './broken-set/complaints.ts';
import { damageOf } from './broken-set/damage.ts';
import { reseededBy, type Stop, stopOf } from './broken-set/offer.ts';
import type { Scenario } from './config.ts';
import { type Crash, failOverThroughCrash } from './crash/crash.ts';
import { type Ending, endingOf } from './ending.ts';
import { type Moment, momentOf } from './crash/moment.ts';
import { type Estate, startEstate } from './estate/estate.ts';
import { databasesOf, wholeGroup } from './estate/sample-group.ts';
import { type Execution, followExecution, requestFailover } from './failover/failover.ts';
import { fenceComplaints } from './failover/fenced.ts';
import { startOperator } from './failover/operator.ts';
import { previewWhenIdle } from './failover/preview.ts';
import { readRecovered } from './failover/recovered.ts';
import { countUnsafeRepeats, criticalPathSeconds, readStatementLogs } from './failover/statements.ts';
import { type Holdfast, startHoldfast } from './holdfast.ts';
import { judge } from './oracle/oracle.ts';
import { untilInSync } from './protect/in-sync.ts';
import { type Protected, protectEstate } from './protect/protect.ts';
import { seededRandom } from './random.ts';
import { type Report, reportOf, type RunFacts } from './report.ts';
import { Journal } from './workload/journal.ts';
import { placesOf } from './workload/places.ts';
import { totalBalanceOf } from './workload/transaction-plan.ts';
import { workUntilTheEnd } from './workload/working-day.ts';

export type DemoOptions = {
  readonly seed: number;
  readonly scenario: Scenario | undefined;
  readonly dataFolder: string;
  readonly say: (line: string) => void;
  /** Lines of the processes that it starts. */
  readonly log: (line: string) => void;
};

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
  say(`Working on it (seed ${seed}) …`);
  const broken = await workAndEnd(options, { estate, holdfast, registered, ending, journal });
  const { committed, unknown } = journal.counts();
  say(`${ending.words}: ${committed} transactions acknowledged, ${unknown} unanswered.`);
  // A planned switch takes a last mark of its own: there is nothing to foresee.
  const previewedMark =
    ending.mode === 'PLANNED' ? undefined : await previewWhenIdle(holdfast.client(), registered, ending);
  say(`Failing over${previewedMark === undefined ? '' : `; the preview names ${previewedMark}`} …`);
  const startedAt = performance.now();
  const { execution, crash, stops } = await failOver(options, estate, { holdfast, registered, ending, moment, broken });
  const failoverSeconds = (performance.now() - startedAt) / 1_000;
  if (crash !== undefined) describeCrash(crash).forEach(say);
  const reasons = describeReasons(execution);
  if (execution.state !== 'COMPLETED')
    throw new Error([`The failover ended ${execution.state}.`, ...reasons].join('\n'));
  for (const reason of reasons) say(`  ${reason}`);
  const reseeded = reseededBy((await readStatementLogs(estate.standbys)).flat());
  const landing = { databases: databasesOf(group), previewedMark, landedAt: execution.markName, stops, reseeded };
  const complaints = [
    ...(await fenceComplaints(execution, ending, primaries)),
    ...(broken === undefined ? [] : brokenSetComplaints({ broken, ...landing })),
  ];
  for (const complaint of complaints) say(`  not as it must be: ${complaint}`);
  say(`Failed over to ${execution.markName ?? 'no mark'} in ${failoverSeconds.toFixed(1)} s. Judging …`);
  return judged(options, estate, journal, {
    ...{ execution, failoverSeconds, crash, previewedMark, scenario, complaints },
    ...{ mayLose: ending.mode === 'UNPLANNED', brokenSet: broken === undefined ? undefined : { broken, stops } },
  });
}

type Work = {
  readonly estate: Estate;
  readonly holdfast: Holdfast;
  readonly registered: Protected;
  readonly ending: Ending;
  readonly journal: Journal;
};

/** Resolves with the broken set of a run that has one. */
async function workAndEnd(
  { dataFolder, say, seed, scenario }: DemoOptions,
  { estate, holdfast, registered, ending, journal }: Work,
): Promise<BrokenSet | undefined> {
  const client = holdfast.client();
  let broken: BrokenSet | undefined;
  const breakSet = async (mayRun: () => Promise<void>): Promise<void> => {
    const random = seededRandom(seed);
    broken = await breakNewestSet({
      ...{ estate, dataFolder, client, registered, damage: damageOf(seed), random, mayRun },
    });
    say(`${broken.file}, of ${broken.database} in the newest set, is ${broken.damage}.`);
  };
  await workUntilTheEnd({
    ...{ seed, random: seededRandom(seed), estate, ending, journal, say },
    untilReady: () => untilInSync(client, registered.standbyId, inSyncLimitMs),
    beforeTheEnd: scenario === 'broken-set' ? breakSet : undefined,
  });
  return broken;
}

type Failover = {
  readonly holdfast: Holdfast;
  readonly registered: Protected;
  readonly ending: Ending;
  readonly moment: Moment | undefined;
  readonly broken: BrokenSet | undefined;
};

type FailedOver = {
  readonly execution: Execution;
  readonly crash: Crash | undefined;
  /** Where it waited for a person, in a run with a broken set. */
  readonly stops: readonly Stop[];
};

async function failOver(
  { say }: DemoOptions,
  estate: Estate,
  { holdfast, registered, ending, moment, broken }: Failover,
): Promise<FailedOver> {
  const limitMs = failoverLimitMs;
  const stops: Stop[] = [];
  if (moment !== undefined) {
    const options = { holdfast, registered, moment, instances: estate.standbys, limitMs };
    return { ...(await failOverThroughCrash(options)), stops };
  }
  const client = holdfast.client();
  const id = await requestFailover(client, registered, randomUUID(), ending);
  const operator = startOperator(client, id, say, async waiting => {
    if (broken !== undefined) stops.push(await stopOf(waiting, estate, broken));
  });
  try {
    let last: Execution | undefined;
    const followed = followExecution(client, id, limitMs, seen => void (last = seen)).catch((error: unknown) => {
      if (last === undefined) throw error;
      const stands = `The failover stands at ${last.state}.`;
      throw new Error([stands, ...describeReasons(last)].join('\n'), { cause: error });
    });
    return { execution: await Promise.race([followed, operator.failed]), crash: undefined, stops };
  } finally {
    await Promise.allSettled([operator.stop()]);
  }
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
  // Only of these did a person say that they begin again.
  const confirmed = failover.brokenSet?.stops.flatMap(({ past }) => past);
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
    unsafeRepeats: targetLogs.reduce((sum, log) => sum + countUnsafeRepeats(log, confirmed), 0),
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
