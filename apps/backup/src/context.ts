import type { BackupFileId, BackupSetId, GroupId, RecoveryPointId } from '@holdfast/domain';
import { type OperationContext, rowLoader } from '@holdfast/service/graphql';
import type { HostDependencies } from '@holdfast/service/host';
import { findHolds, type SourceHold } from '@holdfast/service/source-hold';
import DataLoader from 'dataloader';
import type { LedgerFile } from './backup-file/backup-file.ts';
import type { ObservedJob } from './backup-job/backup-job.ts';
import { findJobs } from './backup-job/backup-job-store.ts';
import type { LedgerSet } from './backup-set/backup-set.ts';
import { findFiles, findSets } from './backup-set/backup-set-store.ts';
import { findLooks, type HistoryLook } from './backup-set/history-look-store.ts';
import { findPointFiles, type PointFiles } from './recovery-point/point-chain-store.ts';
import type { LedgerPoint, LedgerPointDatabase } from './recovery-point/recovery-point.ts';
import { findPoints } from './recovery-point/recovery-point-store.ts';
import { withJobControl } from './source/job-control-store.ts';
import type { BackupTables } from './tables.ts';

type Dependencies = Pick<HostDependencies<BackupTables>, 'store' | 'clock' | 'env'>;

/** A group of inventory's: only its id is known of it here. */
export type GroupRef = { readonly id: GroupId };
export type PointDatabaseRow = LedgerPointDatabase & { readonly point: LedgerPoint };

/** One operation's view: who asks, and what was loaded for it already. */
export type BackupContext = OperationContext &
  Dependencies & {
    readonly observeEveryMs: number;
    readonly sets: DataLoader<BackupSetId, LedgerSet | undefined>;
    readonly files: DataLoader<BackupFileId, LedgerFile | undefined>;
    readonly points: DataLoader<RecoveryPointId, LedgerPoint | undefined>;
    readonly looks: DataLoader<GroupId, HistoryLook | undefined>;
    readonly holds: DataLoader<GroupId, SourceHold | undefined>;
    readonly jobs: DataLoader<GroupId, ObservedJob | undefined>;
    readonly chains: DataLoader<LedgerPoint, PointFiles | undefined, RecoveryPointId>;
    readonly withJobControl: typeof withJobControl;
  };

export function backupContext(
  operation: OperationContext,
  { store, clock, env }: Dependencies,
  observeEveryMs: number,
): BackupContext {
  return {
    ...operation,
    store,
    clock,
    env,
    withJobControl,
    observeEveryMs,
    sets: rowLoader(
      ids => store.read(db => findSets(db, ids)),
      set => set.setId,
    ),
    files: rowLoader(
      ids => store.read(db => findFiles(db, ids)),
      file => file.fileId,
    ),
    points: rowLoader(
      ids => store.read(db => findPoints(db, ids)),
      point => point.recoveryPointId,
    ),
    looks: rowLoader(
      ids => store.read(db => findLooks(db, ids)),
      look => look.groupId,
    ),
    holds: rowLoader(
      ids => store.read(db => findHolds(db, ids)),
      hold => hold.groupId,
    ),
    jobs: rowLoader(
      ids => store.read(db => findJobs(db, ids)),
      job => job.groupId,
    ),
    chains: new DataLoader<LedgerPoint, PointFiles | undefined, RecoveryPointId>(
      async points => {
        const found = await store.read(db => findPointFiles(db, points));
        return points.map(({ recoveryPointId }) => found.get(recoveryPointId));
      },
      { cacheKeyFn: ({ recoveryPointId }) => recoveryPointId },
    ),
  };
}

/** Nothing that was loaded so far is used again. */
export function forget({ sets, files, points, looks, holds, jobs, chains }: BackupContext): void {
  for (const loader of [sets, files, points, looks, holds, jobs, chains]) loader.clearAll();
}
