import type { DatabaseId, GroupId, InstanceId } from '@holdfast/domain';
import { sqlInstanceRegistered } from '@holdfast/events';
import { allows, type Caller, discoveredId, newId, type NotAllowed, parseSecretRef } from '@holdfast/service';
import { findEarlierRequest, type IdempotentRequest, rememberRequest } from '@holdfast/service/host';
import { addressProblem } from '@holdfast/sqlserver';
import type { Transactor } from '@holdfast/store';
import { replaceComputers } from '../computer/computer-store.ts';
import { type CoverageFinding, coverageOf, inAvailabilityGroup } from '../coverage/coverage.ts';
import { discoveredCoverage } from '../coverage/coverage-store.ts';
import { coveredNames, replaceDatabases } from '../database/database-store.ts';
import { sameName } from '../estate/estate.ts';
import { type DiscoveredGroup, discoverGroup, discoverInstance, type Unreachable } from '../estate/estate-store.ts';
import { type InventoryDependencies, publishGroup } from '../group/group-commands.ts';
import type { Group } from '../group/group.ts';
import { allGroups, findGroup, findGroupManagedBy, insertGroup } from '../group/group-store.ts';
import type { Instance } from '../instance/instance.ts';
import { recordInstance } from '../instance/instance-commands.ts';
import { findInstance, findNamedInstances, instanceId, saveInstanceName } from '../instance/instance-store.ts';
import type { InventoryTables } from '../tables.ts';
import {
  awaitedInstances,
  type ConnectionInput,
  type ConnectionRules,
  invalid,
  type InvalidInput,
  memberDatabases,
  parseConnection,
  textProblem,
} from './registration.ts';

export type RegisterGroupInput = {
  readonly idempotencyKey: string;
  readonly name: string;
  readonly site: string;
  readonly tags?: readonly string[] | null | undefined;
  readonly management: ConnectionInput;
  readonly instances?: readonly { readonly name: string; readonly connection: ConnectionInput }[] | null | undefined;
  readonly dryRun: boolean;
};

export type CommonRefusal =
  | InvalidInput
  | Unreachable
  | ({ readonly refused: 'NotAllowed' } & NotAllowed)
  | { readonly refused: 'IdempotencyKeyReused' };
export type GroupRefusal =
  | CommonRefusal
  | { readonly refused: 'NotAManagementDatabase'; readonly missing: readonly string[] }
  | { readonly refused: 'InAvailabilityGroup'; readonly databases: readonly string[] }
  | { readonly refused: 'GroupAlreadyRegistered'; readonly group: Group };
export type InstanceRefusal =
  CommonRefusal | { readonly refused: 'SqlInstanceAlreadyRegistered'; readonly instance: Instance };

export type RegisteredGroup =
  | { readonly group: Group }
  | { readonly discovered: DiscoveredGroup; readonly findings: readonly CoverageFinding[] }
  | GroupRefusal;

const rules: ConnectionRules = {
  // A login is named by reference: its text is not known here.
  addressProblem: address => addressProblem(address, ''),
  referenceProblem(reference) {
    const parsed = parseSecretRef(reference);
    return 'problem' in parsed ? parsed : undefined;
  },
};

export async function registerGroup(
  deps: InventoryDependencies,
  caller: Caller,
  input: RegisterGroupInput,
): Promise<RegisteredGroup> {
  const refusal = allows(caller, 'administer');
  if (refusal !== undefined) return { refused: 'NotAllowed', ...refusal };
  const parsed = parseRegistration(input);
  if ('refused' in parsed) return parsed;
  const request: IdempotentRequest = { caller, key: input.idempotencyKey, mutation: 'registerGroup', input };
  const earlier = await deps.store.read(db => findEarlierRequest(db, request));
  if (earlier === 'other input') return { refused: 'IdempotencyKeyReused' };
  if (earlier !== undefined) return registeredBefore(deps, earlier.resultId as GroupId);

  // SQL Server is asked outside of any transaction of ours.
  const registered = await deps.store.read(findNamedInstances);
  const { management, confirmed } = parsed;
  const found = await discoverGroup(deps, {
    management,
    wayTo: name => confirmed.find(each => sameName(each.name, name))?.address ?? registered(name)?.address,
    covered: await deps.store.read(coveredNames),
  });
  if ('refused' in found) return found;
  const unseen = found.group.awaited.find(({ problem }) => problem !== null)?.problem;
  if (unseen !== undefined && unseen !== null) return unseen;
  const findings = coverageOf(await deps.store.read(db => discoveredCoverage(db, found.group, management.database)));
  if (input.dryRun) return { discovered: found.group, findings };
  const unsupported = inAvailabilityGroup(findings);
  if (unsupported.length > 0) return { refused: 'InAvailabilityGroup', databases: unsupported };
  return deps.store.transaction(async tx => {
    const again = await findEarlierRequest(tx, request);
    if (again !== undefined)
      return again === 'other input'
        ? { refused: 'IdempotencyKeyReused' }
        : { group: await requireGroup(tx, again.resultId as GroupId) };
    return saveNewGroup(deps, tx, request, {
      input,
      found: found.group,
      managementDatabase: management.database,
    });
  });
}

async function registeredBefore(deps: InventoryDependencies, id: GroupId): Promise<RegisteredGroup> {
  return { group: await deps.store.read(db => requireGroup(db, id)) };
}

async function requireGroup(db: Parameters<typeof findGroup>[0], id: GroupId): Promise<Group> {
  const group = await findGroup(db, id);
  if (group === undefined) throw new Error(`The group of an earlier request is gone: ${id}`);
  return group;
}

type NewGroup = {
  readonly input: RegisterGroupInput;
  readonly found: DiscoveredGroup;
  readonly managementDatabase: string;
};

async function saveNewGroup(
  deps: InventoryDependencies,
  tx: Transactor<InventoryTables>,
  request: IdempotentRequest,
  { input, found, managementDatabase }: NewGroup,
): Promise<RegisteredGroup> {
  const { observedAt } = found;
  const resolved = found.instances.map(resolvedInstance);
  const managing = resolved.find(({ serverName }) => serverName === found.managementServer);
  if (managing === undefined) throw new Error('The Management instance is not among the instances of its group.');
  const taken = await findGroupManagedBy(tx, managing.id, managementDatabase);
  if (taken !== undefined) return { refused: 'GroupAlreadyRegistered', group: taken };

  const id = newId(deps.clock) as GroupId;
  const databases = memberDatabases(id, found.tables.databases, resolved, [], databaseIdIn(id));
  const management = databases.find(({ role }) => role === 'MANAGEMENT');
  if (management === undefined) throw new Error('The Management database is not among the databases of its group.');
  const group: Group = {
    id,
    version: 1,
    name: input.name.trim(),
    site: input.site.trim(),
    tags: [...(input.tags ?? [])],
    managementDatabaseId: management.id,
    registeredAt: new Date(deps.clock()).toISOString(),
    observedAt,
    observationError: null,
    awaitedInstances: awaitedInstances(found),
    tables: found.tables,
  };
  for (const instance of resolved) {
    await recordInstance(deps, tx, { ...instance, site: group.site, observedAt });
    await saveInstanceName(tx, instance.id, instance.name);
  }
  await insertGroup(
    tx,
    group,
    resolved.map(({ id: instanceId, name }) => ({ instanceId, name })),
  );
  await replaceDatabases(tx, id, databases);
  await replaceComputers(tx, id, found.tables.platform?.computers ?? []);
  await publishGroup(deps, tx, group, {
    instances: resolved.map(({ id: instanceId, name }) => ({ instanceId, name })),
    databases,
  });
  await rememberRequest(tx, request, id);
  return { group };
}

/** An instance that was looked at, with the id of the server that answered. */
export function resolvedInstance({ name, address, seen }: DiscoveredGroup['instances'][number]) {
  const { serverName, databases } = seen;
  return { id: instanceId(serverName), name, serverName, databases, address, seen };
}

export type RegisterSqlInstanceInput = {
  readonly idempotencyKey: string;
  readonly name: string;
  readonly site: string;
  readonly connection: ConnectionInput;
};

export async function registerSqlInstance(
  deps: InventoryDependencies,
  caller: Caller,
  input: RegisterSqlInstanceInput,
): Promise<{ readonly instance: Instance } | InstanceRefusal> {
  const refusal = allows(caller, 'administer');
  if (refusal !== undefined) return { refused: 'NotAllowed', ...refusal };
  const problem =
    textProblem('name', input.name, 128) ??
    textProblem('site', input.site, 64) ??
    keyProblem(input.idempotencyKey) ??
    strayDatabase(input.connection, 'connection');
  if (problem !== undefined) return problem;
  const address = parseConnection(input.connection, 'connection', rules);
  if ('refused' in address) return address;
  const request: IdempotentRequest = { caller, key: input.idempotencyKey, mutation: 'registerSqlInstance', input };
  const earlier = await deps.store.read(db => findEarlierRequest(db, request));
  if (earlier === 'other input') return { refused: 'IdempotencyKeyReused' };
  if (earlier !== undefined)
    return { instance: await deps.store.read(db => requireInstance(db, earlier.resultId as InstanceId)) };

  const found = await discoverInstance(deps, address, await deps.store.read(coveredNames));
  if ('refused' in found) return found;
  const id = instanceId(found.seen.serverName);
  return deps.store.transaction(async tx => {
    const again = await findEarlierRequest(tx, request);
    if (again === 'other input') return { refused: 'IdempotencyKeyReused' };
    if (again !== undefined) return { instance: await requireInstance(tx, again.resultId as InstanceId) };
    const taken = await findInstance(tx, id);
    if (taken !== undefined) {
      // Another name of a server that is known: asked for by a group's tables it is news, otherwise a second registration.
      const isAwaited = (await allGroups(tx)).some(({ awaitedInstances }) =>
        awaitedInstances.some(({ name }) => sameName(name, input.name.trim())),
      );
      if (!isAwaited) return { refused: 'SqlInstanceAlreadyRegistered', instance: taken };
      await saveInstanceName(tx, id, input.name.trim());
      await rememberRequest(tx, request, id);
      return { instance: taken };
    }
    const { instance } = await recordInstance(deps, tx, {
      ...found,
      id,
      name: input.name.trim(),
      address,
      site: input.site.trim(),
    });
    await saveInstanceName(tx, id, instance.name);
    const { version, name, serverName, site, productVersion } = instance;
    await deps.outbox.append(tx, sqlInstanceRegistered, {
      instanceId: id,
      version,
      name,
      serverName,
      site,
      productVersion,
    });
    await rememberRequest(tx, request, id);
    return { instance };
  });
}

async function requireInstance(db: Parameters<typeof findInstance>[0], id: InstanceId): Promise<Instance> {
  const instance = await findInstance(db, id);
  if (instance === undefined) throw new Error(`The instance of an earlier request is gone: ${id}`);
  return instance;
}

function parseRegistration(input: RegisterGroupInput) {
  const problem =
    textProblem('name', input.name, 128) ?? textProblem('site', input.site, 64) ?? keyProblem(input.idempotencyKey);
  if (problem !== undefined) return problem;
  const { database } = input.management;
  if (database === undefined || database === null || database.trim() === '')
    return invalid(
      'management.database',
      'The name of the Management database is missing.',
      'Give it; its default name is BizTalkMgmtDb.',
    );
  const address = parseConnection(input.management, 'management', rules);
  if ('refused' in address) return address;
  const confirmed = [];
  for (const [index, { name, connection }] of (input.instances ?? []).entries()) {
    const field = `instances.${index}.connection`;
    const stray = strayDatabase(connection, field);
    if (stray !== undefined) return stray;
    const parsed = parseConnection(connection, field, rules);
    if ('refused' in parsed) return parsed;
    confirmed.push({ name, address: parsed });
  }
  return { management: { address, database: database.trim() }, confirmed };
}

function keyProblem(key: string): InvalidInput | undefined {
  return textProblem('idempotencyKey', key, 200);
}

function strayDatabase({ database }: ConnectionInput, field: string): InvalidInput | undefined {
  if (database === undefined || database === null) return undefined;
  return invalid(
    `${field}.database`,
    'A database has no meaning here.',
    'Leave it out: only the management connection names one.',
  );
}

export function databaseIdIn(groupId: GroupId): (name: string, serverName: string) => DatabaseId {
  return (name, serverName) =>
    discoveredId('database', groupId, name.toUpperCase(), serverName.toUpperCase()) as DatabaseId;
}
