import type { BackupFileId, StreamId } from '@holdfast/domain';
import { streamMoved } from '@holdfast/events';
import type { Outbox } from '@holdfast/messaging';
import type { Transactor } from '@holdfast/store';
import { findCopy, saveCopy, saveDamage } from '../copy/copy-store.ts';
import { dated, sameReasons } from '../standby/reason.ts';
import { isUnderWay, rests, type Standby } from '../standby/standby.ts';
import { type CommandDependencies, publishStandby } from '../standby/standby-commands.ts';
import { endTrace, findStandby, saveStandby } from '../standby/standby-store.ts';
import type { ShippingTables } from '../tables.ts';
import type { Assessment, InstanceLook, RestoreStep } from './assessment.ts';
import type { StreamAssessment } from './judgement.ts';
import { sameEvidence, type SeedingEvidence } from './seeding.ts';
import { type Damage, type Failed, problemAfter, type Restored, samePosition, type Stream } from './stream.ts';
import { findStream, listStreams, saveStream } from './stream-store.ts';

type Tx = Transactor<ShippingTables>;

/**
 * What was seen and what follows from it. Others hear of it only where state, reasons, mark or position changed: ages raise no version.
 * Nothing happens where the standby or a stream is not what the assessment was made of: a leader that was replaced meanwhile must not
 * write its old view over a newer one, and the next look is made of what is stored now.
 */
export async function noteAssessment(
  { store, outbox, clock }: CommandDependencies,
  basis: Standby,
  looks: readonly InstanceLook[],
  assessment: Assessment,
): Promise<void> {
  const now = new Date(clock()).toISOString();
  await store.transaction(async tx => {
    const standby = await findStandby(tx, basis.id);
    // Claimed or paused meanwhile: its state is no longer ours to say.
    if (standby === undefined || rests(standby) || standby.version !== basis.version) return;
    const streams = new Map((await listStreams(tx, [basis.id])).map(stream => [stream.id, stream]));
    if (!assessment.streams.every(seen => isUntouched(streams.get(seen.stream.id), seen.stream))) return;
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
    if (!isUnderWay(fresh)) await endTrace(tx, fresh.id);
  });
}

function isUntouched(stored: Stream | undefined, seen: Stream): boolean {
  return stored?.version === seen.version && sameSeeding(stored, seen);
}

/** Whether the assessment says anything that is not stored yet. */
export function isNews(
  standby: Standby,
  { state, reasons, floor }: Pick<Assessment, 'state' | 'reasons' | 'floor'>,
): boolean {
  const mark = floor ?? (state === 'UNKNOWN' ? standby.newestCommonMark : null);
  return standby.state !== state || standby.newestCommonMark !== mark || !sameReasons(standby.reasons, reasons);
}

export function isStreamNews(seen: StreamAssessment): boolean {
  const { stream, state, reasons, position, lastRestoredSetId, heldBackSetId, lagSets } = seen;
  return (
    stream.state !== state ||
    !samePosition(stream.position, position) ||
    stream.lastRestoredSetId !== lastRestoredSetId ||
    stream.heldBackSetId !== heldBackSetId ||
    stream.lagSets !== lagSets ||
    !sameReasons(stream.reasons, reasons)
  );
}

async function noteStream(tx: Tx, outbox: Outbox, seen: StreamAssessment, now: string): Promise<void> {
  const stream = await mustFind(tx, seen.stream.id);
  const { state, position, lastRestoredSetId, heldBackSetId, lagSets, observedAt } = seen;
  const elsewhere = !samePosition(stream.position, position);
  const moved = stream.state !== state || elsewhere || stream.lastRestoredSetId !== lastRestoredSetId;
  const fresh: Stream = {
    ...stream,
    state,
    reasons: dated(seen.reasons, stream.reasons, now),
    position,
    lastRestoredSetId,
    heldBackSetId,
    lagSets,
    observedAt,
    // It failed where the database does not stand any more: the work was done unseen, or is another one now.
    problem: elsewhere ? null : stream.problem,
    missedMark: elsewhere ? null : stream.missedMark,
    version: stream.version + (moved ? 1 : 0),
  };
  await saveStream(tx, fresh);
  if (moved) await publishStream(tx, outbox, fresh, now);
}

/**
 * Before a full is sent: should nobody see it end, what it leaves behind is not to be built upon (sqlserver.md §2.3). False, and nothing
 * written, when `stream`, as it was read under the lock, is not what is stored: then nothing may be sent.
 */
export async function beginSeeding(
  { store }: CommandDependencies,
  stream: Stream,
  fileId: BackupFileId,
  evidence: SeedingEvidence,
): Promise<boolean> {
  return store.transaction(async tx => {
    const stored = await mustFind(tx, stream.id);
    if (!isUntouched(stored, stream)) return false;
    await saveStream(tx, { ...stored, seedingFileId: fileId, seedingEvidence: evidence });
    return true;
  });
}

/**
 * What a step brought about, read after it. Nothing happens where somebody has moved the database on since the step was decided, or
 * begun another full: what is true now is noted from the next look.
 */
export async function noteRestored(
  { store, outbox, clock }: CommandDependencies,
  step: RestoreStep,
  { position, setId, evidence, observedAt, missedMark }: Restored,
): Promise<void> {
  const now = new Date(clock()).toISOString();
  await store.transaction(async tx => {
    const stream = await mustFind(tx, step.stream.id);
    if (!sameEvidence(stream.seedingEvidence, evidence)) return;
    if (!samePosition(stream.position, step.from) && !samePosition(stream.position, position)) return;
    const fresh: Stream = {
      ...stream,
      position,
      lastRestoredSetId: setId ?? stream.lastRestoredSetId,
      seedingFileId: null,
      seedingEvidence: null,
      // Only a full fulfils it; a log was under way when it was asked for.
      reseed: evidence === null ? stream.reseed : null,
      problem: null,
      missedMark,
      observedAt,
      version: stream.version + 1,
    };
    await saveStream(tx, fresh);
    if (step.file.damaged) await saveDamage(tx, { standbyId: stream.standbyId, fileId: step.file.fileId }, null);
    await publishStream(tx, outbox, fresh, now);
  });
}

/** `nothingLeft`: a full failed and left no database behind, so that whatever appears there is not ours. */
export async function noteProblem(
  { store, clock }: CommandDependencies,
  step: RestoreStep,
  { reason, nothingLeft, evidence, damage }: Failed,
): Promise<void> {
  await store.transaction(async tx => {
    const stream = await mustFind(tx, step.stream.id);
    // Somebody has moved it on: what failed is not what is to be done now.
    if (!samePosition(stream.position, step.from) || !sameEvidence(stream.seedingEvidence, evidence)) return;
    const before = stream.problem === null ? [] : [stream.problem.reason];
    const dates = dated([reason], before, new Date(clock()).toISOString());
    await saveStream(tx, {
      ...stream,
      problem: problemAfter(stream.problem, step.file.fileId, dates[0] ?? reason, clock()),
      ...(nothingLeft ? { seedingFileId: null, seedingEvidence: null } : {}),
    });
    if (damage !== null) await noteDamage(tx, stream, damage);
  });
}

/** A copy that is not what was written is copied again; one that is counts for nothing as long as it has this content. */
async function noteDamage(tx: Tx, { standbyId }: Stream, { kind, fileId, sha256 }: Damage): Promise<void> {
  const copy = await findCopy(tx, standbyId, fileId);
  // Copied anew since.
  if (copy === undefined || copy.state !== 'VERIFIED' || copy.sha256 !== sha256) return;
  if (kind === 'BACKUP') return saveDamage(tx, copy, sha256);
  await saveCopy(tx, { ...copy, state: 'WRITING', prefix: null, sha256: null, header: null });
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

function sameSeeding(a: Stream, b: Stream): boolean {
  return a.seedingFileId === b.seedingFileId && sameEvidence(a.seedingEvidence, b.seedingEvidence);
}

function oldest(looks: readonly InstanceLook[]): string | null {
  return looks.reduce<string | null>(
    (least, { observedAt }) => (least === null || observedAt < least ? observedAt : least),
    null,
  );
}
