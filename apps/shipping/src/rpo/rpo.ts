import type { MarkName, RecoveryPointId } from '@holdfast/domain';
import type { PlanDatabase } from '@holdfast/domain/restore-plan';
import type { TargetCandidate } from '@holdfast/domain/target';
import { type Copy, plannable } from '../copy/copy.ts';
import { candidatesOf, type KnownPoint, type KnownSet } from '../estate/estate.ts';
import { isHeld, type Standby } from '../standby/standby.ts';
import { newestReachable } from '../stream/reach.ts';
import type { Stream } from '../stream/stream.ts';

/** All that is known of one group, read in one go. */
export type GroupView = {
  readonly sets: readonly KnownSet[];
  readonly points: readonly KnownPoint[];
  readonly standbys: readonly StandbyShelf[];
};
export type StandbyShelf = {
  readonly standby: Standby;
  readonly streams: readonly Stream[];
  readonly copies: readonly Copy[];
  /** Its positions were read so long ago that they carry no verdict any more. */
  readonly expired: boolean;
};

/** `observedAt`: of the fact the stage rests on; null when there is none. */
export type Stage = {
  readonly recoveryPointId: RecoveryPointId | null;
  readonly markName: MarkName | null;
  readonly markedAt: string | null;
  readonly observedAt: string | null;
};

/** The newest mark at each stage: judged good at the source, every file whole at a standby, reachable there from where it stands. */
export function stagesOf(view: GroupView): {
  readonly taken: Stage;
  readonly shipped: Stage;
  readonly restorable: Stage;
} {
  const candidates = candidatesOf(view.sets, view.points);
  const newestAt = (databasesOf: typeof shippedAt) => {
    const found = view.standbys.map(shelf => newestReachable(candidates, databasesOf(shelf, view.sets)));
    return candidates.find(mark => found.includes(mark));
  };
  const [shipped, restorable] = [newestAt(shippedAt), newestAt(restorableAt)];
  return {
    taken: takenStage(view),
    shipped: stage(shipped, view, newest(view.standbys.flatMap(({ copies }) => copies.map(copy => copy.copiedAt)))),
    restorable: stage(restorable, view, newest(view.standbys.map(({ standby }) => standby.observedAt))),
  };
}

/** The newest mark taken at the source that is neither broken nor unproven. */
export function newestTaken({ sets, points }: Pick<GroupView, 'sets' | 'points'>): KnownPoint | undefined {
  for (const { mark } of candidatesOf(sets)) {
    const point = points.find(({ markName }) => markName === mark);
    if (point !== undefined && (point.verdict === 'SOUND' || point.verdict === 'DEGRADED')) return point;
  }
  return undefined;
}

/** Whether the standby holds whole copies of every file that the mark needs, from a full on. */
export function isShipped(mark: TargetCandidate, shelf: StandbyShelf, sets: readonly KnownSet[]): boolean {
  return newestReachable([mark], shippedAt(shelf, sets)) !== undefined;
}

/** Whether the standby can still stop at the mark, as far as its positions were read. */
export function isRestorable(mark: TargetCandidate, shelf: StandbyShelf, sets: readonly KnownSet[]): boolean {
  return newestReachable([mark], restorableAt(shelf, sets)) !== undefined;
}

/** Its databases as if each were begun from a full. */
function shippedAt({ streams, copies }: StandbyShelf, sets: readonly KnownSet[]): readonly PlanDatabase[] {
  return streams.map(({ databaseId, databaseName }) => {
    return { databaseId, databaseName, position: null, copies: plannable(sets, copies, databaseId) };
  });
}

/** Its databases where they stand; none where that says nothing of what can be reached. */
function restorableAt(shelf: StandbyShelf, sets: readonly KnownSet[]): readonly PlanDatabase[] {
  const { standby, streams, copies } = shelf;
  if (shelf.expired) return [];
  // Held: an execution moves it, and what was read before says nothing any more. Stuck: its next step failed.
  if (isHeld(standby) || streams.some(({ problem, seedingFileId }) => problem !== null || seedingFileId !== null))
    return [];
  const databases = streams.flatMap(({ databaseId, databaseName, position, state }) => {
    const known = position !== null && state !== 'UNKNOWN' && state !== 'BLOCKED';
    return known ? [{ databaseId, databaseName, position, copies: plannable(sets, copies, databaseId) }] : [];
  });
  return databases.length === streams.length ? databases : [];
}

function takenStage(view: GroupView): Stage {
  const point = newestTaken(view);
  const observedAt = newest(view.points.map(({ judgedAt }) => judgedAt));
  if (point === undefined) return { recoveryPointId: null, markName: null, markedAt: null, observedAt };
  const { recoveryPointId, markName, markedAt } = point;
  return { recoveryPointId, markName, markedAt, observedAt };
}

function stage(candidate: TargetCandidate | undefined, { points }: GroupView, observedAt: string | null): Stage {
  if (candidate === undefined) return { recoveryPointId: null, markName: null, markedAt: null, observedAt };
  const point = points.find(({ markName }) => markName === candidate.mark);
  return {
    recoveryPointId: point?.recoveryPointId ?? null,
    markName: candidate.mark,
    markedAt: candidate.markedAt,
    observedAt,
  };
}

function newest(times: readonly (string | null)[]): string | null {
  return times.reduce((latest, time) => (time !== null && (latest === null || time > latest) ? time : latest), null);
}
