import type { BackupFileId, BackupSetId, GroupId } from '@holdfast/domain';
import { setQualified } from '@holdfast/events';
import { discoveredId } from '@holdfast/service';
import type { HostDependencies } from '@holdfast/service/host';
import type { Transactor } from '@holdfast/store';
import { afterCheck, type LedgerFile, withMark } from '../backup-file/backup-file.ts';
import { type KnownGroup, placeOf, sameName } from '../estate/estate.ts';
import { findGroup } from '../estate/estate-store.ts';
import { findJob, saveJobLook } from '../backup-job/backup-job-store.ts';
import { type JobFacts, toldBasis } from '../backup-job/backup-job.ts';
import { recordForeign } from '../foreign-backup/foreign-backup-commands.ts';
import { findBreaking } from '../foreign-backup/foreign-backup-store.ts';
import { membersOf } from '../recovery-point/recovery-point.ts';
import { type ChangedSets, hashOf, judgePoints, wholeLedger } from '../recovery-point/recovery-point-commands.ts';
import type { SeenFile, SeenHistory, SeenJob, SeenMarks } from '../source/source-store.ts';
import type { BackupTables } from '../tables.ts';
import {
  type FinalSet,
  type HistoryRow,
  isFinal,
  judgeSets,
  leftBehind,
  type LedgerSet,
  type ListedSet,
  listedSets,
  newSet,
  numberPrefix,
  qualifiedPayload,
  sortKeyOf,
} from './backup-set.ts';
import { findBrokenBefore, findFiles, findSets, openSetsFrom, saveSet } from './backup-set-store.ts';
import { findLook, saveLook } from './history-look-store.ts';
import { placeMark, placeStart, placeTold } from './recorded-start.ts';

export type BackupDependencies = Pick<HostDependencies<BackupTables>, 'store' | 'outbox' | 'clock' | 'env'> & {
  readonly observeEveryMs: number;
};

type Tx = Transactor<BackupTables>;

/** Takes over what the history and the marks say, judges every set it touches and publishes what became different. */
export async function recordHistory(
  deps: BackupDependencies,
  tx: Tx,
  groupId: GroupId,
  seen: SeenHistory,
): Promise<void> {
  const group = await findGroup(tx, groupId);
  if (group === undefined) return;
  const look = await findLook(tx, groupId);
  const now = deps.clock();
  const listedNow = listedSets(seen.history).map(each => {
    const setId = discoveredId('backup-set', groupId, each.number, each.startedAtRecorded) as BackupSetId;
    return { setId, each };
  });
  const listedIds = new Set(listedNow.map(({ setId }) => setId));
  const fromSortKey = numberPrefix(seen.fromSetId);
  const ledger = await openSetsFrom(tx, groupId, fromSortKey);
  // A final set that is not listed any more is told so, and one that is listed again as well; of the others their end is enough.
  const moved = ledger
    .filter(set => isFinal(set) && listedIds.has(set.setId) === (set.state === 'PURGED'))
    .map(({ setId }) => setId);
  const known = moved.length === 0 ? ledger : await openSetsFrom(tx, groupId, fromSortKey, moved);
  const knownById = new Map(known.map(set => [set.setId, set]));
  const covered = sameCoverage(look.coveredDatabases, seen.coveredDatabases) ? seen.coveredDatabases : null;
  const job = await findJob(tx, groupId);
  // A command may have looked at the job since; what it saw does not speak for the time before these sets.
  const seenBefore = job.observedAt !== null && job.observedAt <= (look.lookedAt ?? '') ? job.facts : null;
  const listed = listedNow.map(({ setId, each }) => {
    const before =
      knownById.get(setId) ?? withToldStart(newSet(setId, groupId, each, covered), seenBefore, seen.job, now);
    if (isFinal(before)) return before;
    return withMarks(withRows(before, each, group, now), seen.marks, now);
  });
  // Rows that were there and are not any more were purged, or belong to a history that a failover replaced.
  const vanished = known
    .filter(set => !listedIds.has(set.setId))
    .map(set =>
      isFinal(set)
        ? set
        : {
            ...set,
            rows: [],
            coveredDatabases: set.coveredDatabases ?? set.rows.map(({ databaseName }) => databaseName),
          },
    );
  const after = [...listed, ...vanished].toSorted((a, b) => (sortKeyOf(a) < sortKeyOf(b) ? -1 : 1));
  const changed = await judgeAndPublish(deps, tx, groupId, known, after);
  await saveJobLook(tx, job, seen.job);
  const chainsDiffer = await recordForeign(tx, group, seen.msdb, now);
  const members = JSON.stringify(membersOf(group));
  // Who belongs to the group and who took its log concerns every point.
  const concerned = chainsDiffer || members !== look.members ? wholeLedger : changed;
  if (concerned !== undefined) await judgeAround(deps, tx, group, concerned);
  await saveLook(tx, {
    ...look,
    members,
    observedAt: seen.observedAt,
    lookedAt: new Date(now).toISOString(),
    observationError: seen.problems.length === 0 ? null : seen.problems.join(' '),
    coveredDatabases: seen.coveredDatabases,
  });
}

/**
 * Takes over what the headers of files say, judges their sets and those that rest on them, and publishes what became different. What was
 * seen of a file counts only while nobody has looked at it since it was asked for: a finding that comes late may be older than what is known.
 */
export async function recordFiles(
  deps: BackupDependencies,
  tx: Tx,
  groupId: GroupId,
  found: readonly SeenFile[],
): Promise<void> {
  const stored = await findFiles(
    tx,
    found.map(({ file }) => file.fileId),
  );
  const dueAt = new Map(stored.map(({ fileId, nextCheckAt }) => [fileId, nextCheckAt]));
  // Every look at a file moves the time of the next one.
  const seen = found.filter(({ file }) => dueAt.get(file.fileId) === file.nextCheckAt);
  const when = { now: deps.clock(), observeEveryMs: deps.observeEveryMs };
  const touched = new Set(seen.map(({ file }) => file.setId));
  const [lowest] = (await findSets(tx, [...touched])).map(sortKeyOf).sort();
  if (lowest === undefined) return;
  const known = await openSetsFrom(tx, groupId, lowest, [...touched]);
  const after = known.map(set => {
    if (isFinal(set) || !touched.has(set.setId)) return set;
    const files = set.files.map(file => {
      const finding = seen.find(each => each.file.fileId === file.fileId)?.finding;
      return finding === undefined ? file : afterCheck(file, set.type, finding, when);
    });
    return withTimes({ ...set, files }, seen, { now: when.now, isFirstReading: firstHeader(set) === null });
  });
  const changed = await judgeAndPublish(deps, tx, groupId, known, after);
  const group = await findGroup(tx, groupId);
  if (changed !== undefined && group !== undefined) await judgeAround(deps, tx, group, changed);
  const problems = seen.flatMap(({ finding }) => (finding.kind === 'NO_ANSWER' ? [finding.problem] : []));
  const look = await findLook(tx, groupId);
  await saveLook(tx, { ...look, fileError: problems.length === 0 ? null : [...new Set(problems)].join(' ') });
}

/** The set with the rows as listed now, and a file for each row whose database inventory has published. */
function withRows(set: LedgerSet, { rows }: ListedSet, group: KnownGroup, now: number): LedgerSet {
  const at = new Date(now).toISOString();
  const files: LedgerFile[] = [];
  const placed: HistoryRow[] = [];
  for (const [rowIndex, row] of rows.entries()) {
    const known = set.files.find(file => file.rowIndex === rowIndex);
    const place = known === undefined ? placeOf(group, row) : undefined;
    if (known !== undefined) files.push(known);
    // Two spellings of one server give two rows of one database (biztalk-dr.md §1.3); its file is known by the first.
    else if (place !== undefined && !files.some(({ databaseId }) => databaseId === place.databaseId))
      files.push(newFile(set, { ...place, path: row.path, rowIndex, at }));
    placed.push({ ...row, databaseId: (known ?? place)?.databaseId ?? null });
  }
  return { ...set, rows: placed, files };
}

type NewFile = NonNullable<ReturnType<typeof placeOf>> & {
  readonly path: string;
  readonly rowIndex: number;
  readonly at: string;
};

function newFile({ setId, groupId }: LedgerSet, { at, path, rowIndex, ...place }: NewFile): LedgerFile {
  return {
    fileId: discoveredId('backup-file', setId, place.databaseId) as BackupFileId,
    setId,
    groupId,
    rowIndex,
    databaseId: place.databaseId,
    databaseName: place.databaseName,
    sourceInstanceId: place.instanceId,
    sourceInstance: place.sourceInstance,
    path,
    // Until the header says which one it is: BizTalk writes one backup per file (biztalk-dr.md §2.6).
    position: 1,
    state: 'UNKNOWN',
    reasons: [],
    header: null,
    markLsn: null,
    markedAtRecorded: null,
    markedAt: null,
    seenAt: at,
    checkedAt: null,
    nextCheckAt: at,
  };
}

function withMarks(set: LedgerSet, seen: readonly SeenMarks[], now: number): LedgerSet {
  if (set.type !== 'LOG' || set.markName === null) return set;
  const files = set.files.map(file => {
    const source = seen.find(({ instanceId }) => instanceId === file.sourceInstanceId);
    if (file.markLsn !== null || source === undefined) return file;
    const rows = source.marks
      .filter(mark => mark.markName === set.markName && sameName(mark.databaseName, file.databaseName))
      .map(({ lsn, markedAt }) => ({ lsn, markedAtRecorded: markedAt.recorded }));
    return withMarkTime(withMark(file, rows), set, source.offsetMinutes, now);
  });
  return { ...set, files };
}

const firstHeader = ({ files }: LedgerSet) => files.find(({ rowIndex }) => rowIndex === 0)?.header ?? null;

/**
 * A new set's start in the time in which the job writes, where the steps said the same at the looks before and after it: each parameter
 * @UseLocalTime rules the sets of its own step (biztalk-dr.md §2.2, §2.4). What the job was told is a claim; a header says better.
 */
function withToldStart(set: LedgerSet, before: JobFacts | null, { facts }: SeenJob, now: number): LedgerSet {
  const timeBasis = toldBasis(set.type, before, facts);
  if (timeBasis === null || facts === null) return set;
  const offsetMinutes = timeBasis === 'UTC' ? 0 : facts.offsetMinutes;
  const startedAt = placeTold(set.startedAtRecorded, timeBasis, offsetMinutes, now);
  return { ...set, timeBasis, startedAt };
}

/** Start and marks of the set in UTC, as far as the headers that were just read prove the offset of that day. */
function withTimes(
  set: LedgerSet,
  seen: readonly SeenFile[],
  { now, isFirstReading }: { readonly now: number; readonly isFirstReading: boolean },
): LedgerSet {
  const offsetOf = ({ sourceInstanceId }: LedgerFile) =>
    seen.find(({ file, offsetMinutes }) => file.sourceInstanceId === sourceInstanceId && offsetMinutes !== null)
      ?.offsetMinutes ?? null;
  const first = set.files.find(({ rowIndex }) => rowIndex === 0);
  const offsetMinutes = first === undefined ? null : offsetOf(first);
  const proven =
    offsetMinutes === null || !(isFirstReading || set.timeBasis === 'UNKNOWN')
      ? null
      : placeStart({
          startedAtRecorded: set.startedAtRecorded,
          firstFileStartedAtRecorded: first?.header?.startedAtRecorded ?? null,
          offsetMinutes,
          now,
        });
  const start = proven === null || proven.timeBasis === 'UNKNOWN' ? set : proven;
  const timed = { ...set, timeBasis: start.timeBasis, startedAt: start.startedAt };
  return { ...timed, files: timed.files.map(file => withMarkTime(file, timed, offsetOf(file), now)) };
}

function withMarkTime(file: LedgerFile, set: LedgerSet, offsetMinutes: number | null, now: number): LedgerFile {
  if (file.markedAt !== null || file.markedAtRecorded === null || offsetMinutes === null) return file;
  return { ...file, markedAt: placeMark(file.markedAtRecorded, offsetMinutes, set, now) };
}

/**
 * Judges `after`, the ledger from one set to its end, stores what is not as in `before`, and publishes what others may act on. Answers which
 * sets became different: the points that rest on them are to be judged.
 */
async function judgeAndPublish(
  deps: BackupDependencies,
  tx: Tx,
  groupId: GroupId,
  before: readonly (LedgerSet | FinalSet)[],
  after: readonly (LedgerSet | FinalSet)[],
): Promise<ChangedSets | undefined> {
  const [lowest] = after;
  if (lowest === undefined) return undefined;
  const beforeById = new Map(before.map(set => [set.setId, set]));
  const now = new Date(deps.clock()).toISOString();
  const brokenLogSetBefore = await findBrokenBefore(tx, groupId, sortKeyOf(lowest));
  const first = judgeSets(after, brokenLogSetBefore, now);
  const behind = await findSets(
    tx,
    leftBehind(first, brokenLogSetBefore).map(({ setId }) => setId),
  );
  const behindById = new Map(behind.map(set => [set.setId, set]));
  const judged =
    behind.length === 0
      ? first
      : judgeSets(
          first.map(set => behindById.get(set.setId) ?? set),
          brokenLogSetBefore,
          now,
        );
  const changed: string[] = [];
  for (const set of judged) {
    if (isFinal(set)) continue;
    const hash = hashOf(qualifiedPayload(set));
    if (hash !== set.publishedHash) {
      const published = { ...set, version: set.version + 1, publishedHash: hash };
      await saveSet(tx, published);
      await deps.outbox.append(tx, setQualified, { ...qualifiedPayload(published), version: published.version });
      changed.push(sortKeyOf(set));
    } else if (!isSame(set, behindById.get(set.setId) ?? beforeById.get(set.setId))) {
      await saveSet(tx, set);
    }
  }
  const [from, upTo] = [changed[0], changed.at(-1)];
  return from === undefined || upTo === undefined ? undefined : { from, upTo };
}

async function judgeAround(deps: BackupDependencies, tx: Tx, group: KnownGroup, changed: ChangedSets): Promise<void> {
  const groupId = group.groupId as GroupId;
  const around = { members: membersOf(group), foreign: await findBreaking(tx, groupId) };
  await judgePoints(deps, tx, groupId, { changed, around, now: new Date(deps.clock()).toISOString() });
}

/** Only when both looks around a set agree can the one before it speak for its time. */
function sameCoverage(before: readonly string[] | null, now: readonly string[]): boolean {
  const inOrder = (names: readonly string[]) => names.map(name => name.toUpperCase()).sort();
  return before !== null && isSame(inOrder(before), inOrder(now));
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
