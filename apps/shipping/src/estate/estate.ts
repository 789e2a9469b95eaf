import type {
  BackupFileId,
  BackupSetId,
  DatabaseId,
  GroupId,
  InstanceId,
  MarkName,
  RecoveryPointId,
} from '@holdfast/domain';
import type { BackupFile, BackupSet } from '@holdfast/domain/backup-set';
import type { TargetCandidate } from '@holdfast/domain/target';
import type { groupObserved, instanceAddressed, PayloadOf } from '@holdfast/events';

// What others publish, as this service keeps it.

export type KnownGroup = Omit<PayloadOf<typeof groupObserved>, 'groupId'> & { readonly groupId: GroupId };
export type KnownAddress = PayloadOf<typeof instanceAddressed>;
/** A registered instance, in a group or not. */
export type KnownInstance = {
  readonly instanceId: InstanceId;
  readonly serverName: string;
  readonly productVersion: string;
};
export type KnownFile = Omit<BackupFile, 'sourceInstanceId' | 'reasons'> & {
  readonly fileId: BackupFileId;
  readonly setId: BackupSetId;
};
export type KnownSet = Pick<
  BackupSet,
  'setId' | 'number' | 'type' | 'markName' | 'startedAt' | 'startedAtRecorded' | 'state'
> & {
  readonly files: readonly KnownFile[];
};
export type KnownPoint = {
  readonly recoveryPointId: RecoveryPointId;
  readonly setId: BackupSetId;
  readonly markName: MarkName;
  readonly markedAt: string | null;
  readonly verdict: 'SOUND' | 'DEGRADED' | 'BROKEN' | 'UNKNOWN';
  /** When backup published this judgement, RFC 3339 UTC. */
  readonly judgedAt: string;
};

export type SourceDatabase = {
  readonly databaseId: DatabaseId;
  readonly name: string;
  readonly instanceId: InstanceId;
};

/** What the backup job covers: nothing else ever arrives at a standby. */
export function protectedDatabases(group: KnownGroup): readonly SourceDatabase[] {
  return group.databases
    .filter(database => database.inBackupJob)
    .map(({ databaseId, name, instanceId }) => ({
      databaseId: databaseId as DatabaseId,
      name,
      instanceId: instanceId as InstanceId,
    }));
}

/** Oldest first. Recorded times may be local and repeat once a year, so they decide only where both are placed in UTC. */
export function inOrderTaken(sets: readonly KnownSet[]): readonly KnownSet[] {
  return sets.toSorted((a, b) => {
    if (a.startedAt !== null && b.startedAt !== null && a.startedAt !== b.startedAt)
      return Date.parse(a.startedAt) - Date.parse(b.startedAt);
    return a.number.length - b.number.length || (a.number < b.number ? -1 : a.number > b.number ? 1 : 0);
  });
}

/** The marks with what proves them, newest first. A database whose mark nobody proved is not in the map (design.md §5, step 2). */
export function candidatesOf(
  sets: readonly KnownSet[],
  points: readonly KnownPoint[] = [],
): readonly TargetCandidate[] {
  return inOrderTaken(sets)
    .toReversed()
    .flatMap(({ type, markName, files, setId }) => {
      const proven = files.filter(file => file.markLsn !== null && file.header !== null);
      if (type !== 'LOG' || markName === null || proven.length === 0) return [];
      return [
        {
          mark: markName,
          markedAt: points.find(point => point.setId === setId)?.markedAt ?? null,
          lsnByDatabase: new Map(
            proven.flatMap(file => (file.markLsn === null ? [] : [[file.databaseId, file.markLsn]])),
          ),
          forkByDatabase: new Map(
            proven.flatMap(file => (file.header === null ? [] : [[file.databaseId, file.header.lastForkGuid]])),
          ),
        },
      ];
    });
}
