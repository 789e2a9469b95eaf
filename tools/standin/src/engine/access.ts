import { fail } from '../messages.ts';
import { assertOpen } from '../open-database.ts';
import type { Session } from '../contract.ts';
import type { StoredDatabase } from './stored-database.ts';

/** Refuses a session that may not enter `database` now (sqlserver.md §9.2: USE, connect, query). */
export function assertAccessible(database: StoredDatabase, session: Session): void {
  assertOpen(database);
  if (database.userAccess === 'SINGLE_USER' && takenByOther(database, session)) throw fail(924, database.name);
  if (database.userAccess === 'RESTRICTED_USER' && session.login.serverRoles.size === 0) {
    throw fail(916, session.login.name, database.name);
  }
}

function takenByOther(database: StoredDatabase, session: Session): boolean {
  if (database.onlyUser !== undefined) return database.onlyUser !== session;
  return [...database.lock.granted.keys()].some(owner => owner.session !== session);
}

/** Refuses a change in a database that takes none. */
export function assertWritable(database: StoredDatabase): void {
  if (database.readOnly || database.inStandby) throw fail(3906, database.name);
}
