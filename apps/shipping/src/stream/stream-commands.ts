import type { BackupFileId, StandbyId, StreamId } from '@holdfast/domain';
import type { Position } from '@holdfast/domain/chain';
import { streamMoved } from '@holdfast/events';
import type { Outbox } from '@holdfast/messaging';
import type { Transactor } from '@holdfast/store';
import { dated, sameReasons, shippingReason, type ShippingReason } from '../standby/reason.ts';
import { isHeld, type Standby } from '../standby/standby.ts';
import { type CommandDependencies, publishStandby } from '../standby/standby-commands.ts';
import { findStandby, saveStandby } from '../standby/standby-store.ts';
import type { ShippingTables } from '../tables.ts';
import type { Assessment, InstanceLook, RestoreStep, StreamAssessment } from './assessment.ts';
import { problemAfter, type Stream } from './stream.ts';
import { findStream, saveStream } from './stream-store.ts';

type Tx = Transactor<ShippingTables>;

/** What was seen and what follows from it. Others hear of it only where state, reasons, mark or position changed: ages raise no version. */
export async function noteAssessment(
  { store, outbox, clock }: CommandDependencies,
  standbyId: StandbyId,
  looks: readonly InstanceLook[],
  assessment: Assessment,
): Promise<void> {
  const now = new Date(clock()).toISOString();
  await store.transaction(async tx => {
    const standby = await findStandby(tx, standbyId);
    // Claimed meanwhile: its state is no longer ours to say.
    if (standby === undefined || isHeld(standby)) return;
    for (const seen of assessment.streams) await noteStream(tx, outbox, seen, now);
    const changed = isNews(standby, assessment);
    const fresh: Standby = {
      ...standby,
      state: assessment.state,
      reasons: dated(assessment.reasons, standby.reasons, now),
      newestCommonMark: assessment.floor ?? (assessment.state === 'UNKNOWN' ? standby.newestCommonMark : null),
      observedAt: looks.every(look => look.reachable) ? oldest(looks) : standby.observedAt,
      instances: standby.instances.map(instance => withLook(instance, looks)),
      version: standby.version + (changed ? 1 : 0),
    };
    await saveStandby(tx, fresh);
    if (changed) await publishStandby(tx, outbox, fresh);
  });
}

/** Whether the assessment says anything that is not stored yet. */
export function isNews(
  standby: Standby,
  { state, reasons, floor }: Pick<Assessment, 'state' | 'reasons' | 'floor'>,
): boolean {
  const mark = floor ?? (state === 'UNKNOWN' ? standby.newestCommonMark : null);
  return standby.state !== state || standby.newestCommonMark !== mark || !sameReasons(standby.reasons, reasons);
}

export function isStreamNews({ stream, state, reasons, position, heldBackSetId, lagSets }: StreamAssessment): boolean {
  return (
    stream.state !== state ||
    !samePosition(stream.position, position) ||
    stream.heldBackSetId !== heldBackSetId ||
    stream.lagSets !== lagSets ||
    !sameReasons(stream.reasons, reasons)
  );
}

async function noteStream(tx: Tx, outbox: Outbox, seen: StreamAssessment, now: string): Promise<void> {
  const stream = await findStream(tx, seen.stream.id);
  if (stream === undefined) return;
  const { state, position, heldBackSetId, lagSets, observedAt } = seen;
  const moved = stream.state !== state || !samePosition(stream.position, position);
  const reasons = dated(seen.reasons, stream.reasons, now);
  const version = stream.version + (moved ? 1 : 0);
  const fresh = { ...stream, state, reasons, position, heldBackSetId, lagSets, observedAt, version };
  await saveStream(tx, fresh);
  if (moved) await publishStream(tx, outbox, fresh, now);
}

/** Before a full is sent: should nobody see it end, what it leaves behind is not to be built upon (sqlserver.md §2.3). */
export async function beginSeeding({ store }: CommandDependencies, id: StreamId, fileId: BackupFileId): Promise<void> {
  await store.transaction(async tx => {
    const stream = await mustFind(tx, id);
    await saveStream(tx, { ...stream, seedingFileId: fileId });
  });
}

/** `position` as it was read after the step. */
export async function noteRestored(
  { store, outbox, clock }: CommandDependencies,
  step: RestoreStep,
  position: Position,
  observedAt: string,
): Promise<void> {
  const now = new Date(clock()).toISOString();
  await store.transaction(async tx => {
    const stream = await mustFind(tx, step.stream.id);
    const fresh: Stream = {
      ...stream,
      position,
      lastRestoredSetId: step.file.setId,
      seedingFileId: null,
      problem: null,
      observedAt,
      version: stream.version + 1,
    };
    await saveStream(tx, fresh);
    await publishStream(tx, outbox, fresh, now);
  });
}

export async function noteProblem(
  { store, clock }: CommandDependencies,
  step: RestoreStep,
  reason: ShippingReason,
): Promise<void> {
  await store.transaction(async tx => {
    const stream = await mustFind(tx, step.stream.id);
    const dates = dated(
      [reason],
      stream.problem === null ? [] : [stream.problem.reason],
      new Date(clock()).toISOString(),
    );
    await saveStream(tx, {
      ...stream,
      problem: problemAfter(stream.problem, step.file.fileId, dates[0] ?? reason, clock()),
    });
  });
}

export function restoreFailed(step: RestoreStep, error: string): ShippingReason {
  return shippingReason('RESTORE_FAILED', { database: step.stream.databaseName, path: step.file.path, error });
}

async function publishStream(tx: Tx, outbox: Outbox, stream: Stream, now: string): Promise<void> {
  await outbox.append(tx, streamMoved, {
    streamId: stream.id,
    standbyId: stream.standbyId,
    groupId: stream.groupId,
    databaseId: stream.databaseId,
    instanceId: stream.instanceId,
    version: stream.version,
    state: stream.state,
    position: stream.position?.lsn ?? null,
    lastRestoredSetId: stream.lastRestoredSetId,
    observedAt: stream.observedAt ?? now,
  });
}

async function mustFind(tx: Tx, id: StreamId): Promise<Stream> {
  const stream = await findStream(tx, id);
  if (stream === undefined) throw new Error(`stream ${id} is gone`);
  return stream;
}

function withLook(
  instance: Standby['instances'][number],
  looks: readonly InstanceLook[],
): Standby['instances'][number] {
  const look = looks.find(({ instanceId }) => instanceId === instance.instanceId);
  if (look === undefined) return instance;
  return look.reachable
    ? { ...instance, observedAt: look.observedAt, error: null }
    : { ...instance, error: look.reason.evidence ?? look.reason.message };
}

function samePosition(a: Position | null, b: Position | null): boolean {
  return a?.lsn === b?.lsn && (a?.forkGuid ?? null) === (b?.forkGuid ?? null);
}

function oldest(looks: readonly InstanceLook[]): string | null {
  return looks.reduce<string | null>(
    (least, { observedAt }) => (least === null || observedAt < least ? observedAt : least),
    null,
  );
}
