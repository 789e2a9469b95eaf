import type { DatabaseId } from '@holdfast/domain';
import type { Position } from '@holdfast/domain/chain';
import { compareLsn, nextSlot } from '@holdfast/domain/lsn';
import { isBizTalkMark, type MarkName, parseMarkName } from '@holdfast/domain/mark';
import { obstacleReason, planRestore, type MarkTarget, type RestoreStep } from '@holdfast/domain/restore-plan';
import { currentPlan, isOpen, type Step, type StepReason } from './step.ts';

/** A database as the standby just showed it; `state` null: it does not exist there. */
export type Seen = { readonly state: string | null; readonly position: Position | null };
export type SeenDatabases = ReadonlyMap<DatabaseId, Seen>;

export type Alignment =
  /** One slot beyond the mark: it has arrived. */
  | { readonly kind: 'ARRIVED' }
  | {
      readonly kind: 'RESTORE';
      readonly step: Step;
      readonly restore: RestoreStep;
      readonly checksum: boolean;
      /** Beginning again from a full, over what is there. */
      readonly replace: boolean;
    }
  | { readonly kind: 'STUCK'; readonly reason: StepReason };

/**
 * What brings one database to the mark from where it stands now, out of the files its steps were planned with. The same question is asked
 * again under the lock, right before a statement is sent: a stop goes out only from a position at or before its mark (design.md §5).
 */
export function align(database: DatabaseId, steps: readonly Step[], target: MarkTarget, seen: Seen): Alignment {
  const planned = currentPlan(steps).flatMap(step =>
    step.work.kind === 'RESTORE' && step.databaseId === database
      ? [
          {
            step,
            restore: step.work.restore,
            checksum: step.work.checksum,
            replace: step.work.replace === true,
          },
        ]
      : [],
  );
  const databaseName = steps.find(step => step.databaseId === database)?.databaseName ?? database;
  // A full restored without REPLACE over an open database may still succeed in SIMPLE recovery: never try.
  if (seen.state !== null && seen.state !== 'RESTORING')
    return { kind: 'STUCK', reason: notRestoring(databaseName, seen.state) };
  const copies = planned.map(({ restore }) => restore.file);
  const [plan] = planRestore({
    target,
    databases: [{ databaseId: database, databaseName, position: seen.position, copies }],
  });
  if (plan === undefined) throw new Error(`No plan for ${databaseName}.`);
  switch (plan.outcome) {
    case 'DONE':
      return { kind: 'ARRIVED' };
    case 'OBSTRUCTED': {
      // Past the mark because a person said that it may begin again; once it has, its position says so.
      const again = planned.find(({ step, replace }) => replace && isOpen(step.state));
      if (plan.obstacle.kind === 'PAST_MARK' && again !== undefined) return { kind: 'RESTORE', ...again };
      return { kind: 'STUCK', reason: obstacleReason(plan.obstacle, databaseName, target.mark) };
    }
    case 'STEPS': {
      const [first] = plan.steps;
      const own = planned.find(({ restore }) => restore.file.fileId === first.file.fileId);
      if (own === undefined) throw new Error(`${databaseName}: no step was planned for file ${first.file.fileId}.`);
      return { kind: 'RESTORE', ...own };
    }
  }
}

/** Restore steps whose work the positions show to be done, whoever did it and however the step before ended. */
export function arrivedSteps(steps: readonly Step[], target: MarkTarget, seen: SeenDatabases): readonly Step[] {
  return currentPlan(steps).filter(({ work, state }) => {
    if (work.kind !== 'RESTORE' || !isOpen(state)) return false;
    const position = seen.get(work.databaseId)?.position ?? null;
    const markLsn = target.lsnByDatabase.get(work.databaseId);
    // Past the mark it has not come from these files.
    if (position !== null && markLsn !== undefined && compareLsn(position.lsn, nextSlot(markLsn)) > 0) return false;
    return position !== null && compareLsn(position.lsn, work.restore.reaches) >= 0;
  });
}

/**
 * Whether a database may be opened: it stands exactly one slot beyond the mark, or it is open already. OPENING: the server itself is at it,
 * for example after its own restart (sqlserver.md §4.2).
 */
export function readiness(
  database: DatabaseId,
  target: MarkTarget,
  seen: Seen,
): 'AT_MARK' | 'OPEN' | 'OPENING' | 'ELSEWHERE' {
  const markLsn = target.lsnByDatabase.get(database);
  if (seen.state === 'ONLINE') return 'OPEN';
  if (seen.state === 'RECOVERING') return 'OPENING';
  return markLsn !== undefined && seen.state === 'RESTORING' && seen.position?.lsn === nextSlot(markLsn)
    ? 'AT_MARK'
    : 'ELSEWHERE';
}

/** The marks in a recovered MarkLog against the one it was brought to: BizTalk's names order by their last 23 characters. */
export function verifyMarks(
  databaseName: string,
  mark: MarkName,
  found: { readonly holdsMark: boolean; readonly newest: readonly string[] },
): StepReason | undefined {
  const later = found.newest.filter(name => isLater(name, mark));
  if (found.holdsMark && later.length === 0) return undefined;
  return {
    code: found.holdsMark ? 'LATER_MARK_FOUND' : 'MARK_NOT_FOUND',
    message: found.holdsMark
      ? `${databaseName} holds marks later than ${mark}.`
      : `${databaseName} was opened and does not hold ${mark}.`,
    fix: 'Do not start BizTalk on these databases: they may stand at different points. Compare their MarkLog tables and restore again from a full backup.',
    evidence: `newest marks: ${found.newest.slice(0, 3).join(', ') || 'none'}`,
    since: null,
  };
}

/** Two prefixes must not decide which is later, and a name of another shape has no time stamp to compare. */
function isLater(name: string, mark: MarkName): boolean {
  const other = parseMarkName(name);
  if (other === undefined || !isBizTalkMark(other) || !isBizTalkMark(mark)) return false;
  return other.slice(-23) > mark.slice(-23);
}

export function notRestoring(databaseName: string, state: string): StepReason {
  return {
    code: 'DATABASE_NOT_RESTORING',
    message: `${databaseName} is ${state} at the standby; only a RESTORING database can be brought to a mark.`,
    fix: 'Find out who opened it. If nobody uses it, drop it there and let shipping seed it again.',
    evidence: `state_desc ${state}`,
    since: null,
  };
}

export function notAtMark(databaseName: string, mark: MarkName, seen: Seen): StepReason {
  return {
    code: 'NOT_AT_MARK',
    message: `${databaseName} does not stand at ${mark}, so it is not opened.`,
    fix: 'Somebody moved it after it had arrived. Look for other sessions at the standby, then fail over again.',
    evidence: `state ${seen.state ?? 'absent'}, position ${seen.position?.lsn ?? 'none'}`,
    since: null,
  };
}
