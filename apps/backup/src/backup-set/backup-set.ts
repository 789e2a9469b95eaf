import { type BackupSetId, type DatabaseId, dateReasons, type GroupId, parseMarkName } from '@holdfast/domain';
import { type BackupSet, compareSetNumbers, isWhole, judgeSet } from '@holdfast/domain/backup-set';
import type { PayloadOf, setQualified } from '@holdfast/events';
import { joinPath } from '@holdfast/domain/windows-path';
import type { HistoryFact } from '@holdfast/sqlserver/management';
import { sameName } from '../estate/estate.ts';
import { fileReasons, type LedgerFile, type LedgerHeader } from '../backup-file/backup-file.ts';

/** One row of the history: the job's claim that it wrote this file. */
export type HistoryRow = {
  readonly databaseName: string;
  readonly serverName: string | null;
  /** As the source wrote it. */
  readonly path: string;
  readonly setComplete: boolean;
  /** The database it is about; null while inventory has published none that it could be. */
  readonly databaseId: DatabaseId | null;
};

/** A set with the evidence it is judged by. */
export type LedgerSet = Omit<BackupSet, 'files'> & {
  readonly groupId: GroupId;
  /** 0 until it is published. */
  readonly version: number;
  /** Empty once they have vanished from the history. */
  readonly rows: readonly HistoryRow[];
  /** What the job covered when the set was taken; null: nobody looked then. */
  readonly coveredDatabases: readonly string[] | null;
  readonly files: readonly LedgerFile[];
  /** Of what was published last; '' before that. */
  readonly publishedHash: string;
};

/** A set of which looking again teaches nothing: of its evidence only the outcome is needed to judge others. */
export type FinalSet = Pick<LedgerSet, 'setId' | 'number' | 'startedAtRecorded' | 'type' | 'state'> & {
  readonly isFinal: true;
};

export function isFinal(set: LedgerSet | FinalSet): set is FinalSet {
  return 'isFinal' in set;
}

/** A set as the history lists it. */
export type ListedSet = Pick<LedgerSet, 'number' | 'type' | 'markName' | 'startedAtRecorded'> & {
  readonly rows: readonly Omit<HistoryRow, 'databaseId'>[];
};

/** The rows of the history as sets, in the order of their numbers. */
export function listedSets(history: readonly HistoryFact[]): readonly ListedSet[] {
  const byNumber = Map.groupBy(history, ({ setId }) => setId);
  const sets = [...byNumber].flatMap(([number, facts]) => {
    // In the order of writing, so that the first row, and with it the set's start, stays the first while the set grows.
    const rows = facts.toSorted((a, b) => compareNumbers(a.backupId, b.backupId));
    const [first] = rows;
    if (first === undefined) return [];
    return [
      {
        number,
        type: first.type,
        markName: parseMarkName(first.markName) ?? null,
        startedAtRecorded: first.startedAt.recorded,
        rows: rows.map(({ databaseName, serverName, fileLocation, fileName, setComplete }) => ({
          databaseName,
          serverName,
          path: joinPath(fileLocation, fileName),
          setComplete,
        })),
      },
    ];
  });
  return sets.toSorted(compareSetNumbers);
}

const numberWidth = 19;

/** Sorts as the sets do: by number, and by start where a failover made numbers repeat. */
export function sortKeyOf({ number, startedAtRecorded }: Pick<LedgerSet, 'number' | 'startedAtRecorded'>): string {
  return `${numberPrefix(number)}/${startedAtRecorded}`;
}

/** Sorts before every set with this number and after every one with a lower number. */
export function numberPrefix(number: string): string {
  return number.padStart(numberWidth, '0');
}

/**
 * The sets as their evidence now says: the end of the ledger, in the order of their numbers. `brokenLogSet`: the nearest PARTIAL or SUSPECT
 * log set before them with no whole full in between. Reasons keep their date while they stay (`now`: RFC 3339 UTC).
 */
export function judgeSets(
  sets: readonly (LedgerSet | FinalSet)[],
  brokenLogSet: string | null,
  now: string,
): readonly (LedgerSet | FinalSet)[] {
  const newestListed = sets.findLast(set => (isFinal(set) ? set.state !== 'PURGED' : set.rows.length > 0))?.number;
  let brokenLogSetBefore = brokenLogSet;
  return sets.map(set => {
    if (isFinal(set)) {
      brokenLogSetBefore = brokenAfter(set, brokenLogSetBefore);
      return set;
    }
    const { state, reasons } = judgeSet({
      type: set.type,
      ...withoutDoubles(set),
      // Only sets that the history listed are in the ledger at all.
      seenBefore: true,
      jobRunning: null,
      higherSetExists: newestListed !== undefined && compareNumbers(set.number, newestListed) < 0,
      files: set.files,
      brokenLogSetBefore,
    });
    brokenLogSetBefore = brokenAfter({ ...set, state }, brokenLogSetBefore);
    const files = set.files.map(file => ({
      ...file,
      reasons: dateReasons(fileReasons(file, set.type), file.reasons, now),
    }));
    return { ...set, state, reasons: dateReasons(reasons, set.reasons, now), files };
  });
}

function brokenAfter({ type, state, number }: Pick<LedgerSet, 'type' | 'state' | 'number'>, before: string | null) {
  if (type === 'FULL') return isWhole(state) ? null : before;
  return state === 'PARTIAL' || state === 'SUSPECT' ? number : before;
}

/** Final sets that a set before them, not whole as judged now, leaves behind: they have to be judged anew. */
export function leftBehind(sets: readonly (LedgerSet | FinalSet)[], brokenLogSet: string | null): readonly FinalSet[] {
  let broken = brokenLogSet;
  return sets.flatMap(set => {
    const isBehind = broken !== null && set.type === 'LOG' && isWhole(set.state);
    broken = brokenAfter(set, broken);
    return isBehind && isFinal(set) ? [set] : [];
  });
}

/**
 * Rows and coverage with each database once: a server that the tables spell in two ways has two rows for each of its databases
 * (biztalk-dr.md §1.3), of which the first has the file. Such a database is in the set when both say so.
 */
function withoutDoubles({ rows, coveredDatabases }: Pick<LedgerSet, 'rows' | 'coveredDatabases'>) {
  const sameDatabase = (a: HistoryRow, b: HistoryRow) => a.databaseId !== null && a.databaseId === b.databaseId;
  const covered = coveredDatabases === null ? null : [...coveredDatabases];
  const once = rows.flatMap(row => {
    const all = rows.filter(other => other === row || sameDatabase(other, row));
    if (all[0] === row) return [{ ...row, setComplete: all.every(({ setComplete }) => setComplete) }];
    const at = covered?.findIndex(name => sameName(name, row.databaseName)) ?? -1;
    if (at >= 0) covered?.splice(at, 1);
    return [];
  });
  return { rows: once, coveredDatabases: covered };
}

/** Databases that the job backed up in this set and of which nothing is known here. */
export function unplacedDatabases({
  rows,
  files,
  coveredDatabases,
}: Pick<LedgerSet, 'rows' | 'files' | 'coveredDatabases'>): readonly string[] {
  if (rows.length > 0)
    return rows.filter(({ databaseId }) => databaseId === null).map(({ databaseName }) => databaseName);
  // Its rows have vanished: what it was to hold is kept with it.
  return (coveredDatabases ?? []).filter(name => !files.some(file => sameName(file.databaseName, name)));
}

/** Whether looking again can teach nothing more: every row has its file, every file its proof, or the rows are gone. */
export function isSettled(set: Pick<LedgerSet, 'type' | 'state' | 'rows' | 'files'>): boolean {
  if (set.state === 'PURGED') return true;
  return (
    set.state !== 'RUNNING' &&
    set.rows.every(({ databaseId }) => databaseId !== null) &&
    set.files.every(file => file.state === 'VERIFIED' && (set.type === 'FULL' || file.markLsn !== null))
  );
}

/** Bytes of all its files as a decimal; null until every header was read. */
export function sizeOf({ files }: Pick<LedgerSet, 'files'>): string | null {
  let total = 0n;
  for (const { header } of files) {
    if (header === null) return null;
    total += BigInt(header.size);
  }
  return files.length === 0 ? null : String(total);
}

/** What is published of a set, without its version. */
export function qualifiedPayload(set: LedgerSet): Omit<PayloadOf<typeof setQualified>, 'version'> {
  return {
    setId: set.setId,
    groupId: set.groupId,
    number: set.number,
    type: set.type,
    markName: set.markName,
    startedAtRecorded: set.startedAtRecorded,
    timeBasis: set.timeBasis,
    startedAt: set.startedAt,
    state: set.state,
    reasons: [...set.reasons],
    files: set.files.map(qualifiedFile),
  };
}

function qualifiedFile(file: LedgerFile): PayloadOf<typeof setQualified>['files'][number] {
  const { fileId, databaseId, databaseName, sourceInstanceId, sourceInstance, path, position, state, header } = file;
  return {
    fileId,
    databaseId,
    databaseName,
    sourceInstanceId,
    sourceInstance,
    path,
    position,
    state,
    reasons: [...file.reasons],
    header: header === null ? null : qualifiedHeader(header),
    markLsn: file.markLsn,
  };
}

function qualifiedHeader(header: LedgerHeader) {
  const { startedAtRecorded: _startedAtRecorded, forkPointLsn: _forkPointLsn, ...published } = header;
  return published;
}

/** A set that the ledger has not had before. */
export function newSet(
  setId: BackupSetId,
  groupId: GroupId,
  listed: ListedSet,
  coveredDatabases: readonly string[] | null,
): LedgerSet {
  return {
    ...listed,
    rows: [],
    setId,
    groupId,
    version: 0,
    timeBasis: 'UNKNOWN',
    startedAt: null,
    state: 'RUNNING',
    reasons: [],
    files: [],
    coveredDatabases,
    publishedHash: '',
  };
}

/** Decimal texts as the numbers they are: text order would put 10 before 9. */
export function compareNumbers(a: string, b: string): number {
  return compareSetNumbers({ number: a }, { number: b });
}
