import type { DatabaseId, StandbyId } from '@holdfast/domain';
import { allows, type Caller, type NotAllowed } from '@holdfast/service';
import { findEarlierRequest, rememberRequest } from '@holdfast/service/host';
import type { Reader } from '@holdfast/store';
import { listCopies } from '../copy/copy-store.ts';
import { loadSets } from '../estate/estate-store.ts';
import { shippingReason, type ShippingReason } from '../standby/reason.ts';
import { type ExecutionHolds, executionHolds, type InvalidInput, type NotFound, notFound } from '../standby/refusal.ts';
import type { Standby } from '../standby/standby.ts';
import { type CommandDependencies, keyReused } from '../standby/standby-commands.ts';
import { findStandby, keepTrace } from '../standby/standby-store.ts';
import type { ShippingTables } from '../tables.ts';
import { type InstanceLook, positionOf } from './assessment.ts';
import { type PlannedReseed, planReseed, type ReseedPlan } from './reseed.ts';
import type { Stream } from './stream.ts';
import { listStreams, saveStream } from './stream-store.ts';

export type ReseedStandby = {
  readonly idempotencyKey: string;
  readonly standbyId: StandbyId;
  /** null: all of them. */
  readonly databases: readonly DatabaseId[] | null;
  readonly reason: string;
  /** The group's name, written out. */
  readonly confirm: string;
  readonly dryRun: boolean;
};
export type ReseedPreview = {
  readonly databases: readonly (PlannedReseed & { readonly position: string | null })[];
  readonly mark: string;
  readonly bytes: string;
  readonly findings: readonly ShippingReason[];
};
export type ReseedResult =
  | { readonly kind: 'CHANGED'; readonly standby: Standby }
  | ({ readonly kind: 'PREVIEW' } & ReseedPreview)
  | ({ readonly kind: 'NotAllowed' } & NotAllowed)
  | typeof keyReused
  | NotFound
  | InvalidInput
  | ExecutionHolds
  | { readonly kind: 'NoValidFull'; readonly message: string; readonly fix: string }
  | { readonly kind: 'InstanceUnreachable'; readonly instance: string; readonly reason: ShippingReason }
  | {
      readonly kind: 'DatabaseAlreadyOnline';
      readonly database: string;
      readonly instance: string;
      readonly reason: ShippingReason;
    };

type Known = { readonly standby: Standby; readonly streams: readonly Stream[]; readonly chosen: readonly Stream[] };

/**
 * Asks for databases to be begun again from a full; the stream runner does it. `look` asks where they stand, before the transaction. What
 * was seen then is written down with the request: nothing else is ever replaced.
 */
export async function reseedStandby(
  dependencies: CommandDependencies & { look(standby: Standby): Promise<readonly InstanceLook[]> },
  caller: Caller,
  input: ReseedStandby,
): Promise<ReseedResult> {
  const { store, clock } = dependencies;
  const request = { caller, key: input.idempotencyKey, mutation: 'reseedStandby', input };
  const before = await store.read(db => knownFor(db, caller, input));
  if ('kind' in before) return before;
  if (!input.dryRun) {
    const earlier = await store.read(db => findEarlierRequest(db, request));
    if (earlier === 'other input') return keyReused;
    if (earlier !== undefined) return { kind: 'CHANGED', standby: before.standby };
  }
  const looks = await dependencies.look(before.standby);
  return store.transaction(async tx => {
    const known = await knownFor(tx, caller, input);
    if ('kind' in known) return known;
    // The same request may have come twice at once.
    const earlier = input.dryRun ? undefined : await findEarlierRequest(tx, request);
    if (earlier === 'other input') return keyReused;
    if (earlier !== undefined) return { kind: 'CHANGED', standby: known.standby };
    const { standby, streams, chosen } = known;
    const sets = await loadSets(tx, standby.groupId);
    const copies = await listCopies(tx, [standby.id]);
    const view = { standby, streams, sets, copies, looks, nowMs: clock() };
    const plan = planReseed(view, new Set(chosen.map(({ id }) => id)));
    if (plan.kind !== 'PLANNED') return refusalOf(plan, standby);
    if (input.dryRun) return preview(plan, standby, looks);
    for (const { stream, full } of plan.databases)
      await saveStream(tx, {
        ...stream,
        reseed: {
          fileId: full.fileId,
          setNumber: full.setNumber,
          endsAt: full.header.lastLsn,
          over: standingOf(stream, looks),
          requestedAt: new Date(clock()).toISOString(),
          requestedBy: caller.sub,
          reason: input.reason.trim(),
        },
        problem: null,
        version: stream.version + 1,
      });
    await keepTrace(tx, standby.id);
    await rememberRequest(tx, request, standby.id);
    return { kind: 'CHANGED', standby };
  });
}

async function knownFor(
  db: Reader<ShippingTables>,
  caller: Caller,
  { standbyId, databases, reason, confirm }: ReseedStandby,
): Promise<Known | ReseedResult> {
  const notAllowed = allows(caller, 'operate');
  if (notAllowed !== undefined) return { kind: 'NotAllowed', ...notAllowed };
  const standby = await findStandby(db, standbyId);
  // One out of the caller's scope looks like one that does not exist.
  if (standby === undefined || allows(caller, 'operate', standby.groupId) !== undefined) return notFound(standbyId);
  if (reason.trim() === '')
    return { kind: 'InvalidInput', field: 'reason', message: 'reason is empty.', fix: 'Say why it is reseeded.' };
  if (confirm !== standby.groupName)
    return {
      kind: 'InvalidInput',
      field: 'confirm',
      message: `confirm is not the name of the group whose databases would be replaced.`,
      fix: `Write ${standby.groupName}, if it is that one.`,
    };
  if (standby.claim !== null) return executionHolds(standby.claim);
  if (standby.state === 'RECOVERED')
    return {
      kind: 'InvalidInput',
      field: 'standbyId',
      message: 'The chain of this standby is over: its databases were recovered.',
      fix: 'Create a new standby.',
    };
  if (standby.pause !== null)
    return {
      kind: 'InvalidInput',
      field: 'standbyId',
      message: 'This standby is paused: nothing would be reseeded.',
      fix: 'Call resumeStandby first.',
    };
  const streams = await listStreams(db, [standbyId]);
  const stranger = databases?.find(id => !streams.some(({ databaseId }) => databaseId === id));
  if (stranger !== undefined) return notFound(stranger);
  if (databases?.length === 0)
    return {
      kind: 'InvalidInput',
      field: 'databases',
      message: 'No database is named.',
      fix: 'Name at least one, or leave `databases` out for all of them.',
    };
  return { standby, streams, chosen: streams.filter(({ databaseId }) => databases?.includes(databaseId) ?? true) };
}

function refusalOf(plan: Exclude<ReseedPlan, { kind: 'PLANNED' }>, standby: Standby): ReseedResult {
  if (plan.kind === 'NO_VALID_FULL')
    return {
      kind: 'NoValidFull',
      message: `No full at the standby leads to a mark of a later log set that all databases can reach. ${plan.why}`,
      fix: 'Force a full at the source, wait until it and one later log set are copied, then ask again.',
    };
  const { stream } = plan;
  const instance = standby.instances.find(({ instanceId }) => instanceId === stream.instanceId)?.instanceName ?? '';
  const reason =
    plan.reason ?? shippingReason('STANDBY_UNREACHABLE', { instance, cause: 'it was not asked in this request' });
  return plan.kind === 'NOT_SEEN'
    ? { kind: 'InstanceUnreachable', instance, reason }
    : { kind: 'DatabaseAlreadyOnline', database: stream.databaseName, instance, reason };
}

function preview(
  { databases, mark }: Extract<ReseedPlan, { kind: 'PLANNED' }>,
  { newestCommonMark }: Standby,
  looks: readonly InstanceLook[],
): ReseedResult {
  return {
    kind: 'PREVIEW',
    mark,
    databases: databases.map(one => ({ ...one, position: standingOf(one.stream, looks)?.lsn ?? null })),
    bytes: String(databases.reduce((sum, { bytes }) => sum + BigInt(bytes), 0n)),
    findings:
      newestCommonMark === null || newestCommonMark === mark
        ? []
        : [shippingReason('RESEED_GOES_BACK', { now: newestCommonMark, after: mark })],
  };
}

/** What is there now, whether or not anybody may build upon it. */
function standingOf(stream: Stream, looks: readonly InstanceLook[]) {
  return positionOf({ ...stream, seedingFileId: null, reseed: null }, looks);
}
