import type { DatabaseId, InstanceId, Lsn } from '@holdfast/domain';
import { compareLsn } from '@holdfast/domain/lsn';
import { type KnownGroup, sameName } from '../estate/estate.ts';
import { ledgerReason, type LedgerReason } from '../reason/reason.ts';

/** What kind of backup msdb says it was: D full, I differential, L log; files and partial ones are OTHER (sqlserver.md §4.1). */
export type ForeignBackupType = 'FULL' | 'LOG' | 'DIFFERENTIAL' | 'OTHER';

/** A backup of one of the group's databases in msdb of its instance that no set of the ledger has. */
export type FoundBackup = {
  readonly backupSetUuid: string;
  readonly instanceId: InstanceId;
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly type: ForeignBackupType;
  readonly copyOnly: boolean;
  readonly firstLsn: Lsn | null;
  readonly lastLsn: Lsn | null;
  /** Local to its instance. */
  readonly finishedAtRecorded: string;
  /** RFC 3339 UTC; null where the instance's offset of that day is not known. */
  readonly finishedAt: string | null;
  readonly userName: string | null;
  /** As the instance sees it: a file, NUL or a virtual device. */
  readonly device: string | null;
};

/** A row of msdb's backup sets. */
export type MsdbRow = {
  readonly rowId: number;
  readonly backupSetUuid: string;
  readonly databaseName: string;
  readonly type: string;
  readonly isCopyOnly: boolean;
  readonly firstLsn: Lsn | null;
  readonly lastLsn: Lsn | null;
  readonly finishedAtRecorded: string;
  readonly userName: string | null;
  readonly device: string | null;
};

const types = new Map<string, ForeignBackupType>([
  ['D', 'FULL'],
  ['L', 'LOG'],
  ['I', 'DIFFERENTIAL'],
]);

/** The rows that are about databases of the group on this instance, whoever took them. */
export function ofGroup(
  group: KnownGroup,
  instanceId: InstanceId,
  rows: readonly MsdbRow[],
  placed: (finishedAtRecorded: string) => string | null,
): readonly FoundBackup[] {
  const here = group.databases.filter(database => database.instanceId === instanceId);
  return rows.flatMap(({ rowId: _rowId, isCopyOnly: copyOnly, type, databaseName, ...row }) => {
    const database = here.find(({ name }) => sameName(name, databaseName));
    if (database === undefined) return [];
    return [
      {
        ...row,
        instanceId,
        databaseId: database.databaseId as DatabaseId,
        databaseName: database.name,
        type: types.get(type.trim()) ?? 'OTHER',
        copyOnly,
        finishedAt: placed(row.finishedAtRecorded),
      },
    ];
  });
}

/**
 * Only a log backup that is not copy-only takes log out of the chain, to NUL and virtual devices too (design.md §5, step 2), and none while
 * nothing was written: it then ends where it begins. LSN continuity is the evidence for a gap; this explains it.
 */
export function breaksChain({ type, copyOnly, firstLsn, lastLsn }: FoundBackup): boolean {
  const isEmpty = firstLsn !== null && firstLsn === lastLsn;
  return type === 'LOG' && !copyOnly && !isEmpty;
}

export function foreignReason(backup: FoundBackup): LedgerReason {
  return {
    ...ledgerReason(breaksChain(backup) ? 'FOREIGN_LOG_BACKUP' : 'FOREIGN_COPY', backup),
    since: backup.finishedAt,
  };
}

/** Whether it took the log that begins at this LSN. */
export function took(backup: FoundBackup, lsn: Lsn): boolean {
  const { firstLsn, lastLsn } = backup;
  return (
    breaksChain(backup) &&
    firstLsn !== null &&
    lastLsn !== null &&
    compareLsn(firstLsn, lsn) <= 0 &&
    compareLsn(lsn, lastLsn) < 0
  );
}
