import type { BackupFile, BackupSet, BackupSetState, BackupType } from '../src/backup-set.ts';
import type { BackupFileId, BackupSetId, DatabaseId, InstanceId } from '../src/ids.ts';
import { requireLsn, type Lsn } from '../src/lsn.ts';
import { requireMarkName } from '../src/mark.ts';

export const databases = ['BizTalkMgmtDb', 'SSODB'] as const;
export type DatabaseName = (typeof databases)[number];
export const idOf = (name: string): DatabaseId => name as DatabaseId;

export function file(
  setNumber: number,
  databaseName: string,
  first: number,
  last: number,
  changes: Partial<BackupFile> = {},
): BackupFile {
  return {
    fileId: `${String(setNumber)}/${databaseName}` as BackupFileId,
    databaseId: idOf(databaseName),
    databaseName,
    sourceInstanceId: 'instance' as InstanceId,
    sourceInstance: 'SQL1',
    path: `D:\\Backup\\${String(setNumber)}_${databaseName}.bak`,
    position: 1,
    state: 'VERIFIED',
    reasons: [],
    markLsn: null,
    header: {
      backupSetUuid: `${String(setNumber)}/${databaseName}`,
      familyGuid: databaseName,
      firstForkGuid: 'fork',
      lastForkGuid: 'fork',
      firstLsn: lsn(first),
      lastLsn: lsn(last),
      checkpointLsn: lsn(first),
      databaseBackupLsn: lsn(0),
      size: '1000',
      hasChecksums: false,
      copyOnly: false,
      finishedAtRecorded: '2026-03-01T10:00:00',
    },
    ...changes,
  };
}

export function set(
  number: number,
  type: BackupType,
  files: readonly BackupFile[],
  state: BackupSetState = 'VERIFIED',
): BackupSet {
  return {
    setId: `set-${String(number)}` as BackupSetId,
    number: String(number),
    type,
    markName: type === 'LOG' ? requireMarkName(`M${String(number)}`) : null,
    startedAtRecorded: '2026-03-01T10:00:00',
    timeBasis: 'UTC',
    startedAt: '2026-03-01T10:00:00Z',
    state,
    reasons: [],
    files,
  };
}

/** Set 1 is a full that ends at 20; set n after it holds the log from 10·n to 10·n + 10 with its mark at 10·n + 5. */
export function full(number = 1, end = 20): BackupSet {
  return set(
    number,
    'FULL',
    databases.map(name => file(number, name, end - 10, end)),
  );
}
export function log(number: number, state: BackupSetState = 'VERIFIED', changes: Partial<BackupFile> = {}): BackupSet {
  const [first, last, markLsn] = [number * 10, number * 10 + 10, lsn(number * 10 + 5)];
  return set(
    number,
    'LOG',
    databases.map(name => file(number, name, first, last, { markLsn, ...changes })),
    state,
  );
}

export function lsn(value: number): Lsn {
  return requireLsn(String(value));
}
