/** Which session sits in which database: each holds a shared lock on its current one (sqlserver.md §8.5, §9.3). */
import { assertAccessible } from './access.ts';
import { EngineTransaction } from './engine-transaction.ts';
import { releaseAll, type LockOwner } from './lock-resource.ts';
import { fail } from '../messages.ts';
import type { Instance } from './instance.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Session } from '../contract.ts';

export function attachSession(instance: Instance, session: Session): void {
  const database = instance.stored(session.database);
  assertAccessible(database, session);
  const owner: LockOwner = { session, held: new Set(), weight: () => 0 };
  if (!database.lock.tryAcquire(owner, 'S')) throw fail(4060, database.name);
  instance.sessions.set(session, owner);
  takeOnlyPlace(database, session);
}

export async function detachSession(instance: Instance, session: Session): Promise<void> {
  const owner = instance.sessions.get(session);
  if (owner === undefined) return;
  await session.transaction?.rollback();
  session.transaction = undefined;
  instance.sessions.delete(session);
  for (const database of instance.databases.values()) {
    if (database.onlyUser === session) database.onlyUser = undefined;
  }
  releaseAll(owner);
}

export async function useDatabase(instance: Instance, session: Session, name: string): Promise<void> {
  const database = instance.find(name);
  if (database === undefined) throw fail(911, name);
  const before = instance.stored(session.database);
  if (database === before) return;
  const owner = instance.ownerOf(session);
  assertAccessible(database, session);
  await database.lock.acquire(owner, 'S', session.options.lockTimeoutMs);
  try {
    // The wait may have been for a RESTORE.
    assertAccessible(database, session);
  } catch (refusal) {
    database.lock.release(owner);
    throw refusal;
  }
  session.database = database;
  // What the open transaction changed there stays protected from RESTORE.
  if (session.transaction instanceof EngineTransaction) before.lock.grant(session.transaction.owner, 'S');
  before.lock.release(owner);
  takeOnlyPlace(database, session);
}

function takeOnlyPlace(database: StoredDatabase, session: Session): void {
  if (database.userAccess === 'SINGLE_USER') database.onlyUser ??= session;
}

/** Sessions that keep `database` from being used exclusively by `session`. The one that has its only place has it from everywhere (sqlserver.md §8.4). */
export function otherUsers(database: StoredDatabase, session: Session): readonly Session[] {
  const inside = [...database.lock.granted.keys()].map(owner => owner.session);
  const users = new Set(database.onlyUser === undefined ? inside : [...inside, database.onlyUser]);
  return [...users].filter(other => other !== session);
}

/** Exclusive use without waiting, as RESTORE and tail log backups want it; 3101 when somebody is in the way. Returns the release. */
export function takeExclusive(instance: Instance, database: StoredDatabase, session: Session): () => void {
  if (instance.faults.databases.isInUse(database.name)) throw fail(3101);
  const owner = instance.ownerOf(session);
  const taken = otherUsers(database, session).length > 0 || database.lock.granted.has(owner);
  if (taken || !database.lock.tryAcquire(owner, 'X')) throw fail(3101);
  return () => database.lock.release(owner);
}
