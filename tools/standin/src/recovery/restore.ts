/** RESTORE DATABASE and RESTORE LOG: checks that all forms share, then the form itself (sqlserver.md §2, §9.2). */
import { takeExclusive } from '../engine/sessions.ts';
import { fail, failTerminating, message, SqlError, unsupported } from '../messages.ts';
import { mayCreateDatabases, mayManage } from '../rights.ts';
import { pagesOf, type BackupSetHeader } from './backup-set.ts';
import { recordRecovery, recordRestore } from './history.ts';
import { takeTime } from './pace.ts';
import { Progress, throughput } from './progress.ts';
import { recoverDatabase } from './recover.ts';
import { restoreDifferential, restoreFull } from './restore-data.ts';
import { assertDecided, assertFiles, restoreLog, restoringOf } from './restore-log.ts';
import { assertKind, openSource, type Source } from './restore-source.ts';
import { assertUndoFile, enterStandby, leaveStandby } from './standby.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { Message, ResultSink, RestoreStatement, Session } from '../contract.ts';

export type RestoreRun = {
  readonly instance: Instance;
  readonly session: Session;
  readonly statement: RestoreStatement;
  readonly source: Source;
  readonly progress: Progress;
};

/** `applied`: bytes of log that were rolled forward. `stopMissed`: 4322 or 4329, the stop point lies beyond this set. */
export type RestoreOutcome = { readonly applied: number; readonly stopMissed: Message | undefined };

export async function restore(
  instance: Instance,
  session: Session,
  statement: RestoreStatement,
  sink: ResultSink,
): Promise<void> {
  const verb = statement.kind === 'log' ? 'RESTORE LOG' : 'RESTORE DATABASE';
  if (session.request !== undefined) session.request.command = verb;
  let unwritten = false;
  try {
    checkOptions(statement);
    if (!mayRestore(instance, session, statement.database)) throw fail(3110, statement.database);
    if (session.nesting > 0) throw fail(3021);
    if (statement.devices.length === 0) await finish(instance, session, statement, sink);
    else unwritten = await restoreSet(instance, session, statement, sink);
  } catch (failure) {
    throw failure instanceof SqlError ? failTerminating(verb, failure) : failure;
  }
  // What was done stands (sqlserver.md §1.2): no 3013.
  if (unwritten) throw fail(3009);
}

function mayRestore(instance: Instance, session: Session, name: string): boolean {
  if (instance.faults.databases.deniesRestore(session.login.name, name)) return false;
  const existing = instance.find(name);
  return existing === undefined ? mayCreateDatabases(session) : mayManage(session, existing.description);
}

function checkOptions({ options, kind, devices }: RestoreStatement): void {
  if (options.restart === true) throw unsupported('RESTORE … WITH RESTART');
  const { stop } = options;
  if (stop !== undefined && stop.kind !== 'at time') {
    const isLsn = /^lsn:/i.test(stop.mark);
    // A mark's name is legal on RESTORE LOG alone; `lsn:` and times on both (sqlserver.md §2.2).
    if (kind === 'database' && !isLsn) throw fail(4340);
    // No document says whether a date chooses among LSNs.
    if (isLsn && stop.after !== undefined)
      throw unsupported("RESTORE … WITH STOPATMARK or STOPBEFOREMARK = 'lsn:…' AFTER");
  }
  if (devices.length > 0) return;
  if (kind === 'log') throw fail(3032, 'RESTORE LOG without FROM');
  const { stats: _, restrictedUser: __, ...others } = options;
  const [given] = Object.keys(others);
  if (given !== undefined) throw unsupported(`RESTORE DATABASE without FROM, with ${given.toUpperCase()}`);
}

/** True: its history could not be written. */
async function restoreSet(
  instance: Instance,
  session: Session,
  statement: RestoreStatement,
  sink: ResultSink,
): Promise<boolean> {
  const existing = instance.find(statement.database);
  if (existing?.system === true) throw unsupported('RESTORE of a system database');
  assertNoReplica(instance, existing);
  assertNotInside(session, existing);
  const startedMs = instance.clock().getTime();
  const undoFile = existing?.description.standby?.undoFile;
  const release =
    existing === undefined ? await takeName(instance, statement.database) : takeExclusive(instance, existing, session);
  try {
    // Whoever is in it and its state count before the device is looked at (sqlserver.md §9.1).
    if (statement.kind === 'log') restoringOf(existing, statement.database);
    const source = await openSource(instance, statement.devices, statement.options);
    assertKind(source, statement.kind);
    const { recovery } = statement;
    if (typeof recovery === 'object') await assertStandby(instance, statement.database, source, recovery.standby);
    const progress = new Progress(session, sink, statement.options.stats, instance.faults.wire);
    const run: RestoreRun = { instance, session, statement, source, progress };
    const outcome = await step(run, existing);
    await progress.finish();
    const recovered = recovery === 'recovery' && outcome.stopMissed === undefined;
    const database = instance.find(statement.database);
    if (database === undefined) throw new Error(`database ${statement.database} went away while it was restored`);
    if (recovered) await recoverDatabase(instance, database, statement.options.restrictedUser === true);
    // Short of its stop point it waits for more log, as with RECOVERY (sqlserver.md §2.3).
    else if (typeof recovery === 'object' && outcome.stopMissed === undefined)
      await enterStandby(instance, database, recovery.standby);
    await instance.removeStrayFiles(undoFile === undefined ? [] : [undoFile]);
    const { media, device, header } = source;
    const history = instance.faults.databases.historyOf(database.name, 'restore');
    if (history === 'written')
      await recordRestore(instance, statement, {
        header,
        media: media.header,
        device,
        user: session.login.name,
        recovered,
      });
    report(run, database, sink, outcome, instance.clock().getTime() - startedMs);
    await sink.flush();
    return history === 'fails';
  } finally {
    release();
  }
}

async function assertStandby(instance: Instance, name: string, source: Source, undoFile: string): Promise<void> {
  assertSameVersion(instance, source.header.majorVersion);
  await assertUndoFile(instance, name, undoFile);
}

/** A database of an older version would be upgraded, which is not possible before it is recovered (sqlserver.md §2.3). */
function assertSameVersion(instance: Instance, majorVersion: number | undefined): void {
  if (majorVersion !== undefined && majorVersion < instance.options.majorVersion) throw fail(3180);
}

function step(run: RestoreRun, existing: StoredDatabase | undefined): Promise<RestoreOutcome> {
  const { kind } = run.source.header;
  if (kind === 'log') return restoreLog(run, existing);
  return kind === 'full' ? restoreFull(run, existing) : restoreDifferential(run, existing);
}

function assertNotInside(session: Session, existing: StoredDatabase | undefined): void {
  if (existing === undefined || session.database !== existing) return;
  throw fail(3102, 'RESTORE', existing.name);
}

function assertNoReplica(instance: Instance, existing: StoredDatabase | undefined): void {
  if (existing !== undefined && instance.replicaId(existing) !== undefined) throw fail(3104, existing.name);
}

/** Of a database that is not there yet: who makes it has it for himself. */
function takeName(instance: Instance, name: string): Promise<() => void> {
  if (instance.inMaking.has(name)) throw fail(3101);
  return instance.inMaking.take(name);
}

/** 4035 per file (the data file with 0 pages for a log), the missed stop if any, 3014 (sqlserver.md §1.3, §2.3). */
function report(
  run: RestoreRun,
  database: StoredDatabase,
  sink: ResultSink,
  outcome: RestoreOutcome,
  milliseconds: number,
): void {
  const { header } = run.source;
  const pages = pagesPerFile(header, outcome.applied);
  for (const file of database.files) {
    sink.info(message(4035, pages[file.type], database.name, file.logicalName, header.position));
  }
  if (outcome.stopMissed !== undefined) sink.info(outcome.stopMissed);
  const verb = header.kind === 'log' ? 'RESTORE LOG' : 'RESTORE DATABASE';
  const { seconds, rate } = throughput(header.backupSize, milliseconds);
  sink.info(message(3014, verb, pages.D + pages.L, seconds, rate));
}

function pagesPerFile(header: BackupSetHeader, applied: number): { readonly D: number; readonly L: number } {
  if (header.kind === 'log') return { D: 0, L: pagesOf(applied) };
  const bytes = (type: 'D' | 'L'): number =>
    header.files.filter(file => file.type === type).reduce((sum, file) => sum + file.backupBytes, 0);
  return { D: pagesOf(bytes('D')), L: pagesOf(bytes('L')) };
}

/** RESTORE DATABASE d WITH RECOVERY | NORECOVERY | STANDBY, without FROM. */
async function finish(
  instance: Instance,
  session: Session,
  statement: RestoreStatement,
  sink: ResultSink,
): Promise<void> {
  const startedMs = instance.clock().getTime();
  const database = instance.find(statement.database);
  if (database === undefined) throw fail(3118, statement.database);
  assertNoReplica(instance, database);
  assertNotInside(session, database);
  const { recovery } = statement;
  const { standby } = database.description;
  assertDecided(database);
  if (database.description.state !== 'RESTORING') throw fail(3153);
  if (database.description.interrupted) throw fail(4333);
  assertFiles(database);
  const release = takeExclusive(instance, database, session);
  try {
    if (typeof recovery === 'object') {
      assertSameVersion(instance, database.description.dataVersion);
      await assertUndoFile(instance, database.name, recovery.standby);
    }
    await leaveStandby(instance, database);
    if (typeof recovery === 'object') await enterStandby(instance, database, recovery.standby);
    else if (recovery === 'recovery') {
      await takeTime(instance, session, 0);
      await recoverDatabase(instance, database, statement.options.restrictedUser === true);
      await recordRecovery(instance, statement.database);
    } else await instance.save();
    await instance.removeStrayFiles(standby === undefined ? [] : [standby.undoFile]);
  } finally {
    release();
  }
  const { seconds } = throughput(0, instance.clock().getTime() - startedMs);
  sink.info(message(3014, 'RESTORE DATABASE', 0, seconds, '0.000'));
  await sink.flush();
}
