import { type BackupSetId, type DatabaseId, type GroupId, reason } from '@holdfast/domain';
import { type BackupFile, isLost } from '@holdfast/domain/backup-set';
import type { Chain, Gap } from '@holdfast/domain/chain';
import { compareLsn } from '@holdfast/domain/lsn';
import {
  chainsTo,
  judgeRecoveryPoint,
  marksOf,
  type PointChains,
  type PointDatabase,
  type PointJudgement,
  type RecoveryPoint,
  type RecoveryVerdict,
  type SetFile,
} from '@holdfast/domain/recovery-point';
import type { PayloadOf, recoveryPointJudged } from '@holdfast/events';
import { lostReasons, type LedgerFile } from '../backup-file/backup-file.ts';
import { type LedgerSet, unplacedDatabases } from '../backup-set/backup-set.ts';
import type { KnownGroup } from '../estate/estate.ts';
import { type FoundBackup, foreignReason, took } from '../foreign-backup/foreign-backup.ts';
import { dated, ledgerReason, type LedgerReason } from '../reason/reason.ts';

export type LedgerPointDatabase = Omit<PointDatabase, 'reasons'> & { readonly reasons: readonly LedgerReason[] };

export type LedgerJudgement = {
  readonly verdict: RecoveryVerdict;
  readonly reasons: readonly LedgerReason[];
  readonly databases: readonly LedgerPointDatabase[];
};

/** One mark of one group, as the ledger judges it at the source. */
export type LedgerPoint = Omit<RecoveryPoint, keyof PointJudgement> &
  LedgerJudgement & {
    readonly groupId: GroupId;
    readonly setId: BackupSetId;
    /** Of its set. */
    readonly sortKey: string;
    readonly version: number;
    readonly publishedHash: string;
  };

/** What a point is judged by beside the ledger. */
export type Surroundings = {
  readonly members: readonly Pick<KnownGroup['databases'][number], 'databaseId' | 'name' | 'role'>[];
  readonly foreign: readonly FoundBackup[];
};

// They have backups of their own (biztalk-dr.md §2.9) and never carry the group's mark.
const apart: readonly KnownGroup['databases'][number]['role'][] = ['BAM_STAR_SCHEMA', 'BAM_ARCHIVE', 'BAM_ANALYSIS'];

/** The databases that one mark has to bring together. */
export function membersOf({ databases }: KnownGroup): Surroundings['members'] {
  return databases
    .filter(({ role }) => !apart.includes(role))
    .map(({ databaseId, name, role }) => ({ databaseId, name, role }));
}

/** The verdict on the mark of a log set. `history`: the whole ledger up to that set, oldest first. */
export function judgePoint(set: LedgerSet, history: readonly LedgerSet[], around: Surroundings): LedgerJudgement {
  const marks = marksOf(set);
  const chains = chainsTo(set, marks, history);
  const explained = withCauses(judgeRecoveryPoint(set, marks, chains), chains, history, around.foreign);
  return withAbsent(set, explained, around);
}

/**
 * The same from the newest full set on: when that is enough for every database, nothing older can be chosen. Undefined when it is not.
 * `recent`: the ledger up to that set from some full set on.
 */
export function judgePointByNewestFull(
  set: LedgerSet,
  recent: readonly LedgerSet[],
  around: Surroundings,
): LedgerJudgement | undefined {
  const chains = chainsByNewestFull(set, recent);
  return chains && withAbsent(set, judgeRecoveryPoint(set, marksOf(set), chains), around);
}

/** The chains from the newest full set of `recent` on; undefined when they do not reach every mark of the set. */
export function chainsByNewestFull(set: LedgerSet, recent: readonly LedgerSet[]): PointChains | undefined {
  const marks = marksOf(set);
  const newestFull = recent.findLastIndex(({ type }) => type === 'FULL');
  if (newestFull < 0) return undefined;
  const chains = chainsTo(set, marks, recent.slice(newestFull));
  return [...marks.keys()].every(databaseId => chains.get(databaseId)?.gap === null) ? chains : undefined;
}

/** Beside the LSNs that a broken chain lacks: the files that held them and are lost, and who else took that log. */
function withCauses(
  judged: PointJudgement,
  chains: PointChains,
  history: readonly LedgerSet[],
  foreign: readonly FoundBackup[],
): LedgerJudgement {
  const databases = judged.databases.map((database): LedgerPointDatabase => {
    const causes = causesOf(database, chains.get(database.databaseId), history, foreign);
    return causes.length === 0 ? database : { ...database, reasons: [...database.reasons, ...causes] };
  });
  const added = databases.flatMap(({ reasons }, index) => reasons.slice(judged.databases[index]?.reasons.length));
  return { ...judged, reasons: [...judged.reasons, ...added], databases };
}

function causesOf(
  { databaseId, lsn, reasons }: PointDatabase,
  chain: Chain<SetFile> | undefined,
  history: readonly LedgerSet[],
  foreign: readonly FoundBackup[],
): readonly LedgerReason[] {
  const lost = (type: LedgerSet['type'], concerns: (file: LedgerFile) => boolean) =>
    history
      .filter(set => set.type === type)
      .flatMap(set => set.files)
      .filter(file => file.databaseId === databaseId && isLost(file.state) && concerns(file));
  if (lsn !== null && reasons.some(({ code }) => code === 'NO_BASE')) {
    const before = lost('FULL', ({ header }) => header === null || compareLsn(header.lastLsn, lsn) <= 0);
    return before.flatMap(file => lostReasons(file));
  }
  const gap = reasons.some(({ code }) => code === 'CHAIN_GAP') ? (chain?.gap ?? null) : null;
  if (gap === null) return [];
  return [
    ...lost('LOG', file => mayFill(file, gap)).flatMap(file => lostReasons(file)),
    ...foreign.filter(backup => backup.databaseId === databaseId && took(backup, gap.fromLsn)).map(foreignReason),
  ];
}

/** Whether the file held log that is missing; one whose header was never read may have. */
function mayFill({ header }: Pick<BackupFile, 'header'>, { fromLsn, toLsn }: Gap): boolean {
  if (header === null) return true;
  return compareLsn(header.lastLsn, fromLsn) > 0 && (toLsn === null || compareLsn(header.firstLsn, toLsn) < 0);
}

/**
 * What the set does not have. A database of which nothing is known here has no chain to be judged by, and the point without it is none; one
 * of the group that the job did not back up at all would be left behind.
 */
function withAbsent(set: LedgerSet, judged: LedgerJudgement, { members }: Surroundings): LedgerJudgement {
  const unplaced = unplacedDatabases(set).map((databaseName): LedgerReason => {
    const path = set.rows.find(row => row.databaseName === databaseName)?.path ?? 'not looked at yet';
    return reason('FILE_NOT_VERIFIED', { databaseName, path });
  });
  const inSet = new Set<DatabaseId | null>([...set.files, ...set.rows].map(({ databaseId }) => databaseId));
  const absent = members.flatMap(({ databaseId, name }) => {
    const isSaid = judged.reasons.some(
      ({ message }) => message === reason('DATABASE_MISSING_FROM_SET', { databaseName: name }).message,
    );
    return inSet.has(databaseId as DatabaseId) || isSaid
      ? []
      : [ledgerReason('DATABASE_NOT_IN_SET', { databaseName: name })];
  });
  const atWorst = (verdict: RecoveryVerdict): RecoveryVerdict => {
    if (unplaced.length > 0) return verdict === 'BROKEN' ? 'BROKEN' : 'UNKNOWN';
    return absent.length > 0 && verdict === 'SOUND' ? 'DEGRADED' : verdict;
  };
  return { ...judged, verdict: atWorst(judged.verdict), reasons: [...judged.reasons, ...unplaced, ...absent] };
}

/** Commit time of the mark in UTC: the databases share one transaction, so the first that knows it speaks for all. */
export function markedAtOf(set: LedgerSet): string | null {
  return set.files.find(({ markedAt }) => markedAt !== null)?.markedAt ?? null;
}

/** Reasons that were there before keep their date. */
export function dateJudgement(
  judged: LedgerJudgement,
  before: LedgerJudgement | undefined,
  now: string,
): LedgerJudgement {
  return {
    verdict: judged.verdict,
    reasons: dated(judged.reasons, before?.reasons ?? [], now),
    databases: judged.databases.map(database => ({
      ...database,
      reasons: dated(database.reasons, reasonsOf(database, before), now),
    })),
  };
}

function reasonsOf({ databaseId }: LedgerPointDatabase, before: LedgerJudgement | undefined): readonly LedgerReason[] {
  return before?.databases.find(database => database.databaseId === databaseId)?.reasons ?? [];
}

/** What is published of a point, without its version. */
export function judgedPayload(
  point: Omit<LedgerPoint, 'version' | 'publishedHash'>,
): Omit<PayloadOf<typeof recoveryPointJudged>, 'version'> {
  return {
    recoveryPointId: point.recoveryPointId,
    groupId: point.groupId,
    setId: point.setId,
    markName: point.markName,
    markedAt: point.markedAt,
    verdict: point.verdict,
    reasons: [...point.reasons],
    databases: point.databases.map(({ databaseId, databaseName, lsn, markProven, verdict }) => {
      return { databaseId, databaseName, lsn, markProven, verdict };
    }),
  };
}

/** Verdict and reasons as they may be shown now. */
export type ShownVerdict = { readonly verdict: RecoveryVerdict; readonly reasons: readonly LedgerReason[] };

/**
 * Evidence that is too old carries no verdict (design.md §1.2): what looked restorable is UNKNOWN until the source was seen again. What was
 * found broken stays broken.
 */
export function shownVerdict(
  judged: ShownVerdict,
  observation: { readonly expired: boolean; readonly observedAt: string | null },
): ShownVerdict {
  const { verdict, reasons } = judged;
  if (!observation.expired || verdict === 'BROKEN') return { verdict, reasons };
  const { observedAt } = observation;
  // Not a reason that the ledger holds: it is the age of what it holds.
  const expired: LedgerReason = {
    code: 'SOURCE_NOT_OBSERVED',
    message: 'The source has not been seen for so long that its files may be gone.',
    fix: 'Look at the error beside the observation. What is at a standby is judged there.',
    evidence: observedAt === null ? null : `last seen ${observedAt}`,
    since: observedAt,
  };
  return { verdict: 'UNKNOWN', reasons: [expired, ...reasons] };
}

/** The judged verdicts that are shown as this one: the same rule as `shownVerdict`, for a filter. */
export function judgedAs(shown: RecoveryVerdict, expired: boolean): readonly RecoveryVerdict[] {
  if (!expired || shown === 'BROKEN') return [shown];
  return shown === 'UNKNOWN' ? ['SOUND', 'DEGRADED', 'UNKNOWN'] : [];
}
