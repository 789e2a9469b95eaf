/** BACKUP DATABASE and BACKUP LOG (sqlserver.md §1, §9.2). */
import { truncateLog } from '../engine/checkpoint.ts';
import { DatabaseLog } from '../engine/database-log.ts';
import { assertAccessible, mayCreateDatabases } from '../engine/access.ts';
import { payloadOf } from '../engine/frames.ts';
import type { Instance } from '../engine/instance.ts';
import { earlier } from '../engine/lsn.ts';
import { otherUsers, tryExclusive } from '../engine/sessions.ts';
import { captureSnapshot, snapshotFrames, type Snapshot } from '../engine/snapshot.ts';
import { fail, failTerminating, message, SqlError, unsupported } from '../messages.ts';
import {
  baseOf,
  beginHeader,
  endHeader,
  pagesOf,
  statementNames,
  type BackupKind,
  type BackupSetHeader,
} from './backup-set.ts';
import { write, writeErrorOf, writeLog, writePadding, type Run } from './backup-content.ts';
import { openTarget, type Target } from './backup-target.ts';
import { recordBackupSet } from './history.ts';
import { meddle } from './meddling.ts';
import { takeBackupTime } from './pace.ts';
import { Progress, throughput } from './progress.ts';
import { spoil } from './spoil.ts';
import { assertUndoFile, enterStandby } from './standby.ts';
import type { PaddingPart } from './padding.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { BackupOptions, BackupStatement, Lsn, ResultSink, Session } from '../contract.ts';
import { silentSink } from '../silent-sink.ts';

export async function backup(
  instance: Instance,
  session: Session,
  statement: BackupStatement,
  sink: ResultSink,
): Promise<void> {
  const database = instance.find(statement.database);
  if (database !== undefined) {
    for (const meddling of instance.faults.databases.meddling(database.name, statement.kind))
      await meddle(database, meddling, instance.clock().getTime(), (kind, path) =>
        backUp(instance, session, { kind, database: database.name, devices: [{ type: 'disk', path }], options: {} }),
      );
  }
  await backUp(instance, session, statement, sink);
  await spoil(instance, statement);
}

/** Without a sink nobody is told. */
async function backUp(
  instance: Instance,
  session: Session,
  statement: BackupStatement,
  sink: ResultSink = silentSink,
): Promise<void> {
  const verb = statement.kind === 'log' ? 'BACKUP LOG' : 'BACKUP DATABASE';
  if (session.request !== undefined) session.request.command = verb;
  let run: Run;
  try {
    const database = checkStatement(instance, session, statement);
    run = { instance, session, database, statement, sink, unwritten: false };
    const started = run;
    if (statement.kind === 'log') await backupLog(started);
    else await shared(started, () => backupData(started));
  } catch (failure) {
    throw failure instanceof SqlError ? failTerminating(verb, told(failure, sink)) : failure;
  }
  // The backup stands (sqlserver.md §1.2): no 3013.
  if (run.unwritten) throw fail(3009);
}

/** A cause of severity 10 (4030) is information; the failure is 3013 alone. */
function told(failure: SqlError, sink: ResultSink): SqlError {
  const information = failure.messages.filter(({ severity }) => severity <= 10);
  if (information.length === 0) return failure;
  for (const each of information) sink.info(each);
  const errors = failure.messages.filter(each => !information.includes(each));
  return new SqlError(errors, failure.scope, failure);
}

/** In the order of sqlserver.md §9.1: existence → transaction → session → state → what the statement itself needs. */
function checkStatement(instance: Instance, session: Session, statement: BackupStatement): StoredDatabase {
  const { options } = statement;
  const database = instance.find(statement.database);
  if (database === undefined) throw fail(911, statement.database);
  if (!mayCreateDatabases(session))
    throw fail(262, statement.kind === 'log' ? 'BACKUP LOG' : 'BACKUP DATABASE', database.name);
  if (session.nesting > 0) throw fail(3021);
  if (statement.devices.length > 64) throw fail(3205, 64);
  if (statement.devices.length !== 1) throw unsupported('BACKUP to several devices');
  if (database.volatile) throw unsupported('BACKUP of tempdb');
  assertReady(database, session, options);
  if (database.inStandby) throw fail(3036, database.name);
  if (statement.kind === 'database') {
    if (database.state === 'EMERGENCY') throw fail(3033);
    if (isTail(options)) throw fail(3032, 'norecovery');
    if (options.differential !== true) return database;
    if (database.id === 1) throw fail(3024);
    if (database.differentialBase === undefined) throw fail(3035, database.name);
    return database;
  }
  if (database.id === 1) throw fail(4212);
  if (options.differential === true) throw fail(3032, 'differential');
  if (options.copyOnly === true && isTail(options)) throw fail(3031, 'COPY_ONLY', 'NORECOVERY');
  if (database.recoveryModel === 'SIMPLE') throw fail(4208, 'BACKUP LOG');
  if (database.lastLogBackupLsn === undefined) throw fail(4214);
  return database;
}

/** NO_TRUNCATE takes the log of a database whose data files are lost (sqlserver.md §1.1, §9.2). */
function assertReady(database: StoredDatabase, session: Session, options: BackupOptions): void {
  const { failure, description } = database;
  const damaged = failure !== undefined || description.state === 'SUSPECT';
  if (options.noTruncate !== true || !damaged) {
    assertAccessible(database, session);
    return;
  }
  // What it leaves behind, or what becomes of one that was being restored, no document says.
  if (isTail(options)) throw unsupported('BACKUP … NO_TRUNCATE, NORECOVERY or STANDBY of a damaged database');
  if (description.state !== 'ONLINE') throw unsupported('BACKUP … NO_TRUNCATE of a damaged database being restored');
}

/**
 * The rows as they stand when the backup starts, then the log from the oldest transaction open at that moment to the end of the backup: the set
 * is consistent as of its end, and a later roll forward can still undo what was open.
 */
async function backupData(run: Run): Promise<void> {
  const { instance, database, statement } = run;
  if (database.dataBackupRunning || instance.faults.databases.isBackedUpByOthers(database.name)) throw fail(3023);
  const kind: BackupKind = statement.options.differential === true ? 'differential' : 'full';
  database.dataBackupRunning = true;
  let firstLsn: Lsn | undefined;
  let target: Target | undefined;
  try {
    target = await openTarget(instance, statement);
    const started = instance.clock().getTime();
    const checkpointLsn = database.log.append({ kind: 'checkpoint', timeMs: started });
    database.lastCheckpointRecordLsn = checkpointLsn;
    const snapshot = captureSnapshot(database, kind === 'full' ? undefined : database.differentialBase?.lsn);
    firstLsn = earlier(checkpointLsn, snapshot.needsLsn) ?? checkpointLsn;
    database.backupsFrom.add(firstLsn);
    const padding = dataPadding(snapshot, kind === 'full' ? undefined : database.differentialBase?.lsn);
    const header = {
      ...beginHeader(instance, run.session, database, statement, {
        kind,
        position: target.position,
        compressed: target.compressed,
        firstLsn,
      }),
      ...padding,
    };
    // What is backed up must not vanish in a crash of its source.
    await database.log.flush();
    await target.writer.begin(header);
    const progress = new Progress(run.session, run.sink, statement.options.stats, run.instance.faults.wire);
    await takeBackupTime(instance, run.session, database.name, progress);
    const chunks = [...snapshotFrames(snapshot)].map(payloadOf);
    const total = chunks.reduce((sum, chunk) => sum + chunk.length, padding.padding?.bytes ?? 0);
    let dataBytes = 0;
    for (const chunk of chunks) {
      await write(run, target, 'D', chunk, { done: dataBytes, total });
      dataBytes += chunk.length;
      await progress.reached(dataBytes, total);
    }
    dataBytes += await writePadding(run, target, header, { done: dataBytes, total }, progress);
    const lastLsn = database.log.nextLsn;
    const sliceEndMs = instance.clock().getTime();
    const logBytes = await writeLog(run, target, database.log.slice(firstLsn, lastLsn));
    await database.log.flush();
    const ended = await finishSet(run, target, header, { lastLsn, sliceEndMs, dataBytes, logBytes });
    applyDataBackup(database, ended);
    await progress.finish();
    await report(run, target, ended);
  } finally {
    database.dataBackupRunning = false;
    if (firstLsn !== undefined) database.backupsFrom.delete(firstLsn);
    await target?.close();
  }
  await truncateLog(database);
}

/** A differential has what came since its base. */
function dataPadding({ padding }: Snapshot, since: Lsn | undefined): { readonly padding?: PaddingPart } {
  if (padding === undefined || padding.bytes === 0 || (since !== undefined && padding.changedLsn < since)) return {};
  return { padding: { seed: padding.seed, bytes: padding.bytes } };
}

/** Of each log backup another one: they are the log of different times. */
function logPadding({ padding }: StoredDatabase, header: BackupSetHeader): BackupSetHeader {
  if (padding === undefined || padding.logBytes === 0) return header;
  return { ...header, padding: { seed: `${padding.seed}/${header.backupSetGuid}`, bytes: padding.logBytes } };
}

/** sqlserver.md §1.2, last point: a copy-only full leaves no trace in the chain. */
function applyDataBackup(database: StoredDatabase, header: BackupSetHeader): void {
  if (header.isCopyOnly) return;
  // A differential starts a broken chain again, too (sqlserver.md §1.2).
  const startsChain = database.recoveryModel !== 'SIMPLE' && database.lastLogBackupLsn === undefined;
  database.change({
    ...(header.kind === 'full' ? { differentialBase: baseOf(header) } : {}),
    ...(startsChain ? { lastLogBackupLsn: BigInt(header.firstLsn), chainBegins: true } : {}),
  });
}

/** The last backup before the database goes RESTORING. */
export function isTail(options: BackupOptions): boolean {
  return options.noRecovery === true || options.standby !== undefined;
}

const logBackups = new WeakMap<StoredDatabase, Promise<unknown>>();

/** Two log backups of one database follow each other (sqlserver.md §9.3). */
async function backupLog(run: Run): Promise<void> {
  const before = logBackups.get(run.database) ?? Promise.resolve();
  const work = before.then(
    () => backupOneLog(run),
    () => backupOneLog(run),
  );
  logBackups.set(run.database, work);
  await work;
}

async function backupOneLog(run: Run): Promise<void> {
  const { instance, database, statement } = run;
  const { standby } = statement.options;
  if (!isTail(statement.options))
    return shared(run, () => (database.failure === undefined ? backupLogSlice(run, false) : backupOrphanedLog(run)));
  const release = takeExclusive(run);
  try {
    if (standby !== undefined) await assertUndoFile(instance, database.name, standby);
    await backupLogSlice(run, true);
    // As NORECOVERY followed by a RESTORE WITH STANDBY (sqlserver.md §1.1).
    if (standby !== undefined) await enterStandby(instance, database, standby);
  } finally {
    release();
  }
}

/** Who backs a database up is in it: it can be neither dropped nor restored over, and taking it offline ends the backup (inferred). */
async function shared(run: Run, work: () => Promise<void>): Promise<void> {
  const { instance, session, database, statement } = run;
  const owner = instance.ownerOf(session);
  const held = database.lock.granted.has(owner);
  if (!held) await database.lock.acquire(owner, 'S', session.options.lockTimeoutMs);
  try {
    // The wait may have been for its end.
    assertReady(database, session, statement.options);
    await work();
  } finally {
    if (!held) database.lock.release(owner);
  }
}

/** What the log file holds, up to where a torn end is cut off; the database stays as it is. */
async function backupOrphanedLog(run: Run): Promise<void> {
  const { instance, database } = run;
  const { lastLogBackupLsn: begins = 0n } = database;
  const log = await DatabaseLog.open(instance.disk, instance.logPath(database), begins).catch((cause: unknown) => {
    throw new SqlError([message(3446, database.name)], 'statement', cause);
  });
  try {
    const checkpoint = log.records(0n, log.nextLsn).findLast(({ entry }) => entry.kind === 'checkpoint');
    database.lastCheckpointRecordLsn = checkpoint?.lsn ?? database.differentialBase?.lsn ?? begins;
    await backupLogSlice(run, false, log);
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
    const padded = header.padding?.bytes ?? 0;
    const recordBytes = await writeLog(run, target, records, { progress, padded });
    const total = recordBytes + padded;
    const logBytes = recordBytes + (await writePadding(run, target, header, { done: recordBytes, total }, progress));
    const ended = await finishSet(run, target, header, { lastLsn, sliceEndMs, dataBytes: 0, logBytes });
    // The log of a database that cannot be changed is not let go of: 4217, and the next backup begins where this one did.
    if (tail || (!header.isCopyOnly && !database.readOnly)) applyLogBackup(database, lastLsn, tail);
    await progress.finish();
    await report(run, target, ended);
    if (!header.isCopyOnly) await truncateLog(database);
  } finally {
    await target?.close();
  }
}

function takeExclusive(run: Run): () => void {
  const { instance, session, database } = run;
  if (session.database === database) throw fail(3102, 'BACKUP', database.name);
  if (instance.faults.databases.isInUse(database.name)) throw fail(3101);
  const release = otherUsers(database, session).length > 0 ? undefined : tryExclusive(instance, database, session);
  if (release === undefined) throw fail(3101);
  return release;
}

function applyLogBackup(database: StoredDatabase, lastLsn: Lsn, tail: boolean): void {
  const { recoveryForkGuid } = database.description;
  database.change({
    lastLogBackupLsn: lastLsn,
    chainBegins: false,
    firstRecoveryForkGuid: recoveryForkGuid,
    forkPointLsn: undefined,
    // From here on the database waits for logs of the new primary, at the end of all it ever knew.
    ...(tail ? { state: 'RESTORING', redoStart: { lsn: lastLsn, forkGuid: recoveryForkGuid }, tailApplied: true } : {}),
  });
}

async function finishSet(
  run: Run,
  target: Target,
  header: BackupSetHeader,
  part: { readonly lastLsn: Lsn; readonly sliceEndMs: number; readonly dataBytes: number; readonly logBytes: number },
): Promise<BackupSetHeader> {
  const failing = writeErrorOf(run, target, 100);
  if (failing !== undefined) throw failing.failure;
  const finishMs = run.instance.clock().getTime();
  const ended = endHeader(header, run.database, { ...part, finishMs, compressedSize: target.writer.written });
  await target.writer.end(ended);
  return ended;
}

/** Makes the new place in the chain durable, writes history, and says what was done (sqlserver.md §1.3). */
async function report(run: Run, target: Target, header: BackupSetHeader): Promise<void> {
  const { instance, sink } = run;
  await instance.save();
  const history = instance.faults.databases.historyOf(run.database.name, 'backup');
  if (history === 'written') await recordBackupSet(instance, header, target.media, target.device);
  run.unwritten = history === 'fails';
  const shown = header.files.filter(file => header.kind !== 'log' || file.type === 'L');
  for (const file of shown) {
    sink.info(message(4035, pagesOf(file.backupBytes), header.databaseName, file.logicalName, header.position));
  }
  if (header.kind === 'log' && header.isReadOnly && !header.isCopyOnly) sink.info(message(4217));
  const pages = shown.reduce((sum, file) => sum + pagesOf(file.backupBytes), 0);
  const { seconds, rate } = throughput(header.backupSize, header.finishMs - header.startMs);
  sink.info(message(3014, statementNames[header.kind], pages, seconds, rate));
  await sink.flush();
}
