import type { BackupFileId, BackupSetId, DatabaseId, InstanceId, StandbyId } from '@holdfast/domain';
import { type ChainHeader, sameGuid } from '@holdfast/domain/chain';
import type { CopiedFile } from '@holdfast/domain/restore-plan';
import type { KnownFile, KnownSet } from '../estate/estate.ts';
import type { ShippingReason } from '../standby/reason.ts';

/** One backup file at one standby. Nothing is restored from it before it is VERIFIED. */
export type Copy = {
  readonly standbyId: StandbyId;
  readonly fileId: BackupFileId;
  readonly setId: BackupSetId;
  readonly databaseId: DatabaseId;
  readonly instanceId: InstanceId;
  /** Of the backup that was to be copied: a source may write another one under the same name. */
  readonly backupSetUuid: string;
  /** WRITTEN: whole, hashed and under its name. VERIFIED: its header was read at the standby and is the one expected. */
  readonly state: 'WRITING' | 'WRITTEN' | 'VERIFIED';
  /** This machine's path. */
  readonly writePath: string;
  /** The standby instance's path. */
  readonly standbyPath: string;
  readonly position: number;
  /** Bytes, decimal text; null until the source was looked at. */
  readonly size: string | null;
  /** Of the source when the copy began, decimal text: a source that changed is copied from its start. */
  readonly sourceModifiedMs: string | null;
  readonly prefix: Prefix | null;
  /** Of the whole file, taken while it was written. */
  readonly sha256: string | null;
  /** As the standby instance read it. */
  readonly header: CopyHeader | null;
  readonly problem: CopyProblem | null;
  readonly copiedAt: string | null;
  /** A file of this content could not be restored, although it is what the source holds. */
  readonly damagedSha256: string | null;
  /** Fencing token of the leader that writes it: only that one may say how it goes on. */
  readonly writer: number;
};

/** What of the part is on disk for sure, and what it hashes to. */
export type Prefix = { readonly bytes: string; readonly sha256: string };
export type CopyHeader = ChainHeader & { readonly hasChecksums: boolean };
export type CopyProblem = { readonly reason: ShippingReason; readonly attempts: number; readonly retryAtMs: number };

export type CopyStep =
  | { readonly kind: 'COPY'; readonly file: SourceFile }
  | { readonly kind: 'VERIFY'; readonly file: SourceFile; readonly copy: Copy };

export type SourceFile = KnownFile & {
  readonly header: NonNullable<KnownFile['header']>;
  readonly setNumber: string;
};

/** A file that is not whole and recognised at the standby, with what is there of it. */
export type Uncopied = { readonly file: KnownFile; readonly setNumber: string; readonly copy: Copy | undefined };

/** What to do about it; undefined for a file that nobody could recognise. */
export function copyStep({ file, setNumber, copy }: Uncopied): CopyStep | undefined {
  const { header } = file;
  if (header === null) return undefined;
  const source = { ...file, header, setNumber };
  const isThis = copy !== undefined && sameGuid(copy.backupSetUuid, header.backupSetUuid);
  if (isThis && copy.state === 'VERIFIED') return undefined;
  return isThis && copy.state === 'WRITTEN' ? { kind: 'VERIFY', file: source, copy } : { kind: 'COPY', file: source };
}

/** A copy as the restore plan takes it. */
export type PlannableCopy = CopiedFile & {
  readonly setId: BackupSetId;
  readonly setNumber: string;
  readonly checksum: boolean;
  /** Bytes, decimal text. */
  readonly size: string;
  /** Its content could not be restored once: it proves nothing any more. */
  readonly damaged: boolean;
};

/** The content that is there now is the one that could not be restored. */
export function isDamaged({ sha256, damagedSha256 }: Pick<Copy, 'sha256' | 'damagedSha256'>): boolean {
  return damagedSha256 !== null && sha256 === damagedSha256;
}

/** What is whole at the standby. A file that another backup has replaced since does not count. */
export function plannable(
  sets: readonly KnownSet[],
  copies: readonly Copy[],
  databaseId: DatabaseId,
): readonly PlannableCopy[] {
  const copyOf = new Map(copies.map(copy => [copy.fileId, copy]));
  return sets.flatMap(set =>
    set.files.flatMap(file => {
      const copy = copyOf.get(file.fileId);
      if (file.databaseId !== databaseId || copy === undefined || copy.state === 'WRITING') return [];
      if (file.header !== null && !sameGuid(copy.backupSetUuid, file.header.backupSetUuid)) return [];
      const header = copy.header ?? file.header;
      if (header === null) return [];
      const { fileId, position, standbyPath: path } = copy;
      const damaged = isDamaged(copy);
      const verified = copy.state === 'VERIFIED' && !damaged;
      const { setId, number: setNumber, type } = set;
      const { hasChecksums: checksum } = header;
      const size = copy.size ?? '0';
      return [{ fileId, type, path, position, header, verified, setId, setNumber, checksum, size, damaged }];
    }),
  );
}

/** What the standby instance must read in the copy; undefined when it does. */
export function headerDifference(
  wanted: SourceFile['header'],
  read: Pick<ChainHeader, 'backupSetUuid' | 'firstLsn' | 'lastLsn'> | undefined,
  position: number,
): string | undefined {
  if (read === undefined) return `no backup at position ${String(position)}`;
  if (!sameGuid(read.backupSetUuid, wanted.backupSetUuid))
    return `backup ${read.backupSetUuid} instead of ${wanted.backupSetUuid}`;
  if (read.firstLsn !== wanted.firstLsn || read.lastLsn !== wanted.lastLsn)
    return `LSNs ${read.firstLsn}–${read.lastLsn} instead of ${wanted.firstLsn}–${wanted.lastLsn}`;
  return undefined;
}
