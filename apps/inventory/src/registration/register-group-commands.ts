import type { GroupId } from '@holdfast/domain';
import { allows, type Caller, newId } from '@holdfast/service';
import { findEarlierRequest, type IdempotentRequest, rememberRequest } from '@holdfast/service/host';
import type { Transactor } from '@holdfast/store';
import { replaceComputers } from '../computer/computer-store.ts';
import { type CoverageFinding, coverageOf, inAvailabilityGroup } from '../coverage/coverage.ts';
import { discoveredCoverage } from '../coverage/coverage-store.ts';
import { coveredNames, databaseIdIn, replaceDatabases } from '../database/database-store.ts';
import { sameName } from '../estate/estate.ts';
import { type DiscoveredGroup, discoverGroup } from '../estate/estate-store.ts';
import { type InventoryDependencies, tellGroup } from '../group/group-commands.ts';
import type { Group } from '../group/group.ts';
import { findGroupManagedBy, insertGroup, requireGroup } from '../group/group-store.ts';
import { recordInstance } from '../instance/instance-commands.ts';
import { findNamedInstances, resolvedInstance, saveInstanceName } from '../instance/instance-store.ts';
import type { InventoryTables } from '../tables.ts';
import type { GroupRefusal } from './refusal.ts';
import { accountsProblem, connectionRules } from './register-sql-instance-commands.ts';
import {
  awaitedInstances,
  type ConnectionInput,
  invalid,
  keyProblem,
  memberDatabases,
  parseConnection,
  strayDatabase,
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

export type RegisteredGroup =
  | { readonly group: Group }
  | { readonly discovered: DiscoveredGroup; readonly findings: readonly CoverageFinding[] }
  | GroupRefusal;

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

  const undeclared = await accountsProblem(deps, connectionsOf(input));
  if (undeclared !== undefined) return undeclared;
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
    version: 0,
    name: input.name.trim(),
    site: input.site.trim(),
    tags: [...(input.tags ?? [])],
    managementDatabaseId: management.id,
    registeredAt: new Date(deps.clock()).toISOString(),
    observedAt,
    observationError: null,
    awaitedInstances: awaitedInstances(found),
    tables: found.tables,
    told: null,
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
  const told = await tellGroup(deps, tx, id);
  await rememberRequest(tx, request, id);
  return { group: told };
}

function connectionsOf({ management, instances }: RegisterGroupInput) {
  return [
    { field: 'management', connection: management },
    ...(instances ?? []).map(({ connection }, index) => ({ field: `instances.${index}.connection`, connection })),
  ];
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
  const address = parseConnection(input.management, 'management', connectionRules);
  if ('refused' in address) return address;
  const confirmed = [];
  for (const [index, { name, connection }] of (input.instances ?? []).entries()) {
    const field = `instances.${index}.connection`;
    const stray = strayDatabase(connection, field);
    if (stray !== undefined) return stray;
    const parsed = parseConnection(connection, field, connectionRules);
    if ('refused' in parsed) return parsed;
    confirmed.push({ name, address: parsed });
  }
  return { management: { address, database: database.trim() }, confirmed };
}
