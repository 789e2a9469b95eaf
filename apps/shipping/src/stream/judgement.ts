import type { BackupSetId, MarkName } from '@holdfast/domain';
import { commonMarks } from '@holdfast/domain/agreement';
import { type Position, sameGuid } from '@holdfast/domain/chain';
import type { DatabaseRelease } from '@holdfast/domain/hold-back';
import { obstacleReason, planRestore, type PlanDatabase } from '@holdfast/domain/restore-plan';
import type { TargetCandidate } from '@holdfast/domain/target';
import type { Copy, PlannableCopy } from '../copy/copy.ts';
import { inOrderTaken, type KnownSet } from '../estate/estate.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import type { Standby, StandbyState } from '../standby/standby.ts';
import { type Released, releaseOf } from './reach.ts';
import { samePosition, type Stream } from './stream.ts';

export type Seen = { readonly stream: Stream } & (
  | {
      readonly kind: 'PLANNABLE';
      readonly observedAt: string;
      readonly database: PlanDatabase;
      /** With the damaged file that is to be tried again now; null when there is none. */
      readonly trial: PlanDatabase | null;
      readonly copies: readonly PlannableCopy[];
    }
  | { readonly kind: 'UNSEEN'; readonly reason: ShippingReason | null }
  | { readonly kind: 'NOT_RESTORING'; readonly observedAt: string; readonly reason: ShippingReason }
);

/** What the stream is found to be, beside what is stored of it. */
export type StreamAssessment = Pick<
  Stream,
  'state' | 'reasons' | 'position' | 'lastRestoredSetId' | 'heldBackSetId' | 'lagSets'
> & { readonly stream: Stream; readonly observedAt: string | null };

/** In step while at most the newest set is still on its way: it always is for a moment. */
const inSyncLagSets = 1;

/** Pure: how one database does. */
export function assessStream(
  one: Seen,
  release: Released | undefined,
  ifUnplanned: StandbyState,
  candidates: readonly TargetCandidate[],
  sets: readonly KnownSet[],
): StreamAssessment {
  const { stream } = one;
  // Without an answer the last known position stays, with its age.
  const kept = {
    stream,
    position: stream.position,
    lastRestoredSetId: stream.lastRestoredSetId,
    heldBackSetId: stream.heldBackSetId,
    lagSets: null,
    observedAt: stream.observedAt,
  };
  if (one.kind === 'UNSEEN') return { ...kept, state: 'UNKNOWN', reasons: one.reason === null ? [] : [one.reason] };
  const { observedAt } = one;
  if (one.kind === 'NOT_RESTORING')
    return { ...kept, position: null, heldBackSetId: null, observedAt, state: 'BLOCKED', reasons: [one.reason] };

  const { position } = one.database;
  const lastRestoredSetId = setEndingAt(position, stream, sets) ?? stream.lastRestoredSetId;
  const seen = { stream, position, lastRestoredSetId, observedAt, heldBackSetId: null, lagSets: null };
  if (stream.problem !== null) return { ...seen, state: 'BLOCKED', reasons: [stream.problem.reason] };
  if (stream.reseed !== null) {
    const { databaseName: database, reseed } = stream;
    return { ...seen, state: 'REPAIRING', reasons: [shippingReason('RESEEDING', { database, set: reseed.setNumber })] };
  }
  const missed = missedAt(stream, position);
  const own = releaseOf(release, stream);
  // Nothing was planned for this one because of another database, which is blocked or cannot be seen.
  if (own === undefined) return { ...seen, heldBackSetId: stream.heldBackSetId, state: ifUnplanned, reasons: missed };
  if (own.kind === 'WAIT' && own.why.kind === 'NO_REACHABLE_MARK') {
    const { databaseName: database } = stream;
    const { obstacle } = own.why;
    if (position === null)
      return { ...seen, state: 'SEEDING', reasons: [shippingReason('WAITING_FOR_BASE', { database })] };
    const newest = candidates[0]?.mark;
    const known = obstacle === null || newest === undefined ? [] : [obstacleReason(obstacle, database, newest)];
    const reasons = [...missed, ...known];
    return { ...seen, state: reasons.length === 0 ? 'LAGGING' : 'BLOCKED', reasons };
  }
  const progressed = progress(one, own, release?.floor ?? null, candidates, sets);
  return { ...seen, ...progressed, reasons: [...missed, ...progressed.reasons] };
}

/** That its last stop went past the mark, as long as it stands where that one left it. */
function missedAt({ missedMark }: Stream, position: Position | null): readonly ShippingReason[] {
  return missedMark !== null && samePosition(missedMark.position, position) ? [missedMark.reason] : [];
}

/** The set whose file ends where the database stands: after a restore that nobody saw end it tells what was restored. */
function setEndingAt(
  position: Position | null,
  { databaseId, lastRestoredSetId }: Stream,
  sets: readonly KnownSet[],
): BackupSetId | undefined {
  if (position === null) return undefined;
  const ending = inOrderTaken(sets).filter(({ files }) =>
    files.some(
      ({ databaseId: of, header }) =>
        of === databaseId &&
        header?.lastLsn === position.lsn &&
        (position.forkGuid === null || sameGuid(header.lastForkGuid, position.forkGuid)),
    ),
  );
  // An idle log ends where the one before it does.
  return (ending.find(({ setId }) => setId === lastRestoredSetId) ?? ending[0])?.setId;
}

function progress(
  { stream, database }: Extract<Seen, { kind: 'PLANNABLE' }>,
  own: DatabaseRelease,
  floor: MarkName | null,
  candidates: readonly TargetCandidate[],
  sets: readonly KnownSet[],
): Pick<StreamAssessment, 'state' | 'reasons' | 'heldBackSetId' | 'lagSets'> {
  const newer = candidates.findIndex(({ mark }) => mark === floor);
  const target = candidates[newer];
  const [plan] = target === undefined ? [] : planRestore({ target, databases: [database] });
  const toApply = plan?.outcome === 'STEPS' ? plan.steps.length - 1 : 0;
  const lagSets = newer + toApply;
  const heldBackSetId =
    own.kind === 'WAIT' ? (sets.find(set => set.type === 'LOG' && set.markName === floor)?.setId ?? null) : null;
  // Until it rests at its first mark a seeded database is still on its way there.
  const seeding = database.position === null || (stream.state === 'SEEDING' && own.kind === 'APPLY');
  if (seeding) return { state: 'SEEDING', reasons: [], heldBackSetId, lagSets };
  if (lagSets <= inSyncLagSets) return { state: 'IN_SYNC', reasons: [], heldBackSetId, lagSets };
  const reasons = [shippingReason('LAGGING', { database: stream.databaseName, sets: lagSets })];
  return { state: 'LAGGING', reasons, heldBackSetId, lagSets };
}

const fromWorst: readonly StandbyState[] = [
  ...(['UNKNOWN', 'BLOCKED', 'NO_COMMON_MARK', 'REPAIRING', 'SEEDING', 'LAGGING', 'IN_SYNC'] as const),
];

/** Pure: how the standby does, by the worst of its databases. */
export function judgeStandby(
  streams: readonly StreamAssessment[],
  seen: readonly Seen[],
  candidates: readonly TargetCandidate[],
  standby: Standby,
): Pick<StreamAssessment, 'state' | 'reasons'> {
  const divergence = divergenceOf(seen, candidates, standby);
  const state = fromWorst.find(one => streams.some(stream => stream.state === one)) ?? 'UNKNOWN';
  const reasons = unique([
    ...(divergence === undefined ? [] : [divergence]),
    ...streams.flatMap(stream => stream.reasons),
  ]);
  return { state: divergence === undefined || state === 'UNKNOWN' ? state : 'NO_COMMON_MARK', reasons };
}

/** Only said when every database has a position: one that is being seeded is not behind for good. */
function divergenceOf(
  seen: readonly Seen[],
  candidates: readonly TargetCandidate[],
  { instances }: Standby,
): ShippingReason | undefined {
  if (candidates.length === 0) return undefined;
  const positions = seen.flatMap(one => {
    if (one.kind !== 'PLANNABLE' || one.database.position === null) return [];
    const { databaseId, databaseName, instanceId } = one.stream;
    const instanceName = instances.find(instance => instance.instanceId === instanceId)?.instanceName ?? '';
    return [{ databaseId, databaseName, instanceName, position: one.database.position }];
  });
  if (positions.length === 0 || positions.length < seen.length) return undefined;
  const agreement = commonMarks(candidates, positions);
  // Without one that is ahead the marks are unproven, which is no divergence.
  if (agreement.kind === 'COMMON' || agreement.ahead.length === 0) return undefined;
  const names = (of: typeof agreement.ahead) =>
    of.map(({ databaseName, instanceName }) => `${databaseName} at ${instanceName}`).join(', ');
  return shippingReason('NO_COMMON_MARK', { ahead: names(agreement.ahead), behind: names(agreement.behind) });
}

export function copyReasons({ databaseId }: Stream, copies: readonly Copy[]): readonly ShippingReason[] {
  return copies.flatMap(copy => (copy.databaseId === databaseId && copy.problem !== null ? [copy.problem.reason] : []));
}

function unique(reasons: readonly ShippingReason[]): readonly ShippingReason[] {
  const seen = new Set<string>();
  return reasons.filter(({ code, message, evidence }) => {
    const key = JSON.stringify([code, message, evidence]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
