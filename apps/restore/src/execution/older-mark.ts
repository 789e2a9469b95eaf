import type { BackupFileId, DatabaseId } from '@holdfast/domain';
import { planRestore } from '@holdfast/domain/restore-plan';
import type { MarkName } from '@holdfast/domain/mark';
import { type Candidate, candidatesOf, type Estate, membersOf, planDatabases } from '../estate/estate.ts';
import type { SeenDatabases } from './alignment.ts';
import { chosenOf, plannedDatabases } from './choice.ts';
import { type ChosenMark, type DataLoss, dataLossOf, type Execution } from './execution.ts';
import type { PlannedDatabase, Step, StepReason, StepText } from './step.ts';

/** A mark before the one that cannot be reached any more, and what it costs. */
export type OlderMark = {
  readonly chosen: ChosenMark;
  readonly dataLoss: DataLoss | null;
  readonly databases: readonly PlannedDatabase[];
  /** Names of databases that are past it: they begin again from a full. */
  readonly past: readonly string[];
  readonly notPast: readonly string[];
  /** Of the files that the former need. */
  readonly bytes: bigint;
  /** Of all files that are restored on the way there. */
  readonly parts: readonly { readonly instance: string; readonly bytes: bigint }[];
};

/**
 * The newest older mark that every database can reach without these files: from where it stands, or from a full at the standby when it is past
 * the mark. `mark`: only that one.
 */
export function olderMark(
  execution: Pick<Execution, 'chosen' | 'startedAt'>,
  estate: Estate,
  without: readonly BackupFileId[],
  seen: SeenDatabases,
  mark?: MarkName,
): OlderMark | undefined {
  if ([...seen.values()].some(({ state }) => state !== null && state !== 'RESTORING')) return undefined;
  const candidates = candidatesOf(estate);
  const at = candidates.findIndex(candidate => candidate.mark === execution.chosen?.markName);
  const older = candidates.slice(at + 1).filter(candidate => mark === undefined || candidate.mark === mark);
  for (const candidate of older) {
    const found = offerOf(candidate, estate, without, seen);
    if (found === undefined) continue;
    const chosen = chosenOf(candidate);
    return {
      ...found,
      chosen,
      dataLoss: dataLossOf(chosen, candidates[0]?.markedAt ?? null, execution.startedAt),
    };
  }
  return undefined;
}

function offerOf(candidate: Candidate, estate: Estate, without: readonly BackupFileId[], seen: SeenDatabases) {
  const positions = new Map([...seen].map(([databaseId, { position }]) => [databaseId, position] as const));
  const again = new Set<DatabaseId>();
  const plans = planDatabases(estate, positions).map(database => {
    const copies = database.copies.filter(({ fileId }) => !without.includes(fileId));
    const plan = planRestore({
      target: candidate,
      databases: [{ ...database, copies }],
    });
    if (plan[0]?.outcome !== 'OBSTRUCTED' || plan[0].obstacle.kind !== 'PAST_MARK') return plan;
    again.add(database.databaseId);
    return planRestore({
      target: candidate,
      databases: [{ ...database, position: null, copies }],
    });
  });
  const plan = plans.flat();
  if (plan.some(({ outcome }) => outcome === 'OBSTRUCTED')) return undefined;
  const databases = plannedDatabases(estate, plan).map(database =>
    again.has(database.databaseId) ? { ...database, steps: database.steps.map(replacing) } : database,
  );
  const isPast = ({ databaseId }: { readonly databaseId: DatabaseId }) => again.has(databaseId);
  const bytesOf = ({ steps }: PlannedDatabase) =>
    steps
      .flatMap(({ restore }) => estate.copies.filter(({ fileId }) => fileId === restore.file.fileId))
      .reduce((sum, { size }) => sum + BigInt(size), 0n);
  const members = membersOf(estate);
  return {
    databases,
    past: members.filter(isPast).map(({ databaseName }) => databaseName),
    notPast: members.filter(member => !isPast(member)).map(({ databaseName }) => databaseName),
    bytes: databases.filter(isPast).reduce((sum, database) => sum + bytesOf(database), 0n),
    parts: databases.map(database => ({ instance: database.instanceName, bytes: bytesOf(database) })),
  };
}

function replacing(step: PlannedDatabase['steps'][number]): PlannedDatabase['steps'][number] {
  return step.restore.kind === 'RESTORE_FULL' ? { ...step, replace: true } : step;
}

/** Files that could not be restored, by the steps that say so. */
export function rottenFiles(steps: readonly Step[]): readonly BackupFileId[] {
  return steps.flatMap(({ work, state }) =>
    work.kind === 'RESTORE' && state === 'FAILED' ? [work.restore.file.fileId] : [],
  );
}

/** What a person has to decide before anything that stands at the standby is overwritten. */
export function offerText(
  failed: Step,
  without: readonly BackupFileId[],
  { chosen, past, notPast, bytes }: OlderMark,
  seconds: number | null,
): StepText {
  const path = failed.work.kind === 'RESTORE' ? failed.work.restore.file.path : failed.command;
  const { markName } = chosen;
  return {
    work: { kind: 'OFFER', mark: markName, without },
    name: `Decide whether to go to the older mark ${markName}`,
    where: failed.where,
    why:
      `${path} of ${failed.databaseName ?? 'a database'} cannot be restored (${failed.reasons[0]?.message ?? 'it is damaged'}). Nothing is open yet.` +
      ` Past ${markName}: ${past.join(', ') || 'none'}. Not past it: ${notPast.join(', ') || 'none'}.`,
    command:
      past.length === 0
        ? `Bring every database to ${markName} from where it stands.`
        : `Restore ${past.join(', ')} again from the full backup at the standby WITH REPLACE, ${bytes.toString()} bytes in all, then the logs up to ${markName}.`,
    expected:
      `Confirmed: every database is brought to ${markName}. ` +
      (seconds === null
        ? 'How long that takes is not known: no restore at this standby was timed yet.'
        : `That takes about ${String(Math.ceil(seconds))} s, as fast as restores at this standby were until now.`),
    undo: 'Instead of confirming, cancel the execution: nothing was overwritten, and the standby goes back to shipping.',
  };
}

export function noOlderMark(failed: Step): StepReason {
  const known = failed.reasons[0];
  return {
    code: 'FILE_CANNOT_BE_RESTORED',
    message: `${failed.name}: ${known?.message ?? 'its file is damaged'}. No older mark can be reached by all databases either.`,
    fix: known?.fix ?? 'Copy the file again and compare its hash.',
    evidence: failed.work.kind === 'RESTORE' ? failed.work.restore.file.path : null,
    since: null,
  };
}
