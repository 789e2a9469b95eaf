import { type GroupId, parseId } from '@holdfast/domain';
import { allows, type Caller } from '@holdfast/service';
import { apiError, connection, type OperationContext, pageArguments, scalarResolvers } from '@holdfast/service/graphql';
import type { Store } from '@holdfast/store';
import DataLoader from 'dataloader';
import type { Resolvers } from '../generated/resolver-types.ts';
import type { Group } from './group/group.ts';
import { findGroups, groupCursor, type InventoryTables, listGroups } from './group/group-store.ts';

/** One operation's view: who asks, and what was loaded for it already. */
export type InventoryContext = OperationContext & {
  readonly store: Store<InventoryTables>;
  readonly groups: DataLoader<GroupId, Group | undefined>;
};

export function inventoryContext(operation: OperationContext, store: Store<InventoryTables>): InventoryContext {
  return {
    ...operation,
    store,
    groups: new DataLoader(async ids => {
      const found = await store.read(db => findGroups(db, ids));
      return ids.map(id => found.find(group => group.id === id));
    }),
  };
}

export const resolvers: Resolvers = {
  DateTime: scalarResolvers.DateTime,
  Query: {
    groups: async (_parent, args, { caller, store }) => {
      requireRead(caller);
      const page = pageArguments(args);
      // Who is not allowed everywhere sees their groups and no count of the others.
      const ids = caller.groups.includes('*') ? undefined : caller.groups.flatMap(text => parseId<GroupId>(text) ?? []);
      return connection(await store.read(db => listGroups(db, page, ids)), page, undefined, groupCursor);
    },
    group: async (_parent, { id }, { caller, groups }) => readable(caller, await groups.load(groupId(id))),
  },
  BizTalkGroup: {
    __resolveReference: async ({ id }, { caller, groups }) => readable(caller, await groups.load(groupId(id))),
  },
  Node: {
    __resolveType: () => 'BizTalkGroup',
  },
};

function groupId(text: string): GroupId {
  const id = parseId<GroupId>(text);
  if (id === undefined)
    throw apiError('BAD_USER_INPUT', `"${text}" is not an id.`, {
      fix: 'Use an id as an earlier answer gave it: a UUID.',
      field: 'id',
    });
  return id;
}

function requireRead(caller: Caller): void {
  const refusal = allows(caller, 'read');
  if (refusal !== undefined) throw apiError('FORBIDDEN', refusal.message, { fix: refusal.fix });
}

/** A group out of the caller's scope looks like one that does not exist. */
function readable(caller: Caller, group: Group | undefined): Group | null {
  requireRead(caller);
  return group !== undefined && allows(caller, 'read', group.id) === undefined ? group : null;
}
