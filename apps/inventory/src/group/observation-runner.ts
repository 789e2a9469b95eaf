import { safeMessage } from '@holdfast/service';
import type { RunnerDefinition } from '@holdfast/service/runner';
import type { Transactor } from '@holdfast/store';
import { databasesOf, findDatabases, replaceDatabases } from '../database/database-store.ts';
import { type DiscoveredGroup, discoverGroup } from '../estate/estate-store.ts';
import type { Instance } from '../instance/instance.ts';
import { findInstance, findInstances } from '../instance/instance-store.ts';
import {
  databaseIdIn,
  instanceId,
  type InventoryDependencies,
  publishGroup,
  saveSeenInstance,
} from '../registration/registration-commands.ts';
import { memberDatabases } from '../registration/registration.ts';
import type { InventoryTables } from '../tables.ts';
import { factsDiffer, type Group } from './group.ts';
import { allGroups, findGroup, listGroupInstances, replaceGroupInstances, updateGroup } from './group-store.ts';

type Known = {
  readonly group: Group;
  readonly management: { readonly instance: Instance; readonly database: string };
  readonly confirmed: readonly { name: string; address: Instance['address'] }[];
};
type Look = { readonly group: Group; readonly found: DiscoveredGroup };

/**
 * Keeps what is known of each group true. Invariant: an observation is stored whole, with the version raised only when something differs
 * that others may act on. It only reads the estate, so it resumes by looking again; a look that fails leaves the facts as they were, older
 * by the minute and with the reason beside them. What a leader saw before it froze is stored only where nobody has looked since: older
 * facts would replace newer ones, under a higher version.
 */
export function observationRunner(
  deps: InventoryDependencies,
  observeEveryMs: number,
): RunnerDefinition<Group, Group | undefined, Group, Look> {
  const { store, clock } = deps;
  return {
    name: 'observation',
    subjects: () => store.read(allGroups),
    key: group => group.id,
    observe: group => store.read(db => findGroup(db, group.id)),
    decide: (group, now) => (group !== undefined && isDue(group, observeEveryMs, now) ? group : undefined),
    step: () => 'look',
    async act(group) {
      const { management, confirmed } = await store.read(db => knownOf(db, group));
      const look = await discoverGroup(
        deps,
        { address: management.instance.address, database: management.database },
        confirmed,
      );
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
        if (current !== undefined && isDue(current, observeEveryMs, clock()))
          await updateGroup(tx, { ...current, observationError: safeMessage(error) });
      }),
  };

  function isDue({ observedAt }: Group, everyMs: number, now: number): boolean {
    return observedAt === null || Date.parse(observedAt) + everyMs <= now;
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
    const resolved = found.instances.map(({ name, address, seen }) => ({
      id: instanceId(seen.serverName),
      name,
      address,
      seen,
    }));
    const known = { instances: await listGroupInstances(tx, id), databases: await databasesOf(tx, id) };
    const databases = memberDatabases(id, found.databases, resolved, known.databases, databaseIdIn(id));
    const facts = { instances: resolved.map(({ id: instanceId, name }) => ({ instanceId, name })), databases };
    for (const instance of resolved) await saveSeenInstance(deps, tx, { ...instance, site: group.site }, observedAt);
    const changed = factsDiffer(known, facts);
    const seen = {
      ...group,
      observedAt,
      observationError: null,
      version: changed ? group.version + 1 : group.version,
    };
    await updateGroup(tx, seen);
    if (!changed) return;
    await replaceGroupInstances(tx, id, facts.instances);
    await replaceDatabases(tx, id, databases);
    await publishGroup(deps, tx, seen, facts);
  }
}

async function knownOf(db: Parameters<typeof findGroup>[0], group: Group): Promise<Known> {
  const [database] = await findDatabases(db, [group.managementDatabaseId]);
  const instance = database === undefined ? undefined : await findInstance(db, database.instanceId);
  if (database === undefined || instance === undefined)
    throw new Error(`The Management database of ${group.name} is not stored.`);
  const named = await listGroupInstances(db, group.id);
  const instances = await findInstances(
    db,
    named.map(({ instanceId: id }) => id),
  );
  const confirmed = named.flatMap(({ instanceId: id, name }) => {
    const address = instances.find(each => each.id === id)?.address;
    return address === undefined ? [] : [{ name, address }];
  });
  return { group, management: { instance, database: database.name }, confirmed };
}
