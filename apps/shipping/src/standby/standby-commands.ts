import type { ExecutionId, GroupId, InstanceId, StandbyId, StreamId } from '@holdfast/domain';
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
import type { Reader, Store, Transactor } from '@holdfast/store';
import {
  type KnownGroup,
  type KnownInstance,
  type KnownSet,
  protectedDatabases,
  type SourceDatabase,
} from '../estate/estate.ts';
import { findGroup, findInstances, loadSets, saveGroup } from '../estate/estate-store.ts';
import type { Stream } from '../stream/stream.ts';
import { insertStream, listStreams, saveStream } from '../stream/stream-store.ts';
import type { ShippingTables } from '../tables.ts';
import {
  bytesToSeed,
  type CreationRefusal,
  planStandby,
  type PlannedInstance,
  type StandbyRequest,
} from './creation.ts';
import {
  evidenceFindings,
  type Finding,
  findingsOf,
  isRefusal,
  type Refusal,
  type TargetObservation,
} from './finding.ts';
import type { ShippingReason } from './reason.ts';
import { claimed, released, type Standby, yielded } from './standby.ts';
import { findStandby, insertStandby, keepTrace, listStandbys, saveStandby, standbyOn } from './standby-store.ts';

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
  | { readonly kind: 'REFUSED'; readonly finding: Refusal }
  | ({ readonly kind: 'NotAllowed' } & NotAllowed)
  | { readonly kind: 'IdempotencyKeyReused'; readonly message: string; readonly fix: string }
  | CreationRefusal;

/** `look` asks the instance that is to become a standby; it runs before the transaction, never inside. */
export async function createStandby(
  dependencies: CommandDependencies & { look(instance: PlannedInstance): Promise<TargetObservation> },
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
    const taken = await instanceTaken(db, input.groupId, instances);
    return { earlier, before, group, instances, taken, sets: await loadSets(db, input.groupId) };
  });
  if (known.before !== undefined) return { kind: 'CREATED', standby: known.before };
  if (known.earlier === 'other input') return keyReused;
  const plan = planStandby(input, known.group, known.instances);
  if ('kind' in plan) return plan;
  const group = known.group as KnownGroup;
  // Before anybody looks there: a standby that is yielded is not even looked at.
  if (known.taken !== undefined) return alreadyStandby(known.taken);

  const seen = new Map<InstanceId, TargetObservation>();
  for (const instance of plan.instances) seen.set(instance.instanceId, await dependencies.look(instance));
  const findings = [...findingsOf(plan.instances, group, known.sets, seen), ...evidenceFindings(input)];
  if (input.dryRun) return preflight(findings, plan.instances, known.sets);
  const finding = findings.find(isRefusal);
  if (finding !== undefined) return { kind: 'REFUSED', finding };

  return store.transaction(async tx => {
    // The same request may have come twice at once.
    const earlier = await findEarlierRequest(tx, request);
    if (earlier === 'other input') return keyReused;
    const before = earlier === undefined ? undefined : await findStandby(tx, earlier.resultId as StandbyId);
    if (before !== undefined) return { kind: 'CREATED', standby: before };
    const taken = await instanceTaken(tx, group.groupId, known.instances);
    if (taken !== undefined) return alreadyStandby(taken);
    const standby = newStandby(group, input, plan.instances, newId(clock) as StandbyId);
    await insertStandby(tx, standby, { at: new Date(clock()).toISOString(), by: caller.sub });
    await keepTrace(tx, standby.id);
    for (const { instanceId, databases } of plan.instances)
      for (const database of databases) await insertStream(tx, newStream(standby, instanceId, database, clock));
    await rememberRequest(tx, request, standby.id);
    await publishStandby(tx, dependencies.outbox, standby);
    return { kind: 'CREATED', standby };
  });
}

/** The first of these that belongs to a standby of the group already. */
async function instanceTaken(
  db: Reader<ShippingTables>,
  groupId: GroupId,
  instances: readonly KnownInstance[],
): Promise<string | undefined> {
  for (const { instanceId, serverName } of instances)
    if ((await standbyOn(db, groupId, instanceId)) !== undefined) return serverName;
  return undefined;
}

export const keyReused = {
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

function newStandby(
  group: KnownGroup,
  { site, restAtMark }: StandbyRequest,
  instances: readonly PlannedInstance[],
  id: StandbyId,
): Standby {
  return {
    id,
    groupId: group.groupId,
    groupName: group.name,
    site,
    restAtMark,
    state: 'SEEDING',
    reasons: [],
    version: 1,
    newestCommonMark: null,
    claim: null,
    pause: null,
    observedAt: null,
    instances: instances.map(({ databases: _databases, ...instance }) => ({
      ...instance,
      standbyId: id,
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
    seedingEvidence: null,
    reseed: null,
    problem: null,
    missedMark: null,
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
    restAtMark: standby.restAtMark,
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

/**
 * Only recorded here; the runners then stop and answer. One that was let go already is not touched again: since then nothing of ours runs
 * there, so the answer is given at once, and given again when it was lost.
 */
export async function claimStandby(
  tx: Tx,
  { outbox, clock }: CommandDependencies,
  claim: PayloadOf<typeof standbyClaimed>,
): Promise<void> {
  const standby = await mustFind(tx, claim.standbyId);
  const executionId = claim.executionId as ExecutionId;
  await keepTrace(tx, standby.id);
  if (standby.claim?.yieldedAt == null) return saveStandby(tx, claimed(standby, executionId));
  await answerClaim(tx, outbox, standby, executionId, new Date(clock()).toISOString());
}

/** Called by the runner when nothing of ours runs at the standby any more, for the claim it saw before it began to stop. */
export async function yieldStandby(
  { store, outbox, clock }: CommandDependencies,
  standbyId: StandbyId,
  executionId: ExecutionId,
): Promise<void> {
  await store.transaction(async tx => {
    const standby = await mustFind(tx, standbyId);
    // Released meanwhile, or answered by a newer leader. After a new claim we may be at work again: that one waits for a stop of its own.
    if (standby.claim?.executionId !== executionId || standby.claim.yieldedAt !== null) return;
    await answerClaim(tx, outbox, standby, executionId, new Date(clock()).toISOString());
  });
}

async function answerClaim(
  tx: Tx,
  outbox: Outbox,
  standby: Standby,
  executionId: ExecutionId,
  yieldedAt: string,
): Promise<void> {
  const changed = yielded(standby, executionId, yieldedAt);
  await saveStandby(tx, changed);
  // What was asked before others worked there is asked again by whoever still wants it.
  for (const stream of await listStreams(tx, [standby.id]))
    if (stream.reseed !== null) await saveStream(tx, { ...stream, reseed: null, version: stream.version + 1 });
  await publishStandby(tx, outbox, changed);
  const { id: standbyId, groupId } = standby;
  await outbox.append(tx, standbyYielded, { standbyId, groupId, executionId, yieldedAt });
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
