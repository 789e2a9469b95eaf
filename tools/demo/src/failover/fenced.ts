import type { Ending } from '../ending.ts';
import type { EstateInstance } from '../estate/instance.ts';
import { connected } from '../sql-connection.ts';
import type { Execution } from './failover.ts';

/**
 * What is not as it must be with the source instances after the failover: the dead ones declared unreachable, each of the others fenced with
 * every database of the group OFFLINE there. Read at the instances themselves.
 */
export async function fenceComplaints(
  { sources }: Execution,
  { dead }: Ending,
  primaries: readonly EstateInstance[],
): Promise<readonly string[]> {
  const living = primaries.filter(instance => !dead.includes(instance));
  const wanted = primaries.map(({ name }) => ({
    name,
    outcome: living.some(instance => instance.name === name) ? 'FENCED' : 'DECLARED_UNREACHABLE',
  }));
  const outcomes = wanted.flatMap(({ name, outcome }) => {
    const found = sources.find(source => source.instanceName === name)?.outcome ?? 'nothing';
    return found === outcome ? [] : [`the execution says ${found} of ${name}, not ${outcome}`];
  });
  const states = await connected(living, 'fence check', async all =>
    Promise.all(
      all.map(async ([instance, connection]) => {
        const rows = await connection.rows('SELECT name, state_desc FROM sys.databases');
        const state = new Map(rows.map(row => [String(row['name']), String(row['state_desc'])]));
        return instance.databases.flatMap(name =>
          state.get(name) === 'OFFLINE'
            ? []
            : [`${name} at ${instance.name} is ${state.get(name) ?? 'gone'}, not OFFLINE`],
        );
      }),
    ),
  );
  return [...outcomes, ...states.flat()];
}
