import { type DatabaseRelease, type Release, releasable } from '@holdfast/domain/hold-back';
import { type PlanDatabase, planRestore } from '@holdfast/domain/restore-plan';
import type { TargetCandidate } from '@holdfast/domain/target';
import type { Stream } from './stream.ts';

export type Released = Pick<Release, 'floor' | 'databases'>;

/**
 * The newest mark that every database can reach; of no databases none. Marks are tried one by one, newest first: reachability is not monotone
 * (a mark may be unproven in one database, a log on another path may lead past a gap), so none may be skipped. Who stood in the way of one
 * mark is asked first about the next: it nearly always stands there too, and nobody else needs a plan for a mark that one cannot reach.
 */
export function newestReachable(
  candidates: readonly TargetCandidate[],
  databases: readonly PlanDatabase[],
): TargetCandidate | undefined {
  if (databases.length === 0) return undefined;
  const order = [...databases];
  return candidates.find(target => {
    const inTheWay = order.findIndex(database => !reaches(target, database));
    if (inTheWay > 0) order.unshift(...order.splice(inTheWay, 1));
    return inTheWay === -1;
  });
}

function reaches(target: TargetCandidate, database: PlanDatabase): boolean {
  return planRestore({ target, databases: [database] }).every(({ outcome }) => outcome !== 'OBSTRUCTED');
}

/** What `releasable` says of all candidates, with a plan for every database only of the newest, whose obstacles are told, and of the floor. */
export function releaseTo(
  candidates: readonly TargetCandidate[],
  databases: readonly PlanDatabase[],
  rest: { readonly restAtMark?: boolean } = {},
): Released {
  const newest = releasable(candidates.slice(0, 1), databases, rest);
  if (newest.floor !== null) return newest;
  const inTheWay = new Set(newest.passedOver.flatMap(({ obstructed }) => obstructed.map(plan => plan.databaseId)));
  const theyFirst = databases.toSorted(
    (a, b) => Number(inTheWay.has(b.databaseId)) - Number(inTheWay.has(a.databaseId)),
  );
  const floor = newestReachable(candidates.slice(1), theyFirst);
  return floor === undefined ? newest : releasable([floor], databases, rest);
}

export function releaseOf(
  release: Released | undefined,
  stream: Pick<Stream, 'databaseId'>,
): DatabaseRelease | undefined {
  return release?.databases.find(({ databaseId }) => databaseId === stream.databaseId);
}
