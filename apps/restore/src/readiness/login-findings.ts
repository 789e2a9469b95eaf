import type { Estate } from '../estate/estate.ts';
import { type InstancePair, pairsOf, type Place } from '../estate/instance-pair.ts';
import { creation, type KnownLogins, type Login, loginDifference } from '../estate/login-difference.ts';
import { degraded, type Finding } from './finding.ts';

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

function comparison(
  { source, standby }: InstancePair,
  there: readonly Login[],
  here: readonly Login[],
): readonly Finding[] {
  const { missing, differing } = loginDifference(there, here);
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

function namesOf(logins: readonly Login[]): string {
  return logins
    .map(({ name }) => name)
    .sort()
    .join(', ');
}
