import type { BackupFileId, DatabaseId, InstanceId, RecoveryPointId } from '@holdfast/domain';
import { sameGuid, type Position } from '@holdfast/domain/chain';
import { compareLsn, requireLsn, type Lsn } from '@holdfast/domain/lsn';
import { requireMarkName } from '@holdfast/domain/mark';
import type { CopiedFile, PlanDatabase } from '@holdfast/domain/restore-plan';
import type { TargetCandidate } from '@holdfast/domain/target';
import type {
  fileCopied,
  groupObserved,
  instanceAddressed,
  jobsObserved,
  loginsObserved,
  PayloadOf,
  recoveryPointJudged,
  setQualified,
  standbyChanged,
  streamMoved,
} from '@holdfast/events';

// What the other services published last, as they published it: a projection, to plan from and never to act on alone.
export type GroupView = PayloadOf<typeof groupObserved>;
export type AddressView = PayloadOf<typeof instanceAddressed>;
export type LoginsView = PayloadOf<typeof loginsObserved>;
export type JobsView = PayloadOf<typeof jobsObserved>;
export type SetView = PayloadOf<typeof setQualified>;
export type PointView = PayloadOf<typeof recoveryPointJudged>;
export type StandbyView = PayloadOf<typeof standbyChanged>;
export type CopyView = PayloadOf<typeof fileCopied>;
export type StreamView = PayloadOf<typeof streamMoved>;

/** All that is known of one group and one of its standbys. */
export type Estate = {
  readonly group: GroupView;
  readonly standby: StandbyView;
  readonly sets: readonly SetView[];
  readonly points: readonly PointView[];
  readonly copies: readonly CopyView[];
  readonly streams: readonly StreamView[];
};

export type Candidate = TargetCandidate & { readonly recoveryPointId: RecoveryPointId };

/** A database of the group and where it stands by at which instance. */
export type Member = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly instanceId: InstanceId;
  readonly instanceName: string;
};

/**
 * Always in this order: the instance of the management database first, on it the management database, everything else by name. Databases of one
 * instance are opened together, that one first (sqlserver.md §3.5, where the order has no source), and people find them in their place.
 */
export function membersOf({ group, standby }: Pick<Estate, 'group' | 'standby'>): readonly Member[] {
  const { managementDatabaseId } = group;
  const home = standby.streams.find(({ databaseId }) => databaseId === managementDatabaseId)?.instanceId;
  const members = standby.streams.map(({ databaseId, databaseName, instanceId }) => ({
    databaseId: databaseId as DatabaseId,
    databaseName,
    instanceId: instanceId as InstanceId,
    instanceName: standby.instances.find(instance => instance.instanceId === instanceId)?.instanceName ?? instanceId,
  }));
  const rank = ({ instanceId, instanceName, databaseId, databaseName }: Member) => [
    instanceId === home ? '' : instanceName,
    instanceId,
    databaseId === managementDatabaseId ? '' : databaseName,
  ];
  return members
    .map(member => ({ member, rank: rank(member) }))
    .sort((a, b) => compareTexts(a.rank, b.rank))
    .map(({ member }) => member);
}

function compareTexts(left: readonly string[], right: readonly string[]): number {
  const at = left.findIndex((text, index) => text !== right[index]);
  return at === -1 ? 0 : (left[at] ?? '') < (right[at] ?? '') ? -1 : 1;
}

/** Names of databases that the backup job covers and the standby does not have: without them a recovered group is torn. */
export function notShipped({ group, standby }: Pick<Estate, 'group' | 'standby'>): readonly string[] {
  const shipped = new Set(standby.streams.map(({ databaseId }) => databaseId));
  return group.databases
    .filter(({ inBackupJob, databaseId }) => inBackupJob && !shipped.has(databaseId))
    .map(({ name }) => name);
}

/**
 * The marks with the LSNs that were proven for them, newest first. Ordered by the LSN in one database, because clocks may be set back and
 * set ids begin again after a failover; a mark without that LSN comes last and cannot be chosen anyway.
 */
export function candidatesOf({ points, sets, standby }: Estate): readonly Candidate[] {
  const orderBy = standby.streams[0]?.databaseId as DatabaseId | undefined;
  const lsnOf = (candidate: Candidate) => (orderBy === undefined ? undefined : candidate.lsnByDatabase.get(orderBy));
  return points
    .map(point => candidateOf(point, sets))
    .sort((a, b) => {
      const [left, right] = [lsnOf(a), lsnOf(b)];
      if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined);
      return compareLsn(right, left);
    });
}

function candidateOf(point: PointView, sets: readonly SetView[]): Candidate {
  const lsnByDatabase = new Map<DatabaseId, Lsn>();
  const forkByDatabase = new Map<DatabaseId, string>();
  const files = sets.find(({ setId }) => setId === point.setId)?.files ?? [];
  for (const { databaseId, lsn, markProven } of point.databases) {
    if (!markProven || lsn === null) continue;
    lsnByDatabase.set(databaseId as DatabaseId, requireLsn(lsn));
    const header = files.find(file => file.databaseId === databaseId)?.header;
    if (header) forkByDatabase.set(databaseId as DatabaseId, header.lastForkGuid);
  }
  return {
    recoveryPointId: point.recoveryPointId as RecoveryPointId,
    mark: requireMarkName(point.markName),
    markedAt: point.markedAt,
    lsnByDatabase,
    forkByDatabase,
  };
}

/** `positions`: just observed, or as shipping last published them; null: it has to begin from a full. */
export function planDatabases(
  estate: Estate,
  positions: ReadonlyMap<DatabaseId, Position | null>,
): readonly PlanDatabase[] {
  return membersOf(estate).map(({ databaseId, databaseName }) => ({
    databaseId,
    databaseName,
    position: positions.get(databaseId) ?? null,
    copies: copiesOf(estate, databaseId),
  }));
}

/** As shipping saw them last. The fork is not published; the server refuses another one by itself (4330). */
export function publishedPositions({ streams }: Pick<Estate, 'streams'>): ReadonlyMap<DatabaseId, Position | null> {
  return new Map(
    streams.map(({ databaseId, position }) => [
      databaseId as DatabaseId,
      position === null ? null : { lsn: requireLsn(position), forkGuid: null },
    ]),
  );
}

/** A copy counts with the header that backup published for the same backup set: name and place of a file prove nothing. */
function copiesOf({ copies, sets }: Pick<Estate, 'copies' | 'sets'>, databaseId: DatabaseId): readonly CopiedFile[] {
  return copies
    .filter(copy => copy.databaseId === databaseId)
    .flatMap(copy => {
      const set = sets.find(({ setId }) => setId === copy.setId);
      const header = set?.files.find(({ fileId }) => fileId === copy.fileId)?.header;
      if (set === undefined || !header) return [];
      const { backupSetUuid, familyGuid, firstForkGuid, lastForkGuid, firstLsn, lastLsn } = header;
      return [
        {
          fileId: copy.fileId as BackupFileId,
          type: set.type,
          path: copy.path,
          position: copy.position,
          header: {
            backupSetUuid,
            familyGuid,
            firstForkGuid,
            lastForkGuid,
            firstLsn: requireLsn(firstLsn),
            lastLsn: requireLsn(lastLsn),
          },
          verified:
            sameGuid(copy.backupSetUuid, backupSetUuid) && copy.firstLsn === firstLsn && copy.lastLsn === lastLsn,
        },
      ];
    });
}

/** Files whose header says that they hold checksums: only those may be restored WITH CHECKSUM (3187 otherwise). */
export function filesWithChecksums({ sets }: Pick<Estate, 'sets'>): ReadonlySet<string> {
  return new Set(
    sets.flatMap(({ files }) =>
      files.filter(({ header }) => header?.hasChecksums === true).map(({ fileId }) => fileId),
    ),
  );
}
