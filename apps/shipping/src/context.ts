import { type GroupId, type Id, parseId, type RecoveryPointId, type StandbyId } from '@holdfast/domain';
import { allows, type Caller } from '@holdfast/service';
import { observationOf, type OperationContext, requireId, requireRead } from '@holdfast/service/graphql';
import type { HostDependencies } from '@holdfast/service/host';
import DataLoader from 'dataloader';
import type { CopyMeter } from './copy/copy-meter.ts';
import type { StandbyConnections } from './estate/connection-runner.ts';
import { type Depth, loadGroupView } from './rpo/group-view-store.ts';
import type { GroupView } from './rpo/rpo.ts';
import type { Standby } from './standby/standby.ts';
import { findStandby } from './standby/standby-store.ts';
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

/** Nothing that was loaded so far is used again. */
export function forget({ standbys, groups, ledgers }: ShippingContext): void {
  for (const loader of [standbys, groups, ledgers]) loader.clearAll();
}

export async function readableStandby(id: StandbyId, { caller, standbys }: ShippingContext): Promise<Standby | null> {
  requireRead(caller);
  const standby = await standbys.load(id);
  return standby !== undefined && maySee(caller, standby.groupId) ? standby : null;
}

/** A group out of the caller's scope looks like one that does not exist. */
export function readableGroup(caller: Caller, id: GroupId): GroupRef | null {
  requireRead(caller);
  return maySee(caller, id) ? { id } : null;
}

export function maySee(caller: Caller, groupId: GroupId): boolean {
  return allows(caller, 'read', groupId) === undefined;
}

/** What was never seen is no older than the thing itself: its state says so. */
export function isExpired(observedAt: string | null, observeEveryMs: number, now: number): boolean {
  return observationOf({ observedAt, error: null }, observeEveryMs, now).freshness === 'EXPIRED';
}

export function observed(
  observedAt: string | null,
  error: string | null,
  { dependencies, observeEveryMs }: ShippingContext,
) {
  return observationOf({ observedAt, error }, observeEveryMs, dependencies.clock());
}

export function parsed<T extends Id<string>>(text: string): T {
  return requireId(parseId<T>(text), text, 'id');
}
