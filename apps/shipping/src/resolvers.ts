import type { GroupId, RecoveryPointId, StandbyId, StreamId } from '@holdfast/domain';
import { liveFeed } from '@holdfast/messaging';
import { apiError, durationFromSeconds, requireRead, scalarResolvers } from '@holdfast/service/graphql';
import type { Resolvers } from '../generated/resolver-types.ts';
import { forget, maySee, observed, parsed, readableGroup, readableStandby, type ShippingContext } from './context.ts';
import { candidatesOf } from './estate/estate.ts';
import { groupOfPoint } from './estate/estate-store.ts';
import { type GroupView, isRestorable, isShipped, type Stage, stagesOf } from './rpo/rpo.ts';
import { answerOf, changeOf, reseedOf, requestOf } from './standby/answer.ts';
import type { PlannedInstance } from './standby/creation.ts';
import { pauseStandby, resumeStandby } from './standby/pause-commands.ts';
import { lookAtTarget } from './standby/preflight-runner.ts';
import { shippingReason, type ShippingReason } from './standby/reason.ts';
import type { Standby } from './standby/standby.ts';
import { createStandby } from './standby/standby-commands.ts';
import { findStandby, listStandbys } from './standby/standby-store.ts';
import { standbyResolvers } from './standby-resolvers.ts';
import { lookAtInstances } from './stream/look-runner.ts';
import { reseedStandby } from './stream/reseed-commands.ts';
import { findStream } from './stream/stream-store.ts';

export const resolvers: Resolvers = {
  ...standbyResolvers,
  DateTime: scalarResolvers.DateTime,
  Duration: scalarResolvers.Duration,
  Bytes: scalarResolvers.Bytes,
  LSN: scalarResolvers.LSN,
  Query: {
    standby: async (_parent, { id }, context) => readableStandby(parsed<StandbyId>(id), context),
    stream: async (_parent, { id }, { caller, dependencies }) => {
      requireRead(caller);
      const stream = await dependencies.store.read(db => findStream(db, parsed<StreamId>(id)));
      return stream !== undefined && maySee(caller, stream.groupId) ? stream : null;
    },
    standbys: async (_parent, { groupId }, { caller, dependencies }) => {
      requireRead(caller);
      const wanted = groupId === null || groupId === undefined ? undefined : parsed<GroupId>(groupId);
      const standbys = await dependencies.store.read(db => listStandbys(db, wanted));
      return standbys.filter(standby => maySee(caller, standby.groupId));
    },
  },
  Mutation: {
    createStandby: async (_parent, { input }, { caller, dependencies, connections }) => {
      const request = requestOf(input);
      if ('__typename' in request) return request;
      const look = (instance: PlannedInstance) => lookAtTarget(connections, instance);
      return answerOf(await createStandby({ ...dependencies, look }, caller, request));
    },
    pauseStandby: async (_parent, { input }, { caller, dependencies }) => {
      const { reason, until } = input;
      const standbyId = parsed<StandbyId>(input.standbyId);
      return changeOf(await pauseStandby(dependencies, caller, { standbyId, reason, until: until ?? null }));
    },
    resumeStandby: async (_parent, { input }, { caller, dependencies }) =>
      changeOf(await resumeStandby(dependencies, caller, parsed<StandbyId>(input.standbyId))),
    reseedStandby: async (_parent, { input }, { caller, dependencies, connections }) => {
      const request = reseedOf(input);
      if ('__typename' in request) return request;
      const look = (standby: Standby) => lookAtInstances(connections, standby, dependencies.clock);
      return changeOf(await reseedStandby({ ...dependencies, look }, caller, request));
    },
  },
  Subscription: {
    standby: {
      subscribe: async (_parent, { id, afterVersion }, context) => {
        const standbyId = parsed<StandbyId>(id);
        if ((await readableStandby(standbyId, context)) === null)
          throw apiError('NOT_FOUND', `There is no standby ${id} that you may see.`, {
            fix: 'Check the id.',
            field: 'id',
          });
        return liveFeed(
          context.dependencies.store,
          async db => {
            const standby = await findStandby(db, standbyId);
            return standby === undefined ? undefined : { version: standby.version, state: standby };
          },
          { afterVersion: afterVersion ?? undefined, signal: context.signal },
        );
      },
      // The feed gives the standby itself, not a root object that holds it.
      resolve: (standby: unknown, _args: unknown, context: ShippingContext) => {
        // One operation for all its events: what was loaded for the one before is old.
        forget(context);
        return standby as Standby;
      },
    },
  },
  CreateStandbyResult: {
    __resolveType: answer => ('__typename' in answer ? (answer.__typename ?? 'Standby') : 'Standby'),
  },
  StandbyChangeResult: {
    __resolveType: answer => ('__typename' in answer ? (answer.__typename ?? 'Standby') : 'Standby'),
  },
  BizTalkGroup: {
    __resolveReference: ({ id }, { caller }) => readableGroup(caller, parsed<GroupId>(id)),
    standbys: async ({ id }, _args, { groups }) => (await groups.load(id)).standbys.map(({ standby }) => standby),
    rpo: async ({ id }, _args, context) => {
      const near = stagesOf(await context.groups.load(id));
      // A stage that is not found near the positions may lie further back.
      const found = near.taken.markName !== null && near.shipped.markName !== null;
      const { taken, shipped, restorable } = found ? near : stagesOf(await context.ledgers.load(id));
      return {
        taken: stage(taken, shippingReason('NOTHING_TAKEN'), context),
        shipped: stage(shipped, shippingReason('NOTHING_SHIPPED'), context),
        restorable: stage(restorable, shippingReason('NOTHING_RESTORABLE'), context),
        proven: stage(nothing, shippingReason('NO_DRILL_YET'), context),
      };
    },
  },
  RecoveryPoint: {
    __resolveReference: ({ id }) => ({ id: parsed<RecoveryPointId>(id) }),
    shippedTo: ({ id }, _args, context) => standbysAt(id, context, isShipped),
    restorableOn: ({ id }, _args, context) => standbysAt(id, context, isRestorable),
  },
};

const nothing: Stage = { recoveryPointId: null, markName: null, markedAt: null, observedAt: null };

function stage(of: Stage, ifNone: ShippingReason, context: ShippingContext) {
  const { recoveryPointId, markName, markedAt, observedAt } = of;
  const ageMs = markedAt === null ? null : Math.max(0, context.dependencies.clock() - Date.parse(markedAt));
  return {
    recoveryPoint: recoveryPointId === null ? null : { id: recoveryPointId },
    markName,
    markedAt,
    age: ageMs === null ? null : durationFromSeconds(ageMs / 1_000),
    reason: markName === null ? ifNone : null,
    observation: observed(observedAt, null, context),
  };
}

async function standbysAt(
  id: RecoveryPointId,
  { caller, dependencies, groups, ledgers }: ShippingContext,
  holds: typeof isShipped,
): Promise<Standby[] | null> {
  requireRead(caller);
  const groupId = await dependencies.store.read(db => groupOfPoint(db, id));
  if (groupId === undefined || !maySee(caller, groupId)) return null;
  const near = await groups.load(groupId);
  const holding = holdersOf(id, near, holds);
  // Near the positions not every full is loaded: what is not found there may be found from an older one.
  return holding.length === near.standbys.length ? holding : holdersOf(id, await ledgers.load(groupId), holds);
}

function holdersOf(id: RecoveryPointId, { sets, points, standbys }: GroupView, holds: typeof isShipped): Standby[] {
  const markName = points.find(({ recoveryPointId }) => recoveryPointId === id)?.markName;
  const candidate = candidatesOf(sets).find(({ mark }) => mark === markName);
  if (candidate === undefined) return [];
  return standbys.filter(shelf => holds(candidate, shelf, sets)).map(({ standby }) => standby);
}
