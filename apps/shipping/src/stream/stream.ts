import type { BackupFileId, BackupSetId, DatabaseId, GroupId, InstanceId, StandbyId, StreamId } from '@holdfast/domain';
import type { Position } from '@holdfast/domain/chain';
import type { Lsn } from '@holdfast/domain/lsn';
import type { ShippingReason } from '../standby/reason.ts';
import type { StandbyState } from '../standby/standby.ts';
import type { SeedingEvidence } from './seeding.ts';

/** One database on its way to one standby instance. */
export type Stream = {
  readonly id: StreamId;
  readonly standbyId: StandbyId;
  readonly groupId: GroupId;
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  readonly instanceId: InstanceId;
  readonly version: number;
  readonly state: StandbyState;
  readonly reasons: readonly ShippingReason[];
  /** As last read from the standby; shown with its age, never a ground for a restore. */
  readonly position: Position | null;
  readonly lastRestoredSetId: BackupSetId | null;
  readonly heldBackSetId: BackupSetId | null;
  readonly lagSets: number | null;
  /** A full was sent and nobody has seen it end: what is there now is not to be built upon (sqlserver.md §2.3). */
  readonly seedingFileId: BackupFileId | null;
  /** Written with it, before it is sent; null when an older version sent it. */
  readonly seedingEvidence: SeedingEvidence | null;
  readonly reseed: Reseed | null;
  readonly problem: StepProblem | null;
  readonly missedMark: MissedMark | null;
  readonly observedAt: string | null;
};

/** It is to be begun again from this full, by request. */
export type Reseed = {
  readonly fileId: BackupFileId;
  readonly setNumber: string;
  /** Where the full ends. */
  readonly endsAt: Lsn;
  /** What stood there when it was asked for: nothing else is replaced. */
  readonly over: Position | null;
  readonly requestedAt: string;
  readonly requestedBy: string;
  readonly reason: string;
};

/** The last restore that did not do its work. */
export type StepProblem = {
  readonly fileId: BackupFileId;
  readonly reason: ShippingReason;
  readonly attempts: number;
  /** Milliseconds since the epoch. */
  readonly retryAtMs: number;
};

/** A stop that did not stop, and where it left the database: true as long as that one stands there. */
export type MissedMark = { readonly reason: ShippingReason; readonly position: Position };

/**
 * What a restore brought about. `setId`: the set that is behind it now, null where a stop left none behind that was not before. `evidence`:
 * of the full that was under way, null for a log.
 */
export type Restored = {
  readonly setId: BackupSetId | null;
  readonly position: Position;
  readonly observedAt: string;
  readonly evidence: SeedingEvidence | null;
  readonly missedMark: MissedMark | null;
};
/** Why it did not; `evidence`: of the full that is under way all the same. */
export type Failed = {
  readonly reason: ShippingReason;
  readonly nothingLeft: boolean;
  readonly evidence: SeedingEvidence | null;
  readonly damage: Damage | null;
};
/** COPY: it is not what was written; BACKUP: it is, and cannot be restored. `sha256` as it was written. */
export type Damage = {
  readonly kind: 'COPY' | 'BACKUP';
  readonly fileId: BackupFileId;
  readonly sha256: string | null;
};

export function samePosition(a: Position | null, b: Position | null): boolean {
  return a?.lsn === b?.lsn && (a?.forkGuid ?? null) === (b?.forkGuid ?? null);
}

const firstRetryMs = 5_000;
const longestRetryMs = 300_000;

/** 5 s, then twice as long each time, at most 5 minutes. */
export function retryAfter(attempts: number, nowMs: number): number {
  return nowMs + Math.min(firstRetryMs * 2 ** Math.max(attempts - 1, 0), longestRetryMs);
}

export function problemAfter(
  before: StepProblem | null,
  fileId: BackupFileId,
  reason: ShippingReason,
  nowMs: number,
): StepProblem {
  const attempts = (before?.fileId === fileId ? before.attempts : 0) + 1;
  return { fileId, reason, attempts, retryAtMs: retryAfter(attempts, nowMs) };
}
