/** What the header of a backup set says: RESTORE HEADERONLY, msdb and the chain rules all read it (sqlserver.md §2.1, §2.6). */
import type { PaddingPart } from './padding.ts';
import { parseStopTime } from './stop-point.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { BackupOptions, BackupStatement, DatabaseFile, Lsn, RecoveryModel, Session } from '../contract.ts';

export type BackupKind = 'full' | 'differential' | 'log';

/** LSNs are decimal strings, moments milliseconds since 1970: the header is stored as JSON. */
export type BackupSetHeader = {
  readonly kind: BackupKind;
  readonly name: string | null;
  readonly description: string | null;
  /** Not in the files of earlier stand-ins. */
  readonly expirationMs?: number | null;
  readonly compressed: boolean;
  readonly position: number;
  readonly userName: string;
  readonly serverName: string;
  readonly machineName: string;
  readonly databaseName: string;
  readonly databaseCreatedMs: number;
  readonly majorVersion: number;
  readonly build: number;
  readonly firstLsn: string;
  readonly lastLsn: string;
  readonly checkpointLsn: string;
  readonly databaseBackupLsn: string;
  readonly startMs: number;
  readonly finishMs: number;
  /** Time of the newest log record that the set can hold: STOPAT beyond it is not reached (4322). */
  readonly sliceEndMs: number;
  readonly bindingId: string;
  readonly familyGuid: string;
  readonly recoveryForkId: string;
  readonly firstRecoveryForkId: string;
  readonly forkPointLsn: string | null;
  readonly recoveryModel: RecoveryModel;
  readonly isReadOnly: boolean;
  readonly isSingleUser: boolean;
  readonly hasBackupChecksums: boolean;
  readonly beginsLogChain: boolean;
  readonly isForceOffline: boolean;
  readonly isCopyOnly: boolean;
  readonly differentialBaseLsn: string | null;
  readonly differentialBaseGuid: string | null;
  readonly backupSetGuid: string;
  /** Bytes of content before and after compression. */
  readonly backupSize: number;
  readonly compressedSize: number;
  readonly files: readonly BackedUpFile[];
  /** Part of `backupSize`, and never compressed. */
  readonly padding?: PaddingPart;
};

export type BackedUpFile = Omit<DatabaseFile, 'sizeBytes'> & {
  readonly sizeBytes: string;
  readonly backupBytes: number;
};

/** sqlserver.md, Version facts. */
export const databaseVersions: Readonly<Record<number, number>> = { 13: 852, 14: 869, 15: 904, 16: 957, 17: 998 };

/** 1 full, 2 log, 5 differential. */
export const backupTypes = { full: 1, log: 2, differential: 5 } as const;
export const historyTypes = { full: 'D', log: 'L', differential: 'I' } as const;
export const typeDescriptions = {
  full: 'Database',
  log: 'Transaction Log',
  differential: 'Database Differential',
} as const;
export const statementNames = {
  full: 'BACKUP DATABASE',
  log: 'BACKUP LOG',
  differential: 'BACKUP DATABASE WITH DIFFERENTIAL',
} as const;

export function flagsOf(header: BackupSetHeader): number {
  return (
    512 +
    (header.isReadOnly ? 4 : 0) +
    (header.isSingleUser ? 8 : 0) +
    (header.hasBackupChecksums ? 16 : 0) +
    (header.isForceOffline ? 256 : 0) +
    (header.isCopyOnly ? 1024 : 0)
  );
}

/** What is known when the set is begun; the rest (last LSN, sizes, end) is filled in when it ends. */
export function beginHeader(
  instance: Instance,
  session: Session,
  database: StoredDatabase,
  statement: BackupStatement,
  part: { readonly kind: BackupKind; readonly position: number; readonly compressed: boolean; readonly firstLsn: Lsn },
): BackupSetHeader {
  const { options } = statement;
  const { description } = database;
  const base = database.differentialBase;
  const isLog = part.kind === 'log';
  const startMs = instance.clock().getTime();
  const crosses = isLog && description.firstRecoveryForkGuid !== description.recoveryForkGuid;
  return {
    ...part,
    firstLsn: String(part.firstLsn),
    lastLsn: String(part.firstLsn),
    checkpointLsn: String(database.lastCheckpointRecordLsn),
    databaseBackupLsn: String(base?.lsn ?? 0n),
    name: options.name ?? null,
    description: options.description ?? null,
    expirationMs: expirationOf(options, startMs),
    userName: session.login.name,
    serverName: instance.options.serverName,
    machineName: instance.options.serverName.split('\\')[0] ?? instance.options.serverName,
    databaseName: database.name,
    databaseCreatedMs: database.createdAt.getTime(),
    majorVersion: instance.options.majorVersion,
    build: 4236,
    startMs,
    finishMs: startMs,
    sliceEndMs: startMs,
    bindingId: database.databaseGuid,
    familyGuid: database.familyGuid,
    recoveryForkId: database.recoveryForkGuid,
    firstRecoveryForkId: crosses ? description.firstRecoveryForkGuid : description.recoveryForkGuid,
    forkPointLsn: crosses && description.forkPointLsn !== undefined ? String(description.forkPointLsn) : null,
    recoveryModel: database.recoveryModel,
    isReadOnly: database.readOnly,
    isSingleUser: database.userAccess === 'SINGLE_USER',
    hasBackupChecksums: options.checksum ?? instance.serverOptions.inUse('backup checksum default') === 1,
    beginsLogChain: isLog && description.chainBegins,
    isForceOffline: isLog && (options.noRecovery === true || options.standby !== undefined),
    // A differential ignores COPY_ONLY; a NO_TRUNCATE log is one (sqlserver.md §1.1).
    isCopyOnly: part.kind !== 'differential' && (options.copyOnly === true || options.noTruncate === true),
    differentialBaseLsn: part.kind === 'differential' && base !== undefined ? String(base.lsn) : null,
    differentialBaseGuid: part.kind === 'differential' && base !== undefined ? base.guid : null,
    backupSetGuid: instance.newGuid(),
    backupSize: 0,
    compressedSize: 0,
    files: [],
  };
}

function expirationOf({ retainDays, expireDate }: BackupOptions, startMs: number): number | null {
  if (retainDays !== undefined) return startMs + retainDays * 86_400_000;
  return expireDate === undefined ? null : parseStopTime(expireDate);
}

export function endHeader(
  header: BackupSetHeader,
  database: StoredDatabase,
  part: {
    readonly lastLsn: Lsn;
    readonly sliceEndMs: number;
    readonly finishMs: number;
    readonly dataBytes: number;
    readonly logBytes: number;
    readonly compressedSize: number;
  },
): BackupSetHeader {
  const { lastLsn, dataBytes, logBytes, ...rest } = part;
  return {
    ...header,
    ...rest,
    lastLsn: String(lastLsn),
    backupSize: dataBytes + logBytes,
    files: database.files.map(file => ({
      ...file,
      sizeBytes: String(file.sizeBytes),
      backupBytes: file.type === 'D' ? dataBytes : logBytes,
    })),
  };
}

/** What differentials of a full refer to: its checkpoint and identity. */
export function baseOf(header: BackupSetHeader): { readonly lsn: Lsn; readonly guid: string; readonly endLsn: Lsn } {
  return { lsn: BigInt(header.checkpointLsn), guid: header.backupSetGuid, endLsn: BigInt(header.lastLsn) };
}

export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / 8192);
}
