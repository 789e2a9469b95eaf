import { isLost, type BackupFile, type BackupHeader, type BackupSet, type BackupSetState } from './backup-set.ts';
import { chainTo, forkAt, type Chain } from './chain.ts';
import type { DatabaseId, RecoveryPointId } from './ids.ts';
import { liesIn, type Lsn } from './lsn.ts';
import type { MarkName } from './mark.ts';
import { reason, type Reason } from './reason.ts';

/**
 * SOUND: every file of every chain is there, whole and contiguous, and every database is proven to carry the mark.
 * DEGRADED: it can be restored, with something to say about it. BROKEN: it cannot. UNKNOWN: nobody can tell.
 */
export type RecoveryVerdict = 'SOUND' | 'DEGRADED' | 'BROKEN' | 'UNKNOWN';

/** One mark of one group. */
export type RecoveryPoint = {
  readonly recoveryPointId: RecoveryPointId;
  readonly markName: MarkName;
  /** RFC 3339 UTC; null when no row of `logmarkhistory` could be read. */
  readonly markedAt: string | null;
} & PointJudgement;

export type PointJudgement = {
  readonly verdict: RecoveryVerdict;
  readonly reasons: readonly Reason[];
  readonly databases: readonly PointDatabase[];
};

export type PointDatabase = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly lsn: Lsn | null;
  readonly markProven: boolean;
  readonly verdict: RecoveryVerdict;
  readonly reasons: readonly Reason[];
};

/** A file that a chain may use, with the set it came in. */
export type SetFile = BackupFile & {
  readonly header: BackupHeader;
  readonly set: { readonly number: string; readonly type: BackupSet['type']; readonly state: BackupSetState };
};

/** For each database the chain to its mark; a database that is not in the map has no base. */
export type PointChains = ReadonlyMap<DatabaseId, Chain<SetFile>>;
export type PointMarks = ReadonlyMap<DatabaseId, Lsn>;

/** The marks that `logmarkhistory` proved for the files of this set. */
export function marksOf(set: BackupSet): PointMarks {
  return new Map(set.files.flatMap(file => (file.markLsn === null ? [] : [[file.databaseId, file.markLsn]])));
}

/** The chains to the marks of this set through the files of `history` whose header is known and which are not lost. */
export function chainsTo(set: BackupSet, marks: PointMarks, history: readonly BackupSet[]): PointChains {
  const usable = history.flatMap(other => other.files.flatMap(file => usableFile(file, other)));
  const chains = new Map<DatabaseId, Chain<SetFile>>();
  for (const [databaseId, lsn] of marks) {
    const header = set.files.find(file => file.databaseId === databaseId)?.header ?? null;
    const files = usable.filter(file => file.databaseId === databaseId);
    const fulls = files.filter(file => file.set.type === 'FULL');
    const logs = files.filter(file => file.set.type === 'LOG');
    const chain = chainTo(fulls, logs, { lsn, forkGuid: header === null ? null : forkAt({ header }, lsn) });
    if (chain !== undefined) chains.set(databaseId, chain);
  }
  return chains;
}

/**
 * The verdict on the mark of one log set. Chains follow LSNs, so an ORPHANED set is not BROKEN by itself and the good
 * files of a partial set may bridge (design.md §5); both degrade, because BizTalk's own jobs would not restore them.
 */
export function judgeRecoveryPoint(set: BackupSet, marks: PointMarks, chains: PointChains): PointJudgement {
  const databases = set.files.map(file => judgeDatabase(file, marks.get(file.databaseId), chains.get(file.databaseId)));
  const ofSet = judgeSetOfPoint(set);
  return {
    verdict: worst([ofSet.verdict, ...databases.map(({ verdict }) => verdict)]),
    reasons: [...ofSet.reasons, ...databases.flatMap(({ reasons }) => reasons)],
    databases,
  };
}

function judgeSetOfPoint(set: BackupSet): { verdict: RecoveryVerdict; reasons: readonly Reason[] } {
  const ofState = (...codes: Reason['code'][]) => set.reasons.filter(({ code }) => codes.includes(code));
  switch (set.state) {
    case 'RUNNING':
      return { verdict: 'UNKNOWN', reasons: set.reasons };
    case 'VOID':
      return { verdict: 'BROKEN', reasons: set.reasons };
    case 'PARTIAL':
      // The databases that it lacks have no file here, so judging its files alone would call the point whole.
      return { verdict: 'BROKEN', reasons: ofState('SET_PARTIAL', 'DATABASE_MISSING_FROM_SET') };
    case 'ORPHANED':
      return { verdict: 'DEGRADED', reasons: ofState('SET_ORPHANED') };
    case 'COMPLETE':
    case 'VERIFIED':
    case 'SUSPECT':
    case 'PURGED':
      // Its files say the rest; a set of no files proves nothing.
      return {
        verdict: set.files.length === 0 ? 'UNKNOWN' : 'SOUND',
        reasons: set.files.length === 0 ? set.reasons : [],
      };
  }
}

function judgeDatabase(file: BackupFile, markLsn: Lsn | undefined, chain: Chain<SetFile> | undefined): PointDatabase {
  const { databaseId, databaseName, header } = file;
  const judged = (verdict: RecoveryVerdict, markProven: boolean, reasons: readonly Reason[]): PointDatabase => {
    return { databaseId, databaseName, lsn: markLsn ?? null, markProven, verdict, reasons };
  };
  const lost = isLost(file.state);
  if (markLsn === undefined)
    return judged(lost ? 'BROKEN' : 'UNKNOWN', false, [
      reason('MARK_UNPROVEN', { databaseName }),
      ...(lost ? lostReasons(file) : []),
    ]);
  if (lost) return judged('BROKEN', true, lostReasons(file));
  if (header === null) return judged('UNKNOWN', false, [reason('FILE_NOT_VERIFIED', file)]);
  if (!liesIn(markLsn, header))
    return judged('UNKNOWN', false, [reason('MARK_OUTSIDE_FILE', { databaseName, markLsn })]);
  if (chain === undefined) return judged('BROKEN', true, [reason('NO_BASE', { databaseName })]);
  if (chain.gap !== null) {
    const { fromLsn, toLsn, why } = chain.gap;
    const broken =
      why === 'OTHER_FORK'
        ? reason('OTHER_FORK', { databaseName, fromLsn })
        : reason('CHAIN_GAP', { databaseName, fromLsn, toLsn });
    return judged('BROKEN', true, [broken]);
  }
  const doubts = chain.files.flatMap(chainDoubts);
  return judged(
    worst(doubts.map(({ verdict }) => verdict)),
    true,
    doubts.map(doubt => doubt.reason),
  );
}

function chainDoubts(file: SetFile): readonly { verdict: RecoveryVerdict; reason: Reason }[] {
  const { databaseName } = file;
  const doubts: { verdict: RecoveryVerdict; reason: Reason }[] = [];
  if (file.state !== 'VERIFIED') {
    // UNKNOWN is a file nobody could look at: whether the chain is whole cannot be said.
    doubts.push({
      verdict: file.state === 'UNKNOWN' ? 'UNKNOWN' : 'DEGRADED',
      reason: reason('FILE_NOT_VERIFIED', file),
    });
  }
  if (file.set.state === 'PARTIAL' || file.set.state === 'RUNNING') {
    doubts.push({
      verdict: 'DEGRADED',
      reason: reason('BRIDGED_BY_PARTIAL_SET', { databaseName, setNumber: file.set.number }),
    });
  }
  return doubts;
}

function lostReasons(file: BackupFile): readonly Reason[] {
  const code =
    file.state === 'MISSING' ? 'FILE_MISSING' : file.state === 'DAMAGED' ? 'FILE_DAMAGED' : 'FILE_UNREADABLE';
  return [reason(code, file)];
}

function usableFile(file: BackupFile, { number, type, state }: BackupSet): readonly SetFile[] {
  const { header } = file;
  return header === null || isLost(file.state) ? [] : [{ ...file, header, set: { number, type, state } }];
}

const fromWorst: readonly RecoveryVerdict[] = ['BROKEN', 'UNKNOWN', 'DEGRADED', 'SOUND'];

/** BROKEN before UNKNOWN: one database that cannot be restored decides, whatever is not known of the others. */
function worst(verdicts: readonly RecoveryVerdict[]): RecoveryVerdict {
  return fromWorst.find(verdict => verdicts.includes(verdict)) ?? 'SOUND';
}
