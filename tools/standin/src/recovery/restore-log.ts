/** RESTORE LOG: rolls a restoring database forward, to the end of one log or to a stop point in it. */
import { bytesOf } from '../engine/database-log.ts';
import { grow } from '../engine/file-growth.ts';
import { redo } from '../engine/redo.ts';
import { fail } from '../messages.ts';
import { assertOpen } from '../open-database.ts';
import { operatingSystemError } from './operating-system-errors.ts';
import { takeTime } from './pace.ts';
import { readLog } from './restore-source.ts';
import { leaveStandby } from './standby.ts';
import { findStop } from './stop-point.ts';
import type { BackupSetHeader } from './backup-set.ts';
import type { RestoreOutcome, RestoreRun } from './restore.ts';
import type { DatabaseDescription, StoredDatabase } from '../engine/stored-database.ts';
import type { Instance } from '../engine/instance.ts';
import type { LogRecord } from '../engine/log-records.ts';
import type { Lsn } from '../contract.ts';

/** A restoring database writes its rows to the data file when its log has grown past this, so that a restart stays quick. */
const checkpointBytes = 16_777_216;

/**
 * Resumes by position: records before redo_start are never applied again, so the same log may follow a stop in it, and may be repeated.
 * Records are durable in the log file before the position moves; a crash before that cuts them off again.
 */
export async function restoreLog(run: RestoreRun, found: StoredDatabase | undefined): Promise<RestoreOutcome> {
  const { instance, session, source, statement, progress } = run;
  const { header } = source;
  const { database: existing, redoStart } = restoringOf(found, statement.database);
  if (existing.familyGuid !== header.familyGuid) throw fail(3154, existing.name);
  const lastLsn = BigInt(header.lastLsn);
  checkPath(header, redoStart);
  if (BigInt(header.firstLsn) > redoStart.lsn) throw fail(4305, header.firstLsn, String(redoStart.lsn));
  if (lastLsn < redoStart.lsn) throw fail(4326, header.lastLsn, String(redoStart.lsn));

  const all = await readLog(source, instance.faults.media);
  const { until, missed } = findStop(
    statement.options.stop,
    { records: all.map(each => each.record), lastLsn, sliceEndMs: header.sliceEndMs },
    { lsn: redoStart.lsn, appliedTimeMs: existing.newestTimeMs },
  );
  const end = until ?? lastLsn;
  const wanted = all.filter(({ lsn }) => lsn >= redoStart.lsn && lsn < end);
  const total = wanted.reduce((sum, each) => sum + bytesOf(each), 0);
  makeRoom(instance, existing, wanted, total);
  await progress.reached(0, total);
  // The last moment to stop without a trace: from here on memory, log and position move together.
  await takeTime(instance, session, total + (end === lastLsn ? (header.padding?.bytes ?? 0) : 0), progress);
  await leaveStandby(instance, existing);
  existing.log.appendRestored(wanted, end);
  rollForward(existing, wanted, redoStart.lsn);
  await existing.log.flush();
  existing.change({
    redoStart: { lsn: end, forkGuid: forkAt(header, end) },
    recoveryForkGuid: forkAt(header, end),
    // A log that changes nothing leaves it at the end of everything, too (sqlserver.md §2.6).
    tailApplied:
      (header.isForceOffline && end === lastLsn) || (existing.description.tailApplied && end === redoStart.lsn),
  });
  await instance.save();
  if (existing.log.bytes > checkpointBytes) await instance.checkpoint(existing);
  return { applied: total, stopMissed: missed };
}

/** 3202 with 112: the disk has no room for the log, or for what it gives the database. */
function makeRoom(
  instance: Instance,
  database: StoredDatabase,
  records: readonly { readonly record: LogRecord }[],
  bytes: number,
): void {
  const paddings = records.flatMap(({ record: { entry } }) => (entry.kind === 'padding' ? [entry.padding.bytes] : []));
  for (const file of database.files) {
    const used = file.type === 'L' ? database.log.bytes + bytes : database.dataBytes + Math.max(0, ...paddings);
    if (!grow(instance, database, file, used)) throw fail(3202, file.physicalName, operatingSystemError(112));
  }
}

/** What a log or a differential goes on with: a database that is being restored, by a sequence that was not interrupted. */
export function restoringOf(
  existing: StoredDatabase | undefined,
  name: string,
): { readonly database: StoredDatabase; readonly redoStart: NonNullable<DatabaseDescription['redoStart']> } {
  if (existing === undefined) throw fail(3118, name);
  const { redoStart, interrupted } = existing.description;
  if (redoStart === undefined) throw fail(3117);
  if (interrupted) throw fail(4319, existing.files[0]?.logicalName ?? existing.name);
  assertDecided(existing);
  assertFiles(existing);
  return { database: existing, redoStart };
}

/** 926: recovery found a transaction in doubt. It goes on by SET ONLINE or from a full, not from where it stood (sqlserver.md §3.5; the number: inferred). */
export function assertDecided(database: StoredDatabase): void {
  if (database.description.state === 'SUSPECT') assertOpen(database);
}

/** Only another full helps a database whose files are lost. What a standby without its undo file lacks is told where that is read (3441). */
export function assertFiles(database: StoredDatabase): void {
  const { failure, inStandby } = database;
  if (failure !== undefined && !(inStandby && failure.state === 'SUSPECT')) assertOpen(database);
}

function rollForward(database: StoredDatabase, records: readonly { readonly record: LogRecord }[], from: Lsn): void {
  try {
    for (const { record } of records) redo(database, record, from);
  } catch (cause) {
    // Rows and log contradict each other: nobody may see what is in memory now.
    database.failure = { state: 'SUSPECT', cause };
    throw new Error(`the log cannot be applied to ${database.name}`, { cause });
  }
}

/** A log applies to a database on its first fork, up to the point where it leaves it; or to one already on its last (sqlserver.md §2.7). */
function checkPath(header: BackupSetHeader, redoStart: { readonly lsn: Lsn; readonly forkGuid: string }): void {
  const { forkGuid, lsn } = redoStart;
  const forkPoint = header.forkPointLsn === null ? undefined : BigInt(header.forkPointLsn);
  const onFirst = forkGuid === header.firstRecoveryForkId && (forkPoint === undefined || lsn <= forkPoint);
  const onLast = forkGuid === header.recoveryForkId && (forkPoint === undefined || lsn >= forkPoint);
  if (!onFirst && !onLast) throw fail(4330);
}

function forkAt(header: BackupSetHeader, lsn: Lsn): string {
  const crossed = header.forkPointLsn === null || lsn > BigInt(header.forkPointLsn);
  return crossed ? header.recoveryForkId : header.firstRecoveryForkId;
}
