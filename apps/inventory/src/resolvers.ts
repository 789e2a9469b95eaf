import { type DatabaseId, type GroupId, type Id, type InstanceId, parseId } from '@holdfast/domain';
import { allows, type Caller } from '@holdfast/service';
import {
  connection,
  observationOf,
  type OperationContext,
  pageArguments,
  requireId,
  requireRead,
  scalarResolvers,
} from '@holdfast/service/graphql';
import type { Store } from '@holdfast/store';
import DataLoader from 'dataloader';
import type { Resolvers } from '../generated/resolver-types.ts';
import type { GroupDatabase } from './database/database.ts';
import { databaseCursor, findDatabases, pageOfDatabases } from './database/database-store.ts';
import { awaitedReason, type Group } from './group/group.ts';
import { findGroups, groupCursor, groupsWith, listGroupInstances, listGroups } from './group/group-store.ts';
import type { Instance } from './instance/instance.ts';
import { findInstances, instanceCursor, listInstances } from './instance/instance-store.ts';
import {
  type InventoryDependencies,
  registerGroup,
  registerSqlInstance,
} from './registration/registration-commands.ts';
import type { DiscoveredGroup } from './estate/estate-store.ts';
import { groupRefusal, instanceRefusal } from './registration/refusal.ts';
import { holdMessage, type SourceHold } from './source-hold/source-hold.ts';
import { findHolds } from './source-hold/source-hold-store.ts';
import type { InventoryTables } from './tables.ts';

/** One operation's view: who asks, and what was loaded for it already. */
export type InventoryContext = OperationContext & {
  readonly dependencies: InventoryDependencies;
  readonly store: Store<InventoryTables>;
  readonly observeEveryMs: number;
  readonly groups: DataLoader<GroupId, Group | undefined>;
  readonly instances: DataLoader<InstanceId, Instance | undefined>;
  readonly databases: DataLoader<DatabaseId, GroupDatabase | undefined>;
  readonly holds: DataLoader<GroupId, SourceHold | undefined>;
  /** Of any of the groups that have databases there. */
  readonly instanceHolds: DataLoader<InstanceId, SourceHold | undefined>;
};

export function inventoryContext(
  operation: OperationContext,
  dependencies: InventoryDependencies,
  observeEveryMs: number,
): InventoryContext {
  const { store } = dependencies;
  const loader = <Key extends string, Row extends { readonly id: Key }>(
    find: (ids: readonly Key[]) => Promise<readonly Row[]>,
  ) =>
    new DataLoader<Key, Row | undefined>(async ids => {
      const found = await find(ids);
      return ids.map(id => found.find(row => row.id === id));
    });
  return {
    ...operation,
    dependencies,
    store,
    observeEveryMs,
    groups: loader<GroupId, Group>(ids => store.read(db => findGroups(db, ids))),
    instances: loader<InstanceId, Instance>(ids => store.read(db => findInstances(db, ids))),
    databases: loader<DatabaseId, GroupDatabase>(ids => store.read(db => findDatabases(db, ids))),
    holds: new DataLoader(async ids => {
      const found = await store.read(db => findHolds(db, ids));
      return ids.map(id => found.find(({ groupId }) => groupId === id));
    }),
    instanceHolds: new DataLoader(ids =>
      store.read(async db => {
        const holds: (SourceHold | undefined)[] = [];
        for (const id of ids) holds.push((await findHolds(db, await groupsWith(db, id)))[0]);
        return holds;
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
      return 'discovered' in result ? discovery(result.discovered) : groupRefusal(result);
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
    observation: async (group, _args, context) =>
      observed(group.observedAt, group.observationError, await context.holds.load(group.id), context),
  },
  SqlInstance: {
    __resolveReference: async ({ id }, { caller, instances }) =>
      readable(caller, await instances.load(parsed<InstanceId>(id))),
    observation: (instance, _args, context) => instanceObserved(instance, context),
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
  hold: SourceHold | undefined,
  { dependencies, observeEveryMs }: InventoryContext,
) {
  const why = hold === undefined ? error : holdMessage(hold);
  return observationOf({ observedAt, error: why }, observeEveryMs, dependencies.clock());
}

/** What is known of an instance and of its databases is as old as the last look at it. */
async function instanceObserved({ id, observedAt, observationError }: Instance, context: InventoryContext) {
  return observed(observedAt, observationError, await context.instanceHolds.load(id), context);
}

function discovery({ databases, instances, awaited }: DiscoveredGroup) {
  const unconfirmed = awaited.map(({ name }) => name);
  return {
    __typename: 'GroupDiscovery' as const,
    databaseNames: databases.map(({ server, databaseName }) => `${server}.${databaseName}`),
    instanceNames: [...instances.map(({ name }) => name), ...unconfirmed],
    unconfirmedInstances: unconfirmed,
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
