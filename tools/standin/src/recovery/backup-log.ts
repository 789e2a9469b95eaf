/** BACKUP LOG: the log since the last one, of a database that can be used or of what is left of one (sqlserver.md §1.2, §2.6). */
import { truncateLog } from '../engine/checkpoint.ts';
import { DatabaseLog } from '../engine/database-log.ts';
import { untilAborted } from '../engine/request-aborted.ts';
import { takeExclusive } from '../engine/sessions.ts';
import { fail, message, SqlError } from '../messages.ts';
import { beginHeader, type BackupSetHeader } from './backup-set.ts';
import { writeLog, writePadding, type Run } from './backup-content.ts';
import { finishSet, isTail, report, shared } from './backup-run.ts';
import { openTarget, type Target } from './backup-target.ts';
import { takeBackupTime } from './pace.ts';
import { Progress } from './progress.ts';
import { assertUndoFile, enterStandby } from './standby.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { Lsn } from '../contract.ts';

const logBackups = new WeakMap<StoredDatabase, Promise<unknown>>();

/** Two log backups of one database follow each other (sqlserver.md §9.3). */
export async function backupLog(run: Run): Promise<void> {
  const before = logBackups.get(run.database) ?? Promise.resolve();
  const work = untilAborted(run.session, before).then(() => backupOneLog(run));
  // Who gave up waiting leaves its place to whoever came after it. Of what came before nothing is kept: results would hold each other.
  const both = Promise.allSettled([before, work]).then(() => undefined);
  logBackups.set(run.database, both);
  await work;
}

async function backupOneLog(run: Run): Promise<void> {
  const { instance, session, database, statement } = run;
  const { standby } = statement.options;
  const take = (tail: boolean): Promise<void> =>
    database.failure === undefined ? backupLogSlice(run, tail) : backupOrphanedLog(run, tail);
  if (!isTail(statement.options)) return shared(run, () => take(false));
  if (session.database === database) throw fail(3102, 'BACKUP', database.name);
  const release = takeExclusive(instance, database, session);
  try {
    if (standby !== undefined) await assertUndoFile(instance, database.name, standby);
    await take(true);
    // As NORECOVERY followed by a RESTORE WITH STANDBY (sqlserver.md §1.1).
    if (standby !== undefined) await enterStandby(instance, database, standby);
  } finally {
    release();
  }
}

/** What the log file holds, up to where a torn end is cut off. */
async function backupOrphanedLog(run: Run, tail: boolean): Promise<void> {
  const { instance, database } = run;
  const { lastLogBackupLsn: begins = 0n } = database;
  const log = await DatabaseLog.open(instance.disk, instance.logPath(database), begins).catch((cause: unknown) => {
    throw new SqlError([message(3446, database.name)], 'statement', cause);
  });
  try {
    const checkpoint = log.records(0n, log.nextLsn).findLast(({ entry }) => entry.kind === 'checkpoint');
    database.lastCheckpointRecordLsn = checkpoint?.lsn ?? database.differentialBase?.lsn ?? begins;
    await backupLogSlice(run, tail, log);
  } finally {
    await log.close();
  }
}

async function backupLogSlice(run: Run, tail: boolean, log = run.database.log): Promise<void> {
  const { instance, session, database, statement } = run;
  let target: Target | undefined;
  try {
    const firstLsn = database.lastLogBackupLsn;
    if (firstLsn === undefined) throw fail(4214);
    target = await openTarget(instance, statement);
    const progress = new Progress(session, run.sink, statement.options.stats, run.instance.faults.wire);
    // Flushed first, so that an idle database gives first = last (sqlserver.md §2.6).
    await log.flush();
    const begun = beginHeader(instance, session, database, statement, {
      kind: 'log',
      position: target.position,
      compressed: target.compressed,
      firstLsn,
    });
    const header = logPadding(database, begun);
    const lastLsn = log.nextLsn;
    const sliceEndMs = instance.clock().getTime();
    const records = log.slice(firstLsn, lastLsn);
    await log.flush();
    await target.writer.begin(header);
    await takeBackupTime(instance, session, database.name, progress);
    if (instance.faults.databases.hasDamagedLog(database.name)) throw fail(3049);
    const padded = header.padding?.bytes ?? 0;
    const recordBytes = await writeLog(run, target, records, { progress, padded });
    const total = recordBytes + padded;
    const logBytes = recordBytes + (await writePadding(run, target, header, { done: recordBytes, total }, progress));
    const ended = await finishSet(run, target, header, { lastLsn, sliceEndMs, dataBytes: 0, logBytes });
    // The log of a database that cannot be changed is not let go of: 4217, and the next backup begins where this one did.
    // A chain that was broken meanwhile (SET RECOVERY SIMPLE) stays so.
    const goesOn = !header.isCopyOnly && !database.readOnly && database.lastLogBackupLsn === firstLsn;
    if (tail || goesOn) applyLogBackup(database, lastLsn, tail);
    await progress.finish();
    await report(run, target, ended);
    if (!header.isCopyOnly) await truncateLog(database);
  } finally {
    await target?.close();
  }
}

/** Of each log backup another one: they are the log of different times. */
function logPadding({ padding }: StoredDatabase, header: BackupSetHeader): BackupSetHeader {
  if (padding === undefined || padding.logBytes === 0) return header;
  return { ...header, padding: { seed: `${padding.seed}/${header.backupSetGuid}`, bytes: padding.logBytes } };
}

function applyLogBackup(database: StoredDatabase, lastLsn: Lsn, tail: boolean): void {
  const { recoveryForkGuid } = database.description;
  // Without its data files it waits for a full: nothing else can be restored onto what is left.
  if (tail && database.failure !== undefined) {
    database.failure = undefined;
    database.change({ interrupted: true });
  }
  database.change({
    lastLogBackupLsn: lastLsn,
    chainBegins: false,
    firstRecoveryForkGuid: recoveryForkGuid,
    forkPointLsn: undefined,
    // From here on the database waits for logs of the new primary, at the end of all it ever knew.
    ...(tail ? { state: 'RESTORING', redoStart: { lsn: lastLsn, forkGuid: recoveryForkGuid }, tailApplied: true } : {}),
  });
}
