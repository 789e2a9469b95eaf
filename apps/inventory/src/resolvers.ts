import { type DatabaseId, type GroupId, type Id, type InstanceId, parseId } from '@holdfast/domain';
import { allows, type Caller } from '@holdfast/service';
import {
  connection,
  observationOf,
  type OperationContext,
  pageArguments,
  requireId,
  requireRead,
  rowLoader,
  scalarResolvers,
} from '@holdfast/service/graphql';
import { findHolds, holdMessage, type SourceHold } from '@holdfast/service/source-hold';
import type { Store } from '@holdfast/store';
import DataLoader from 'dataloader';
import type { Resolvers } from '../generated/resolver-types.ts';
import type { GroupComputer } from './computer/computer.ts';
import { computersOf, findComputers } from './computer/computer-store.ts';
import { coverageOf } from './coverage/coverage.ts';
import { storedCoverage } from './coverage/coverage-store.ts';
import type { GroupDatabase } from './database/database.ts';
import { databaseCursor, findDatabases, pageOfDatabases } from './database/database-store.ts';
import { awaitedReason, type Group } from './group/group.ts';
import { findGroups, groupCursor, listGroupInstances, listGroups } from './group/group-store.ts';
import { purposeOf } from './instance/agent-job.ts';
import type { Instance } from './instance/instance.ts';
import { findInstances, instanceCursor, listInstances, reasonNotToAsk } from './instance/instance-store.ts';
import { sameName, unreadReason } from './estate/estate.ts';
import { type InventoryDependencies, outdatedBy } from './group/group-commands.ts';
import { registerGroup, type RegisteredGroup } from './registration/register-group-commands.ts';
import { registerSqlInstance } from './registration/register-sql-instance-commands.ts';
import { groupRefusal, instanceRefusal } from './registration/refusal.ts';
import type { InventoryTables } from './tables.ts';

/** One operation's view: who asks, and what was loaded for it already. */
export type InventoryContext = OperationContext & {
  readonly dependencies: InventoryDependencies;
  readonly store: Store<InventoryTables>;
  readonly groups: DataLoader<GroupId, Group | undefined>;
  readonly instances: DataLoader<InstanceId, Instance | undefined>;
  readonly databases: DataLoader<DatabaseId, GroupDatabase | undefined>;
  readonly computers: DataLoader<string, GroupComputer | undefined>;
  /** Of a group whose source is left alone. */
  readonly holds: DataLoader<GroupId, SourceHold | undefined>;
  /** Why nothing is sent to an instance now. */
  readonly instancesLeftAlone: DataLoader<InstanceId, string | undefined>;
};

export function inventoryContext(operation: OperationContext, dependencies: InventoryDependencies): InventoryContext {
  const { store } = dependencies;
  const byId = <Key extends string>({ id }: { readonly id: Key }): Key => id;
  return {
    ...operation,
    dependencies,
    store,
    groups: rowLoader<GroupId, Group>(ids => store.read(db => findGroups(db, ids)), byId),
    instances: rowLoader<InstanceId, Instance>(ids => store.read(db => findInstances(db, ids)), byId),
    databases: rowLoader<DatabaseId, GroupDatabase>(ids => store.read(db => findDatabases(db, ids)), byId),
    computers: rowLoader<string, GroupComputer>(ids => store.read(db => findComputers(db, ids)), byId),
    holds: rowLoader<GroupId, SourceHold<GroupId>>(
      ids => store.read(db => findHolds(db, ids)),
      ({ groupId }) => groupId,
    ),
    instancesLeftAlone: new DataLoader(ids =>
      store.read(async db => {
        const reasons: (string | undefined)[] = [];
        for (const id of ids) reasons.push(await reasonNotToAsk(db, id));
        return reasons;
      }),
    ),
  };
}

export const resolvers: Resolvers = {
  DateTime: scalarResolvers.DateTime,
  Duration: scalarResolvers.Duration,
  Query: {
    groups: async (_parent, args, { caller, store }) => {
      requireRead(caller);
      const page = pageArguments(args);
      // Who is not allowed everywhere sees their groups and no count of the others.
      const ids = caller.groups.includes('*') ? undefined : caller.groups.flatMap(text => parseId<GroupId>(text) ?? []);
      return connection(await store.read(db => listGroups(db, page, ids)), page, undefined, groupCursor);
    },
    group: async (_parent, { id }, { caller, groups }) => readableGroup(caller, await groups.load(parsed<GroupId>(id))),
    sqlInstances: async (_parent, args, { caller, store }) => {
      requireRead(caller);
      const page = pageArguments(args);
      return connection(await store.read(db => listInstances(db, page)), page, undefined, instanceCursor);
    },
    sqlInstance: async (_parent, { id }, { caller, instances }) =>
      readable(caller, await instances.load(parsed<InstanceId>(id))),
    database: async (_parent, { id }, { caller, databases }) =>
      readableDatabase(caller, await databases.load(parsed<DatabaseId>(id))),
  },
  Mutation: {
    registerGroup: async (_parent, { input }, { caller, dependencies }) => {
      const result = await registerGroup(dependencies, caller, input);
      if ('group' in result && !('refused' in result)) return { __typename: 'BizTalkGroup', ...result.group };
      return 'discovered' in result ? discovery(result) : groupRefusal(result);
    },
    registerSqlInstance: async (_parent, { input }, { caller, dependencies }) => {
      const result = await registerSqlInstance(dependencies, caller, input);
      return 'refused' in result ? instanceRefusal(result) : { __typename: 'SqlInstance', ...result.instance };
    },
  },
  BizTalkGroup: {
    __resolveReference: async ({ id }, { caller, groups }) =>
      readableGroup(caller, await groups.load(parsed<GroupId>(id))),
    management: async (group, _args, { databases }) => required(await databases.load(group.managementDatabaseId)),
    instances: async (group, _args, { store, instances }) => {
      const named = await store.read(db => listGroupInstances(db, group.id));
      // Two spellings of one server are one instance.
      const ids = [...new Set(named.map(({ instanceId }) => instanceId))];
      return (await Promise.all(ids.map(id => instances.load(id)))).map(required);
    },
    databases: async (group, args, { store }) => {
      const page = pageArguments(args);
      return connection(
        await store.read(db => pageOfDatabases(db, group.id, page, args.role ?? undefined)),
        page,
        undefined,
        databaseCursor,
      );
    },
    unaddressedInstances: ({ awaitedInstances }) =>
      awaitedInstances.map(each => ({
        name: each.name,
        databaseNames: each.databaseNames,
        reason: awaitedReason(each),
      })),
    computers: ({ id, tables }, _args, { store }) =>
      tables?.platform == null ? null : store.read(db => computersOf(db, id)),
    hosts: ({ tables }) =>
      tables?.platform?.hosts.map(host => ({
        ...host,
        instances: tables.platform?.hostInstances.filter(each => each.host === host.name) ?? [],
      })) ?? null,
    coverage: async (group, _args, { store, dependencies }) =>
      coverageOf(await store.read(db => storedCoverage(db, group, outdatedBy(dependencies)))),
    unread: ({ tables }) => tables?.unread.map(unreadReason) ?? [],
    observation: groupObserved,
  },
  SqlInstance: {
    __resolveReference: async ({ id }, { caller, instances }) =>
      readable(caller, await instances.load(parsed<InstanceId>(id))),
    edition: ({ details }) => details?.edition ?? null,
    jobs: async (instance, _args, context) => {
      const observation = await instanceObserved(instance, context);
      return instance.details?.jobs?.map(job => ({ ...job, ...purposeOf(job.name), observation })) ?? null;
    },
    logins: ({ details }) => details?.logins ?? null,
    linkedServers: ({ details }) => details?.linkedServers ?? null,
    unread: ({ details }) => details?.unread.map(unreadReason) ?? [],
    observation: (instance, _args, context) => instanceObserved(instance, context),
  },
  Computer: {
    __resolveReference: async ({ id }, { caller, computers }) => {
      requireRead(caller);
      const computer = await computers.load(parsed<Id<string>>(id));
      return computer !== undefined && allows(caller, 'read', computer.groupId) === undefined ? computer : null;
    },
    hostInstances: async ({ groupId, name }, _args, { groups }) =>
      required(await groups.load(groupId)).tables?.platform?.hostInstances.filter(({ computer }) =>
        sameName(computer, name),
      ) ?? null,
    observation: async ({ groupId }, _args, context) =>
      groupObserved(required(await context.groups.load(groupId)), {}, context),
  },
  Database: {
    __resolveReference: async ({ id }, { caller, databases }) =>
      readableDatabase(caller, await databases.load(parsed<DatabaseId>(id))),
    instance: async (database, _args, { instances }) => required(await instances.load(database.instanceId)),
    group: async (database, _args, { groups }) => required(await groups.load(database.groupId)),
    observation: async (database, _args, context) => {
      return instanceObserved(required(await context.instances.load(database.instanceId)), context);
    },
  },
};

function observed(
  observedAt: string | null,
  error: string | null,
  leftAlone: string | undefined,
  { dependencies: { observeEveryMs, clock } }: InventoryContext,
) {
  return observationOf({ observedAt, error: leftAlone ?? error }, observeEveryMs, clock());
}

async function groupObserved({ id, observedAt, observationError }: Group, _args: object, context: InventoryContext) {
  const hold = await context.holds.load(id);
  return observed(observedAt, observationError, hold && holdMessage(hold), context);
}

/** What is known of an instance and of its databases is as old as the last look at it. */
async function instanceObserved({ id, observedAt, observationError }: Instance, context: InventoryContext) {
  return observed(observedAt, observationError, await context.instancesLeftAlone.load(id), context);
}

function discovery({ discovered, findings }: Extract<RegisteredGroup, { readonly discovered: unknown }>) {
  const { tables, instances, awaited } = discovered;
  const unconfirmed = awaited.map(({ name }) => name);
  return {
    __typename: 'GroupDiscovery' as const,
    databaseNames: tables.databases.map(({ server, databaseName }) => `${server}.${databaseName}`),
    instanceNames: [...instances.map(({ name }) => name), ...unconfirmed],
    unconfirmedInstances: unconfirmed,
    findings,
  };
}

function parsed<T extends Id<string>>(text: string): T {
  return requireId(parseId<T>(text), text, 'id');
}

/** A group out of the caller's scope looks like one that does not exist. */
function readableGroup(caller: Caller, group: Group | undefined): Group | null {
  requireRead(caller);
  return group !== undefined && allows(caller, 'read', group.id) === undefined ? group : null;
}

function readableDatabase(caller: Caller, database: GroupDatabase | undefined): GroupDatabase | null {
  requireRead(caller);
  return database !== undefined && allows(caller, 'read', database.groupId) === undefined ? database : null;
}

function readable<Row>(caller: Caller, row: Row | undefined): Row | null {
  requireRead(caller);
  return row ?? null;
}

function required<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error('A row that another one refers to is not stored.');
  return row;
}
