import { compareLsn, liesIn, type Lsn } from './lsn.ts';

/** Where a restoring database stands: `redo_start_lsn` and `redo_start_fork_guid` of its data files. */
export type Position = {
  readonly lsn: Lsn;
  /** null: not observed. The fork is then not compared here and the server alone refuses (4330). */
  readonly forkGuid: string | null;
};

/** What a chain is judged by: the header, never the name or the time of a file (sqlserver.md §2.6). */
export type ChainHeader = {
  readonly backupSetUuid: string;
  readonly familyGuid: string;
  readonly firstForkGuid: string;
  readonly lastForkGuid: string;
  readonly firstLsn: Lsn;
  readonly lastLsn: Lsn;
  /** Where the recovery path changes inside this log; null when it does not, absent when nobody recorded it. */
  readonly forkPointLsn?: Lsn | null;
};
export type ChainFile = { readonly header: ChainHeader };

/**
 * APPLIES: first ≤ position < last. ALREADY_APPLIED: it ends at or before the position (4326, or no effect), which is
 * also the answer for an idle log with first = last. GAP: it begins later (4305). OTHER_FORK: its range fits, but it
 * was written on another recovery path (4330).
 */
export type Applicability = 'APPLIES' | 'ALREADY_APPLIED' | 'GAP' | 'OTHER_FORK';

/** What is missing: log from `fromLsn` up to `toLsn`; null when nothing later is known either. */
export type Gap = { readonly fromLsn: Lsn; readonly toLsn: Lsn | null; readonly why: 'MISSING' | 'OTHER_FORK' };

export type NextLog<File> =
  | { readonly kind: 'LOG'; readonly file: File }
  | { readonly kind: 'END' }
  | { readonly kind: 'GAP'; readonly gap: Gap };

export type Chain<File> = {
  /** In the order of restoring; the first one is the base when there is one. */
  readonly files: readonly File[];
  /** Where the database stands after the last file was applied whole. */
  readonly position: Position;
  /** null: the chain is whole, up to the LSN asked for when one was. */
  readonly gap: Gap | null;
};

export function applicability(log: ChainFile, position: Position): Applicability {
  const { firstLsn, lastLsn } = log.header;
  if (compareLsn(lastLsn, position.lsn) <= 0) return 'ALREADY_APPLIED';
  if (compareLsn(firstLsn, position.lsn) > 0) return 'GAP';
  return isOnPath(log.header, position) ? 'APPLIES' : 'OTHER_FORK';
}

/** The first fork must be the database's, and a database beyond the fork point has log that this path never had. */
function isOnPath({ firstForkGuid, forkPointLsn }: ChainHeader, { lsn, forkGuid }: Position): boolean {
  if (forkGuid === null) return true;
  const beyond = forkPointLsn !== undefined && forkPointLsn !== null && compareLsn(lsn, forkPointLsn) > 0;
  return sameGuid(firstForkGuid, forkGuid) && !beyond;
}

/** The position after the file was restored whole, WITH NORECOVERY (sqlserver.md §2.6). */
export function positionAfter(file: ChainFile): Position {
  return { lsn: file.header.lastLsn, forkGuid: file.header.lastForkGuid };
}

/**
 * The log to apply next. Of several that apply (a copy-only log overlaps the job's own) the one that ends first: the
 * others still apply after it, and no mark is passed that need not be.
 */
export function nextLog<File extends ChainFile>(position: Position, logs: readonly File[]): NextLog<File> {
  let next: File | undefined;
  let otherFork: File | undefined;
  let later: File | undefined;
  for (const log of logs) {
    const fit = applicability(log, position);
    if (fit === 'APPLIES' && (next === undefined || endsBefore(log, next))) next = log;
    if (fit === 'OTHER_FORK') otherFork = log;
    if (fit === 'GAP' && (later === undefined || compareLsn(log.header.firstLsn, later.header.firstLsn) < 0))
      later = log;
  }
  if (next !== undefined) return { kind: 'LOG', file: next };
  const toLsn = later?.header.firstLsn ?? null;
  if (otherFork !== undefined) return { kind: 'GAP', gap: { fromLsn: position.lsn, toLsn, why: 'OTHER_FORK' } };
  if (toLsn !== null) return { kind: 'GAP', gap: { fromLsn: position.lsn, toLsn, why: 'MISSING' } };
  return { kind: 'END' };
}

/** A point in the log. LSNs repeat on another recovery path, so the fork tells which one; null: not known. */
export type LogPoint = { readonly lsn: Lsn; readonly forkGuid: string | null };

/** As far as the logs go after `position`, in order. */
export function logsFrom<File extends ChainFile>(position: Position, logs: readonly File[]): Chain<File> {
  const files: File[] = [];
  let at = position;
  for (;;) {
    const next = nextLog(at, logs);
    if (next.kind !== 'LOG') return { files, position: at, gap: next.kind === 'GAP' ? next.gap : null };
    files.push(next.file);
    at = positionAfter(next.file);
  }
}

/** The logs to apply after `position` up to and with the one that holds the point; otherwise its gap says why not. */
export function logsTo<File extends ChainFile>(
  position: Position,
  logs: readonly File[],
  point: LogPoint,
): Chain<File> {
  const found = findPath(position, logs, point);
  if (found !== undefined)
    return { files: found, position: found.reduce((_, file) => positionAfter(file), position), gap: null };
  const beforePoint = logs.filter(log => compareLsn(log.header.firstLsn, point.lsn) <= 0);
  const { files, position: at, gap } = logsFrom(position, beforePoint);
  const why = compareLsn(at.lsn, point.lsn) > 0 ? 'OTHER_FORK' : 'MISSING';
  return { files, position: at, gap: gap ?? { fromLsn: at.lsn, toLsn: null, why } };
}

/**
 * Where a path was abandoned, two logs may apply at one position and only one of them leads to the point; so this
 * goes back and tries the other. Each position is left only once, and without forks the first try is right.
 */
function findPath<File extends ChainFile>(
  start: Position,
  logs: readonly File[],
  point: LogPoint,
): readonly File[] | undefined {
  const path: File[] = [];
  const trail = [applying(start, logs)];
  const left = new Set<string>();
  for (let choices = trail.at(-1); choices !== undefined; choices = trail.at(-1)) {
    const log = choices.shift();
    if (log === undefined) {
      trail.pop();
      path.pop();
      continue;
    }
    if (holds(log, point)) return [...path, log];
    const after = positionAfter(log);
    const state = `${after.lsn}/${(after.forkGuid ?? '').toLowerCase()}`;
    if (compareLsn(after.lsn, point.lsn) > 0 || left.has(state)) continue;
    left.add(state);
    path.push(log);
    trail.push(applying(after, logs));
  }
  return undefined;
}

function applying<File extends ChainFile>(position: Position, logs: readonly File[]): File[] {
  return logs.filter(log => applicability(log, position) === 'APPLIES').sort((a, b) => (endsBefore(a, b) ? -1 : 1));
}

/**
 * The chain from one full. Logs of another family never belong to it (3154). DatabaseBackupLSN plays no part: a log
 * that ran during the full still names the one before (sqlserver.md §2.6). With a point, the full must be one of
 * `basesFor`: it cannot be restored to a point before its own end (sqlserver.md §2.8).
 */
export function chainFrom<File extends ChainFile>(base: File, logs: readonly File[], point?: LogPoint): Chain<File> {
  const family = logs.filter(log => sameGuid(log.header.familyGuid, base.header.familyGuid));
  const start = positionAfter(base);
  const { files, position, gap } = point === undefined ? logsFrom(start, family) : logsTo(start, family, point);
  return { files: [base, ...files], position, gap };
}

/** The fulls from which the LSN can be reached at all: those that end at or before it, the newest end first. */
export function basesFor<File extends ChainFile>(fulls: readonly File[], lsn: Lsn): readonly File[] {
  return fulls
    .filter(full => compareLsn(full.header.lastLsn, lsn) <= 0)
    .toSorted((a, b) => compareLsn(b.header.lastLsn, a.header.lastLsn));
}

/**
 * The chain to the point that starts at the newest full from which it is whole; when there is none, the one that gets
 * furthest, with its gap; undefined when no full ends early enough.
 */
export function chainTo<File extends ChainFile>(
  fulls: readonly File[],
  logs: readonly File[],
  point: LogPoint,
): Chain<File> | undefined {
  let furthest: Chain<File> | undefined;
  for (const base of basesFor(fulls, point.lsn)) {
    const chain = chainFrom(base, logs, point);
    if (chain.gap === null) return chain;
    if (furthest === undefined || compareLsn(chain.position.lsn, furthest.position.lsn) > 0) furthest = chain;
  }
  return furthest;
}

/** Whether the point lies in this file: only then may a restore of it be told to stop there (sqlserver.md §3.6). */
export function holds(file: ChainFile, point: LogPoint): boolean {
  return (
    liesIn(point.lsn, file.header) && (point.forkGuid === null || sameGuid(forkAt(file, point.lsn), point.forkGuid))
  );
}

/** The recovery path that the file is on at this LSN. */
export function forkAt({ header }: ChainFile, lsn: Lsn): string {
  const { forkPointLsn, firstForkGuid, lastForkGuid } = header;
  const before = forkPointLsn !== undefined && forkPointLsn !== null && compareLsn(lsn, forkPointLsn) < 0;
  return before ? firstForkGuid : lastForkGuid;
}

/** GUIDs come in upper case from some catalogue views and in lower case from headers. */
export function sameGuid(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function endsBefore(a: ChainFile, b: ChainFile): boolean {
  const byEnd = compareLsn(a.header.lastLsn, b.header.lastLsn);
  return byEnd < 0 || (byEnd === 0 && compareLsn(a.header.firstLsn, b.header.firstLsn) < 0);
}
