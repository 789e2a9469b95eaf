import {
  type BackupSetId,
  type GroupId,
  type Id,
  parseId,
  type RecoveryPointId,
  type StandbyId,
  type StreamId,
} from '@holdfast/domain';
import { liveFeed } from '@holdfast/messaging';
import { allows, type Caller } from '@holdfast/service';
import {
  apiError,
  durationFromSeconds,
  observationOf,
  type OperationContext,
  requireId,
  requireRead,
  scalarResolvers,
} from '@holdfast/service/graphql';
import type { HostDependencies } from '@holdfast/service/host';
import DataLoader from 'dataloader';
import type { Resolvers } from '../generated/resolver-types.ts';
import type { CopyMeter } from './copy/copy-meter.ts';
import type { StandbyConnections } from './estate/connection-runner.ts';
import { candidatesOf, inOrderTaken, type KnownSet } from './estate/estate.ts';
import { groupOfPoint } from './estate/estate-store.ts';
import {
  type GroupView,
  isRestorable,
  isShipped,
  newestTaken,
  type Stage,
  stagesOf,
  type StandbyShelf,
} from './rpo/rpo.ts';
import { type Depth, loadGroupView } from './rpo/group-view-store.ts';
import { agreementOf } from './standby/agreement.ts';
import { answerOf, changeOf, reseedOf, requestOf } from './standby/answer.ts';
import type { PlannedInstance } from './standby/creation.ts';
import { lookAtTarget } from './standby/preflight-runner.ts';
import { shippingReason, type ShippingReason } from './standby/reason.ts';
import type { Standby, StandbyState } from './standby/standby.ts';
import { pauseStandby, resumeStandby } from './standby/pause-commands.ts';
import { createStandby } from './standby/standby-commands.ts';
import { lookAtInstances } from './stream/look-runner.ts';
import { reseedStandby } from './stream/reseed-commands.ts';
import { findStandby, listStandbys } from './standby/standby-store.ts';
import type { Stream } from './stream/stream.ts';
import { findStream } from './stream/stream-store.ts';
import type { ShippingTables } from './tables.ts';

export type GroupRef = { readonly id: GroupId };
export type PointRef = { readonly id: RecoveryPointId };

/** One operation's view: who asks, and what was loaded for it already. */
export type ShippingContext = OperationContext & {
  readonly dependencies: HostDependencies<ShippingTables>;
  readonly connections: StandbyConnections;
  readonly meter: CopyMeter;
  readonly observeEveryMs: number;
  readonly standbys: DataLoader<StandbyId, Standby | undefined>;
  /** What the newest marks need. */
  readonly groups: DataLoader<GroupId, GroupView>;
  /** With the whole ledger. */
  readonly ledgers: DataLoader<GroupId, GroupView>;
};

export function shippingContext(
  operation: OperationContext,
  dependencies: HostDependencies<ShippingTables>,
  of: Pick<ShippingContext, 'connections' | 'meter' | 'observeEveryMs'>,
): ShippingContext {
  const { observeEveryMs } = of;
  const { store, clock } = dependencies;
  const load = (depth: Depth) => (ids: readonly GroupId[]) =>
    Promise.all(
      ids.map(groupId =>
        store.read(db =>
          loadGroupView(db, groupId, depth, ({ observedAt }) => isExpired(observedAt, observeEveryMs, clock())),
        ),
      ),
    );
  return {
    ...operation,
    dependencies,
    ...of,
    standbys: new DataLoader(ids => store.read(db => Promise.all(ids.map(id => findStandby(db, id))))),
    groups: new DataLoader(load('NEWEST')),
    ledgers: new DataLoader(load('LEDGER')),
  };
}

export const resolvers: Resolvers = {
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
          { afterVersion: afterVersion ?? undefined },
        );
      },
      // The feed gives the standby itself, not a root object that holds it.
      resolve: (standby: unknown) => standby as Standby,
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
  Standby: {
    __resolveReference: ({ id }, context) => readableStandby(parsed<StandbyId>(id), context),
    group: ({ groupId }) => ({ id: groupId }),
    mode: () => 'MANAGED',
    restAtMark: () => false,
    state: ({ state, observedAt }, _args, context) => shownState(state, observedAt, context),
    streams: async ({ id, groupId }, _args, { groups }) => shelfOf(await groups.load(groupId), id)?.streams ?? [],
    newestCommonMark: async ({ groupId, newestCommonMark }, _args, { groups }) => {
      const point = (await groups.load(groupId)).points.find(({ markName }) => markName === newestCommonMark);
      return point === undefined ? null : { id: point.recoveryPointId };
    },
    newestCommonMarkName: ({ newestCommonMark }) => newestCommonMark,
    agreement: async (standby, _args, context) => {
      const streams = shelfOf(await context.groups.load(standby.groupId), standby.id)?.streams ?? [];
      const damaged = streams.filter(({ problem }) => problem?.reason.code === 'BACKUP_DAMAGED');
      return agreementOf(
        shownState(standby.state, standby.observedAt, context),
        standby,
        damaged.map(({ databaseName }) => databaseName),
      );
    },
    lag: async ({ groupId, newestCommonMark }, _args, { groups, ledgers }) => {
      const view = await groups.load(groupId);
      const newest = newestTaken(view) ?? newestTaken(await ledgers.load(groupId));
      const [taken, here] = [newest, view.points.find(({ markName }) => markName === newestCommonMark)];
      if (taken?.markedAt == null || here?.markedAt == null) return null;
      return durationFromSeconds(Math.max(0, Date.parse(taken.markedAt) - Date.parse(here.markedAt)) / 1_000);
    },
    observation: ({ observedAt, instances }, _args, context) =>
      observed(observedAt, instances.find(({ error }) => error !== null)?.error ?? null, context),
  },
  StandbyInstance: {
    instance: ({ instanceId }) => ({ id: instanceId }),
    reachable: ({ observedAt, error }) => (error === null ? (observedAt === null ? null : true) : false),
    lastRestoredSet: async ({ standbyId, instanceId }, _args, { standbys, groups }) => {
      const { groupId } = required(await standbys.load(standbyId));
      const view = await groups.load(groupId);
      const streams = shelfOf(view, standbyId)?.streams.filter(stream => stream.instanceId === instanceId) ?? [];
      return setRef(lastBehindAll(streams, view.sets));
    },
    observation: ({ observedAt, error }, _args, context) => observed(observedAt, error, context),
  },
  Stream: {
    __resolveReference: async ({ id }, { caller, dependencies }) => {
      requireRead(caller);
      const stream = await dependencies.store.read(db => findStream(db, parsed<StreamId>(id)));
      return stream !== undefined && maySee(caller, stream.groupId) ? stream : null;
    },
    standby: async ({ standbyId }, _args, { standbys }) => required(await standbys.load(standbyId)),
    database: ({ databaseId }) => ({ id: databaseId }),
    instance: ({ instanceId }) => ({ id: instanceId }),
    instanceName: async ({ standbyId, instanceId }, _args, { standbys }) =>
      required(required(await standbys.load(standbyId)).instances.find(one => one.instanceId === instanceId))
        .instanceName,
    state: async ({ standbyId, state, observedAt }, _args, context) => {
      const standby = required(await context.standbys.load(standbyId));
      // Held, paused or over: what the runner last thought of the stream is of no more interest.
      if (standby.state === 'YIELDED' || standby.state === 'RECOVERED' || standby.state === 'PAUSED')
        return standby.state;
      return shownState(state, observedAt, context);
    },
    position: ({ position }) => position?.lsn ?? null,
    lastRestoredSet: ({ lastRestoredSetId }) => setRef(lastRestoredSetId),
    heldBack: ({ heldBackSetId }) => setRef(heldBackSetId),
    lag: async ({ groupId, lagSets }, _args, { groups }) => {
      if (lagSets === null) return null;
      const { sets, points } = await groups.load(groupId);
      const marks = candidatesOf(sets, points);
      const [taken, here] = [marks[0]?.markedAt, marks[lagSets]?.markedAt];
      if (taken == null || here == null) return null;
      return durationFromSeconds(Math.max(0, Date.parse(taken) - Date.parse(here)) / 1_000);
    },
    copying: ({ id }, _args, { meter }) => {
      const progress = meter.of(id);
      if (progress === null) return null;
      const { etaSeconds, ...copied } = progress;
      return { ...copied, eta: etaSeconds === null ? null : durationFromSeconds(etaSeconds) };
    },
    observation: async ({ standbyId, instanceId, observedAt }, _args, context) => {
      const { instances } = required(await context.standbys.load(standbyId));
      return observed(observedAt, instances.find(one => one.instanceId === instanceId)?.error ?? null, context);
    },
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

/** A state nobody has confirmed for long is not shown as good; those that only an execution changes do not age. */
function shownState(
  state: StandbyState,
  observedAt: string | null,
  { dependencies, observeEveryMs }: ShippingContext,
): StandbyState {
  const ages = state === 'IN_SYNC' || state === 'LAGGING' || state === 'SEEDING';
  return ages && isExpired(observedAt, observeEveryMs, dependencies.clock()) ? 'UNKNOWN' : state;
}

/** What was never seen is no older than the thing itself: its state says so. */
function isExpired(observedAt: string | null, observeEveryMs: number, now: number): boolean {
  return observationOf({ observedAt, error: null }, observeEveryMs, now).freshness === 'EXPIRED';
}

function observed(observedAt: string | null, error: string | null, { dependencies, observeEveryMs }: ShippingContext) {
  return observationOf({ observedAt, error }, observeEveryMs, dependencies.clock());
}

async function readableStandby(id: StandbyId, { caller, standbys }: ShippingContext): Promise<Standby | null> {
  requireRead(caller);
  const standby = await standbys.load(id);
  return standby !== undefined && maySee(caller, standby.groupId) ? standby : null;
}

/** A group out of the caller's scope looks like one that does not exist. */
function readableGroup(caller: Caller, id: GroupId): GroupRef | null {
  requireRead(caller);
  return maySee(caller, id) ? { id } : null;
}

function maySee(caller: Caller, groupId: GroupId): boolean {
  return allows(caller, 'read', groupId) === undefined;
}

function shelfOf(view: GroupView, id: StandbyId): StandbyShelf | undefined {
  return view.standbys.find(({ standby }) => standby.id === id);
}

/** The oldest of the sets restored last; null while one was never restored, or lies too far back to be compared. */
function lastBehindAll(streams: readonly Stream[], sets: readonly KnownSet[]): BackupSetId | null {
  const inOrder = inOrderTaken(sets).map(({ setId }) => setId);
  const places = streams.map(({ lastRestoredSetId: id }) => (id === null ? -1 : inOrder.indexOf(id)));
  return (places.length === 0 ? undefined : inOrder[Math.min(...places)]) ?? null;
}

function setRef(id: BackupSetId | null): { readonly id: BackupSetId } | null {
  return id === null ? null : { id };
}

function parsed<T extends Id<string>>(text: string): T {
  return requireId(parseId<T>(text), text, 'id');
}

function required<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error('A row that another one refers to is not stored.');
  return row;
}
