import type { StandbyId } from '@holdfast/domain';
import { fileCopied } from '@holdfast/events';
import { dated, type ShippingReason } from '../standby/reason.ts';
import type { CommandDependencies } from '../standby/standby-commands.ts';
import { retryAfter } from '../stream/stream.ts';
import type { Copy, CopyHeader } from './copy.ts';
import { findCopy, saveCopy } from './copy-store.ts';

type Key = { readonly standbyId: StandbyId; readonly fileId: Copy['fileId'] };

/** From nothing, or from a copy of another backup under the same file: what was known of that one does not carry over. */
export async function beginCopy({ store }: CommandDependencies, copy: Copy): Promise<void> {
  await store.transaction(tx => saveCopy(tx, copy));
}

/** Whatever changed of a copy under way; nothing happens when it is gone. */
export async function updateCopy(
  { store }: Pick<CommandDependencies, 'store'>,
  key: Key,
  change: Partial<Pick<Copy, 'state' | 'size' | 'sourceModifiedMs' | 'prefix' | 'sha256' | 'problem'>>,
): Promise<void> {
  await store.transaction(async tx => {
    const copy = await findCopy(tx, key.standbyId, key.fileId);
    if (copy !== undefined) await saveCopy(tx, { ...copy, ...change });
  });
}

/** `after` RESTART: what is there is no copy of this backup, so it is copied again. */
export async function noteCopyProblem(
  { store, clock }: CommandDependencies,
  copy: Copy,
  reason: ShippingReason,
  after: 'CONTINUE' | 'RESTART',
): Promise<void> {
  await store.transaction(async tx => {
    const before = (await findCopy(tx, copy.standbyId, copy.fileId)) ?? copy;
    const attempts = (before.problem?.attempts ?? 0) + 1;
    const now = new Date(clock()).toISOString();
    const [fresh = reason] = dated([reason], before.problem === null ? [] : [before.problem.reason], now);
    const problem = { reason: fresh, attempts, retryAtMs: retryAfter(attempts, clock()) };
    const restarted = { state: 'WRITING', prefix: null, sha256: null, header: null } as const;
    await saveCopy(tx, { ...before, problem, ...(after === 'RESTART' ? restarted : {}) });
  });
}

/** Whole, under its name and recognised by the standby instance: now others may plan with it. */
export async function noteVerified(
  { store, outbox, clock }: CommandDependencies,
  { standbyId, fileId }: Key,
  groupId: string,
  header: CopyHeader,
): Promise<void> {
  await store.transaction(async tx => {
    const copy = await findCopy(tx, standbyId, fileId);
    if (copy === undefined || copy.state !== 'WRITTEN' || copy.size === null) return;
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
