import { type BackupSetId, dateReasons, type GroupId, reason, type Reason } from '@holdfast/domain';
import {
  chainsTo,
  judgeRecoveryPoint,
  marksOf,
  type PointDatabase,
  type PointJudgement,
  type RecoveryPoint,
  type RecoveryVerdict,
} from '@holdfast/domain/recovery-point';
import type { PayloadOf, recoveryPointJudged } from '@holdfast/events';
import { type LedgerSet, unplacedDatabases } from '../backup-set/backup-set.ts';

/** One mark of one group, as the ledger judges it at the source. */
export type LedgerPoint = RecoveryPoint & {
  readonly groupId: GroupId;
  readonly setId: BackupSetId;
  /** Of its set. */
  readonly sortKey: string;
  readonly version: number;
  readonly publishedHash: string;
};

/** The verdict on the mark of a log set. `history`: the whole ledger up to that set, oldest first. */
export function judgePoint(set: LedgerSet, history: readonly LedgerSet[]): PointJudgement {
  const marks = marksOf(set);
  return withUnplaced(set, judgeRecoveryPoint(set, marks, chainsTo(set, marks, history)));
}

/**
 * The same from the newest full set on: when that is enough for every database, nothing older can be chosen. Undefined when it is not.
 * `recent`: the ledger up to that set from some full set on.
 */
export function judgePointByNewestFull(set: LedgerSet, recent: readonly LedgerSet[]): PointJudgement | undefined {
  const marks = marksOf(set);
  const newestFull = recent.findLastIndex(({ type }) => type === 'FULL');
  if (newestFull < 0) return undefined;
  const chains = chainsTo(set, marks, recent.slice(newestFull));
  const enough = [...marks.keys()].every(databaseId => chains.get(databaseId)?.gap === null);
  return enough ? withUnplaced(set, judgeRecoveryPoint(set, marks, chains)) : undefined;
}

/** A database of which nothing is known here has no chain to be judged by, and the point without it is none. */
function withUnplaced(set: LedgerSet, judged: PointJudgement): PointJudgement {
  const unplaced = unplacedDatabases(set);
  if (unplaced.length === 0) return judged;
  const reasons = unplaced.map(databaseName => {
    const path = set.rows.find(row => row.databaseName === databaseName)?.path ?? 'not looked at yet';
    return reason('FILE_NOT_VERIFIED', { databaseName, path });
  });
  const verdict = judged.verdict === 'BROKEN' ? 'BROKEN' : 'UNKNOWN';
  return { ...judged, verdict, reasons: [...judged.reasons, ...reasons] };
}

/** Commit time of the mark in UTC: the databases share one transaction, so the first that knows it speaks for all. */
export function markedAtOf(set: LedgerSet): string | null {
  return set.files.find(({ markedAt }) => markedAt !== null)?.markedAt ?? null;
}

/** Reasons that were there before keep their date. */
export function dateJudgement(judged: PointJudgement, before: PointJudgement | undefined, now: string): PointJudgement {
  return {
    verdict: judged.verdict,
    reasons: dateReasons(judged.reasons, before?.reasons ?? [], now),
    databases: judged.databases.map(database => ({
      ...database,
      reasons: dateReasons(database.reasons, reasonsOf(database, before), now),
    })),
  };
}

function reasonsOf({ databaseId }: PointDatabase, before: PointJudgement | undefined): readonly Reason[] {
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

/** A reason that the ledger itself does not hold: it is the age of what the ledger holds. */
export type ReadReason = Omit<Reason, 'code'> & { readonly code: Reason['code'] | 'SOURCE_NOT_OBSERVED' };

/** Verdict and reasons as they may be shown now. */
export type ShownVerdict = { readonly verdict: RecoveryVerdict; readonly reasons: readonly ReadReason[] };

/**
 * Evidence that is too old carries no verdict (design.md §1.2): what looked restorable is UNKNOWN until the source was seen again. What was
 * found broken stays broken.
 */
export function shownVerdict(
  judged: { readonly verdict: RecoveryVerdict; readonly reasons: readonly Reason[] },
  observation: { readonly expired: boolean; readonly observedAt: string | null },
): ShownVerdict {
  const { verdict, reasons } = judged;
  if (!observation.expired || verdict === 'BROKEN') return { verdict, reasons };
  const { observedAt } = observation;
  const expired: ReadReason = {
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
