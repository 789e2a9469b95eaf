import type { FenceAction } from './fence.ts';
import type { SeenSource, Source, SeenUnit } from './source.ts';
import type { ResolveInDoubt, Step, StepReason, StepText, UnitInDoubt } from './step.ts';

/** A coordinator that lives decides within moments; only what is still there after this was left behind. */
export const inDoubtGraceMs = 5_000;

/**
 * Where a source is gone for good. Before the job is waited for and before any database goes off: a part that was prepared for the instance
 * that is gone holds both.
 */
export function inDoubtStep({ instanceId, instanceName }: Source): StepText {
  return {
    work: { kind: 'RESOLVE_IN_DOUBT', instanceId, units: [] },
    name: 'End transactions whose coordinator is gone',
    where: instanceName,
    why:
      'A part of a distributed transaction that was prepared for an instance that is gone belongs to no session: ROLLBACK IMMEDIATE does not end it, so' +
      ' it would keep the Backup job at work and its database from going off.',
    command:
      'Read sys.dm_tran_locks for request_session_id -2; for each unit of work in a database of the group that is still there' +
      ` ${String(inDoubtGraceMs / 1000)} s later: KILL '<unit of work>' WITH ROLLBACK;`,
    expected:
      'No unit of work in doubt holds a database of the group. To leave them to a database administrator, skip this step.',
    undo:
      'There is none. The instance that is gone may have decided to commit: after a cancelled failover it and this one would not agree. To the standby' +
      ' it makes no difference, because it is brought to a mark that both share.',
  };
}

export function nextInDoubt(
  step: Step,
  work: ResolveInDoubt,
  { more }: SeenSource,
  nowMs: number,
): FenceAction | undefined {
  const present = more?.kind === 'UNITS' ? more.units : [];
  if (present.length === 0)
    return { kind: 'NOTE_FENCED', steps: [step], reasons: rolledBackReasons(step.where, rolledBack(work)) };
  const isPresent = ({ unitOfWork }: UnitInDoubt) => present.some(unit => unit.unitOfWork === unitOfWork);
  const known = new Map(work.units.map(unit => [unit.unitOfWork, unit]));
  const isNews =
    present.some(({ unitOfWork }) => !known.has(unitOfWork)) ||
    work.units.some(unit => !unit.isRollbackBegun && !isPresent(unit));
  if (isNews) {
    const since = new Date(nowMs).toISOString();
    const units = [
      ...work.units.filter(unit => unit.isRollbackBegun && !isPresent(unit)),
      ...present.map(unit => known.get(unit.unitOfWork) ?? { ...unit, since, isRollbackBegun: false }),
    ];
    return { kind: 'NOTE_FOUND', step, work: { ...work, units }, reason: inDoubt(step.where, present) };
  }
  const due = work.units.filter(unit => isPresent(unit) && nowMs - Date.parse(unit.since) >= inDoubtGraceMs);
  return due.length > 0
    ? { kind: 'ROLL_BACK_UNITS', step, work, due: due.map(({ unitOfWork }) => unitOfWork) }
    : undefined;
}

/** Not there any more, after we had begun to end them. */
function rolledBack({ units }: ResolveInDoubt): readonly UnitInDoubt[] {
  return units.filter(({ isRollbackBegun }) => isRollbackBegun);
}

/** For the record of the source; empty where nothing was in doubt. */
export function rolledBackAt(steps: readonly Step[], instanceId: string): string {
  const units = steps.flatMap(({ work }) =>
    work.kind === 'RESOLVE_IN_DOUBT' && work.instanceId === instanceId ? rolledBack(work) : [],
  );
  return units.length === 0 ? '' : ` Units of work in doubt that were rolled back: ${named(units)}.`;
}

function named(units: readonly SeenUnit[]): string {
  return units.map(({ unitOfWork, databases }) => `${unitOfWork} in ${databases.join(', ')}`).join('; ');
}

function inDoubt(where: string, units: readonly SeenUnit[]): StepReason {
  return {
    code: 'UNITS_IN_DOUBT',
    message: `At ${where} units of work hold databases of the group and belong to no session: ${named(units)}.`,
    fix: `Nothing has to be done: what is still there after ${String(inDoubtGraceMs / 1000)} s is rolled back. If that is refused, a database administrator must resolve it there.`,
    evidence: units.map(({ unitOfWork }) => unitOfWork).join(', '),
    since: null,
  };
}

function rolledBackReasons(where: string, units: readonly UnitInDoubt[]): readonly StepReason[] {
  if (units.length === 0) return [];
  return [
    {
      code: 'UNITS_ROLLED_BACK',
      message: `At ${where} units of work in doubt were rolled back: ${named(units)}.`,
      fix: 'Should the failover be cancelled, compare what these transactions did with the instance that was gone: it may have decided to commit.',
      evidence: units.map(({ unitOfWork }) => unitOfWork).join(', '),
      since: null,
    },
  ];
}
