import type { InstanceId, MarkName } from '@holdfast/domain';
import type { Position } from '@holdfast/domain/chain';
import type { Lsn } from '@holdfast/domain/lsn';
import { planRestore, type PlanDatabase, type RestoreStep as PlannedStep } from '@holdfast/domain/restore-plan';
import type { TargetCandidate } from '@holdfast/domain/target';
import { type Copy, plannable, type PlannableCopy } from '../copy/copy.ts';
import { candidatesOf, type KnownSet } from '../estate/estate.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import type { Standby, StandbyState } from '../standby/standby.ts';
import { assessStream, copyReasons, judgeStandby, type Seen, type StreamAssessment } from './judgement.ts';
import { newestReachable, type Released, releaseOf, releaseTo } from './reach.ts';
import { samePosition, type Stream } from './stream.ts';

/** What was just read at one standby instance. */
export type InstanceLook = { readonly instanceId: InstanceId; readonly observedAt: string } & (
  | { readonly reachable: true; readonly databases: readonly DatabaseLook[] }
  | { readonly reachable: false; readonly reason: ShippingReason }
);
export type DatabaseLook = {
  readonly name: string;
  readonly state: string;
  readonly redoStartLsn: Lsn | null;
  readonly redoStartForkGuid: string | null;
};

export type StandbyView = {
  readonly standby: Standby;
  readonly streams: readonly Stream[];
  readonly sets: readonly KnownSet[];
  readonly copies: readonly Copy[];
  readonly looks: readonly InstanceLook[];
  readonly nowMs: number;
};

/** The next restore of one database; the plan's `reaches` says what to observe when it is done. */
export type RestoreStep = {
  readonly stream: Stream;
  readonly kind: PlannedStep['kind'];
  /** Where it stops; null: at the end of the file. */
  readonly stop: MarkName | null;
  readonly file: PlannableCopy;
  readonly reaches: Lsn;
  readonly from: Position | null;
  /** What a reseed needs up to the mark that it leads to: checked before anything is replaced. Empty for any other step. */
  readonly verifyFirst: readonly PlannableCopy[];
};

export type Assessment = {
  readonly state: StandbyState;
  readonly reasons: readonly ShippingReason[];
  /** The newest mark that every database can still stop at. */
  readonly floor: MarkName | null;
  readonly streams: readonly StreamAssessment[];
  /** What may be restored now, over all instances. */
  readonly steps: readonly RestoreStep[];
};

/** Pure: where the standby stands and what may be sent to it. Positions are those of `looks`, never stored ones. */
export function assess(view: StandbyView): Assessment {
  const seen = view.streams.map(stream => lookAt(stream, view));
  const candidates = candidatesOf(view.sets);
  const blind = seen.some(one => one.kind !== 'PLANNABLE');
  const plannables = seen.flatMap(one => (one.kind === 'PLANNABLE' ? [one] : []));
  const databases = plannables.map(({ database }) => database);
  const release = blind ? undefined : releaseTo(candidates, databases, view.standby);
  // What could not be restored once releases nothing, but is tried again itself.
  const trials = plannables.map(({ database, trial }) => trial ?? database);
  const retrial =
    blind || plannables.every(({ trial }) => trial === null) ? release : releaseTo(candidates, trials, view.standby);
  const ifUnplanned = seen.some(one => one.kind === 'UNSEEN') ? 'UNKNOWN' : 'BLOCKED';
  const streams = seen.map(one => {
    const assessed = assessStream(one, release, ifUnplanned, candidates, view.sets);
    // Said at once, before a missing copy holds anything up.
    return { ...assessed, reasons: [...assessed.reasons, ...copyReasons(one.stream, view.copies)] };
  });
  const standby = judgeStandby(streams, seen, candidates, view.standby);
  return {
    ...standby,
    floor: release?.floor ?? null,
    streams,
    steps: stepsOf(plannables, candidates, { release, retrial }, view.nowMs),
  };
}

/** One database as a plan takes it, or why it cannot be planned with. */
export function lookAt(stream: Stream, { looks, sets, copies, standby, nowMs }: StandbyView): Seen {
  const look = looks.find(({ instanceId }) => instanceId === stream.instanceId);
  if (!look?.reachable) return { stream, kind: 'UNSEEN', reason: look?.reason ?? null };
  const { observedAt } = look;
  const there = databaseAt(stream, look.databases);
  if (there !== undefined && there.state !== 'RESTORING') {
    const instance = standby.instances.find(({ instanceId }) => instanceId === stream.instanceId)?.instanceName ?? '';
    const facts = { database: stream.databaseName, instance, state: there.state };
    return { stream, kind: 'NOT_RESTORING', observedAt, reason: shippingReason('DATABASE_ALREADY_ONLINE', facts) };
  }
  const position = positionOf(stream, looks);
  const { databaseId, databaseName } = stream;
  // A step that failed where the database does not stand any more is no obstacle: it was done unseen, or is another one by now.
  const problem = samePosition(stream.position, position) ? stream.problem : null;
  const plan = plannable(sets, copies, databaseId)
    .filter(({ type, fileId }) => stream.reseed === null || type === 'LOG' || fileId === stream.reseed.fileId)
    .map(copy =>
      // A file that could not be restored proves nothing any more: with it, the others would be released past a mark this one cannot reach.
      problem?.fileId === copy.fileId && problem.retryAtMs > nowMs ? { ...copy, verified: false } : copy,
    );
  const database = { databaseId, databaseName, position, copies: plan };
  const due = problem !== null && problem.retryAtMs <= nowMs;
  const tried = due && plan.some(({ fileId, damaged }) => fileId === problem.fileId && damaged);
  const trial = tried
    ? { ...database, copies: plan.map(copy => (copy.fileId === problem.fileId ? { ...copy, verified: true } : copy)) }
    : null;
  return { stream: { ...stream, problem }, kind: 'PLANNABLE', observedAt, copies: plan, database, trial };
}

/** Where the database stands, to be built upon; null when it is to be begun from a full, or was not seen. */
export function positionOf(stream: Stream, looks: readonly InstanceLook[]): Position | null {
  const look = looks.find(({ instanceId }) => instanceId === stream.instanceId);
  const there = look?.reachable === true ? databaseAt(stream, look.databases) : undefined;
  // A full that nobody saw end leaves a position that cannot be built upon (sqlserver.md §2.3); nor does anybody build upon what goes.
  return there?.redoStartLsn == null || stream.seedingFileId !== null || stream.reseed !== null
    ? null
    : { lsn: there.redoStartLsn, forkGuid: there.redoStartForkGuid };
}

/** The newest mark, proven in all databases, that those which stand somewhere can reach. */
export function reachOf(view: StandbyView): TargetCandidate | undefined {
  const standing = view.streams
    .map(stream => lookAt(stream, view))
    .flatMap(one => (one.kind === 'PLANNABLE' && one.database.position !== null ? [one.database] : []));
  const marks = candidatesOf(view.sets).filter(mark =>
    view.streams.every(({ databaseId }) => mark.lsnByDatabase.has(databaseId)),
  );
  return newestReachable(marks, standing);
}

function databaseAt({ databaseName }: Stream, databases: readonly DatabaseLook[]): DatabaseLook | undefined {
  return databases.find(({ name }) => name.toUpperCase() === databaseName.toUpperCase());
}

function stepsOf(
  seen: readonly Extract<Seen, { kind: 'PLANNABLE' }>[],
  candidates: readonly TargetCandidate[],
  { release, retrial }: { readonly release: Released | undefined; readonly retrial: Released | undefined },
  nowMs: number,
): readonly RestoreStep[] {
  // While one is stuck the others wait, and when its time has come it goes first.
  const stuck = seen.some(({ stream }) => stream.problem !== null);
  return seen.flatMap(({ stream, database, trial, copies }) => {
    const by = trial === null ? release : retrial;
    const own = releaseOf(by, stream);
    if (own?.kind !== 'APPLY') return [];
    const { kind, reaches } = own.step;
    const stop = own.step.kind === 'RESTORE_LOG_TO_MARK' ? own.step.mark : null;
    const file = copies.find(({ fileId }) => fileId === own.step.file.fileId);
    if (file === undefined)
      throw new Error(`${stream.databaseName}: the plan names a file that is not among its copies`);
    const due = stream.problem !== null && stream.problem.retryAtMs <= nowMs;
    if (stuck && !due) return [];
    const target = candidates.find(({ mark }) => mark === by?.floor);
    const verifyFirst = stream.reseed === null || target === undefined ? [] : filesTo(target, database, copies);
    return [{ stream, kind, stop, file, reaches, from: database.position, verifyFirst }];
  });
}

/** Everything that is restored from where the database stands up to the mark, in order. */
export function filesTo(
  target: TargetCandidate,
  database: PlanDatabase,
  copies: readonly PlannableCopy[],
): readonly PlannableCopy[] {
  const [plan] = planRestore({ target, databases: [database] });
  if (plan?.outcome !== 'STEPS') return [];
  return plan.steps.flatMap(({ file }) => copies.filter(({ fileId }) => fileId === file.fileId));
}
