import { quoteScriptName } from '@holdfast/sqlserver/text';
import type { LoginsView } from './estate.ts';

export type Login = NonNullable<LoginsView['logins']>[number];
export type KnownLogins = ReadonlyMap<string, Pick<LoginsView, 'logins'>>;

export type LoginDifference = {
  /** Of the source, not at the standby. */
  readonly missing: readonly Login[];
  /** Of the source, at the standby with another SID: its users are orphaned there. */
  readonly differing: readonly Login[];
};

/**
 * Users in restored databases find their logins by SID alone (sqlserver.md §5.5): a SQL login has its SID from the instance where it was created,
 * a Windows login from its domain.
 */
export function loginDifference(there: readonly Login[], here: readonly Login[]): LoginDifference {
  const byName = new Map(here.map(login => [login.name.toLowerCase(), login]));
  const wanted = there.filter(login => !isLocal(login));
  return {
    missing: wanted.filter(({ name }) => !byName.has(name.toLowerCase())),
    differing: wanted.filter(({ name, sid, kind }) => {
      const other = byName.get(name.toLowerCase());
      return kind === 'SQL_LOGIN' && other !== undefined && other.sid.toLowerCase() !== sid.toLowerCase();
    }),
  };
}

/** Of one server each, or there on every one. */
function isLocal({ name }: Login): boolean {
  return /^(sa$|##|NT SERVICE\\|NT AUTHORITY\\)/i.test(name);
}

/** What a person types. A password is theirs to give: none is ever read. */
export function creation({ name, kind, sid }: Login): string {
  const quoted = quoteScriptName(name);
  return kind === 'SQL_LOGIN'
    ? `CREATE LOGIN ${quoted} WITH PASSWORD = …, SID = ${sid};`
    : `CREATE LOGIN ${quoted} FROM WINDOWS;`;
}
