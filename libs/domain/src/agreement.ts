import type { Position } from './chain.ts';
import { compareLsn, nextSlot, type Lsn } from './lsn.ts';
import type { DatabaseId } from './ids.ts';
import type { MarkTarget } from './restore-plan.ts';

/** One database at one standby instance. */
export type InstancePosition = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly instanceName: string;
  /** null: the database is absent there, so no mark can be said to be within its reach. */
  readonly position: Position | null;
};

export type Agreement<Mark extends MarkTarget> =
  | {
      readonly kind: 'COMMON';
      /** Every mark no database has passed, newest first. Whether the files for it are there is the plan's question. */
      readonly marks: readonly [Mark, ...Mark[]];
    }
  | {
      readonly kind: 'NO_COMMON_MARK';
      /** Past the newest mark that is proven in every database. */
      readonly ahead: readonly InstancePosition[];
      /** Still at or before it: they wait for those ahead. */
      readonly behind: readonly InstancePosition[];
      readonly absent: readonly InstancePosition[];
    };

/**
 * The marks that all databases of all standby instances can still reach by position (design.md §5, "Compare"): at or
 * before the mark's LSN, or at one slot after it. `marks` come newest first; one that lacks the LSN of a database is
 * not proven there and is never common.
 */
export function commonMarks<Mark extends MarkTarget>(
  marks: readonly Mark[],
  positions: readonly InstancePosition[],
): Agreement<Mark> {
  const [newest, ...older] =
    positions.length === 0 ? [] : marks.filter(mark => positions.every(at => reaches(at, mark)));
  if (newest !== undefined) return { kind: 'COMMON', marks: [newest, ...older] };

  const present = positions.filter(({ position }) => position !== null);
  const proven = marks.find(mark => present.every(at => mark.lsnByDatabase.has(at.databaseId)));
  const ahead = present.filter(at => proven !== undefined && !reaches(at, proven));
  return {
    kind: 'NO_COMMON_MARK',
    ahead,
    behind: ahead.length === 0 ? [] : present.filter(at => !ahead.includes(at)),
    absent: positions.filter(({ position }) => position === null),
  };
}

function reaches({ databaseId, position }: InstancePosition, mark: MarkTarget): boolean {
  const markLsn = mark.lsnByDatabase.get(databaseId);
  return position !== null && markLsn !== undefined && isReachable(position, markLsn);
}

/** Whether a database at this position has not passed the mark. */
export function isReachable(position: Position, markLsn: Lsn): boolean {
  return compareLsn(position.lsn, nextSlot(markLsn)) <= 0;
}
