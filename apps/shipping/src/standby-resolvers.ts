import type { BackupSetId, StandbyId, StreamId } from '@holdfast/domain';
import { durationFromSeconds, requireRead } from '@holdfast/service/graphql';
import type { Resolvers } from '../generated/resolver-types.ts';
import { isExpired, maySee, observed, parsed, readableStandby, type ShippingContext } from './context.ts';
import { candidatesOf, inOrderTaken, type KnownSet } from './estate/estate.ts';
import { type GroupView, newestTaken, type StandbyShelf } from './rpo/rpo.ts';
import { agreementOf } from './standby/agreement.ts';
import type { StandbyState } from './standby/standby.ts';
import type { Stream } from './stream/stream.ts';
import { findStream } from './stream/stream-store.ts';

/** Where a standby, its instances and its streams stand. */
export const standbyResolvers = {
  Standby: {
    __resolveReference: ({ id }, context) => readableStandby(parsed<StandbyId>(id), context),
    group: ({ groupId }) => ({ id: groupId }),
    mode: () => 'MANAGED',
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
} satisfies Pick<Resolvers, 'Standby' | 'StandbyInstance' | 'Stream'>;

/** A state nobody has confirmed for long is not shown as good; those that only an execution changes do not age. */
function shownState(
  state: StandbyState,
  observedAt: string | null,
  { dependencies, observeEveryMs }: ShippingContext,
): StandbyState {
  const ages = state === 'IN_SYNC' || state === 'LAGGING' || state === 'SEEDING';
  return ages && isExpired(observedAt, observeEveryMs, dependencies.clock()) ? 'UNKNOWN' : state;
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

function required<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error('A row that another one refers to is not stored.');
  return row;
}
