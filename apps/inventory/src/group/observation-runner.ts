import { safeMessage } from '@holdfast/service';
import type { RunnerDefinition } from '@holdfast/service/runner';
import { findHold } from '@holdfast/service/source-hold';
import type { Transactor } from '@holdfast/store';
import { replaceComputers } from '../computer/computer-store.ts';
import {
  coveredNames,
  databaseIdIn,
  databasesOf,
  findDatabases,
  replaceDatabases,
} from '../database/database-store.ts';
import { namedServers, sameName } from '../estate/estate.ts';
import { type DiscoveredGroup, discoverGroup } from '../estate/estate-store.ts';
import type { Instance } from '../instance/instance.ts';
import {
  findInstance,
  findInstances,
  findNamedInstances,
  resolvedInstance,
  saveInstance,
} from '../instance/instance-store.ts';
import { recordInstance } from '../instance/instance-commands.ts';
import { awaitedInstances, memberDatabases, type ResolvedInstance } from '../registration/registration.ts';
import type { InventoryTables } from '../tables.ts';
import { type InventoryDependencies, tellGroup } from './group-commands.ts';
import type { Group, GroupInstance } from './group.ts';
import { allGroups, findGroup, listGroupInstances, replaceGroupInstances, updateGroup } from './group-store.ts';

type Known = {
  readonly group: Group;
  readonly management: { readonly instance: Instance; readonly database: string };
  readonly names: readonly string[];
  readonly registered: (name: string) => Instance | undefined;
  readonly covered: readonly string[];
};
type Look = { readonly group: Group; readonly found: DiscoveredGroup };

/**
 * Keeps what is known of each group true. Invariant: an observation is stored whole, with the version raised only when something differs
 * that others may act on. It only reads the estate, so it resumes by looking again; a look that fails leaves the facts as they were, older
 * by the minute and with the reason beside them. What a leader saw before it froze is stored only where nobody has looked since: older
 * facts would replace newer ones, under a higher version. It looks at the group's tables and at the instance that has them; the other
 * instances are looked at each for itself, and here only when they join. While an execution holds the group nothing is sent there.
 */
export function observationRunner(
  deps: InventoryDependencies,
): RunnerDefinition<Group, Group | undefined, Group, Look> {
  const { store, clock, observeEveryMs } = deps;
  return {
    name: 'observation',
    subjects: () => store.read(allGroups),
    key: group => group.id,
    observe: group =>
      store.read(async db => ((await findHold(db, group.id)) === undefined ? findGroup(db, group.id) : undefined)),
    decide: (group, now) => (group !== undefined && isDue(group, now) ? group : undefined),
    step: () => 'look',
    async act(group) {
      const { management, names, registered, covered } = await store.read(db => knownOf(db, group));
      const look = await discoverGroup(deps, {
        management: { address: management.instance.address, database: management.database },
        wayTo: name => registered(name)?.address,
        isKnown: name => names.some(known => sameName(known, name)),
        covered,
      });
      if (!('refused' in look)) return { group, found: look.group };
      throw new Error(
        'missing' in look ? `not a Management database any more: ${look.missing.join(', ')} missing` : look.cause,
      );
    },
    record: (before, look) => store.transaction(tx => recordLook(deps, tx, before, look.found)),
    failed: (group, error) =>
      store.transaction(async tx => {
        const current = await findGroup(tx, group.id);
        // An error is news as long as the look is still to be done: another leader may have done it by now.
        if (current !== undefined && isDue(current, clock())) await recordFailure(tx, current, safeMessage(error));
      }),
  };

  function isDue({ observedAt }: Group, now: number): boolean {
    return observedAt === null || Date.parse(observedAt) + observeEveryMs <= now;
  }

  async function recordLook(
    deps: InventoryDependencies,
    tx: Transactor<InventoryTables>,
    before: Group,
    found: DiscoveredGroup,
  ): Promise<void> {
    const { id } = before;
    const { observedAt } = found;
    const group = await findGroup(tx, id);
    if (group === undefined || group.observedAt !== before.observedAt) return;
    const seenNow = found.instances.map(resolvedInstance);
    for (const instance of seenNow) await recordInstance(deps, tx, { ...instance, site: group.site, observedAt }, id);
    const resolved = [...seenNow, ...(await stillNamed(tx, await listGroupInstances(tx, id), found))];
    const known = await databasesOf(tx, id);
    await updateGroup(tx, {
      ...group,
      observedAt,
      observationError: null,
      awaitedInstances: awaitedInstances(found),
      tables: found.tables,
    });
    const computers = found.tables.platform?.computers;
    if (computers !== undefined) await replaceComputers(tx, id, computers);
    await replaceGroupInstances(
      tx,
      id,
      resolved.map(({ id: instanceId, name }) => ({ instanceId, name })),
    );
    await replaceDatabases(tx, id, memberDatabases(id, found.tables.databases, resolved, known, databaseIdIn(id)));
    await tellGroup(deps, tx, id);
  }
}

async function knownOf(db: Parameters<typeof findGroup>[0], group: Group): Promise<Known> {
  const [database] = await findDatabases(db, [group.managementDatabaseId]);
  const instance = database === undefined ? undefined : await findInstance(db, database.instanceId);
  if (database === undefined || instance === undefined)
    throw new Error(`The Management database of ${group.name} is not stored.`);
  const names = (await listGroupInstances(db, group.id)).map(({ name }) => name);
  const registered = await findNamedInstances(db);
  return {
    group,
    management: { instance, database: database.name },
    names,
    registered,
    covered: await coveredNames(db),
  };
}

/** The instances that were not looked at because the group has them: their own runner keeps their facts. */
async function stillNamed(
  db: Parameters<typeof findGroup>[0],
  known: readonly GroupInstance[],
  found: DiscoveredGroup,
): Promise<ResolvedInstance[]> {
  const names = namedServers(found.tables.databases).filter(
    name => !found.instances.some(seen => sameName(seen.name, name)),
  );
  const instances = await findInstances(
    db,
    known.map(({ instanceId }) => instanceId),
  );
  return names.flatMap(name => {
    const instanceId = known.find(each => sameName(each.name, name))?.instanceId;
    const instance = instances.find(({ id }) => id === instanceId);
    return instance === undefined ? [] : [{ id: instance.id, name, serverName: instance.serverName, databases: null }];
  });
}

/** What could not be seen are the group's tables and the databases of the instance that has them. */
async function recordFailure(tx: Transactor<InventoryTables>, group: Group, observationError: string): Promise<void> {
  await updateGroup(tx, { ...group, observationError });
  const [database] = await findDatabases(tx, [group.managementDatabaseId]);
  const instance = database === undefined ? undefined : await findInstance(tx, database.instanceId);
  if (instance !== undefined) await saveInstance(tx, { ...instance, observationError });
}
