import {
  type BackupFileId,
  type BackupSetId,
  type DatabaseId,
  type GroupId,
  type InstanceId,
  requireLsn,
  requireMarkName,
} from '@holdfast/domain';
import type { HistoryFact } from '@holdfast/sqlserver/management';
import type { HeaderFact } from '@holdfast/sqlserver/observe';
import type { LedgerFile } from '../src/backup-file/backup-file.ts';
import { type LedgerSet, newSet } from '../src/backup-set/backup-set.ts';
import type { KnownAddress, KnownGroup } from '../src/estate/estate.ts';

// One group of two databases on one instance, and what its history may say: material for tests.

const id = (n: number) => `0198f2c4-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const groupId = id(1) as GroupId;
export const instanceId = id(2) as InstanceId;
export const databaseIds = { BizTalkMgmtDb: id(3), BizTalkMsgBoxDb: id(4) } as const;
export type DatabaseName = keyof typeof databaseIds;
export const databaseNames = Object.keys(databaseIds) as DatabaseName[];
export const folder = '\\\\backup\\bts';

export const group: KnownGroup = {
  groupId,
  version: 1,
  name: 'Orders',
  site: 'Dublin',
  observedAt: '2026-11-21T09:59:00.000Z',
  managementDatabaseId: databaseIds.BizTalkMgmtDb,
  instances: [{ instanceId, name: 'SQLALIAS', serverName: 'PRIMARY\\BTS', productVersion: '16.0.1000.6' }],
  databases: databaseNames.map((name, index) => ({
    databaseId: databaseIds[name],
    name,
    role: index === 0 ? ('MANAGEMENT' as const) : ('MESSAGE_BOX_MASTER' as const),
    instanceId,
    inBackupJob: true,
    state: 'ONLINE',
    recoveryModel: 'FULL',
  })),
};

export const address: KnownAddress = {
  instanceId,
  version: 1,
  serverName: 'PRIMARY\\BTS',
  address: {
    server: '127.0.0.1',
    port: 1,
    instanceName: null,
    encrypt: false,
    trustServerCertificate: false,
    userRef: 'env:SOURCE_USER',
    passwordRef: 'env:SOURCE_PASSWORD',
  },
};

export const markOf = (number: number) =>
  requireMarkName(`BTS_2026_11_21_10_${String(number).padStart(2, '0')}_00_000`);
export const startOf = (number: number) => `2026-11-21T10:${String(number).padStart(2, '0')}:00.000`;
export const fileName = (number: number, database: string) => `PRIMARY_BTS_${database}_${number}.bak`;

/** The rows of one set. */
export function history(
  number: number,
  type: 'FULL' | 'LOG',
  change: { readonly setComplete?: boolean; readonly databases?: readonly string[] } = {},
): HistoryFact[] {
  return (change.databases ?? databaseNames).map((databaseName, index) => ({
    backupId: String(number * 100 + index),
    setId: String(number),
    type,
    markName: type === 'LOG' ? markOf(number) : null,
    databaseName,
    fileName: fileName(number, databaseName),
    fileLocation: folder,
    startedAt: { recorded: startOf(number), basis: 'UNKNOWN' },
    setComplete: change.setComplete ?? true,
    serverName: 'SQLALIAS',
  }));
}

/** Log of one group: set `n` ends at n × 1000, its mark lies 10 before that. */
export const lsnAt = (number: number, offset = 0) =>
  requireLsn(String(31_000_000_000_000_000n + BigInt(number * 1000 + offset)));

export function header(number: number, type: 'FULL' | 'LOG', database: string): HeaderFact {
  return {
    backupType: type === 'FULL' ? 1 : 2,
    position: 1,
    serverName: 'PRIMARY\\BTS',
    databaseName: database,
    backupSize: '4096',
    firstLsn: type === 'FULL' ? lsnAt(number, -1) : lsnAt(number - 1),
    lastLsn: lsnAt(number),
    checkpointLsn: lsnAt(number, -1),
    databaseBackupLsn: lsnAt(1, -1),
    startedAt: { recorded: startOf(number), basis: 'LOCAL' },
    finishedAt: { recorded: startOf(number), basis: 'LOCAL' },
    majorVersion: 16,
    bindingId: id(50),
    familyGuid: id(51),
    firstForkGuid: id(52),
    lastForkGuid: id(52),
    forkPointLsn: null,
    hasBulkLogged: false,
    hasChecksums: false,
    isDamaged: false,
    beginsLogChain: false,
    hasIncompleteMetadata: false,
    isCopyOnly: false,
    recoveryModel: 'FULL',
    backupSetUuid: id(1000 + number * 10 + databaseNames.indexOf(database as DatabaseName)),
    compressedSize: null,
  };
}

export function fileOf(set: Pick<LedgerSet, 'setId' | 'number'>, database: DatabaseName): LedgerFile {
  const number = Number(set.number);
  return {
    fileId: id(2000 + number * 10 + databaseNames.indexOf(database)) as BackupFileId,
    setId: set.setId,
    groupId,
    rowIndex: databaseNames.indexOf(database),
    databaseId: databaseIds[database] as DatabaseId,
    databaseName: database,
    sourceInstanceId: instanceId,
    sourceInstance: 'PRIMARY\\BTS',
    path: `${folder}\\${fileName(number, database)}`,
    position: 1,
    state: 'UNKNOWN',
    reasons: [],
    header: null,
    markLsn: null,
    markedAtRecorded: null,
    markedAt: null,
    seenAt: '2026-11-21T10:30:00.000Z',
    checkedAt: null,
    nextCheckAt: '2026-11-21T10:30:00.000Z',
  };
}

export function setOf(number: number, type: 'FULL' | 'LOG'): LedgerSet {
  const setId = id(3000 + number) as BackupSetId;
  const rows = databaseNames.map(databaseName => {
    return {
      databaseName,
      serverName: 'SQLALIAS',
      path: `${folder}\\${fileName(number, databaseName)}`,
      setComplete: true,
      databaseId: databaseIds[databaseName] as DatabaseId,
    };
  });
  const listed = {
    number: String(number),
    type,
    markName: type === 'LOG' ? markOf(number) : null,
    startedAtRecorded: startOf(number),
    rows,
  };
  const set = newSet(setId, groupId, listed, databaseNames);
  return { ...set, rows, files: databaseNames.map(name => fileOf(set, name)) };
}
