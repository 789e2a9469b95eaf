import type { ExecutionId, InstanceId, StandbyId, StreamId } from '@holdfast/domain';
import {
  type groupObserved,
  type PayloadOf,
  standbyChanged,
  type standbyClaimed,
  type standbyReleased,
  standbyYielded,
} from '@holdfast/events';
import type { Outbox } from '@holdfast/messaging';
import { allows, type Caller, type Clock, newId, type NotAllowed } from '@holdfast/service';
import { findEarlierRequest, rememberRequest } from '@holdfast/service/host';
import type { Store, Transactor } from '@holdfast/store';
import { type KnownGroup, type KnownSet, protectedDatabases, type SourceDatabase } from '../estate/estate.ts';
import { findGroup, findInstances, loadSets, saveGroup } from '../estate/estate-store.ts';
import type { Stream } from '../stream/stream.ts';
import { insertStream, listStreams } from '../stream/stream-store.ts';
import type { ShippingTables } from '../tables.ts';
import {
  bytesToSeed,
  type CreationRefusal,
  type Finding,
  findingsOf,
  planStandby,
  type PlannedInstance,
  type StandbyRequest,
  type TargetObservation,
} from './creation.ts';
import type { ShippingReason } from './reason.ts';
import { claimed, released, type Standby, yielded } from './standby.ts';
import { findStandby, insertStandby, listStandbys, saveStandby, standbyOn } from './standby-store.ts';

type Tx = Transactor<ShippingTables>;
export type CommandDependencies = {
  readonly store: Store<ShippingTables>;
  readonly outbox: Outbox;
  readonly clock: Clock;
};

export type CreateStandby = StandbyRequest & { readonly idempotencyKey: string; readonly dryRun: boolean };
export type CreateStandbyResult =
  | { readonly kind: 'CREATED'; readonly standby: Standby }
  | { readonly kind: 'PREFLIGHT'; readonly findings: readonly ShippingReason[]; readonly bytesToSeed: string }
  | { readonly kind: 'REFUSED'; readonly finding: Finding }
  | ({ readonly kind: 'NotAllowed' } & NotAllowed)
  | { readonly kind: 'IdempotencyKeyReused'; readonly message: string; readonly fix: string }
  | CreationRefusal;

/** `look` asks the instance that is to become a standby; it runs before the transaction, never inside. */
export async function createStandby(
  dependencies: CommandDependencies & { look(instanceId: InstanceId): Promise<TargetObservation> },
  caller: Caller,
  input: CreateStandby,
): Promise<CreateStandbyResult> {
  const { store, clock } = dependencies;
  const notAllowed = allows(caller, 'operate', input.groupId);
  if (notAllowed !== undefined) return { kind: 'NotAllowed', ...notAllowed };
  const request = { caller, key: input.idempotencyKey, mutation: 'createStandby', input };
  const known = await store.read(async db => {
    const earlier = input.dryRun ? undefined : await findEarlierRequest(db, request);
    const before = typeof earlier === 'object' ? await findStandby(db, earlier.resultId as StandbyId) : undefined;
    const group = await findGroup(db, input.groupId);
    const instances = await findInstances(
      db,
      input.instances.map(({ instanceId }) => instanceId),
    );
    return { earlier, before, group, instances, sets: await loadSets(db, input.groupId) };
  });
  if (known.before !== undefined) return { kind: 'CREATED', standby: known.before };
  if (known.earlier === 'other input') return keyReused;
  const plan = planStandby(input, known.group, known.instances);
  if ('kind' in plan) return plan;
  const group = known.group as KnownGroup;

  const seen = new Map<InstanceId, TargetObservation>();
  for (const { instanceId } of plan.instances) seen.set(instanceId, await dependencies.look(instanceId));
  const findings = findingsOf(plan.instances, group, known.sets, seen);
  if (input.dryRun) return preflight(findings, plan.instances, known.sets);
  const [finding] = findings;
  if (finding !== undefined) return { kind: 'REFUSED', finding };

  return store.transaction(async tx => {
    // The same request may have come twice at once.
    const earlier = await findEarlierRequest(tx, request);
    if (earlier === 'other input') return keyReused;
    const before = earlier === undefined ? undefined : await findStandby(tx, earlier.resultId as StandbyId);
    if (before !== undefined) return { kind: 'CREATED', standby: before };
    for (const { instanceId, instanceName } of plan.instances)
      if ((await standbyOn(tx, group.groupId, instanceId)) !== undefined) return alreadyStandby(instanceName);
    const standby = newStandby(group, input.site, plan.instances, newId(clock) as StandbyId);
    await insertStandby(tx, standby, { at: new Date(clock()).toISOString(), by: caller.sub });
    for (const { instanceId, databases } of plan.instances)
      for (const database of databases) await insertStream(tx, newStream(standby, instanceId, database, clock));
    await rememberRequest(tx, request, standby.id);
    await publishStandby(tx, dependencies.outbox, standby);
    return { kind: 'CREATED', standby };
  });
}

const keyReused = {
  kind: 'IdempotencyKeyReused',
  message: 'This idempotency key came before with other input.',
  fix: 'Use a new key for a new request.',
} as const;

function alreadyStandby(instanceName: string): CreationRefusal {
  return {
    kind: 'InvalidInput',
    field: 'instances',
    message: `${instanceName} is part of another standby of this group.`,
    fix: 'Name another instance: two standbys would restore over each other.',
  };
}

function preflight(
  findings: readonly Finding[],
  instances: readonly PlannedInstance[],
  sets: readonly KnownSet[],
): CreateStandbyResult {
  return {
    kind: 'PREFLIGHT',
    findings: findings.map(({ reason }) => reason),
    bytesToSeed: bytesToSeed(instances, sets),
  };
}

function newStandby(group: KnownGroup, site: string, instances: readonly PlannedInstance[], id: StandbyId): Standby {
  return {
    id,
    groupId: group.groupId,
    groupName: group.name,
    site,
    state: 'SEEDING',
    reasons: [],
    version: 1,
    newestCommonMark: null,
    claim: null,
    observedAt: null,
    instances: instances.map(({ databases: _databases, ...instance }) => ({
      ...instance,
      observedAt: null,
      error: null,
    })),
  };
}

function newStream(
  standby: Pick<Standby, 'id' | 'groupId'>,
  instanceId: InstanceId,
  { databaseId, name }: SourceDatabase,
  clock: Clock,
): Stream {
  return {
    id: newId(clock) as StreamId,
    standbyId: standby.id,
    groupId: standby.groupId,
    databaseId,
    databaseName: name,
    instanceId,
    version: 1,
    state: 'SEEDING',
    reasons: [],
    position: null,
    lastRestoredSetId: null,
    heldBackSetId: null,
    lagSets: null,
    seedingFileId: null,
    problem: null,
    observedAt: null,
  };
}

/** The whole standby as it now is, in the transaction that changed it. */
export async function publishStandby(tx: Tx, outbox: Outbox, standby: Standby): Promise<void> {
  const streams = await listStreams(tx, [standby.id]);
  await outbox.append(tx, standbyChanged, {
    standbyId: standby.id,
    groupId: standby.groupId,
    groupName: standby.groupName,
    version: standby.version,
    site: standby.site,
    mode: 'MANAGED',
    restAtMark: false,
    state: standby.state,
    reasons: [...standby.reasons],
    instances: standby.instances.map(({ instanceId, instanceName, sourceInstances }) => {
      return { instanceId, instanceName, sourceInstances: [...sourceInstances] };
    }),
    streams: streams.map(({ id, databaseId, databaseName, instanceId }) => {
      return { streamId: id, databaseId, databaseName, instanceId };
    }),
    newestCommonMarkName: standby.newestCommonMark,
    yieldedTo: standby.claim?.yieldedAt == null ? null : standby.claim.executionId,
  });
}

/** A database that joined the group's backup job gets its stream, where its source instance is assigned already. */
export async function followGroup(
  tx: Tx,
  { outbox, clock }: CommandDependencies,
  observed: PayloadOf<typeof groupObserved>,
): Promise<void> {
  const group = observed as KnownGroup;
  if (!(await saveGroup(tx, group))) return;
  for (const standby of await listStandbys(tx, group.groupId)) {
    if (standby.state === 'RECOVERED') continue;
    const streams = await listStreams(tx, [standby.id]);
    const missing = protectedDatabases(group).flatMap(database => {
      if (streams.some(({ databaseId }) => databaseId === database.databaseId)) return [];
      const source = group.instances.find(({ instanceId }) => instanceId === database.instanceId)?.serverName;
      const taker = standby.instances.find(
        ({ sourceInstances }) => source !== undefined && sourceInstances.includes(source),
      );
      return taker === undefined ? [] : [{ database, instanceId: taker.instanceId }];
    });
    for (const { database, instanceId } of missing)
      await insertStream(tx, newStream(standby, instanceId, database, clock));
    if (missing.length === 0 && standby.groupName === group.name) continue;
    const changed = { ...standby, groupName: group.name, version: standby.version + 1 };
    await saveStandby(tx, changed);
    await publishStandby(tx, outbox, changed);
  }
}

/** Only recorded here; the runners then stop and answer. A claim that is answered already is answered again: the answer may be lost. */
export async function claimStandby(tx: Tx, claim: PayloadOf<typeof standbyClaimed>): Promise<void> {
  const standby = await mustFind(tx, claim.standbyId);
  await saveStandby(tx, claimed(standby, claim.executionId as ExecutionId));
}

/** Called by the runner when nothing of ours runs at the standby any more. */
export async function yieldStandby({ store, outbox, clock }: CommandDependencies, standbyId: StandbyId): Promise<void> {
  await store.transaction(async tx => {
    const standby = await mustFind(tx, standbyId);
    const { claim } = standby;
    // Released, or answered by the runner of another instance, meanwhile.
    if (claim === null || claim.yieldedAt !== null) return;
    const now = new Date(clock()).toISOString();
    const changed = yielded(standby, claim.executionId, now);
    await saveStandby(tx, changed);
    await publishStandby(tx, outbox, changed);
    await outbox.append(tx, standbyYielded, {
      standbyId,
      groupId: standby.groupId,
      executionId: claim.executionId,
      yieldedAt: now,
    });
  });
}

export async function releaseStandby(
  tx: Tx,
  { outbox }: CommandDependencies,
  release: PayloadOf<typeof standbyReleased>,
): Promise<void> {
  const standby = await mustFind(tx, release.standbyId);
  // Another execution holds it by now: this release is about a claim that is gone.
  if (standby.claim?.executionId !== release.executionId) return;
  const changed = released(standby, release.outcome);
  await saveStandby(tx, changed);
  await publishStandby(tx, outbox, changed);
}

async function mustFind(tx: Tx, id: string): Promise<Standby> {
  const standby = await findStandby(tx, id as StandbyId);
  if (standby === undefined) throw new Error(`standby ${id} is not one of ours`);
  return standby;
}
