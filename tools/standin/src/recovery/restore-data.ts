/** RESTORE DATABASE from a full or a differential set. */
import { DatabaseLog, type EncodedRecord } from '../engine/database-log.ts';
import { checkpointEnded } from '../engine/checkpoint.ts';
import { saveDataFile } from '../engine/data-file.ts';
import { grow } from '../engine/file-growth.ts';
import { redo } from '../engine/redo.ts';
import { captureSnapshot, SnapshotLoader } from '../engine/snapshot.ts';
import { StoredDatabase, type DatabaseDescription } from '../engine/stored-database.ts';
import { fail } from '../messages.ts';
import { baseOf, type BackupSetHeader } from './backup-set.ts';
import { operatingSystemError } from './operating-system-errors.ts';
import { takeTime } from './pace.ts';
import { assertUnclaimed, planFiles } from './restore-files.ts';
import { restoringOf } from './restore-log.ts';
import { decodeLog, type Source } from './restore-source.ts';
import { readChunks } from './media.ts';
import { leaveStandby } from './standby.ts';
import { findDataStop } from './stop-point.ts';
import type { RestoreOutcome, RestoreRun } from './restore.ts';
import type { LogRecord } from '../engine/log-records.ts';
import type { Instance } from '../engine/instance.ts';
import type { Message } from '../contract.ts';

/**
 * From the first change on the database is RESTORING and marked as interrupted on disk; the mark goes when files, log and position agree.
 * A crash or a damaged set in between leaves what a real server leaves: nothing but a new full restore can follow.
 */
export async function restoreFull(run: RestoreRun, existing: StoredDatabase | undefined): Promise<RestoreOutcome> {
  const { instance, session, source, statement } = run;
  if (existing !== undefined) checkReplaceable(run, existing);
  const stopMissed = missedStop(run);
  const files = await planFiles(run, existing);
  const description = describe(instance, run, existing, files);
  // What was found free of everybody else may have been taken since.
  assertUnclaimed(run, files);
  const database = new StoredDatabase(description, DatabaseLog.volatile(0n), 0n, existing?.lock);
  const owner = instance.ownerOf(session);
  if (existing === undefined) database.lock.tryAcquire(owner, 'X');
  const wasLoaded = existing?.loaded === true;
  existing?.retire();
  try {
    const kept = new Set(files.map(file => file.physicalName));
    const doomed = (existing?.files ?? []).map(file => file.physicalName).filter(path => !kept.has(path));
    const undoFile = existing?.description.standby?.undoFile;
    if (undoFile !== undefined) doomed.push(undoFile);
    for (const path of doomed) instance.strayFiles.add(path);
    instance.add(database);
    await instance.save();
    if (existing !== undefined) await checkpointEnded(existing);
    if (wasLoaded) await existing.log.close();
    await instance.removeStrayFiles(doomed);
    await load(run, database, source);
  } finally {
    if (existing === undefined) database.lock.release(owner);
  }
  database.change({ interrupted: false });
  await instance.save();
  return { applied: statement.kind === 'log' ? 0 : source.header.backupSize, stopMissed };
}

/** A stop on a data backup lies at its end or in a log to come: RECOVERY waits for that one (sqlserver.md §2.2, §2.3). */
function missedStop({ statement, source: { header } }: RestoreRun): Message | undefined {
  const missed = findDataStop(statement.options.stop, header);
  return statement.recovery === 'norecovery' ? undefined : missed;
}

function checkReplaceable(run: RestoreRun, existing: StoredDatabase): void {
  const { header } = run.source;
  const { replace, stop } = run.statement.options;
  if (replace === true) return;
  if (existing.familyGuid !== header.familyGuid) throw fail(3154, existing.name);
  if (existing.recovered && hasUnsavedTail(existing) && stop?.kind !== 'at time') throw fail(3159, existing.name);
  const { redoStart, interrupted, lastLogBackupLsn } = existing.description;
  // After its own tail nothing has been restored yet.
  const isOwnTail = redoStart !== undefined && redoStart.lsn === lastLogBackupLsn;
  if (redoStart !== undefined && !interrupted && !isOwnTail && BigInt(header.lastLsn) < redoStart.lsn) throw fail(3120);
}

function hasUnsavedTail(database: StoredDatabase): boolean {
  const { lastLogBackupLsn, recoveryModel } = database.description;
  return recoveryModel !== 'SIMPLE' && lastLogBackupLsn !== undefined && lastLogBackupLsn !== database.nextLsn;
}

/** What the restored database is from its header: options revert to those of the backup (sqlserver.md §2.2). */
function describe(
  instance: Instance,
  run: RestoreRun,
  existing: StoredDatabase | undefined,
  files: DatabaseDescription['files'],
): DatabaseDescription {
  const { header } = run.source;
  return {
    id: existing?.id ?? instance.takeDatabaseId(run.statement.database),
    name: existing?.name ?? run.statement.database,
    createdAt: instance.clock(),
    state: 'RESTORING',
    readOnly: header.isReadOnly,
    userAccess: header.isSingleUser ? 'SINGLE_USER' : 'MULTI_USER',
    recoveryModel: header.recoveryModel,
    files,
    familyGuid: header.familyGuid,
    databaseGuid: header.bindingId,
    recoveryForkGuid: header.recoveryForkId,
    firstRecoveryForkGuid: header.recoveryForkId,
    forkPointLsn: undefined,
    lastLogBackupLsn: undefined,
    chainBegins: false,
    // Differentials refer to the full by its checkpoint and identity; none ever refers to a copy-only one.
    differentialBase: header.isCopyOnly ? undefined : baseOf(header),
    redoStart: { lsn: BigInt(header.lastLsn), forkGuid: header.recoveryForkId },
    interrupted: true,
    tailApplied: false,
    dataVersion: header.majorVersion,
    ownerSid: existing?.description.ownerSid ?? Buffer.from(run.session.login.sid).toString('hex'),
  };
}

export async function restoreDifferential(run: RestoreRun, found: StoredDatabase | undefined): Promise<RestoreOutcome> {
  const { instance, source, statement } = run;
  const { header } = source;
  const { database: existing, redoStart } = restoringOf(found, statement.database);
  const { differentialBase } = existing.description;
  if (existing.familyGuid !== header.familyGuid) throw fail(3154, existing.name);
  if (differentialBase?.guid !== header.differentialBaseGuid) throw fail(3136);
  // What another path changed since the base is not in the set, and would stay: only straight on its base is it the right one (sqlserver.md §2.4).
  const onItsPath = redoStart.forkGuid === header.recoveryForkId || redoStart.lsn === differentialBase.endLsn;
  if (!onItsPath) throw fail(3121, existing.files[0]?.logicalName ?? existing.name);
  if (BigInt(header.lastLsn) < redoStart.lsn) throw fail(3120);
  const stopMissed = missedStop(run);
  growAsBackedUp(instance, existing, header);
  await leaveStandby(instance, existing);
  existing.change({ interrupted: true });
  await instance.save();
  await existing.log.close();
  existing.open.clear();
  await load(run, existing, source);
  existing.change({
    interrupted: false,
    recoveryModel: header.recoveryModel,
    redoStart: { lsn: BigInt(header.lastLsn), forkGuid: header.recoveryForkId },
    recoveryForkGuid: header.recoveryForkId,
    firstRecoveryForkGuid: header.recoveryForkId,
    forkPointLsn: undefined,
    tailApplied: false,
    dataVersion: header.majorVersion,
  });
  await instance.save();
  return { applied: header.backupSize, stopMissed };
}

/** Files that grew since the full need the room here, too. */
function growAsBackedUp(instance: Instance, database: StoredDatabase, { files }: BackupSetHeader): void {
  for (const file of database.files) {
    const wanted = files.find(({ fileId }) => fileId === file.fileId)?.sizeBytes ?? '0';
    if (!grow(instance, database, file, Number(wanted))) throw fail(3202, file.physicalName, operatingSystemError(112));
  }
}

/** Rows of the snapshot, then the log that the set embeds; both files are written and flushed when this resolves. */
async function load(run: RestoreRun, database: StoredDatabase, source: Source): Promise<void> {
  const { instance, session, progress } = run;
  const lastLsn = BigInt(source.header.lastLsn);
  const loader = new SnapshotLoader(database);
  const records: (EncodedRecord & { readonly record: LogRecord })[] = [];
  await takeTime(instance, session, source.header.backupSize, progress);
  let done = 0;
  for await (const { type, bytes } of readChunks(source.host, source.media, source.set, instance.faults.media)) {
    if (type === 'D') loader.take(bytes);
    if (type === 'L') records.push(...decodeLog(bytes));
    done += bytes.length;
    await progress.reached(done, source.header.backupSize);
  }
  const { lsn } = loader.finish();
  database.log = await DatabaseLog.create(instance.disk, instance.logPath(database), lsn);
  database.log.appendRestored(records, lastLsn);
  for (const { record } of records) redo(database, record, lsn);
  await database.log.flush();
  database.appliedTimeMs = Math.max(database.appliedTimeMs, source.header.finishMs);
  const snapshot = captureSnapshot(database);
  await saveDataFile(instance.disk, instance.dataPath(database), snapshot);
  database.checkpointLsn = snapshot.lsn;
  database.redoNeedsLsn = snapshot.needsLsn;
}
