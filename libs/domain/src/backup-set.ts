import type { ChainHeader } from './chain.ts';
import type { BackupFileId, BackupSetId, DatabaseId, InstanceId } from './ids.ts';
import { liesIn, type Lsn } from './lsn.ts';
import type { MarkName } from './mark.ts';
import { reason, type Reason } from './reason.ts';

export type BackupType = 'FULL' | 'LOG';
export type BackupSetState =
  'RUNNING' | 'COMPLETE' | 'VERIFIED' | 'PARTIAL' | 'SUSPECT' | 'ORPHANED' | 'VOID' | 'PURGED';
export type BackupFileState = 'PRESENT' | 'VERIFIED' | 'MISSING' | 'DAMAGED' | 'UNREADABLE' | 'UNKNOWN';

export type BackupHeader = ChainHeader & {
  readonly checkpointLsn: Lsn;
  readonly databaseBackupLsn: Lsn;
  /** Bytes, decimal text. */
  readonly size: string;
  readonly hasChecksums: boolean;
  readonly copyOnly: boolean;
  /** As the source instance recorded it, in its own time. */
  readonly finishedAtRecorded: string;
};

export type BackupFile = {
  readonly fileId: BackupFileId;
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly sourceInstanceId: InstanceId;
  /** @@SERVERNAME of the instance that wrote it. */
  readonly sourceInstance: string;
  /** As the source instance sees it. */
  readonly path: string;
  /** FILE = n inside the file. */
  readonly position: number;
  readonly state: BackupFileState;
  readonly reasons: readonly Reason[];
  /** null until it could be read. */
  readonly header: BackupHeader | null;
  /** Log files: the LSN of the set's mark in this database by `logmarkhistory`; null while unproven. */
  readonly markLsn: Lsn | null;
};

export type BackupSet = {
  readonly setId: BackupSetId;
  /** `adm_BackupHistory.BackupSetId`, decimal text; it rises, with gaps. */
  readonly number: string;
  readonly type: BackupType;
  readonly markName: MarkName | null;
  readonly startedAtRecorded: string;
  readonly timeBasis: 'UTC' | 'LOCAL' | 'UNKNOWN';
  readonly startedAt: string | null;
  readonly state: BackupSetState;
  readonly reasons: readonly Reason[];
  readonly files: readonly BackupFile[];
};

export type SetEvidence = {
  readonly type: BackupType;
  /** One for each row of the history with this set id. None: the id was skipped, or the rows have vanished. */
  readonly rows: readonly { readonly databaseName: string; readonly setComplete: boolean }[];
  /** Rows of this set were seen before. */
  readonly seenBefore: boolean;
  /** `admv_BackupDatabases` at the time of the set; null when nobody looked then. */
  readonly coveredDatabases: readonly string[] | null;
  /** The job is within step 2 or 3; null: it could not be observed. */
  readonly jobRunning: boolean | null;
  readonly higherSetExists: boolean;
  readonly files: readonly Pick<BackupFile, 'databaseName' | 'path' | 'state' | 'header' | 'markLsn'>[];
  /** The nearest PARTIAL or SUSPECT log set before this one, when no complete full set lies between; else null. */
  readonly brokenLogSetBefore: string | null;
};

export type SetJudgement = { readonly state: BackupSetState; readonly reasons: readonly Reason[] };

/**
 * The state of biztalk-dr.md §2.12. The rows decide first, for a set that is not whole stays so whatever its files are
 * like; then what was lost, then what came before, and only then what is proven. `SetComplete = 1` alone is a claim
 * and never gives more than COMPLETE.
 */
export function judgeSet(evidence: SetEvidence): SetJudgement {
  return judgeRows(evidence) ?? judgeFiles(evidence);
}

function judgeRows(evidence: SetEvidence): SetJudgement | undefined {
  const { rows, coveredDatabases, jobRunning, higherSetExists } = evidence;
  if (rows.length === 0) {
    return evidence.seenBefore
      ? { state: 'PURGED', reasons: [reason('SET_PURGED')] }
      : { state: 'VOID', reasons: [reason('SET_VOID')] };
  }
  if (rows.some(row => !row.setComplete)) {
    // A higher id decides even when the job runs: it is then writing that later set.
    if (higherSetExists || jobRunning === false) {
      return { state: 'PARTIAL', reasons: [reason('SET_PARTIAL', { written: rows.length }), ...fileReasons(evidence)] };
    }
    return { state: 'RUNNING', reasons: [reason(jobRunning === null ? 'SET_UNDECIDED' : 'SET_RUNNING')] };
  }
  const absent = lacking(
    coveredDatabases ?? [],
    rows.map(row => row.databaseName),
  );
  if (absent.length === 0) return undefined;
  const missing = absent.map(databaseName => reason('DATABASE_MISSING_FROM_SET', { databaseName }));
  return { state: 'PARTIAL', reasons: [...missing, ...fileReasons(evidence)] };
}

function judgeFiles(evidence: SetEvidence): SetJudgement {
  const reasons = [...fileReasons(evidence), ...absentFileReasons(evidence)];
  const lost = evidence.files.some(file => isLost(file.state));
  if (lost) return { state: 'SUSPECT', reasons };
  if (evidence.type === 'LOG' && evidence.brokenLogSetBefore !== null) {
    return {
      state: 'ORPHANED',
      reasons: [reason('SET_ORPHANED', { brokenSet: evidence.brokenLogSetBefore }), ...reasons],
    };
  }
  return reasons.length === 0 ? { state: 'VERIFIED', reasons } : { state: 'COMPLETE', reasons };
}

/** What keeps each file from being proof. */
function fileReasons({ type, files }: SetEvidence): readonly Reason[] {
  return files.flatMap(file => [
    ...stateReasons(file),
    ...(type === 'LOG' && !isLost(file.state) ? markReasons(file) : []),
  ]);
}

/** A row whose file nobody has looked at yet is no proof either. */
function absentFileReasons({ rows, files }: SetEvidence): readonly Reason[] {
  const unseen = lacking(
    rows.map(row => row.databaseName),
    files.map(file => file.databaseName),
  );
  return unseen.map(databaseName => reason('FILE_NOT_VERIFIED', { databaseName, path: 'not looked at yet' }));
}

/** The names that `present` lacks, each as often as it lacks it: two servers may have a database of one name. */
function lacking(wanted: readonly string[], present: readonly string[]): readonly string[] {
  const left = present.map(name => name.toLowerCase());
  return wanted.filter(name => {
    const at = left.indexOf(name.toLowerCase());
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function stateReasons(file: SetEvidence['files'][number]): readonly Reason[] {
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
      return file.header === null ? [reason('FILE_NOT_VERIFIED', file)] : [];
  }
}

function markReasons({ databaseName, markLsn, header }: SetEvidence['files'][number]): readonly Reason[] {
  if (markLsn === null) return [reason('MARK_UNPROVEN', { databaseName })];
  // The row of logmarkhistory proves the mark; that this file carries it takes the file's own range.
  if (header !== null && !liesIn(markLsn, header)) return [reason('MARK_OUTSIDE_FILE', { databaseName, markLsn })];
  return [];
}

export function isLost(state: BackupFileState): boolean {
  return state === 'MISSING' || state === 'DAMAGED' || state === 'UNREADABLE';
}

/** COMPLETE by the job's own word, and nothing found against it. */
export function isWhole(state: BackupSetState): boolean {
  return state === 'COMPLETE' || state === 'VERIFIED';
}

/** Set ids are bigint columns and compare as numbers: text order would put 10 before 9. */
export function compareSetNumbers(a: Pick<BackupSet, 'number'>, b: Pick<BackupSet, 'number'>): number {
  const [left, right] = [BigInt(a.number), BigInt(b.number)];
  return left < right ? -1 : left > right ? 1 : 0;
}
