import type { DatabaseId, RecoveryPointId } from '@holdfast/domain';
import { sameGuid } from '@holdfast/domain/chain';
import { compareLsn, nextSlot, requireLsn, type Lsn } from '@holdfast/domain/lsn';
import type { MarkName } from '@holdfast/domain/mark';
import { reason } from '@holdfast/domain/reason';
import { planRestore, type DatabasePlan } from '@holdfast/domain/restore-plan';
import { chooseTarget, type TargetRequest } from '@holdfast/domain/target';
import {
  candidatesOf,
  type Candidate,
  type CopyView,
  type Estate,
  membersOf,
  planDatabases,
  publishedPositions,
  type SetView,
} from '../estate/estate.ts';
import type { SeenDatabases } from '../execution/alignment.ts';
import { choose } from '../execution/choice.ts';
import type { DataLoss } from '../execution/execution.ts';
import { bytesPerSecond, secondsFor, type TimedRestore } from '../execution/speed.ts';
import { closingSteps, type CommandTexts, type PlannedDatabase, type StepReason } from '../execution/step.ts';

/** What the caller supposes to be gone. */
export type Loss = 'SOURCE_SITE' | 'BACKUP_SHARE';

/** Where a recovery would land, from what the other services published last. */
export type RecoveryPreview = {
  readonly recoveryPointId: RecoveryPointId;
  readonly markName: MarkName;
  readonly markedAt: string | null;
  /** Null when nobody recorded when the mark was committed. */
  readonly dataLoss: DataLoss | null;
  /** Of the restores; null while no execution of the group has timed one. */
  readonly durationSeconds: number | null;
  readonly databases: readonly DatabasePreview[];
  readonly blockers: readonly StepReason[];
  readonly unclaimedSets: readonly UnclaimedSet[];
  readonly ifReseeded: ReseedPreview | null;
};

export type DatabasePreview = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  /** Of the standby. */
  readonly instance: string;
  /** As published last; null: it begins from a full. */
  readonly position: Lsn | null;
  /** What would be sent for it, in this order. */
  readonly statements: readonly string[];
  /** Of the files that would be read. */
  readonly bytes: bigint;
};

/** Log at the standby beyond the newest proven mark. `files`: paths as the standby reads them. */
export type UnclaimedSet = { readonly name: string; readonly files: readonly string[]; readonly why: StepReason };

/** A newer mark within the request, for which some databases would have to begin from a full that lies at the standby. */
export type ReseedPreview = {
  readonly markName: MarkName;
  readonly markedAt: string | null;
  readonly durationSeconds: number | null;
  /** Of the databases that begin from a full. */
  readonly bytes: bigint;
};

export type PreviewFacts = {
  /** RFC 3339 UTC. */
  readonly now: string;
  readonly texts: CommandTexts;
  readonly timed: readonly TimedRestore[];
  readonly blockers: readonly StepReason[];
};

/** The estate as it would be without what is lost: a copy that was never made lies only where the backup was written. */
export function without(estate: Estate, lost: readonly Loss[]): Estate {
  return lost.length === 0 ? estate : { ...estate, copies: estate.copies.filter(({ sha256 }) => sha256 !== null) };
}

/**
 * What a failover with this target would choose and send, by the same function that chooses in the failover (`choose`): while shipping rests, it
 * therefore names the same mark. Undefined when nothing fits the request.
 */
export function previewOf(estate: Estate, target: TargetRequest, facts: PreviewFacts): RecoveryPreview | undefined {
  const { now, texts, timed, blockers } = facts;
  const choice = choose({ target, expectedMark: null, startedAt: now }, estate, presumed(estate));
  if (choice.kind !== 'CHOSEN') return undefined;
  const { chosen, dataLoss, databases } = choice;
  const { recoveryPointId, markName, markedAt } = chosen;
  const speed = bytesPerSecond(estate, timed);
  const statements = Map.groupBy(closingSteps(databases, markName, texts), ({ database }) => database?.databaseId);
  const previews = databases.map(database => ({
    databaseId: database.databaseId,
    databaseName: database.databaseName,
    instance: database.instanceName,
    position: publishedPositions(estate).get(database.databaseId)?.lsn ?? null,
    statements: (statements.get(database.databaseId) ?? []).map(({ command }) => command),
    bytes: bytesOf(estate, filesOf(database)),
  }));
  return {
    recoveryPointId,
    markName,
    markedAt,
    dataLoss,
    durationSeconds: secondsFor(previews, speed),
    databases: previews,
    blockers,
    unclaimedSets: unclaimedSets(estate),
    ifReseeded: ifReseeded(estate, target, speed),
  };
}

/** What shipping published as if it had just been seen: a database with a position is RESTORING, one without has to begin. */
function presumed(estate: Estate): SeenDatabases {
  return new Map(
    [...publishedPositions(estate)].map(([databaseId, position]) => [
      databaseId,
      { state: position === null ? null : 'RESTORING', position },
    ]),
  );
}

/** Why a failover would not begin now although a mark can be reached. */
export function blockersOf(facts: {
  readonly groupName: string;
  readonly runningSince: string | null;
  readonly yieldedTo: string | null;
  /** Names of standby instances whose address has not come here. */
  readonly unaddressed: readonly string[];
}): readonly StepReason[] {
  const { groupName, runningSince, yieldedTo, unaddressed } = facts;
  const blockers: StepReason[] = unaddressed.map(instance => ({
    code: 'INSTANCE_NOT_ADDRESSED',
    message: `How to reach ${instance} is not known here.`,
    fix: 'Look whether the instance is registered and inventory runs.',
    evidence: null,
    since: null,
  }));
  if (runningSince !== null)
    blockers.unshift({
      code: 'EXECUTION_RUNNING',
      message: `${groupName} has an execution that has not ended.`,
      fix: 'Follow that one; only one runs for a group at a time.',
      evidence: null,
      since: runningSince,
    });
  else if (yieldedTo !== null)
    blockers.unshift({
      code: 'STANDBY_YIELDED',
      message: 'Shipping has not taken the standby back yet.',
      fix: 'Wait until shipping has seen that the execution has ended.',
      evidence: `execution ${yieldedTo}`,
      since: null,
    });
  return blockers;
}

/** Sets whose log lies at the standby beyond the newest proven mark, and whose own mark nobody could prove in every database. */
export function unclaimedSets(estate: Estate): readonly UnclaimedSet[] {
  const members = membersOf(estate);
  const proven = candidatesOf(estate).filter(({ lsnByDatabase }) =>
    members.every(({ databaseId }) => lsnByDatabase.has(databaseId)),
  );
  const claimed = new Set(
    estate.points
      .filter(({ recoveryPointId }) => proven.some(candidate => candidate.recoveryPointId === recoveryPointId))
      .map(({ setId }) => setId),
  );
  return estate.sets
    .filter(({ type, setId }) => type === 'LOG' && !claimed.has(setId))
    .flatMap(set => {
      const copies = copiesBeyond(estate, set, proven[0]);
      return copies.length === 0
        ? []
        : [
            {
              name: set.markName ?? `set ${set.number}`,
              files: copies.map(({ path }) => path),
              why: whyUnclaimed(set),
            },
          ];
    });
}

function copiesBeyond({ copies }: Estate, { setId, files }: SetView, newest: Candidate | undefined) {
  return copies.filter(copy => {
    const header = files.find(({ fileId }) => fileId === copy.fileId)?.header;
    if (copy.setId !== setId || !header || !sameGuid(copy.backupSetUuid, header.backupSetUuid)) return false;
    const markLsn = newest?.lsnByDatabase.get(copy.databaseId as DatabaseId);
    return markLsn === undefined || compareLsn(requireLsn(header.lastLsn), nextSlot(markLsn)) > 0;
  });
}

function whyUnclaimed({ files }: SetView): StepReason {
  const unproven = files.filter(({ markLsn }) => markLsn === null).map(({ databaseName }) => databaseName);
  const [first] = unproven;
  return {
    ...reason('MARK_UNPROVEN', { databaseName: first ?? 'every database of the group' }),
    fix: 'Make msdb.dbo.logmarkhistory of its instances readable, if they still live. Restoring to a mark that nobody proved is not built.',
    evidence: unproven.length === 0 ? null : unproven.join(', '),
  };
}

/** Newest first, the marks within the request that were passed over: what of them a full at the standby would bring back. */
function ifReseeded(estate: Estate, target: TargetRequest, speed: number | null): ReseedPreview | null {
  const candidates = candidatesOf(estate);
  const databases = planDatabases(estate, publishedPositions(estate));
  const obstructed = chooseTarget(candidates, databases, target).passedOver.filter(({ why }) => why === 'OBSTRUCTED');
  for (const { mark } of obstructed) {
    const candidate = candidates.find(other => other.mark === mark);
    if (candidate === undefined) continue;
    const stuck = planRestore({ target: candidate, databases }).filter(({ outcome }) => outcome === 'OBSTRUCTED');
    const fromFull = databases
      .filter(({ databaseId }) => stuck.some(plan => plan.databaseId === databaseId))
      .map(database => ({ ...database, position: null }));
    const plans = planRestore({ target: candidate, databases: fromFull });
    if (plans.some(({ outcome }) => outcome !== 'STEPS')) continue;
    const parts = plans.map(plan => ({
      instance: membersOf(estate).find(({ databaseId }) => databaseId === plan.databaseId)?.instanceName ?? '',
      bytes: bytesOf(estate, plannedFiles(plan)),
    }));
    return {
      markName: mark,
      markedAt: candidate.markedAt,
      durationSeconds: secondsFor(parts, speed),
      bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0n),
    };
  }
  return null;
}

function filesOf({ steps }: PlannedDatabase): readonly string[] {
  return steps.map(({ restore }) => restore.file.fileId);
}

function plannedFiles(plan: DatabasePlan): readonly string[] {
  return plan.outcome === 'STEPS' ? plan.steps.map(({ file }) => file.fileId) : [];
}

function bytesOf({ copies }: Estate, fileIds: readonly string[]): bigint {
  return copies
    .filter(({ fileId }) => fileIds.includes(fileId))
    .reduce((sum, { size }: CopyView) => sum + BigInt(size), 0n);
}
