/** BACKUP DATABASE and BACKUP LOG: checks that both share (sqlserver.md §1, §9.2). */
import { fail, failTerminating, SqlError, unsupported } from '../messages.ts';
import { mayManage } from '../rights.ts';
import { silentSink } from '../silent-sink.ts';
import { backupData } from './backup-data.ts';
import { backupLog } from './backup-log.ts';
import { assertReady, isTail } from './backup-run.ts';
import { meddle } from './meddling.ts';
import { spoil } from './spoil.ts';
import type { Instance } from '../engine/instance.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { BackupStatement, ResultSink, Session } from '../contract.ts';
import type { Run } from './backup-content.ts';

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
    await (statement.kind === 'log' ? backupLog(run) : backupData(run));
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
  if (!mayManage(session, database.description))
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
