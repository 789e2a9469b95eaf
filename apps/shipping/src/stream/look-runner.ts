import type { DatabaseId, StandbyId } from '@holdfast/domain';
import type { Lsn } from '@holdfast/domain/lsn';
import type { Clock } from '@holdfast/service';
import { observeDatabases } from '@holdfast/sqlserver/observe';
import type { Reader, Store } from '@holdfast/store';
import { listCopies, listStuckCopies } from '../copy/copy-store.ts';
import { isLost, NotAddressed, type StandbyConnections, whyNotAsked } from '../estate/connection-runner.ts';
import { loadSets } from '../estate/estate-store.ts';
import { findBase, type Window } from '../estate/window-store.ts';
import { shippingReason } from '../standby/reason.ts';
import { rests, type Standby, type StandbyInstance } from '../standby/standby.ts';
import { findStandby } from '../standby/standby-store.ts';
import type { ShippingTables } from '../tables.ts';
import { assess, type Assessment, type InstanceLook, positionOf, reachOf, type StandbyView } from './assessment.ts';
import type { Stream } from './stream.ts';
import { listStreams } from './stream-store.ts';

export type LookDependencies = {
  readonly store: Store<ShippingTables>;
  readonly connections: StandbyConnections;
  readonly clock: Clock;
};

export type StandbyObservation = {
  readonly standby: Standby | undefined;
  readonly looks: readonly InstanceLook[];
  /** Undefined while nothing may be sent there. */
  readonly assessment: Assessment | undefined;
};

/** Copies whose problem is told; where a share is gone, every file of it has one. */
const toldProblems = 20;

/**
 * What is true at the standby, and what follows. What is stored is read before the servers are asked, so that a position never looks older
 * than the record it is compared with; of the ledger only what lies ahead of the positions just read.
 */
export async function observeStandby(
  dependencies: LookDependencies,
  standbyId: StandbyId,
): Promise<StandbyObservation> {
  const { store, connections, clock } = dependencies;
  const stored = await store.read(async db => {
    const standby = await findStandby(db, standbyId);
    return { standby, streams: standby === undefined ? [] : await listStreams(db, [standbyId]) };
  });
  const { standby, streams } = stored;
  // A claimed or paused standby is not even looked at: the answer promises that nothing is sent there any more.
  if (standby === undefined || rests(standby)) return { standby, looks: [], assessment: undefined };
  const looks = await lookAtInstances(connections, standby, clock);
  const view = { standby, streams, looks, nowMs: clock() };
  return { standby, looks, assessment: await store.read(db => assessFrom(db, view)) };
}

/** All of its instances at once. */
export function lookAtInstances(
  connections: StandbyConnections,
  { instances }: Standby,
  clock: Clock,
): Promise<readonly InstanceLook[]> {
  return Promise.all(instances.map(instance => look(connections, instance, clock())));
}

/** From where each database stands; one that stands nowhere from a full that ends before a mark which the others can still reach. */
export async function assessFrom(
  db: Reader<ShippingTables>,
  view: Omit<StandbyView, 'sets' | 'copies'>,
): Promise<Assessment> {
  const window = new Map<DatabaseId, Lsn>();
  const begun: Stream[] = [];
  for (const stream of view.streams) {
    const position = positionOf(stream, view.looks);
    if (stream.reseed !== null) window.set(stream.databaseId, stream.reseed.endsAt);
    else if (position === null) begun.push(stream);
    else window.set(stream.databaseId, position.lsn);
  }
  const others = await viewThrough(db, view, window);
  if (begun.length === 0) return assess(others);
  const reach = reachOf(others);
  for (const { databaseId, standbyId } of begun) {
    const upTo = reach?.lsnByDatabase.get(databaseId);
    const base = await findBase(db, databaseId, { standbyId, ...(upTo === undefined ? {} : { upTo }) });
    if (base !== undefined) window.set(databaseId, base.endsAt);
  }
  return assess(await viewThrough(db, view, window));
}

async function viewThrough(
  db: Reader<ShippingTables>,
  view: Omit<StandbyView, 'sets' | 'copies'>,
  window: Window,
): Promise<StandbyView> {
  const { id, groupId } = view.standby;
  const sets = await loadSets(db, groupId, window);
  const copies = await listCopies(db, [id], window);
  const known = new Set(copies.map(({ fileId }) => fileId));
  const stuck = await listStuckCopies(db, id, toldProblems);
  return { ...view, sets, copies: [...copies, ...stuck.filter(({ fileId }) => !known.has(fileId))] };
}

/** Where its databases stand, or why it could not be asked. */
async function look(connections: StandbyConnections, instance: StandbyInstance, nowMs: number): Promise<InstanceLook> {
  const { instanceId, instanceName } = instance;
  try {
    const { server } = await connections.to(instanceId);
    const { observedAt, databases } = await observeDatabases(server);
    return { instanceId, observedAt, reachable: true, databases };
  } catch (error) {
    const cause = whyNotAsked(error);
    if (cause === undefined) throw error;
    if (isLost(error)) await connections.lost(instanceId);
    const reason =
      error instanceof NotAddressed
        ? shippingReason('STANDBY_NOT_ADDRESSED', { instance: instanceName })
        : shippingReason('STANDBY_UNREACHABLE', { instance: instanceName, cause });
    return { instanceId, observedAt: new Date(nowMs).toISOString(), reachable: false, reason };
  }
}
