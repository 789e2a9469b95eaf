/**
 * What the job Restore Databases does next with the history it has: rules S1–S7 of biztalk-dr.md §3.6. Pure: rows in, work out. Ids of sets
 * rise with gaps, so sets are compared by order, never by arithmetic.
 */

export type HistoryFile = {
  readonly backupId: bigint;
  readonly server: string;
  readonly database: string;
  readonly fileName: string;
  readonly fileLocation: string;
  readonly mark: string | null;
  readonly restored: boolean;
};

export type BackupSet = {
  readonly id: bigint;
  readonly kind: 'full' | 'log';
  readonly complete: boolean;
  readonly files: readonly HistoryFile[];
};

/** Where the documents contradict each other (biztalk-dr.md §9 rows 7 and 16). */
export type Reading = {
  /** How many complete log sets must lie behind a set before it is restored: 1, or 2 when the mark before the last one is recovered to. */
  readonly trailingSets: number;
  /** Whether a partial full set keeps later log sets from being restored, as a partial log set does. */
  readonly partialFullBreaks: boolean;
  /** Whether a full that nobody needs counts as done. Without it two servers disagree from a repair to the next log set (S8 says they agree). */
  readonly notesPassedFulls: boolean;
};

export type Work = {
  readonly set: BackupSet;
  readonly files: readonly HistoryFile[];
  /** Done without a RESTORE. */
  readonly passed: readonly HistoryFile[];
  /** Every database begins anew with this full: what is noted as restored from it on is not. */
  readonly startOver: boolean;
  /** Afterwards all databases of this server are at this set. */
  readonly movesPointer: boolean;
};

/** undefined: nothing to restore until more history comes. `pointer`: last restored set; undefined: never configured or cleaned (S4). */
export function nextWork(sets: readonly BackupSet[], pointer: bigint | undefined, reading: Reading): Work | undefined {
  if (pointer === undefined) {
    const newest = sets.findLast(set => isValidFull(sets, set, reading));
    return newest === undefined ? undefined : startOver(newest);
  }
  let broken = false;
  for (const set of sets) {
    if (set.id <= pointer) continue;
    if (!set.complete) broken = broken || set.kind === 'log' || reading.partialFullBreaks;
    else if (broken && isValidFull(sets, set, reading)) return startOver(set);
    else if (broken) continue;
    else if (set.kind === 'full') {
      const work = passOver(sets, set, reading);
      if (work !== undefined) return work;
    } else if (!isFollowed(sets, set, reading)) return undefined;
    else return { set, files: unrestored(set), passed: [], startOver: false, movesPointer: true };
  }
  return undefined;
}

/** S6: the fulls with which the job can repair itself after `failed` could not be restored, first the nearest. */
export function repairs(sets: readonly BackupSet[], failed: bigint, reading: Reading): readonly Work[] {
  return sets
    .filter(set => set.id > failed && isValidFull(sets, set, reading))
    .map(set => ({ ...startOver(set), files: unrestored(set), startOver: false }));
}

/** A full in the midst of a sound chain: of use to databases that were added to the job alone (S4). */
function passOver(sets: readonly BackupSet[], set: BackupSet, reading: Reading): Work | undefined {
  if (!isFollowed(sets, set, reading)) return undefined;
  const files = unrestored(set).filter(file => isNew(sets, file));
  const passed = reading.notesPassedFulls ? unrestored(set).filter(file => !files.includes(file)) : [];
  if (files.length === 0 && !reading.notesPassedFulls) return undefined;
  return { set, files, passed, startOver: false, movesPointer: reading.notesPassedFulls };
}

function unrestored(set: BackupSet): readonly HistoryFile[] {
  return set.files.filter(({ restored }) => !restored);
}

/** The set to whose mark Restore To Mark goes: the newest complete log set, or the one before it (S3). */
export function setOfMark(sets: readonly BackupSet[], reading: Reading): BackupSet | undefined {
  return completeLogs(sets).at(-reading.trailingSets);
}

function startOver(set: BackupSet): Work {
  return { set, files: set.files, passed: [], startOver: true, movesPointer: true };
}

function isValidFull(sets: readonly BackupSet[], set: BackupSet, reading: Reading): boolean {
  return set.kind === 'full' && set.complete && isFollowed(sets, set, reading);
}

/** S2: the newest log set is never restored by itself. */
function isFollowed(sets: readonly BackupSet[], set: BackupSet, { trailingSets }: Reading): boolean {
  return completeLogs(sets).filter(({ id }) => id > set.id).length >= trailingSets;
}

function completeLogs(sets: readonly BackupSet[]): readonly BackupSet[] {
  return sets.filter(({ kind, complete }) => kind === 'log' && complete);
}

/** A database that was added to the job: nothing of it was ever restored here (S4). */
function isNew(sets: readonly BackupSet[], wanted: HistoryFile): boolean {
  return !sets.some(({ files }) =>
    files.some(
      ({ server, database, restored }) => restored && server === wanted.server && database === wanted.database,
    ),
  );
}
