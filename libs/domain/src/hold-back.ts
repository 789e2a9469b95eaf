import { sameGuid } from './chain.ts';
import type { MarkName } from './mark.ts';
import type { CopiedFile, DatabasePlan, PlanDatabase, RestoreObstacle, RestoreStep } from './restore-plan.ts';
import { chooseTarget, type PassedOver, type TargetCandidate } from './target.ts';

/** Why nothing is sent to a database now. */
export type WaitReason =
  /** The next log holds the floor mark and later work: applied whole, it would give the mark up. */
  | { readonly kind: 'HELD_BACK'; readonly mark: MarkName }
  /** It rests exactly on the floor mark; the same log is applied again, to its end, when the floor has moved. */
  | { readonly kind: 'AT_MARK'; readonly mark: MarkName }
  /** No mark can be reached by all databases; the obstacle is this database's own on the way to the newest one. */
  | { readonly kind: 'NO_REACHABLE_MARK'; readonly obstacle: RestoreObstacle | null };

export type Release = {
  /** The newest mark every database can still reach. Nothing is rolled past it. */
  readonly floor: MarkName | null;
  readonly databases: readonly DatabaseRelease[];
  readonly passedOver: readonly PassedOver[];
};

export type DatabaseRelease = { readonly databaseId: PlanDatabase['databaseId']; readonly databaseName: string } & (
  { readonly kind: 'APPLY'; readonly step: RestoreStep } | { readonly kind: 'WAIT'; readonly why: WaitReason }
);

/**
 * The next restore of every database of a standby that keeps itself ready (design.md §5, "Hold back").
 *
 * The rule says: no database is rolled past mark M until a later log set has qualified whole at the destination for
 * every database on every standby instance. So `databases` must be all of the group, over all standby instances, and
 * `candidates` the proven marks, newest first. The floor is the newest mark that all of them can reach with verified
 * files from where they stand, which is more than "whole": a set that is whole but lies behind a gap would release
 * logs for the other databases and leave no common mark at all. `SetComplete` does not occur here.
 *
 * `restAtMark`: the log that holds the floor is not held back but applied up to the mark. The rule is the same: the floor's own set is the
 * later one that is whole for all, and nobody goes beyond it before the floor moves. A log that could not be applied again is held back.
 */
export function releasable(
  candidates: readonly TargetCandidate[],
  databases: readonly PlanDatabase[],
  { restAtMark = false }: { readonly restAtMark?: boolean } = {},
): Release {
  const choice = chooseTarget(candidates, databases);
  const { passedOver } = choice;
  if (choice.kind === 'CHOSEN') {
    const { mark } = choice.target;
    return { floor: mark, databases: choice.plan.map(plan => release(plan, mark, restAtMark)), passedOver };
  }
  const newest = passedOver[0]?.obstructed ?? [];
  return {
    floor: null,
    passedOver,
    databases: databases.map(({ databaseId, databaseName }) => {
      const own = newest.find(plan => plan.databaseId === databaseId);
      const obstacle = own?.outcome === 'OBSTRUCTED' ? own.obstacle : null;
      return { databaseId, databaseName, kind: 'WAIT', why: { kind: 'NO_REACHABLE_MARK', obstacle } };
    }),
  };
}

function release(plan: DatabasePlan, mark: MarkName, restAtMark: boolean): DatabaseRelease {
  const { databaseId, databaseName } = plan;
  const wait = (why: WaitReason): DatabaseRelease => ({ databaseId, databaseName, kind: 'WAIT', why });
  switch (plan.outcome) {
    case 'DONE':
      return wait({ kind: 'AT_MARK', mark });
    case 'OBSTRUCTED':
      return wait({ kind: 'NO_REACHABLE_MARK', obstacle: plan.obstacle });
    case 'STEPS': {
      const [step] = plan.steps;
      // The last step of a plan to the floor is the log that holds it; every step before ends at or before the mark.
      return step.kind === 'RESTORE_LOG_TO_MARK' && !(restAtMark && appliesAgain(step.file))
        ? wait({ kind: 'HELD_BACK', mark })
        : { databaseId, databaseName, kind: 'APPLY', step };
    }
  }
}

/**
 * Whether the log applies once more to a database that stopped within it. One in which the recovery path changes applies by its first fork
 * only, and who stopped in it may be on its last (sqlserver.md §2.7): from there only a reseed would lead on.
 */
function appliesAgain({ header }: CopiedFile): boolean {
  return sameGuid(header.firstForkGuid, header.lastForkGuid);
}
