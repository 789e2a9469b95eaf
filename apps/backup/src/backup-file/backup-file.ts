import { type BackupSetId, type GroupId, type InstanceId, reason, type Reason } from '@holdfast/domain';
import { type BackupFile, type BackupFileState, type BackupHeader, isLost } from '@holdfast/domain/backup-set';
import { sameGuid } from '@holdfast/domain/chain';
import { liesIn, type Lsn } from '@holdfast/domain/lsn';
import type { HeaderFact } from '@holdfast/sqlserver/observe';
import { sameName } from '../estate/estate.ts';

export type LedgerHeader = BackupHeader & {
  /** Local to the source instance. */
  readonly startedAtRecorded: string;
};

/** A file of a set with what is known of it: domain's facts, and when they were seen. Times are RFC 3339 UTC. */
export type LedgerFile = Omit<BackupFile, 'header'> & {
  readonly setId: BackupSetId;
  readonly groupId: GroupId;
  /** Of its row in the set's history, in the order of writing. */
  readonly rowIndex: number;
  readonly header: LedgerHeader | null;
  /** Local to the source instance; null while the mark is unproven. */
  readonly markedAtRecorded: string | null;
  readonly markedAt: string | null;
  readonly seenAt: string;
  /** The source instance was asked for its header and answered. */
  readonly checkedAt: string | null;
  readonly nextCheckAt: string;
};

/** What asking the source instance for a file's headers gave. */
export type Finding =
  | { readonly kind: 'HEADERS'; readonly headers: readonly HeaderFact[] }
  | { readonly kind: 'LOST'; readonly state: Extract<BackupFileState, 'MISSING' | 'DAMAGED' | 'UNREADABLE'> }
  /** Nobody could look: says nothing about the file. */
  | { readonly kind: 'NO_ANSWER'; readonly problem: string };

/** A mark that an instance says it committed. */
export type MarkRow = { readonly lsn: Lsn; readonly markedAtRecorded: string };

const longestPauseMs = { lost: 3_600_000, verified: 86_400_000 } as const;

/**
 * The file after a look at it. A file is looked at again at growing pauses, as long again as it has been known: one that is away may come
 * back, and one that was proven may be lost or cut off before anybody has copied it.
 */
export function afterCheck(
  file: LedgerFile,
  type: 'FULL' | 'LOG',
  finding: Finding,
  when: { readonly now: number; readonly observeEveryMs: number },
): LedgerFile {
  const { now, observeEveryMs } = when;
  const at = (ms: number) => new Date(ms).toISOString();
  if (finding.kind === 'NO_ANSWER') return { ...file, nextCheckAt: at(now + observeEveryMs) };
  const growingMs = Math.max(observeEveryMs, now - Date.parse(file.seenAt));
  const again = { checkedAt: at(now), nextCheckAt: at(now + Math.min(growingMs, longestPauseMs.lost)) };
  if (finding.kind === 'LOST') return { ...file, state: finding.state, ...again };
  const found = headerOf(file, type, finding.headers);
  // The file is there, the backup that was claimed is not in it.
  if (found === undefined) return { ...file, state: 'MISSING', ...again };
  // What another header proved before is not this one's: a file that changed under its name is not the backup it was.
  const changed = file.header !== null && !sameGuid(file.header.backupSetUuid, found.backupSetUuid);
  if (found.isDamaged || changed) return { ...file, state: 'DAMAGED', ...again };
  return {
    ...file,
    state: 'VERIFIED',
    position: found.position,
    header: toHeader(found),
    checkedAt: again.checkedAt,
    nextCheckAt: at(now + Math.min(growingMs, longestPauseMs.verified)),
  };
}

// RESTORE HEADERONLY's BackupType (sqlserver.md §2.1).
const headerTypes = { FULL: 1, LOG: 2 } as const;

/**
 * The backup in the file that the row means: the one that was recognised before, when it is still there. Else of this database and type, and
 * where several of them were appended, the one that holds the mark or else the newest. The server's name is no evidence here: it is the one at the time of the backup.
 */
function headerOf(
  file: Pick<LedgerFile, 'databaseName' | 'markLsn' | 'header'>,
  type: 'FULL' | 'LOG',
  headers: readonly HeaderFact[],
): HeaderFact | undefined {
  const { markLsn, header: known } = file;
  const same = known && headers.find(({ backupSetUuid }) => sameGuid(backupSetUuid, known.backupSetUuid));
  if (same) return same;
  const claimed = headers.filter(
    header => header.backupType === headerTypes[type] && sameName(header.databaseName, file.databaseName),
  );
  const marked = markLsn === null ? [] : claimed.filter(header => liesIn(markLsn, header));
  const candidates = marked.length > 0 ? marked : claimed;
  return candidates.toSorted((a, b) => b.position - a.position)[0];
}

function toHeader(fact: HeaderFact): LedgerHeader {
  return {
    backupSetUuid: fact.backupSetUuid,
    familyGuid: fact.familyGuid,
    // Only a log that crosses a fork has two; otherwise the first is the last (sqlserver.md §2.6).
    firstForkGuid: fact.firstForkGuid ?? fact.lastForkGuid,
    lastForkGuid: fact.lastForkGuid,
    firstLsn: fact.firstLsn,
    lastLsn: fact.lastLsn,
    forkPointLsn: fact.forkPointLsn,
    checkpointLsn: fact.checkpointLsn,
    databaseBackupLsn: fact.databaseBackupLsn,
    size: fact.backupSize,
    hasChecksums: fact.hasChecksums,
    copyOnly: fact.isCopyOnly,
    startedAtRecorded: fact.startedAt.recorded,
    finishedAtRecorded: fact.finishedAt.recorded,
  };
}

/**
 * The file with its mark, when the instance's rows prove one. A mark name may come twice, for example after a restore; then only the row
 * within the file's own range is proof, and without a header nobody can tell.
 */
export function withMark(file: LedgerFile, rows: readonly MarkRow[]): LedgerFile {
  const { header } = file;
  const inside = header === null ? [] : rows.filter(({ lsn }) => liesIn(lsn, header));
  const [row, other] = inside.length > 0 ? inside : rows;
  if (row === undefined || other !== undefined) return file;
  return { ...file, markLsn: row.lsn, markedAtRecorded: row.markedAtRecorded };
}

/** That the file is lost, by name. */
export function lostReasons(file: Pick<BackupFile, 'databaseName' | 'path' | 'state'>): readonly Reason[] {
  return isLost(file.state) ? stateReasons(file) : [];
}

/** What keeps the file from being proof. */
export function fileReasons(file: LedgerFile, type: 'FULL' | 'LOG'): readonly Reason[] {
  const { databaseName, markLsn, header } = file;
  const ofState = stateReasons(file);
  if (type === 'FULL' || isLost(file.state)) return ofState;
  if (markLsn === null) return [...ofState, reason('MARK_UNPROVEN', { databaseName })];
  if (header === null || liesIn(markLsn, header)) return ofState;
  return [...ofState, reason('MARK_OUTSIDE_FILE', { databaseName, markLsn })];
}

function stateReasons(file: Pick<BackupFile, 'databaseName' | 'path' | 'state'>): readonly Reason[] {
  switch (file.state) {
    case 'MISSING':
      return [reason('FILE_MISSING', file)];
    case 'DAMAGED':
      return [reason('FILE_DAMAGED', file)];
    case 'UNREADABLE':
      return [reason('FILE_UNREADABLE', file)];
    case 'PRESENT':
    case 'UNKNOWN':
      return [reason('FILE_NOT_VERIFIED', file)];
    case 'VERIFIED':
      return [];
  }
}

export type FileRequest = {
  readonly file: LedgerFile;
  readonly type: 'FULL' | 'LOG';
};

/** Files by the instance that wrote them: each is asked for its own. */
export function bySource(requests: readonly FileRequest[]): ReadonlyMap<InstanceId, readonly FileRequest[]> {
  return Map.groupBy(requests, ({ file }) => file.sourceInstanceId);
}
