import type { BrokenSet, PointVerdict } from './broken-set/broken-set.ts';
import type { Damage } from './broken-set/damage.ts';
import { databasesOfOffer, type Stop } from './broken-set/offer.ts';
import type { Scenario } from './config.ts';
import type { Crash } from './crash/crash.ts';
import type { Execution } from './failover/failover.ts';
import type { Resting } from './failover/resting.ts';
import { instancesOf } from './oracle/coverage.ts';
import type { RecoveredDatabase } from './oracle/history.ts';
import { isWhollyPresent, type Verdict } from './oracle/oracle.ts';
import type { JournalCounts, JournalEntry } from './workload/journal.ts';
import type { Places } from './workload/places.ts';

/** The one JSON object of a run. */
export type Report = {
  readonly verified: boolean;
  readonly seed: number;
  readonly databases: number;
  readonly instances: { readonly primary: number; readonly standby: number };
  readonly workload: { readonly committed: number; readonly distributed: number; readonly unknown: number };
  readonly failover: {
    readonly mark: string;
    readonly markTime: string | null;
    readonly databasesAtMark: number;
    readonly seconds: number;
    readonly criticalPathSeconds: number;
    readonly steps: readonly { readonly name: string; readonly seconds: number | null }[];
  };
  readonly oracle: Pick<Verdict, 'checked' | 'torn' | 'missing' | 'extra'>;
  readonly dataLossSeconds: number;
  /**
   * The preview taken before the failover, once shipping was idle, named the mark at which it landed. Null of a planned one, which takes a
   * last mark of its own. False of a set whose rot only its restore could find: nobody could foresee that landing.
   */
  readonly previewMatched: boolean | null;
  readonly standin: { readonly unsupported: number; readonly unsafeRepeats: number };
  /** Left out in a run without one. */
  readonly scenario?: Scenario;
  readonly crash?: Pick<Crash, 'at' | 'restartSeconds'>;
  readonly brokenSet?: BrokenSetReport;
  /** Databases that rested at the newest common mark before the failover, and files that it restored all the same. */
  readonly restAtMark?: { readonly databasesAtRest: number; readonly restoresInFailover: number };
};

/** Seen before the failover by the ledger, or in it by a restore. */
export type BrokenSetReport = { readonly file: string; readonly kind: Damage } & (
  { readonly verdict: PointVerdict } | { readonly offer: Offer | null }
);

/** What the stopped failover asked a person to confirm. */
type Offer = {
  readonly mark: string;
  readonly past: readonly string[];
  readonly notPast: readonly string[];
  /** What would be done. */
  readonly command: string;
  /** What comes of it, and how long it takes or why nobody knows. */
  readonly expected: string;
};

export type RunFacts = {
  readonly seed: number;
  /** Database → source instance. */
  readonly places: Places;
  /** Instances of the standby. */
  readonly standbys: number;
  readonly counts: JournalCounts;
  readonly entries: readonly JournalEntry[];
  readonly recovered: readonly RecoveredDatabase[];
  readonly execution: Execution;
  readonly failoverSeconds: number;
  readonly criticalPathSeconds: number;
  readonly verdict: Verdict;
  readonly unsupported: number;
  readonly unsafeRepeats: number;
  readonly scenario: Scenario | undefined;
  /** Undefined: none was asked for. */
  readonly previewedMark: string | undefined;
  /** What the source instances or a broken set's failover are in that they should not be. */
  readonly complaints: readonly string[];
  /** Acknowledged before the source ended, and allowed to be lost with it. */
  readonly mayLose: boolean;
  /** Of Holdfast's own process, in a run that has one. */
  readonly crash: Crash | undefined;
  readonly brokenSet: { readonly broken: BrokenSet; readonly stops: readonly Stop[] } | undefined;
  /** Of a standby that was made to rest at the mark. */
  readonly resting: Resting | undefined;
};

/**
 * Verified: the oracle found nothing, the execution completed, every database is at the mark that the preview had named, the source is fenced or
 * declared dead, the stand-ins saw nothing that must not be, a crash of Holdfast did not change the mark, a planned switch lost nothing, and a
 * broken set was seen and led around.
 */
export function reportOf(facts: RunFacts): Report {
  const { verdict, execution, unsupported, unsafeRepeats, crash, places, counts } = facts;
  const { checked, torn, missing, extra, databasesAtMark } = verdict;
  const completed = execution.state === 'COMPLETED' && databasesAtMark === places.size;
  const previewMatched = facts.previewedMark === undefined ? null : facts.previewedMark === execution.markName;
  const foreseeable = facts.brokenSet?.broken.damage !== 'rotten';
  const asPromised =
    !(foreseeable && previewMatched === false) &&
    facts.complaints.length === 0 &&
    (facts.mayLose || lostNothing(facts));
  const unharmed = unsupported === 0 && unsafeRepeats === 0 && keptMark(facts);
  return {
    verified: verdict.verified && completed && asPromised && unharmed,
    seed: facts.seed,
    databases: places.size,
    instances: { primary: new Set(places.values()).size, standby: facts.standbys },
    workload: { committed: counts.committed, distributed: distributed(facts), unknown: counts.unknown },
    failover: {
      mark: execution.markName ?? '',
      markTime: execution.markedAt,
      databasesAtMark,
      seconds: rounded(facts.failoverSeconds),
      criticalPathSeconds: rounded(facts.criticalPathSeconds),
      steps: execution.steps.map(step => ({ name: step.name, seconds: secondsOf(step) })),
    },
    oracle: { checked, torn, missing, extra },
    dataLossSeconds: rounded(lossSeconds(facts.entries, facts.recovered)),
    previewMatched,
    standin: { unsupported, unsafeRepeats },
    ...(facts.scenario === undefined ? {} : { scenario: facts.scenario }),
    ...(crash === undefined ? {} : { crash: { at: crash.at, restartSeconds: rounded(crash.restartSeconds) } }),
    ...(facts.brokenSet === undefined ? {} : { brokenSet: brokenSetOf(facts.brokenSet) }),
    ...(facts.resting === undefined ? {} : { restAtMark: restAtMarkOf(facts.resting, places) }),
  };
}

function brokenSetOf({ broken, stops }: NonNullable<RunFacts['brokenSet']>): BrokenSetReport {
  const { file, damage: kind, verdict, markBefore: mark } = broken;
  if (verdict !== undefined) return { file, kind, verdict };
  const [stop] = stops;
  const databases = stop && databasesOfOffer(stop, mark);
  if (stop === undefined || databases === undefined) return { file, kind, offer: null };
  const { command, expected } = stop.step;
  return { file, kind, offer: { mark, ...databases, command, expected } };
}

function restAtMarkOf({ elsewhere, restoresInFailover }: Resting, places: Places): NonNullable<Report['restAtMark']> {
  return { databasesAtRest: places.size - elsewhere.length, restoresInFailover };
}

/** Acknowledged ones that wrote at more than one source instance. */
function distributed({ entries, places }: RunFacts): number {
  return entries.filter(({ outcome, databases }) => outcome === 'acknowledged' && instancesOf(databases, places) > 1)
    .length;
}

function lostNothing({ entries, recovered }: RunFacts): boolean {
  return entries.every(entry => entry.outcome !== 'acknowledged' || isWhollyPresent(entry, recovered));
}

/** Once chosen, the mark stays: whatever was shown of it is what the execution ended at. */
function keptMark({ crash, execution }: RunFacts): boolean {
  return crash === undefined || crash.marksShown.every(mark => mark === execution.markName);
}

/** From the last answer of a transaction that survived to the last answer of any: what the clients lost, by the clients' own clock. */
export function lossSeconds(entries: readonly JournalEntry[], recovered: readonly RecoveredDatabase[]): number {
  const acknowledged = entries.filter(({ outcome }) => outcome === 'acknowledged');
  const last = latest(acknowledged);
  const lastSurvivor = latest(acknowledged.filter(entry => isWhollyPresent(entry, recovered)));
  return last === undefined || lastSurvivor === undefined ? 0 : (last - lastSurvivor) / 1_000;
}

function latest(entries: readonly JournalEntry[]): number | undefined {
  return entries.reduce<number | undefined>((most, { endedAtMs }) => Math.max(most ?? endedAtMs, endedAtMs), undefined);
}

function secondsOf({ startedAt, finishedAt }: Execution['steps'][number]): number | null {
  return startedAt === null || finishedAt === null
    ? null
    : rounded((Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000);
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
