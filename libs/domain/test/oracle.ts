/**
 * The brute-force oracle: databases are lists of log entries, files are slices of them, and restoring applies them
 * literally. It imports nothing of the product and shares no rule with it beyond what a server does with one file
 * (sqlserver.md §2.6, §2.7, §3.6).
 */
export type Entry = { readonly lsn: bigint; readonly mark: string | null };

export type OracleFile = {
  readonly id: number;
  readonly database: number;
  readonly kind: 'FULL' | 'LOG';
  readonly first: bigint;
  /** The next LSN after the file. */
  readonly last: bigint;
  readonly firstFork: number;
  readonly lastFork: number;
  /** Where the recovery path changes within the log; null when it does not. */
  readonly forkPoint: bigint | null;
  /** FULL: everything the database holds at its end. LOG: the records of the slice. */
  readonly entries: readonly Entry[];
};

export type Restored = { readonly entries: readonly Entry[]; readonly position: bigint; readonly fork: number };

export type Applied = { readonly after: Restored; readonly stopped: boolean } | 'REFUSED';

export function applyFull(file: OracleFile): Restored {
  return { entries: file.entries, position: file.last, fork: file.lastFork };
}

/** What the server does with RESTORE LOG … WITH NORECOVERY [, STOPATMARK]: 4305 and 4330 refuse, 4326 changes nothing. */
export function applyLog(database: Restored, file: OracleFile, stopAtMark: string | null): Applied {
  if (file.last <= database.position) return { after: database, stopped: false };
  if (file.first > database.position || file.firstFork !== database.fork) return 'REFUSED';
  if (file.forkPoint !== null && database.position > file.forkPoint) return 'REFUSED';
  const fresh = file.entries.filter(entry => entry.lsn >= database.position);
  const stop = stopAtMark === null ? -1 : fresh.findIndex(entry => entry.mark === stopAtMark);
  const stopEntry = fresh[stop];
  if (stopEntry !== undefined) {
    const entries = [...database.entries, ...fresh.slice(0, stop + 1)];
    const fork = file.forkPoint !== null && stopEntry.lsn < file.forkPoint ? file.firstFork : file.lastFork;
    return { after: { entries, position: stopEntry.lsn + 1n, fork }, stopped: true };
  }
  return {
    after: { entries: [...database.entries, ...fresh], position: file.last, fork: file.lastFork },
    stopped: false,
  };
}

/**
 * Whether any sequence of these files ends in a stop at the mark (or the database rests there already). An absent
 * database may begin with any full; all orders of all files are tried.
 */
export function canReach(
  database: Restored | null,
  files: readonly OracleFile[],
  mark: { readonly name: string; readonly lsn: bigint },
): boolean {
  const queue = database === null ? files.filter(file => file.kind === 'FULL').map(applyFull) : [database];
  if (database?.position === mark.lsn + 1n) return true;
  const seen = new Set<string>();
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const key = `${String(at.position)}/${String(at.fork)}`;
    if (seen.has(key)) continue;
    seen.add(key);
    for (const file of files.filter(other => other.kind === 'LOG')) {
      const stopped = applyLog(at, file, mark.name);
      if (stopped !== 'REFUSED' && stopped.stopped && stopped.after.position === mark.lsn + 1n) return true;
      const plain = applyLog(at, file, null);
      if (plain !== 'REFUSED') queue.push(plain.after);
    }
  }
  return false;
}
