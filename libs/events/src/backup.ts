import { z } from 'zod';
import { bytes, contract, id, lsn, reason, time, verdict, version } from './contract.ts';

export const backupFile = z.object({
  fileId: id,
  databaseId: id,
  databaseName: z.string(),
  sourceInstanceId: id,
  /** @@SERVERNAME of the instance that wrote it. */
  sourceInstance: z.string(),
  /** As the source instance sees it. */
  path: z.string(),
  /** FILE = n inside the file. */
  position: z.int().positive(),
  state: z.enum(['PRESENT', 'VERIFIED', 'MISSING', 'DAMAGED', 'UNREADABLE', 'UNKNOWN']),
  reasons: z.array(reason),
  /** What its header says; null until it could be read. */
  header: z
    .object({
      backupSetUuid: id,
      familyGuid: id,
      firstForkGuid: id,
      lastForkGuid: id,
      firstLsn: lsn,
      lastLsn: lsn,
      checkpointLsn: lsn,
      databaseBackupLsn: lsn,
      size: bytes,
      hasChecksums: z.boolean(),
      copyOnly: z.boolean(),
      finishedAtRecorded: z.string(),
    })
    .nullable(),
  /** Log files: the mark's LSN in this database, from logmarkhistory of its instance; null while unproven. */
  markLsn: lsn.nullable(),
});

/** The whole backup set as it is now judged. */
export const setQualified = contract({
  service: 'backup',
  name: 'set.qualified.v1',
  schema: z.object({
    setId: id,
    groupId: id,
    version,
    /** adm_BackupHistory.BackupSetId */
    number: z.string().regex(/^\d+$/),
    type: z.enum(['FULL', 'LOG']),
    markName: z.string().nullable(),
    startedAtRecorded: z.string(),
    timeBasis: z.enum(['UTC', 'LOCAL', 'UNKNOWN']),
    startedAt: time.nullable(),
    state: z.enum(['RUNNING', 'COMPLETE', 'VERIFIED', 'PARTIAL', 'SUSPECT', 'ORPHANED', 'VOID', 'PURGED']),
    reasons: z.array(reason),
    files: z.array(backupFile),
  }),
  key: payload => payload.groupId,
  subject: payload => payload.setId,
});

/** One mark of one group, as the ledger judges it at the source. */
export const recoveryPointJudged = contract({
  service: 'backup',
  name: 'recoveryPoint.judged.v1',
  schema: z.object({
    recoveryPointId: id,
    groupId: id,
    setId: id,
    version,
    markName: z.string(),
    /** UTC; null when no logmarkhistory row could be read. */
    markedAt: time.nullable(),
    verdict,
    reasons: z.array(reason),
    databases: z.array(
      z.object({ databaseId: id, databaseName: z.string(), lsn: lsn.nullable(), markProven: z.boolean(), verdict }),
    ),
  }),
  key: payload => payload.groupId,
  subject: payload => payload.recoveryPointId,
});
