import {
  chainTo,
  holds,
  logsTo,
  positionAfter,
  sameGuid,
  type Chain,
  type ChainHeader,
  type Gap,
  type LogPoint,
  type Position,
} from './chain.ts';
import type { BackupFileId, DatabaseId } from './ids.ts';
import { compareLsn, nextSlot, type Lsn } from './lsn.ts';
import type { MarkName } from './mark.ts';
import { reason, type Reason } from './reason.ts';

/** A backup at the destination. `path` is how the standby instance reads it, `position` its FILE = n. */
export type CopiedFile = {
  readonly fileId: BackupFileId;
  readonly type: 'FULL' | 'LOG';
  readonly path: string;
  readonly position: number;
  readonly header: ChainHeader;
  /** Whole at the destination: hash or size compared and header read there. */
  readonly verified: boolean;
};

export type PlanDatabase = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  /** As just observed at the standby; null when the database is absent there or must be begun from a full. */
  readonly position: Position | null;
  readonly copies: readonly CopiedFile[];
};

/** One mark and the LSN it is proven to have in each database; a database that is not in the map is not proven. */
export type MarkTarget = {
  readonly mark: MarkName;
  readonly lsnByDatabase: ReadonlyMap<DatabaseId, Lsn>;
  /**
   * The recovery path the mark is on: `lastForkGuid` of the file that proved it. Without it LSNs alone decide, and a
   * source that was once set back may have two logs with that LSN, of which only one holds the mark.
   */
  readonly forkByDatabase?: ReadonlyMap<DatabaseId, string>;
};

/**
 * `reaches` is the position to observe after the step: a log or a stop that leaves another one did not do its work.
 * For a full it is its last_lsn by inference only (sqlserver.md §2.6): go on from what is observed.
 */
export type PlainStep = {
  readonly kind: 'RESTORE_FULL' | 'RESTORE_LOG';
  readonly file: CopiedFile;
  readonly reaches: Lsn;
};
export type StopStep = {
  readonly kind: 'RESTORE_LOG_TO_MARK';
  readonly file: CopiedFile;
  readonly reaches: Lsn;
  readonly mark: MarkName;
  readonly markLsn: Lsn;
};
export type RestoreStep = PlainStep | StopStep;

/**
 * Why a database cannot be brought to the mark. PAST_MARK: no restore goes back; only a reseed helps. NO_BASE: absent,
 * and no full ends before the mark. GAP: later log is there but does not apply. MARK_NOT_IN_FILE: the chain ends before
 * the mark, its log has not arrived. UNVERIFIED_COPY: these files would do if they were verified.
 */
export type RestoreObstacle =
  | { readonly kind: 'MARK_UNKNOWN' }
  | { readonly kind: 'PAST_MARK'; readonly positionLsn: Lsn; readonly markLsn: Lsn }
  | { readonly kind: 'NO_BASE'; readonly markLsn: Lsn }
  | { readonly kind: 'GAP'; readonly gap: Gap; readonly markLsn: Lsn }
  | { readonly kind: 'MARK_NOT_IN_FILE'; readonly endsAtLsn: Lsn; readonly markLsn: Lsn }
  | { readonly kind: 'UNVERIFIED_COPY'; readonly files: readonly CopiedFile[] };

export type DatabasePlan = { readonly databaseId: DatabaseId; readonly databaseName: string } & (
  | { readonly outcome: 'DONE' }
  | { readonly outcome: 'STEPS'; readonly steps: readonly [...PlainStep[], StopStep] }
  | { readonly outcome: 'OBSTRUCTED'; readonly obstacle: RestoreObstacle }
);

/** What brings every database to the mark, in the order given; the steps of one database depend on no other. */
export function planRestore(request: {
  readonly target: MarkTarget;
  readonly databases: readonly PlanDatabase[];
}): readonly DatabasePlan[] {
  return request.databases.map(database => planDatabase(request.target, database));
}

/**
 * The stop rule of design.md §5: a stop is planned only for the log that contains the mark and only from a position at
 * or before it; one slot beyond the mark is arrival, anything further can never come back. All logs before the one
 * with the mark are applied plainly, so that a name that is not found cannot roll a file to its end unseen.
 */
function planDatabase(target: MarkTarget, database: PlanDatabase): DatabasePlan {
  const { databaseId, databaseName, position } = database;
  const obstructed = (obstacle: RestoreObstacle): DatabasePlan => ({
    databaseId,
    databaseName,
    outcome: 'OBSTRUCTED',
    obstacle,
  });
  const markLsn = target.lsnByDatabase.get(databaseId);
  if (markLsn === undefined) return obstructed({ kind: 'MARK_UNKNOWN' });
  const point = { lsn: markLsn, forkGuid: target.forkByDatabase?.get(databaseId) ?? null };
  if (position !== null && position.lsn === nextSlot(markLsn)) {
    if (sameFork(position, point)) return { databaseId, databaseName, outcome: 'DONE' };
    return obstructed({ kind: 'GAP', gap: { fromLsn: position.lsn, toLsn: null, why: 'OTHER_FORK' }, markLsn });
  }
  if (position !== null && compareLsn(position.lsn, markLsn) > 0) {
    return obstructed({ kind: 'PAST_MARK', positionLsn: position.lsn, markLsn });
  }

  const verified = database.copies.filter(copy => copy.verified);
  const found = findChain(position, verified, point);
  if (found.kind === 'CHAIN') {
    return { databaseId, databaseName, outcome: 'STEPS', steps: stepsOf(found, target.mark, markLsn) };
  }

  // Copies that nobody has verified do not count. Where they alone would do, the remedy is to verify them, and a gap
  // would send the reader looking for files that are there.
  const hoped = findChain(position, database.copies, point);
  if (hoped.kind === 'OBSTACLE') return obstructed(found.obstacle);
  const files = [...hoped.plain, hoped.containing].filter(file => !file.verified);
  return obstructed({ kind: 'UNVERIFIED_COPY', files });
}

function sameFork(position: Position, { forkGuid }: LogPoint): boolean {
  return forkGuid === null || position.forkGuid === null || sameGuid(forkGuid, position.forkGuid);
}

type ChainToMark = { readonly kind: 'CHAIN'; readonly plain: readonly CopiedFile[]; readonly containing: CopiedFile };
type Found = ChainToMark | { readonly kind: 'OBSTACLE'; readonly obstacle: RestoreObstacle };

function findChain(position: Position | null, copies: readonly CopiedFile[], point: LogPoint): Found {
  const logs = copies.filter(copy => copy.type === 'LOG');
  if (position !== null) return judgeChain(logsTo(position, logs, point), point);

  // The newest full first, since it needs the fewest logs; an older one may still be whole where the newest is not.
  const fulls = copies.filter(copy => copy.type === 'FULL');
  const chain = chainTo(fulls, logs, point);
  return chain === undefined
    ? { kind: 'OBSTACLE', obstacle: { kind: 'NO_BASE', markLsn: point.lsn } }
    : judgeChain(chain, point);
}

function judgeChain({ files, gap }: Chain<CopiedFile>, point: LogPoint): Found {
  const markLsn = point.lsn;
  if (gap?.why === 'MISSING' && gap.toLsn === null) {
    return { kind: 'OBSTACLE', obstacle: { kind: 'MARK_NOT_IN_FILE', endsAtLsn: gap.fromLsn, markLsn } };
  }
  if (gap !== null) return { kind: 'OBSTACLE', obstacle: { kind: 'GAP', gap, markLsn } };
  const containing = files.at(-1);
  // A stop sent to any other file rolls that file to its end with no more than an informational message (4329).
  if (containing?.type !== 'LOG' || !holds(containing, point)) {
    throw new Error(`the chain to ${markLsn} does not end in the log that holds it`);
  }
  return { kind: 'CHAIN', plain: files.slice(0, -1), containing };
}

function stepsOf(chain: ChainToMark, mark: MarkName, markLsn: Lsn): readonly [...PlainStep[], StopStep] {
  const plain = chain.plain.map((file): PlainStep => {
    return { kind: file.type === 'FULL' ? 'RESTORE_FULL' : 'RESTORE_LOG', file, reaches: positionAfter(file).lsn };
  });
  const reaches = nextSlot(markLsn);
  return [...plain, { kind: 'RESTORE_LOG_TO_MARK', file: chain.containing, reaches, mark, markLsn }];
}

/** The obstacle as a reason for people and for the API. */
export function obstacleReason(obstacle: RestoreObstacle, databaseName: string, mark: MarkName): Reason {
  switch (obstacle.kind) {
    case 'MARK_UNKNOWN':
      return reason('MARK_UNPROVEN', { databaseName });
    case 'PAST_MARK':
      return reason('PAST_MARK', { databaseName, mark });
    case 'NO_BASE':
      return reason('NO_BASE', { databaseName });
    case 'GAP': {
      const { fromLsn, toLsn, why } = obstacle.gap;
      return why === 'OTHER_FORK'
        ? reason('OTHER_FORK', { databaseName, fromLsn })
        : reason('CHAIN_GAP', { databaseName, fromLsn, toLsn });
    }
    case 'MARK_NOT_IN_FILE':
      return reason('MARK_NOT_AT_STANDBY', { databaseName, mark });
    case 'UNVERIFIED_COPY':
      return reason('COPY_NOT_VERIFIED', { databaseName, mark });
  }
}
