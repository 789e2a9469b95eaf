/** RESTORE DATABASE and RESTORE LOG: checks that all forms share, then the form itself (sqlserver.md §2, §9.2). */
import { mayCreateDatabases } from '../engine/access.ts';
import { otherUsers, tryExclusive } from '../engine/sessions.ts';
import { fail, failTerminating, message, SqlError, unsupported } from '../messages.ts';
import { pagesOf, type BackupSetHeader } from './backup-set.ts';
import { recordRecovery, recordRestore } from './history.ts';
import { takeTime } from './pace.ts';
import { Progress, throughput } from './progress.ts';
import { recoverDatabase } from './recover.ts';
import { restoreDifferential, restoreFull } from './restore-data.ts';
import { restoreLog } from './restore-log.ts';
import { assertKind, openSource, type Source } from './restore-source.ts';
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
  try {
    checkOptions(statement);
    if (!mayCreateDatabases(session)) throw fail(3110, statement.database);
    if (session.nesting > 0) throw fail(3021);
    if (statement.devices.length === 0) await finish(instance, session, statement, sink);
    else await restoreSet(instance, session, statement, sink);
  } catch (failure) {
    throw failure instanceof SqlError ? failTerminating(verb, failure) : failure;
  }
}

function checkOptions(statement: RestoreStatement): void {
  const { options, recovery, kind } = statement;
  if (typeof recovery === 'object') throw unsupported('RESTORE … WITH STANDBY');
  if (options.restart === true) throw unsupported('RESTORE … WITH RESTART');
  if (options.restrictedUser === true && recovery !== 'recovery') throw fail(3031, 'RESTRICTED_USER', 'NORECOVERY');
  if (statement.devices.length > 0) {
    const { stop } = options;
    if (kind === 'database' && stop !== undefined && stop.kind !== 'at time' && !/^lsn:/i.test(stop.mark))
      throw fail(4340);
    return;
  }
  if (kind === 'log') throw fail(3032, 'RESTORE LOG without FROM');
  if (options.stop !== undefined || options.move !== undefined || options.file !== undefined) {
    throw unsupported('options other than RECOVERY or NORECOVERY on RESTORE DATABASE without FROM');
  }
}

async function restoreSet(
  instance: Instance,
  session: Session,
  statement: RestoreStatement,
  sink: ResultSink,
): Promise<void> {
  const existing = instance.find(statement.database);
  if (existing?.system === true) throw unsupported('RESTORE of a system database');
  assertNoReplica(instance, existing);
  assertNotInside(session, existing);
  const source = await openSource(instance, statement.devices, statement.options);
  assertKind(source, statement.kind);
  const progress = new Progress(session, sink, statement.options.stats);
  const run: RestoreRun = { instance, session, statement, source, progress };
  const startedMs = instance.clock().getTime();
  const release = existing === undefined ? undefined : takeExclusive(instance, session, existing);
  try {
    const outcome = await step(run, existing);
    await progress.finish();
    const recovered = statement.recovery === 'recovery' && outcome.stopMissed === undefined;
    const database = instance.find(statement.database);
    if (database === undefined) throw new Error(`database ${statement.database} went away while it was restored`);
    if (recovered) await recoverDatabase(instance, database, statement.options.restrictedUser === true);
    const { media, device, header } = source;
    await recordRestore(instance, statement, {
      header,
      media: media.header,
      device,
      user: session.login.name,
      recovered,
    });
    report(run, database, sink, outcome, instance.clock().getTime() - startedMs);
    await sink.flush();
  } finally {
    release?.();
  }
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

function takeExclusive(instance: Instance, session: Session, database: StoredDatabase): () => void {
  const release = otherUsers(database, session).length > 0 ? undefined : tryExclusive(instance, database, session);
  if (release === undefined) throw fail(3101);
  return release;
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

/** RESTORE DATABASE d WITH RECOVERY | NORECOVERY, without FROM. */
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
  if (database.state !== 'RESTORING') throw fail(3153);
  if (database.description.interrupted) throw fail(4333);
  const release = takeExclusive(instance, session, database);
  try {
    if (statement.recovery === 'recovery') {
      await takeTime(instance, session, 0);
      await recoverDatabase(instance, database, statement.options.restrictedUser === true);
      await recordRecovery(instance, statement.database);
    }
  } finally {
    release();
  }
  const { seconds } = throughput(0, instance.clock().getTime() - startedMs);
  sink.info(message(3014, 'RESTORE DATABASE', 0, seconds, '0.000'));
  await sink.flush();
}
