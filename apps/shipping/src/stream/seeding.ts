import type { BackupSetId } from '@holdfast/domain';
import { type Position, sameGuid } from '@holdfast/domain/chain';
import { compareLsn, type Lsn } from '@holdfast/domain/lsn';

/** What is written down before a full is sent, so that afterwards the server can be asked what became of it. */
export type SeedingEvidence = {
  readonly setId: BackupSetId;
  readonly backupSetUuid: string;
  readonly lastForkGuid: string;
  readonly lastLsn: Lsn;
  /** The newest row for this database in the instance's restore history before it was sent; 0 when there was none. */
  readonly afterHistoryId: number;
  /** What it replaces, where it was asked to; null when nothing of its name stood there, or an older version sent it. */
  readonly over?: Position | null;
  /** Of the leader that sent it. */
  readonly fencingToken: number;
};

/** A row of msdb's restorehistory, newest first. */
export type RestoreRow = {
  readonly historyId: number;
  readonly type: string | null;
  readonly backupSetUuid: string | null;
};

export type SeedingFinding =
  | { readonly kind: 'NOTHING_THERE' }
  /** It ended, only nobody saw it: what stands there can be built upon. */
  | { readonly kind: 'ENDED'; readonly position: Position }
  /** Begun and not ended, or still what it is asked to replace: to be sent WITH REPLACE (sqlserver.md §2.3). */
  | { readonly kind: 'HALF_DONE' }
  /** It may be somebody else's: nothing is sent. */
  | { readonly kind: 'UNPROVEN'; readonly why: string };

const noGuid = '00000000-0000-0000-0000-000000000000';

/**
 * What became of a full that nobody saw end, for a database that is RESTORING or absent. After a lost connection the restore history and
 * the position tell (sqlserver.md §8.4): a full that ended has its row. One that did not has none, and neither has anybody else, or the
 * database is not what ours left. REPLACE gives up the server's own checks (§2.2), so every doubt is UNPROVEN.
 */
export function judgeSeeding(
  evidence: SeedingEvidence | null,
  there: { readonly redoStartLsn: Lsn | null; readonly redoStartForkGuid: string | null } | null,
  history: readonly RestoreRow[],
): SeedingFinding {
  if (there === null) return { kind: 'NOTHING_THERE' };
  if (evidence === null) return unproven('nothing is written down about who began it');
  const { afterHistoryId, backupSetUuid, lastForkGuid, lastLsn } = evidence;
  if ((history[0]?.historyId ?? 0) < afterHistoryId) return unproven('the restore history of the instance was cut');
  // VERIFYONLY has rows as well and changes nothing.
  const since = history.filter(({ historyId, type }) => historyId > afterHistoryId && type !== 'V');
  const { redoStartLsn, redoStartForkGuid } = there;

  const full = since.find(({ type }) => type === 'D');
  if (full?.backupSetUuid != null && sameGuid(full.backupSetUuid, backupSetUuid))
    return redoStartLsn === null
      ? unproven('its full has ended, but the instance shows no position')
      : { kind: 'ENDED', position: { lsn: redoStartLsn, forkGuid: redoStartForkGuid } };
  if (since.length > 0) return unproven('another backup was restored into it meanwhile');
  // A failure before planning ends leaves the old database untouched (§2.3).
  if (evidence.over != null && redoStartLsn !== null && samePlace(evidence.over, redoStartLsn, redoStartForkGuid))
    return { kind: 'HALF_DONE' };
  // What a half-done database shows as its position is not documented (unverified); what contradicts our full is somebody else's.
  if (redoStartForkGuid !== null && redoStartForkGuid !== noGuid && !sameGuid(redoStartForkGuid, lastForkGuid))
    return unproven('it is on another recovery path');
  if (redoStartLsn !== null && compareLsn(redoStartLsn, lastLsn) > 0)
    return unproven(`it stands at ${redoStartLsn}, behind the end of the full`);
  return { kind: 'HALF_DONE' };
}

function samePlace(over: Position, lsn: Lsn, forkGuid: string | null): boolean {
  return over.lsn === lsn && sameGuid(over.forkGuid ?? noGuid, forkGuid ?? noGuid);
}

/**
 * Whether what stands there is what somebody asked to replace, or that rolled on since: the same recovery path, no earlier place on it. Pure.
 */
export function isAskedFor(over: Position | null, there: Position): boolean {
  if (over === null) return false;
  const onPath = over.forkGuid !== null && there.forkGuid !== null && sameGuid(over.forkGuid, there.forkGuid);
  return onPath ? compareLsn(there.lsn, over.lsn) >= 0 : samePlace(over, there.lsn, there.forkGuid);
}

export function sameEvidence(a: SeedingEvidence | null, b: SeedingEvidence | null): boolean {
  return (
    a?.backupSetUuid === b?.backupSetUuid &&
    a?.afterHistoryId === b?.afterHistoryId &&
    a?.fencingToken === b?.fencingToken
  );
}

function unproven(why: string): SeedingFinding {
  return { kind: 'UNPROVEN', why };
}
