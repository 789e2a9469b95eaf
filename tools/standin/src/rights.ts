/** What the fixed server roles of a login let it do; roles of databases are not modelled. */
import type { Session } from './contract.ts';
import { fail } from './messages.ts';

type Who = Pick<Session, 'login'>;
type ServerRole = Session['login']['serverRoles'] extends ReadonlySet<infer Role> ? Role : never;

export function isAdministrator({ login }: Who): boolean {
  return login.serverRoles.has('sysadmin');
}

/** For what no other fixed role gives: ALTER ANY LINKED SERVER and ALTER SETTINGS are among it. */
export function assertAdministrator(who: Who): void {
  if (!isAdministrator(who)) throw fail(15247);
}

/** What a fixed role gives, sysadmin has as well. */
export function holdsRole(who: Who, role: ServerRole): boolean {
  return isAdministrator(who) || who.login.serverRoles.has(role);
}

/** CREATE DATABASE permission: RESTORE of a database that is not there and RESTORE's information statements need it too. */
export function mayCreateDatabases(who: Who): boolean {
  return holdsRole(who, 'dbcreator');
}

/**
 * ALTER, DROP and RESTORE over a database: its owner may, and whoever may create databases. BACKUP asks for the same, because db_backupoperator
 * and its like cannot be given here (sqlserver.md §7.1).
 */
export function mayManage(who: Who, { ownerSid }: { readonly ownerSid: string }): boolean {
  return mayCreateDatabases(who) || Buffer.from(who.login.sid).toString('hex') === ownerSid;
}
