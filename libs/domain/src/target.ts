import type { MarkName } from './mark.ts';
import { planRestore, type DatabasePlan, type MarkTarget, type PlanDatabase } from './restore-plan.ts';

export type TargetCandidate = MarkTarget & {
  /** RFC 3339 UTC, from `logmarkhistory`; null when it could not be read. */
  readonly markedAt: string | null;
};

export type TargetRequest =
  | { readonly kind: 'NEWEST' }
  /** The newest mark strictly before the time (RFC 3339). */
  | { readonly kind: 'NEWEST_MARK_BEFORE'; readonly time: string }
  | { readonly kind: 'MARK'; readonly mark: MarkName };

/** A newer mark that was not taken, with the databases that stand in its way; none when the request excluded it. */
export type PassedOver = {
  readonly mark: MarkName;
  readonly why: 'NOT_BEFORE_TIME' | 'TIME_UNKNOWN' | 'OBSTRUCTED';
  readonly obstructed: readonly DatabasePlan[];
};

export type ChosenTarget =
  | {
      readonly kind: 'CHOSEN';
      readonly target: TargetCandidate;
      readonly plan: readonly DatabasePlan[];
      readonly passedOver: readonly PassedOver[];
    }
  | {
      readonly kind: 'REFUSED';
      readonly why: 'NO_DATABASES' | 'NO_SUCH_MARK' | 'NOTHING_REACHABLE';
      readonly passedOver: readonly PassedOver[];
    };

/**
 * The newest mark of the request that every database can reach from where it stands with verified files. Candidates
 * come newest first. Verdicts given at the source play no part: files lost there may be whole here, and evidence that
 * grew old with a dead source takes nothing from what lies here. A mark that is not proven has no LSN and falls out.
 */
export function chooseTarget(
  candidates: readonly TargetCandidate[],
  databases: readonly PlanDatabase[],
  request: TargetRequest = { kind: 'NEWEST' },
): ChosenTarget {
  const passedOver: PassedOver[] = [];
  // Of no databases every mark would be reachable: a group that is not known yet must not look like a recovered one.
  if (databases.length === 0) return { kind: 'REFUSED', why: 'NO_DATABASES', passedOver };

  const asked = request.kind === 'MARK' ? candidates.filter(({ mark }) => mark === request.mark) : candidates;
  if (request.kind === 'MARK' && asked.length === 0) return { kind: 'REFUSED', why: 'NO_SUCH_MARK', passedOver };

  for (const target of asked) {
    const excluded = request.kind === 'NEWEST_MARK_BEFORE' ? excludedByTime(target, request.time) : undefined;
    if (excluded !== undefined) {
      passedOver.push({ mark: target.mark, why: excluded, obstructed: [] });
      continue;
    }
    const plan = planRestore({ target, databases });
    const obstructed = plan.filter(({ outcome }) => outcome === 'OBSTRUCTED');
    if (obstructed.length === 0) return { kind: 'CHOSEN', target, plan, passedOver };
    passedOver.push({ mark: target.mark, why: 'OBSTRUCTED', obstructed });
  }
  return { kind: 'REFUSED', why: 'NOTHING_REACHABLE', passedOver };
}

function excludedByTime(candidate: TargetCandidate, time: string): 'NOT_BEFORE_TIME' | 'TIME_UNKNOWN' | undefined {
  if (candidate.markedAt === null) return 'TIME_UNKNOWN';
  return instant(candidate.markedAt) < instant(time) ? undefined : 'NOT_BEFORE_TIME';
}

function instant(text: string): number {
  const milliseconds = Date.parse(text);
  if (Number.isNaN(milliseconds)) throw new RangeError(`not a time: ${JSON.stringify(text)}`);
  return milliseconds;
}
