/** Sizes of database files as the catalogue shows them, and what happens when the disk (disk-quota.ts) keeps them from growing. */
import { fail } from '../messages.ts';
import type { Instance } from './instance.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { DatabaseFile } from '../contract.ts';

/** Files grow by 64 MB at a time: the growth of a new database since 2016 (learn.microsoft.com: CREATE DATABASE); of master and msdb it is 10 percent there. */
const growthBytes = 67_108_864n;

/** Makes the size that a file shows hold `usedBytes`. False: it cannot grow, the disk is full. */
export function grow(
  { quota }: Pick<Instance, 'quota'>,
  database: StoredDatabase,
  file: DatabaseFile,
  usedBytes: number,
): boolean {
  const missing = BigInt(usedBytes) - file.sizeBytes;
  if (missing <= 0n) return true;
  const growth = ((missing + growthBytes - 1n) / growthBytes) * growthBytes;
  if (quota !== undefined && !database.system && quota.availableBytes() < growth) return false;
  file.sizeBytes += growth;
  return true;
}

/** Throws 9002 or 1105 when the disk has no room for a change. What a checkpoint can let go of does not count. */
export async function assertRoom(
  instance: Instance,
  database: StoredDatabase,
  object: string | undefined,
): Promise<void> {
  const reason = database.system ? undefined : instance.faults.databases.logFullBy(database.name);
  if (reason !== undefined) throw fail(9002, database.name, reason);
  if (instance.quota === undefined || database.system || fullFile(instance, database, object) === undefined) return;
  await instance.checkpoint(database);
  const full = fullFile(instance, database, object);
  if (full === undefined) return;
  if (full === 'D') throw fail(1105, object ?? '', database.name, 'PRIMARY');
  const awaitsBackup = database.recoveryModel !== 'SIMPLE' && database.lastLogBackupLsn !== undefined;
  throw fail(9002, database.name, awaitsBackup ? 'LOG_BACKUP' : 'ACTIVE_TRANSACTION');
}

function fullFile(instance: Instance, database: StoredDatabase, object: string | undefined): 'D' | 'L' | undefined {
  const isFull = (type: 'D' | 'L', usedBytes: number): boolean =>
    database.files.some(file => file.type === type && !grow(instance, database, file, usedBytes));
  // The log first: it takes every change before the data file does.
  if (isFull('L', database.usedBytes('L'))) return 'L';
  return object !== undefined && isFull('D', database.usedBytes('D')) ? 'D' : undefined;
}
