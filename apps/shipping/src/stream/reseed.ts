import type { MarkName } from '@holdfast/domain';
import { obstacleReason } from '@holdfast/domain/restore-plan';
import { chooseTarget, type ChosenTarget } from '@holdfast/domain/target';
import type { PlannableCopy } from '../copy/copy.ts';
import { candidatesOf } from '../estate/estate.ts';
import type { ShippingReason } from '../standby/reason.ts';
import { filesTo, lookAt, type StandbyView } from './assessment.ts';
import type { Seen } from './judgement.ts';
import type { Stream } from './stream.ts';

export type PlannedReseed = {
  readonly stream: Stream;
  readonly full: PlannableCopy;
  /** From the full to the log that holds the mark. */
  readonly files: readonly PlannableCopy[];
  /** Decimal text: bytes of these files. */
  readonly bytes: string;
};
export type ReseedPlan =
  | { readonly kind: 'PLANNED'; readonly mark: MarkName; readonly databases: readonly PlannedReseed[] }
  /** An instance could not be asked, or a database is not RESTORING: nothing there may be replaced. */
  | { readonly kind: 'NOT_SEEN' | 'NOT_RESTORING'; readonly stream: Stream; readonly reason: ShippingReason | null }
  | { readonly kind: 'NO_VALID_FULL'; readonly why: string };

/**
 * The fulls from which `chosen` begin again (design.md §5, step 7): each is whole at the standby and ends before a mark of a later log set that
 * all databases of the standby can reach, the others from where they stand. The newest such mark decides, so that as little as possible is
 * lost; where there is none nothing may be replaced. A file that could not be restored once counts for nothing. `view` holds the whole ledger.
 */
export function planReseed(view: StandbyView, chosen: ReadonlySet<Stream['id']>): ReseedPlan {
  const seen: Extract<Seen, { kind: 'PLANNABLE' }>[] = [];
  for (const stored of view.streams) {
    const isChosen = chosen.has(stored.id);
    const one = lookAt(isChosen ? { ...stored, problem: null, reseed: null } : stored, view);
    if (one.kind === 'UNSEEN') return { kind: 'NOT_SEEN', stream: stored, reason: one.reason };
    if (one.kind === 'NOT_RESTORING') return { kind: 'NOT_RESTORING', stream: stored, reason: one.reason };
    seen.push(isChosen ? { ...one, database: { ...one.database, position: null } } : one);
  }
  const choice = chooseTarget(
    candidatesOf(view.sets),
    seen.map(({ database }) => database),
  );
  if (choice.kind === 'REFUSED') return { kind: 'NO_VALID_FULL', why: whyNone(choice) };
  const databases = seen
    .filter(({ stream }) => chosen.has(stream.id))
    .map(({ stream, database, copies }): PlannedReseed => {
      const files = filesTo(choice.target, database, copies);
      const [full] = files;
      if (full?.type !== 'FULL') throw new Error(`${stream.databaseName}: a plan from nothing begins with a full`);
      return { stream, full, files, bytes: String(files.reduce((sum, { size }) => sum + BigInt(size), 0n)) };
    });
  return { kind: 'PLANNED', mark: choice.target.mark, databases };
}

function whyNone({ passedOver }: Extract<ChosenTarget, { kind: 'REFUSED' }>): string {
  const [newest] = passedOver;
  const reasons = (newest?.obstructed ?? []).flatMap(plan =>
    plan.outcome === 'OBSTRUCTED' && newest !== undefined
      ? [obstacleReason(plan.obstacle, plan.databaseName, newest.mark).message]
      : [],
  );
  return reasons.length === 0 ? 'No mark of a log set is proven in all databases.' : reasons.join(' ');
}
