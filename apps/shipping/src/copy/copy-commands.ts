import type { StandbyId } from '@holdfast/domain';
import { fileCopied } from '@holdfast/events';
import { dated, type ShippingReason } from '../standby/reason.ts';
import type { CommandDependencies } from '../standby/standby-commands.ts';
import { retryAfter } from '../stream/stream.ts';
import type { Copy, CopyHeader } from './copy.ts';
import { findCopy, saveCopy } from './copy-store.ts';

type Key = { readonly standbyId: StandbyId; readonly fileId: Copy['fileId'] };

/** A leader that was replaced has no say any more; the loop ends with its lease. */
class CopySuperseded extends Error {
  override readonly name = 'CopySuperseded';
}

/**
 * The copy to be written, made of what is stored: from nothing, or from where an earlier attempt at the same backup got to. Undefined when
 * it is whole already. From here on only `writer` says how it goes on. @throws CopySuperseded when a newer leader writes it.
 */
export async function beginCopy(
  { store }: Pick<CommandDependencies, 'store'>,
  key: Key,
  writer: number,
  make: (before: Copy | undefined) => Copy,
): Promise<Copy | undefined> {
  return store.transaction(async tx => {
    const before = await findCopy(tx, key.standbyId, key.fileId);
    if (before !== undefined && before.writer > writer) throw superseded(before);
    const copy = { ...make(before), writer };
    if (before?.backupSetUuid === copy.backupSetUuid && before.state !== 'WRITING') return undefined;
    await saveCopy(tx, copy);
    return copy;
  });
}

/** How the writing goes on. @throws CopySuperseded when it is not `writer` that writes it any more. */
export async function updateCopy(
  { store }: Pick<CommandDependencies, 'store'>,
  key: Key,
  writer: number,
  change: Partial<Pick<Copy, 'size' | 'sourceModifiedMs' | 'prefix' | 'sha256'>>,
): Promise<void> {
  await store.transaction(async tx => {
    const copy = await findCopy(tx, key.standbyId, key.fileId);
    if (copy === undefined || copy.writer !== writer || copy.state !== 'WRITING') throw superseded(copy);
    await saveCopy(tx, { ...copy, ...change });
  });
}

/** Whether it is still `writer` that writes it. */
export async function isWrittenBy(
  { store }: Pick<CommandDependencies, 'store'>,
  { standbyId, fileId }: Key,
  writer: number,
): Promise<boolean> {
  const copy = await store.read(db => findCopy(db, standbyId, fileId));
  return copy?.writer === writer && copy.state === 'WRITING';
}

/**
 * Whole and under its name; what was wrong before counts as mended only when it is recognised, so that a source that stays damaged is not
 * copied again and again without a pause. Nothing happens where that is known, or somebody else writes it.
 */
export async function noteWritten(
  { store }: Pick<CommandDependencies, 'store'>,
  key: Key,
  writer: number,
  written: { readonly size: string; readonly sha256: string },
): Promise<void> {
  await store.transaction(async tx => {
    const copy = await findCopy(tx, key.standbyId, key.fileId);
    if (copy === undefined || copy.writer !== writer || copy.state !== 'WRITING') return;
    await saveCopy(tx, { ...copy, ...written, state: 'WRITTEN', prefix: null });
  });
}

function superseded(copy: Copy | undefined): CopySuperseded {
  return new CopySuperseded(`${copy?.writePath ?? 'a copy'} is written by another leader or whole already`);
}

/**
 * `copy` is the one that has the problem: nothing happens where it has become another since. `after` RESTART: what is there is no copy
 * of this backup, so it is copied again.
 */
export async function noteCopyProblem(
  { store, clock }: CommandDependencies,
  copy: Copy,
  reason: ShippingReason,
  after: 'CONTINUE' | 'RESTART',
): Promise<void> {
  await store.transaction(async tx => {
    const before = (await findCopy(tx, copy.standbyId, copy.fileId)) ?? copy;
    if (!isSameAttempt(before, copy)) return;
    const attempts = (before.problem?.attempts ?? 0) + 1;
    const now = new Date(clock()).toISOString();
    const [fresh = reason] = dated([reason], before.problem === null ? [] : [before.problem.reason], now);
    const problem = { reason: fresh, attempts, retryAtMs: retryAfter(attempts, clock()) };
    const restarted = { state: 'WRITING', prefix: null, sha256: null, header: null } as const;
    await saveCopy(tx, { ...before, problem, ...(after === 'RESTART' ? restarted : {}) });
  });
}

/** While it is written its hash comes and goes; once it is whole, the hash is what was looked at. */
function isSameAttempt(stored: Copy, { state, writer, sha256 }: Copy): boolean {
  return stored.state === state && stored.writer === writer && (state === 'WRITING' || stored.sha256 === sha256);
}

/** Whole, under its name and recognised by the standby instance: now others may plan with it. */
export async function noteVerified(
  { store, outbox, clock }: CommandDependencies,
  read: Copy,
  groupId: string,
  header: CopyHeader,
): Promise<void> {
  const { standbyId, fileId } = read;
  await store.transaction(async tx => {
    const copy = await findCopy(tx, standbyId, fileId);
    // Verified already, or copied anew since its header was read.
    if (copy === undefined || copy.state !== 'WRITTEN' || !isSameAttempt(copy, read) || copy.size === null) return;
    const copiedAt = new Date(clock()).toISOString();
    await saveCopy(tx, { ...copy, state: 'VERIFIED', header, problem: null, copiedAt });
    await outbox.append(tx, fileCopied, {
      standbyId,
      groupId,
      fileId,
      setId: copy.setId,
      databaseId: copy.databaseId,
      instanceId: copy.instanceId,
      path: copy.standbyPath,
      position: copy.position,
      size: copy.size,
      sha256: copy.sha256,
      backupSetUuid: header.backupSetUuid,
      firstLsn: header.firstLsn,
      lastLsn: header.lastLsn,
      copiedAt,
    });
  });
}
