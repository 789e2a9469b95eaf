/** Where an inventory of one group ended, without what differs between two runs (ids, times). */
import { groupObserved, jobsObserved, loginsObserved } from '@holdfast/events';
import type { Store } from '@holdfast/store';
import { computersOf } from '../src/computer/computer-store.ts';
import { coverageOf } from '../src/coverage/coverage.ts';
import { storedCoverage } from '../src/coverage/coverage-store.ts';
import { databasesOf } from '../src/database/database-store.ts';
import { allGroups, listGroupInstances } from '../src/group/group-store.ts';
import { listInstances } from '../src/instance/instance-store.ts';
import type { InventoryTables } from '../src/tables.ts';
import { type Published, publishedEvents } from './store.ts';

type ObservedFinding = {
  readonly database: string;
  readonly instance: string;
  readonly problem: string;
  readonly reason: { readonly code: string };
};
type ObservedDatabase = { readonly databaseId: string; readonly name: string; readonly instanceId: string };

/** @throws when the events are not what the store holds, or one came twice, out of order or without a change. */
export async function inventoryEnd(store: Store<InventoryTables>) {
  const [group, other] = await store.read(allGroups);
  if (group === undefined || other !== undefined) throw new Error('There is not exactly one group.');
  const databases = await store.read(db => databasesOf(db, group.id));
  const named = await store.read(db => listGroupInstances(db, group.id));
  const instances = await store.read(db => listInstances(db, { first: 50, after: null }));
  const computers = await store.read(db => computersOf(db, group.id));
  const coverage = await store.read(db => storedCoverage(db, group, () => false));
  const events = await publishedEvents(store);
  const observed = observedVersions(events);
  if (observed.at(-1)?.['version'] !== group.version) throw new Error('The newest version was not published.');
  const { name, site, tags, version, managementDatabaseId, observationError } = group;
  return {
    group: { name, site, tags, version, observationError },
    management: databases.find(({ id }) => id === managementDatabaseId)?.name,
    instances: instances.map(({ name, serverName, site, productVersion, version, observationError, details }) => {
      return { name, serverName, site, productVersion, version, observationError, details };
    }),
    computers: computers.map(each => each.name),
    tables: group.tables,
    coverage: coverageOf(coverage).map(({ database, instance, problem }) => [instance, database, problem]),
    named: named.map(({ name, instanceId }) => [name, instances.find(({ id }) => id === instanceId)?.serverName]),
    databases: databases
      .map(({ name, role, inBackupJob, state, recoveryModel }) => ({ name, role, inBackupJob, state, recoveryModel }))
      .sort(byName),
    published: events.map(({ type }) => type),
    logins: toldOf(events, loginsObserved.type).map(({ serverName, logins }) => {
      return [serverName, (logins as { name: string }[] | null)?.map(({ name }) => name) ?? null];
    }),
    jobs: toldOf(events, jobsObserved.type).map(({ serverName, version, jobs }) => [serverName, version, jobs]),
    observed: observed.map(({ version, databases, coverage }) => ({
      version,
      coverage: (coverage as ObservedFinding[]).map(({ instance, database, problem, reason: { code } }) => {
        return [instance, database, problem, code];
      }),
      databases: (databases as ObservedDatabase[])
        .map(({ databaseId: _id, instanceId: _instanceId, ...facts }) => facts)
        .sort(byName),
    })),
  };
}

/** What was told of instances: each time something new, under a higher version. */
function toldOf(events: readonly Published[], type: string): readonly Record<string, unknown>[] {
  const told = events.filter(each => each.type === type).map(({ data }) => data);
  for (const [index, news] of told.entries()) {
    const { instanceId, version, observedAt } = news;
    const before = told.slice(0, index).findLast(each => each['instanceId'] === instanceId);
    if (before === undefined) continue;
    if (Number(version) <= Number(before['version']))
      throw new Error(`${type}: version ${String(version)} came after ${String(before['version'])}.`);
    if (JSON.stringify({ ...before, version, observedAt }) === JSON.stringify(news))
      throw new Error(`${type}: version ${String(version)} says nothing new.`);
  }
  return told;
}

/** The payloads of `group.observed`: versions rise by one, each says something new, and a database keeps its id. */
export function observedVersions(events: readonly Published[]): readonly Record<string, unknown>[] {
  const observed = events.filter(({ type }) => type === groupObserved.type).map(({ data }) => data);
  const ids = new Map<string, string>();
  for (const [index, data] of observed.entries()) {
    const version = index + 1;
    if (data['version'] !== version)
      throw new Error(`Version ${String(data['version'])} came where ${String(version)} was next.`);
    const { observedAt } = data;
    if (JSON.stringify({ ...observed[index - 1], version, observedAt }) === JSON.stringify(data))
      throw new Error(`Version ${String(version)} says nothing new.`);
    for (const { databaseId, name } of data['databases'] as ObservedDatabase[]) {
      if ((ids.get(name) ?? databaseId) !== databaseId) throw new Error(`${name} got another id.`);
      ids.set(name, databaseId);
    }
  }
  return observed;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
