/** CREATE, DROP and ALTER DATABASE (sqlserver.md §9.2). */
import { access } from 'node:fs/promises';
import { checkpointEnded, truncateLog } from './checkpoint.ts';
import { foldText } from './compare.ts';
import { loadDatabase, settleTransactions } from './crash-recovery.ts';
import { defaultFiles, folderExists, makeDatabase, newDescription } from './new-database.ts';
import { otherUsers } from './sessions.ts';
import { operatingSystemError } from '../recovery/operating-system-errors.ts';
import { recoverDatabase } from '../recovery/recover.ts';
import { reopenStandby } from '../recovery/standby.ts';
import { fail, message, SqlError, unsupported } from '../messages.ts';
import { mayCreateDatabases, mayManage } from '../rights.ts';
import { assertOpen } from '../open-database.ts';
import type { Instance } from './instance.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { AlterDatabaseStatement, Database, DatabaseFile, ResultSink, Session } from '../contract.ts';

export async function createDatabase(
  instance: Instance,
  session: Session,
  name: string,
  files: readonly DatabaseFile[] | undefined,
): Promise<Database> {
  if (session.nesting > 0) throw fail(226, 'CREATE DATABASE');
  if (!mayCreateDatabases(session)) throw fail(262, 'CREATE DATABASE', 'master');
  // That the second of two waits, instead of failing at once, is inferred.
  const release = await instance.inMaking.take(name);
  try {
    return await createNamed(instance, session, name, files ?? defaultFiles(name));
  } finally {
    release();
  }
}

async function createNamed(
  instance: Instance,
  session: Session,
  name: string,
  wanted: readonly DatabaseFile[],
): Promise<Database> {
  if (instance.find(name) !== undefined) throw fail(1801, name);
  for (const file of wanted) await assertFileFree(instance, file);
  assertSpace(instance, wanted);
  claimFiles(instance, name, wanted);
  const recoveryModel = instance.find('model')?.recoveryModel ?? 'FULL';
  const ownerSid = session.login.sid;
  const description = newDescription(instance, {
    id: instance.takeDatabaseId(name),
    name,
    files: wanted,
    recoveryModel,
    ownerSid,
  });
  // A crash before the database is in the list leaves files that would keep the statement from being repeated (5170): the start removes them.
  for (const file of wanted) instance.strayFiles.add(file.physicalName);
  await instance.save();
  const database = await makeDatabase(instance, description);
  for (const file of wanted) instance.strayFiles.delete(file.physicalName);
  await instance.save();
  return database;
}

async function assertFileFree(instance: Instance, file: DatabaseFile): Promise<void> {
  const failed = message(1802);
  if (!(await folderExists(instance, file.physicalName))) {
    const cause = message(5133, file.physicalName, '3(The system cannot find the path specified.)');
    throw new SqlError([cause, failed], 'statement');
  }
  if (await exists(instance.hostPath(file.physicalName))) {
    throw new SqlError([message(5170, file.physicalName), failed], 'statement');
  }
}

/** Without a wait between the look and the claim: a statement beside this one may want the same files. */
function claimFiles(instance: Instance, name: string, files: readonly DatabaseFile[]): void {
  for (const { physicalName } of files) {
    if (instance.ownerOfFile(physicalName, name) === undefined) continue;
    throw new SqlError([message(5170, physicalName), message(1802)], 'statement');
  }
  instance.inMaking.claimFiles(
    name,
    files.map(({ physicalName }) => physicalName),
  );
}

function assertSpace(instance: Instance, files: readonly DatabaseFile[]): void {
  let available = instance.quota?.availableBytes();
  if (available === undefined) return;
  for (const { physicalName, sizeBytes } of files) {
    available -= sizeBytes;
    if (available >= 0n) continue;
    const cause = message(5149, operatingSystemError(112), physicalName);
    throw new SqlError([cause, message(1802)], 'statement');
  }
}

function exists(path: string | undefined): Promise<boolean> {
  if (path === undefined) return Promise.resolve(false);
  return access(path).then(
    () => true,
    () => false,
  );
}

export async function dropDatabase(instance: Instance, session: Session, name: string): Promise<void> {
  if (session.nesting > 0) throw fail(226, 'DROP DATABASE');
  const database = instance.find(name);
  if (database === undefined || !mayManage(session, database.description)) throw fail(3701, 'database', name);
  if (database.system) throw fail(3708, 'database', name, 'database');
  if (database.lock.granted.size > 0 || otherUsers(database, session).length > 0) throw fail(3702, name);
  const { loaded } = database;
  instance.databases.delete(foldText(name));
  // The files of an offline database stay (sqlserver.md §9.2).
  const files = database.state === 'OFFLINE' ? [] : database.files.map(file => file.physicalName);
  const { standby } = database.description;
  const doomed = standby === undefined ? files : [...files, standby.undoFile];
  for (const path of doomed) instance.strayFiles.add(path);
  await instance.save();
  await checkpointEnded(database);
  if (loaded) await database.log.close();
  await instance.removeStrayFiles(doomed);
}

export async function alterDatabase(
  instance: Instance,
  session: Session,
  statement: AlterDatabaseStatement,
  sink: ResultSink,
): Promise<void> {
  try {
    if (session.nesting > 0) throw fail(226, 'ALTER DATABASE');
    const database = instance.find(statement.database);
    if (database === undefined || !mayManage(session, database.description)) throw fail(5011, statement.database);
    // That the others of the system stay online is inferred: BACKUP writes into msdb.
    const untouchable = database.id <= 2 || (database.system && statement.set.option === 'OFFLINE');
    if (untouchable) throw fail(5058, statement.set.option, database.name);
    if (database.state === 'RESTORING') throw fail(5052, 'ALTER DATABASE', 'RESTORING');
    await setOption(instance, session, database, statement, sink);
    await instance.save();
    // Only now: the log that a chain needs goes when the chain's end is on disk (SET RECOVERY SIMPLE).
    if (statement.set.option === 'RECOVERY') await truncateLog(database);
  } catch (failure) {
    if (!(failure instanceof SqlError)) throw failure;
    throw new SqlError([...failure.messages, message(5069)], 'statement', failure);
  }
}

async function setOption(
  instance: Instance,
  session: Session,
  database: StoredDatabase,
  statement: AlterDatabaseStatement,
  sink: ResultSink,
): Promise<void> {
  const { set } = statement;
  if (database.inStandby) assertPossibleInStandby(database, set.option);
  if (set.option === 'EMERGENCY') throw unsupported('ALTER DATABASE … SET EMERGENCY');
  if (set.option === 'ONLINE' && database.state === 'ONLINE') return;
  // Of one that cannot be opened nothing can be changed but that (inferred: as for whoever wants to use it).
  if (set.option !== 'ONLINE' && set.option !== 'OFFLINE') assertOpen(database);
  if (database.userAccess === 'SINGLE_USER' && database.onlyUser !== undefined && database.onlyUser !== session) {
    throw fail(5064, database.name);
  }
  if (set.option === 'RECOVERY') {
    setRecoveryModel(database, set.model);
    return;
  }
  if (set.option === 'MULTI_USER') {
    database.change({ userAccess: 'MULTI_USER' });
    database.onlyUser = undefined;
    return;
  }
  const release = await exclusive(instance, session, database, statement, sink);
  try {
    // It may have been restored over, or opened, while this one waited.
    const found = instance.find(database.name);
    if (found === undefined || found.state === 'RESTORING') throw fail(5052, 'ALTER DATABASE', 'RESTORING');
    if (set.option === 'ONLINE') await bringOnline(instance, found);
    else if (found !== database) await setOption(instance, session, found, statement, sink);
    else if (set.option === 'OFFLINE') await takeOffline(instance, database);
    else if (set.option === 'SINGLE_USER') {
      database.change({ userAccess: 'SINGLE_USER' });
      database.onlyUser = session;
    } else if (set.option === 'RESTRICTED_USER') database.change({ userAccess: 'RESTRICTED_USER' });
    else database.change({ readOnly: set.option === 'READ_ONLY' });
  } finally {
    release();
  }
}

/** Who may use it can change; what it is cannot, before its restore sequence is over (sqlserver.md §9.2 names 5063; which options: unverified). */
function assertPossibleInStandby(database: StoredDatabase, option: AlterDatabaseStatement['set']['option']): void {
  if (option === 'READ_ONLY' || option === 'READ_WRITE' || option === 'RECOVERY') throw fail(5063, database.name);
  if (option === 'OFFLINE') throw unsupported('ALTER DATABASE … SET OFFLINE of a STANDBY database');
}

function setRecoveryModel(database: StoredDatabase, recoveryModel: Database['recoveryModel']): void {
  // SIMPLE breaks the log chain: the next one needs a new full (sqlserver.md §9.2).
  const broken = recoveryModel === 'SIMPLE' ? { lastLogBackupLsn: undefined, chainBegins: false } : {};
  database.change({ recoveryModel, ...broken });
}

/**
 * The database for this session alone. Without a termination clause it waits; NO_WAIT fails with 5070; ROLLBACK ends the other sessions
 * (596 for them) and reports 5060 twice (sqlserver.md §9.2).
 */
async function exclusive(
  instance: Instance,
  session: Session,
  database: StoredDatabase,
  statement: AlterDatabaseStatement,
  sink: ResultSink,
): Promise<() => void> {
  const owner = instance.ownerOf(session);
  const held = database.lock.granted.get(owner);
  const release = (): void =>
    held === undefined ? database.lock.release(owner) : database.lock.downgrade(owner, held);
  const { termination } = statement;
  if (termination === undefined) {
    await database.lock.acquire(owner, 'X', -1);
    return release;
  }
  if (database.lock.tryAcquire(owner, 'X')) return release;
  if (termination.kind === 'no wait') throw fail(5070, database.name);
  const graceMs = termination.kind === 'rollback after' ? termination.seconds * 1000 : 0;
  if (graceMs > 0) {
    try {
      await database.lock.acquire(owner, 'X', graceMs);
      return release;
    } catch (failure) {
      if (!(failure instanceof SqlError) || failure.messages[0]?.number !== 1222) throw failure;
    }
  }
  sink.info(message(5060, '0'));
  await sink.flush();
  for (const other of otherUsers(database, session)) other.kill(session);
  await database.lock.acquire(owner, 'X', -1);
  sink.info({ ...message(5060, '100'), state: 1 });
  return release;
}

async function takeOffline(instance: Instance, database: StoredDatabase): Promise<void> {
  if (database.state === 'OFFLINE') return;
  // Its prepared transactions would have to be found again by ONLINE; nobody needed that yet.
  if (database.state !== 'ONLINE') throw unsupported(`ALTER DATABASE … SET OFFLINE of a ${database.state} database`);
  await instance.checkpoint(database);
  await database.log.close();
  database.change({ state: 'OFFLINE' });
  database.clear();
}

async function bringOnline(instance: Instance, database: StoredDatabase): Promise<void> {
  if (database.state === 'ONLINE') return;
  const { description } = database;
  // A restored database whose recovery failed: it is recovered now, under the options of now (sqlserver.md §3.5).
  if (description.state === 'SUSPECT' && database.loaded) return recoverDatabase(instance, database, false);
  const { disk, hostPath, branches, journal } = instance;
  const state = description.state === 'OFFLINE' ? 'ONLINE' : description.state;
  const opened = await loadDatabase(disk, { ...description, state }, hostPath, database.lock);
  instance.add(opened);
  if (opened.failure !== undefined) throw fail(945, database.name);
  await settleTransactions([opened], journal.found, instance.clock().getTime(), branches.decidedElsewhere);
  await reopenStandby(instance, opened);
  await branches.adopt([opened]);
}
