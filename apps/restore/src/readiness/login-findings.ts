import type { InstanceId } from '@holdfast/domain';
import type { Estate, LoginsView } from '../estate/estate.ts';
import { degraded, type Finding } from './finding.ts';

type Login = NonNullable<LoginsView['logins']>[number];
export type KnownLogins = ReadonlyMap<string, Pick<LoginsView, 'logins'>>;

/** Whose databases are restored where. */
type Pair = { readonly source: Place; readonly standby: Place };
type Place = { readonly instanceId: string; readonly name: string };

/**
 * Users in restored databases find their logins by SID alone (sqlserver.md §5.5): a SQL login has its SID from the instance where it was created,
 * a Windows login from its domain.
 */
export function loginFindings(estate: Estate, known: KnownLogins): readonly Finding[] {
  const pairs = pairsOf(estate);
  const loginsOf = ({ instanceId }: Place) => known.get(instanceId)?.logins ?? null;
  const places = new Map(
    pairs.flatMap(({ source, standby }) => [source, standby]).map(place => [place.instanceId, place]),
  );
  const unread = [...places.values()].filter(place => loginsOf(place) === null).map(({ name }) => name);
  return [
    ...(unread.length === 0
      ? []
      : [
          degraded(
            'LOGINS_UNCHECKED',
            `The logins of ${unread.join(', ')} are not known here: nobody has compared those of the standby with those of the source.`,
            'Let the login of inventory read sys.server_principals there (VIEW ANY DEFINITION); it looks again by itself.',
          ),
        ]),
    ...pairs.flatMap(pair => {
      const [there, here] = [loginsOf(pair.source), loginsOf(pair.standby)];
      return there === null || here === null ? [] : comparison(pair, there, here);
    }),
  ];
}

/** Each once, from the standby's streams. */
function pairsOf({ group, standby }: Estate): readonly Pair[] {
  const pairs = new Map<string, Pair>();
  for (const { databaseId, instanceId } of standby.streams) {
    const sourceId = group.databases.find(database => database.databaseId === databaseId)?.instanceId;
    if (sourceId == null) continue;
    const source = { instanceId: sourceId, name: nameOf(group.instances, sourceId) };
    const name = standby.instances.find(instance => instance.instanceId === instanceId)?.instanceName ?? instanceId;
    pairs.set(`${sourceId} ${instanceId}`, { source, standby: { instanceId, name } });
  }
  return [...pairs.values()];
}

function nameOf(instances: Estate['group']['instances'], instanceId: string): string {
  return instances.find(instance => instance.instanceId === (instanceId as InstanceId))?.name ?? instanceId;
}

function comparison({ source, standby }: Pair, there: readonly Login[], here: readonly Login[]): readonly Finding[] {
  const byName = new Map(here.map(login => [login.name.toLowerCase(), login]));
  const wanted = there.filter(login => !isLocal(login));
  const missing = wanted.filter(({ name }) => !byName.has(name.toLowerCase()));
  const differing = wanted.filter(({ name, sid, kind }) => {
    const other = byName.get(name.toLowerCase());
    return kind === 'SQL_LOGIN' && other !== undefined && other.sid.toLowerCase() !== sid.toLowerCase();
  });
  const found: Finding[] = [];
  if (missing.length > 0)
    found.push(
      degraded(
        'LOGIN_MISSING',
        `Logins of ${source.name} are missing at ${standby.name}: ${namesOf(missing)}.`,
        `At ${standby.name}: ${missing.map(creation).join(' ')}`,
      ),
    );
  if (differing.length > 0)
    found.push(
      degraded(
        'LOGIN_SID_DIFFERS',
        `Logins have another SID at ${standby.name} than at ${source.name}, so their users would be orphaned: ${namesOf(differing)}.`,
        `At ${standby.name}, after dropping them there if nothing else uses them: ${differing.map(creation).join(' ')} Or, after a failover, ALTER USER … WITH LOGIN in each database.`,
      ),
    );
  return found;
}

/** Of one server each, or there on every one. */
function isLocal({ name }: Login): boolean {
  return /^(sa$|##|NT SERVICE\\|NT AUTHORITY\\)/i.test(name);
}

function namesOf(logins: readonly Login[]): string {
  return logins
    .map(({ name }) => name)
    .sort()
    .join(', ');
}

/** What a person types. A password is theirs to give: none is ever read. */
function creation({ name, kind, sid }: Login): string {
  const quoted = `[${name.replaceAll(']', ']]')}]`;
  return kind === 'SQL_LOGIN'
    ? `CREATE LOGIN ${quoted} WITH PASSWORD = …, SID = ${sid};`
    : `CREATE LOGIN ${quoted} FROM WINDOWS;`;
}
