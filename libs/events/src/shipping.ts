import { z } from 'zod';
import { bytes, contract, id, lsn, reason, time, version } from './contract.ts';

export const standbyState = z.enum([
  'SEEDING',
  'IN_SYNC',
  'LAGGING',
  'BLOCKED',
  'NO_COMMON_MARK',
  'REPAIRING',
  'PAUSED',
  'YIELDED',
  'RECOVERED',
  'UNKNOWN',
]);

/** The whole standby after every change that others may act on; positions and ages do not raise its version. */
export const standbyChanged = contract({
  service: 'shipping',
  name: 'standby.changed.v1',
  schema: z.object({
    standbyId: id,
    groupId: id,
    groupName: z.string(),
    version,
    site: z.string(),
    mode: z.enum(['MANAGED', 'NATIVE']),
    restAtMark: z.boolean(),
    state: standbyState,
    reasons: z.array(reason),
    instances: z.array(z.object({ instanceId: id, instanceName: z.string(), sourceInstances: z.array(z.string()) })),
    streams: z.array(z.object({ streamId: id, databaseId: id, databaseName: z.string(), instanceId: id })),
    newestCommonMarkName: z.string().nullable(),
    /** The execution that holds it. */
    yieldedTo: id.nullable(),
  }),
  key: payload => payload.groupId,
  subject: payload => payload.standbyId,
});

/** A whole, verified copy at the standby: header read there, hash taken while writing. */
export const fileCopied = contract({
  service: 'shipping',
  name: 'file.copied.v1',
  schema: z.object({
    standbyId: id,
    groupId: id,
    fileId: id,
    setId: id,
    databaseId: id,
    instanceId: id,
    /** As the standby instance reads it. */
    path: z.string(),
    position: z.int().positive(),
    size: bytes,
    /** Lower-case hex; null in DIRECT mode, where nothing is copied. */
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
    backupSetUuid: id,
    firstLsn: lsn,
    lastLsn: lsn,
    copiedAt: time,
  }),
  key: payload => payload.groupId,
  subject: payload => payload.fileId,
});

/** One database's observed position at a standby, after each restore of ours. */
export const streamMoved = contract({
  service: 'shipping',
  name: 'stream.moved.v1',
  schema: z.object({
    streamId: id,
    standbyId: id,
    groupId: id,
    databaseId: id,
    instanceId: id,
    version,
    state: standbyState,
    position: lsn.nullable(),
    lastRestoredSetId: id.nullable(),
    observedAt: time,
  }),
  key: payload => payload.groupId,
  subject: payload => payload.streamId,
});

/** The answer to `standby.claimed`: no runner of shipping sends anything to this standby any more. */
export const standbyYielded = contract({
  service: 'shipping',
  name: 'standby.yielded.v1',
  schema: z.object({ standbyId: id, groupId: id, executionId: id, yieldedAt: time }),
  key: payload => payload.groupId,
  subject: payload => payload.standbyId,
});
