import { randomUUID } from 'node:crypto';
import { type BrokenSet, breakNewestSet } from './broken-set/broken-set.ts';
import { brokenSetComplaints } from './broken-set/complaints.ts';
import { damageOf } from './broken-set/damage.ts';
import { reseededBy, type Stop, stopOf } from './broken-set/offer.ts';
import type { Scenario, StoreKind } from './config.ts';
import { type Crash, failOverThroughCrash } from './crash/crash.ts';
import { type Ending, endingOf } from './ending.ts';
import { type Moment, momentOf } from './crash/moment.ts';
import { type Estate, startEstate } from './estate/estate.ts';
import { databasesOf, wholeGroup } from './estate/sample-group.ts';
import { type Execution, requestFailover } from './failover/failover.ts';
import { fenceComplaints } from './failover/fenced.ts';
import { complaintsOf, followThrough, isVerified } from './failover/follow-through.ts';
import type { Waiting } from './failover/operator.ts';
import { type Preview, previewWhenIdle } from './failover/preview.ts';
import { readRecovered } from './failover/recovered.ts';
import { type Resting, restingComplaints, restoresInFailover, untilAtRest } from './failover/resting.ts';
import { countUnsafeRepeats, criticalPathSeconds, readStatementLogs } from './failover/statements.ts';
import { type Holdfast, startHoldfast } from './holdfast.ts';
import { judge } from './oracle/oracle.ts';
import { patienceMs } from './protect/answers.ts';
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
  readonly restAtMark: boolean;
  /** A process per service, over Kafka. */
  readonly cluster: boolean;
  readonly store: StoreKind;
  readonly dataFolder: string;
  readonly say: (line: string) => void;
  /** Lines of the processes that it starts. */
  readonly log: (line: string) => void;
};

/** Protects the sample group under load, kills its primaries, fails over and has the oracle judge what came back. */
export async function runDemo(options: DemoOptions): Promise<Report> {
  const { dataFolder, say, log, scenario, seed, cluster, store } = options;
  // Of its own, so that the same seed gives the same load with and without it.
  const moment = scenario === 'control-plane-crash' ? momentOf(seed, seededRandom(seed)) : undefined;
  say('Starting the sample estate …');
  const estate = await startEstate(dataFolder, wholeGroup, log);
  let holdfast: Holdfast | undefined;
  try {
    say('Starting Holdfast …');
    holdfast = await startHoldfast(dataFolder, log, { cluster, store, ...(moment && { holdAt: [moment.holdAt] }) });
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
  const { dataFolder, say, seed, scenario, restAtMark } = options;
  const { group, ports, primaries } = estate;
  const ending = endingOf(scenario, seed, primaries);
  say('Registering the group and its standby …');
  const registered = await protectEstate(holdfast.client(), { dataFolder, group, ports }, { restAtMark });
  const journal = new Journal(Date.now);
  say(`Working on it (seed ${seed}) …`);
  const broken = await workAndEnd(options, { estate, holdfast, registered, ending, journal });
  const { committed, unknown } = journal.counts();
  say(`${ending.words}: ${committed} transactions acknowledged, ${unknown} unanswered.`);
  // A planned switch takes a last mark of its own: there is nothing to foresee.
  const preview = ending.mode === 'PLANNED' ? undefined : await previewWhenIdle(holdfast.client(), registered, ending);
  const previewedMark = preview?.mark;
  const atRest = restAtMark && preview !== undefined ? await restOf(estate, preview) : undefined;
  say(`Failing over${previewedMark === undefined ? '' : `; the preview names ${previewedMark}`} …`);
  const { execution, failoverSeconds, crash, stops } = await failOver(options, estate, {
    ...{ holdfast, registered, ending, moment, broken },
  });
  if (crash !== undefined) describeCrash(crash).forEach(say);
  const reasons = complaintsOf(execution);
  if (execution.state !== 'COMPLETED')
    throw new Error([`The failover ended ${execution.state}.`, ...reasons].join('\n'));
  for (const reason of reasons) say(`  ${reason}`);
  const statements = (await readStatementLogs(estate.standbys)).flat();
  const reseeded = reseededBy(statements);
  const resting = atRest && { ...atRest, restoresInFailover: restoresInFailover(statements) };
  const landing = { databases: databasesOf(group), previewedMark, landedAt: execution.markName, stops, reseeded };
  const complaints = [
    ...(await fenceComplaints(execution, ending, primaries)),
    ...(broken === undefined ? [] : brokenSetComplaints({ broken, ...landing })),
    ...(resting === undefined ? [] : restingComplaints(resting)),
  ];
  for (const complaint of complaints) say(`  not as it must be: ${complaint}`);
  say(`Failed over to ${execution.markName ?? 'no mark'} in ${failoverSeconds.toFixed(1)} s. Judging …`);
  return judged(options, estate, journal, {
    ...{ execution, failoverSeconds, crash, previewedMark, scenario, complaints, resting },
    ...{ mayLose: ending.mode === 'UNPLANNED', brokenSet: broken === undefined ? undefined : { broken, stops } },
  });
}

/** Where the databases stand once shipping has nothing to do any more. */
async function restOf(
  { group, standbys }: Estate,
  { commonMark: mark }: Preview,
): Promise<Omit<Resting, 'restoresInFailover'>> {
  return { mark, elsewhere: await untilAtRest(standbys, databasesOf(group), mark) };
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
    untilFollowing: signal => untilInSync(client, registered.standbyId, { signal }),
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
  /** From the request until the databases were verified and open: what people do afterwards takes as long as it takes. */
  readonly failoverSeconds: number;
  readonly crash: Crash | undefined;
  /** Where it waited for a person, in a run with a broken set. */
  readonly stops: readonly Stop[];
};

async function failOver(
  { say }: DemoOptions,
  estate: Estate,
  { holdfast, registered, ending, moment, broken }: Failover,
): Promise<FailedOver> {
  const stops: Stop[] = [];
  const startedAt = performance.now();
  let verifiedAt: number | undefined;
  const notice = (shown: Pick<Execution, 'state'>): void => {
    if (isVerified(shown)) verifiedAt ??= performance.now();
  };
  const look = async (waiting: Waiting): Promise<void> => {
    notice(waiting);
    // The steps after recovery wait in every run.
    if (broken !== undefined && !isVerified(waiting)) stops.push(await stopOf(waiting, estate, broken));
  };
  const following = { limitMs: patienceMs, say, look, onState: notice };
  const seconds = (): number => ((verifiedAt ?? performance.now()) - startedAt) / 1_000;
  if (moment !== undefined) {
    const crashed = await failOverThroughCrash({ holdfast, registered, moment, instances: estate.standbys, following });
    return { ...crashed, failoverSeconds: seconds(), stops };
  }
  const client = holdfast.client();
  const id = await requestFailover(client, registered, randomUUID(), ending);
  const execution = await followThrough(client, id, following);
  return { execution, failoverSeconds: seconds(), crash: undefined, stops };
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
