import { type BackupSetId, dateReasons, type GroupId, parseMarkName } from '@holdfast/domain';
import { type BackupSet, compareSetNumbers, isWhole, judgeSet } from '@holdfast/domain/backup-set';
import type { PayloadOf, setQualified } from '@holdfast/events';
import { joinPath } from '@holdfast/domain/windows-path';
import type { HistoryFact } from '@holdfast/sqlserver/management';
import { fileReasons, type LedgerFile, type LedgerHeader } from '../backup-file/backup-file.ts';

/** One row of the history: the job's claim that it wrote this file. */
export type HistoryRow = {
  readonly databaseName: string;
  readonly serverName: string | null;
  /** As the source wrote it. */
  readonly path: string;
  readonly setComplete: boolean;
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

/** A set as the history lists it. */
export type ListedSet = Pick<LedgerSet, 'number' | 'type' | 'markName' | 'startedAtRecorded' | 'rows'>;

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
export function judgeSets(sets: readonly LedgerSet[], brokenLogSet: string | null, now: string): readonly LedgerSet[] {
  const newestListed = sets.findLast(({ rows }) => rows.length > 0)?.number;
  let brokenLogSetBefore = brokenLogSet;
  return sets.map(set => {
    const { state, reasons } = judgeSet({
      type: set.type,
      rows: set.rows,
      // Only sets that the history listed are in the ledger at all.
      seenBefore: true,
      coveredDatabases: set.coveredDatabases,
      jobRunning: null,
      higherSetExists: newestListed !== undefined && compareNumbers(set.number, newestListed) < 0,
      files: set.files,
      brokenLogSetBefore,
    });
    if (set.type === 'FULL' && isWhole(state)) brokenLogSetBefore = null;
    if (set.type === 'LOG' && (state === 'PARTIAL' || state === 'SUSPECT')) brokenLogSetBefore = set.number;
    const files = set.files.map(file => ({
      ...file,
      reasons: dateReasons(fileReasons(file, set.type), file.reasons, now),
    }));
    return { ...set, state, reasons: dateReasons(reasons, set.reasons, now), files };
  });
}

/** Whether looking again can teach nothing more: every row has its file, every file its proof, or the rows are gone. */
export function isSettled(set: Pick<LedgerSet, 'type' | 'state' | 'rows' | 'files'>): boolean {
  if (set.state === 'PURGED') return true;
  return (
    set.state !== 'RUNNING' &&
    set.files.length === set.rows.length &&
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
