import type { Position } from '@holdfast/domain/chain';
import type { DatabaseId } from '@holdfast/domain';
import { obstacleReason, type DatabasePlan } from '@holdfast/domain/restore-plan';
import { chooseTarget, type PassedOver } from '@holdfast/domain/target';
import {
  candidatesOf,
  type Candidate,
  type Estate,
  filesWithChecksums,
  membersOf,
  notShipped,
  planDatabases,
} from '../estate/estate.ts';
import { notRestoring, type SeenDatabases } from './alignment.ts';
import { type ChosenMark, type DataLoss, dataLossOf, type Execution } from './execution.ts';
import type { PlannedDatabase, StepReason } from './step.ts';

export type Choice =
  | {
      readonly kind: 'CHOSEN';
      readonly chosen: ChosenMark;
      readonly dataLoss: DataLoss | null;
      readonly databases: readonly PlannedDatabase[];
    }
  | { readonly kind: 'REFUSED'; readonly reason: StepReason };

/** What a request can reach from these positions. */
export type Reachable =
  | { readonly kind: 'REACHABLE'; readonly candidate: Candidate; readonly plan: readonly DatabasePlan[] }
  /** The mark or time asked for is not reachable; `nearest` is the newest that is. */
  | { readonly kind: 'NOT_REACHABLE'; readonly nearest: Candidate | undefined; readonly reasons: readonly StepReason[] }
  | { readonly kind: 'NOTHING'; readonly reasons: readonly StepReason[] };

export function reach(
  estate: Estate,
  target: Execution['target'],
  positions: ReadonlyMap<DatabaseId, Position | null>,
): Reachable {
  const absent = notShipped(estate);
  if (absent.length > 0) return { kind: 'NOTHING', reasons: absent.map(notAtStandby) };
  const candidates = candidatesOf(estate);
  const databases = planDatabases(estate, positions);
  const choice = chooseTarget(candidates, databases, target);
  if (choice.kind === 'CHOSEN')
    return { kind: 'REACHABLE', candidate: withId(candidates, choice.target.mark), plan: choice.plan };
  const reasons = choice.passedOver[0] === undefined ? [noMark()] : passedOverReasons(choice.passedOver[0]);
  const newest = target.kind === 'NEWEST' ? undefined : chooseTarget(candidates, databases);
  if (target.kind === 'NEWEST' || newest?.kind !== 'CHOSEN') return { kind: 'NOTHING', reasons };
  return { kind: 'NOT_REACHABLE', nearest: withId(candidates, newest.target.mark), reasons };
}

/** The mark of an execution, from positions read after shipping had yielded. */
export function choose(
  execution: Pick<Execution, 'target' | 'expectedMark' | 'startedAt'>,
  estate: Estate,
  seen: SeenDatabases,
): Choice {
  for (const { databaseId, databaseName } of membersOf(estate)) {
    const state = seen.get(databaseId)?.state ?? null;
    if (state !== null && state !== 'RESTORING') return { kind: 'REFUSED', reason: notRestoring(databaseName, state) };
  }
  const positions = new Map([...seen].map(([databaseId, { position }]) => [databaseId, position] as const));
  const reachable = reach(estate, execution.target, positions);
  if (reachable.kind !== 'REACHABLE') return { kind: 'REFUSED', reason: firstOf(reachable.reasons) };
  const { candidate, plan } = reachable;
  if (execution.expectedMark !== null && execution.expectedMark !== candidate.mark)
    return { kind: 'REFUSED', reason: outdated(execution.expectedMark, candidate.mark) };
  const chosen = chosenOf(candidate);
  const newest = candidatesOf(estate).find(({ markedAt }) => markedAt !== null)?.markedAt ?? null;
  return {
    kind: 'CHOSEN',
    chosen,
    dataLoss: dataLossOf(chosen, newest === chosen.markedAt ? null : newest, execution.startedAt),
    databases: plannedDatabases(estate, plan),
  };
}

export function chosenOf({ recoveryPointId, mark, markedAt, lsnByDatabase, forkByDatabase }: Candidate): ChosenMark {
  return {
    recoveryPointId,
    markName: mark,
    markedAt,
    databases: [...lsnByDatabase].map(([databaseId, lsn]) => ({
      databaseId,
      lsn,
      forkGuid: forkByDatabase?.get(databaseId) ?? null,
    })),
  };
}

export function plannedDatabases(estate: Estate, plan: readonly DatabasePlan[]): readonly PlannedDatabase[] {
  const withChecksums = filesWithChecksums(estate);
  return membersOf(estate).map(({ databaseId, databaseName, instanceName }) => {
    const own = plan.find(candidate => candidate.databaseId === databaseId);
    const steps = own?.outcome === 'STEPS' ? own.steps : [];
    return {
      databaseId,
      databaseName,
      instanceName,
      steps: steps.map(restore => ({ restore, checksum: withChecksums.has(restore.file.fileId) })),
    };
  });
}

function withId(candidates: readonly Candidate[], mark: Candidate['mark']): Candidate {
  const candidate = candidates.find(other => other.mark === mark);
  if (candidate === undefined) throw new Error(`${mark} is not among the candidates it was chosen from.`);
  return candidate;
}

function passedOverReasons({ mark, why, obstructed }: PassedOver): readonly StepReason[] {
  if (why === 'OBSTRUCTED')
    return obstructed.flatMap(plan =>
      plan.outcome === 'OBSTRUCTED' ? [obstacleReason(plan.obstacle, plan.databaseName, mark)] : [],
    );
  return [
    {
      code: 'NO_MARK_BEFORE_TIME',
      message: 'No mark before that time can be reached.',
      fix: 'Ask for a later time, or for the newest mark.',
      evidence: why === 'TIME_UNKNOWN' ? `the time of ${mark} is not known` : `${mark} is not before it`,
      since: null,
    },
  ];
}

function noMark(): StepReason {
  return {
    code: 'NO_SUCH_MARK',
    message: 'No such mark is known of this group.',
    fix: 'Look at the recovery points of the group and use the name of one, exactly as written.',
    evidence: null,
    since: null,
  };
}

function notAtStandby(databaseName: string): StepReason {
  return {
    code: 'DATABASE_NOT_AT_STANDBY',
    message: `${databaseName} belongs to the group and the standby does not receive it.`,
    fix: 'Add it to the standby and wait until it is in step.',
    evidence: null,
    since: null,
  };
}

function outdated(expected: string, mark: string): StepReason {
  return {
    code: 'PREVIEW_OUTDATED',
    message: `The mark that can be reached is ${mark}, not ${expected}.`,
    fix: 'Nothing was changed. Look at what is reachable now and ask again with that mark.',
    evidence: null,
    since: null,
  };
}

function firstOf(reasons: readonly StepReason[]): StepReason {
  return reasons[0] ?? noMark();
}
