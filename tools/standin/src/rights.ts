/** What the fixed server roles of a login let it do; roles of databases are not modelled. */
import type { Session } from './contract.ts';
import { fail } from './messages.ts';

type Who = Pick<Session, 'login'>;

export function isAdministrator({ login }: Who): boolean {
  return login.serverRoles.has('sysadmin');
}

/** For what no other fixed role gives: ALTER ANY LINKED SERVER and ALTER SETTINGS are among it. */
export function assertAdministrator(who: Who): void {
  if (!isAdministrator(who)) throw fail(15247);
}

/** CREATE DATABASE permission, which RESTORE and its information statements need; BACKUP, which a role of the database would give, asks for it as well. */
export function mayCreateDatabases(who: Who): boolean {
  return isAdministrator(who) || who.login.serverRoles.has('dbcreator');
}
