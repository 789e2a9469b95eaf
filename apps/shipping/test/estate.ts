import type { BackupFileId, BackupSetId, DatabaseId, GroupId, InstanceId, StandbyId, StreamId } from '@holdfast/domain';
import { requireLsn, requireMarkName } from '@holdfast/domain';
import type { PayloadOf, setQualified } from '@holdfast/events';
import { discoveredId } from '@holdfast/service';
import type { Copy } from '../src/copy/copy.ts';
import type { KnownGroup, KnownSet } from '../src/estate/estate.ts';
import type { Standby } from '../src/standby/standby.ts';
import type { Stream } from '../src/stream/stream.ts';

// A group of two databases on SQL1 with a standby on SQL2; LSNs are small numbers.

export const groupId = discoveredId('group', 'Orders') as GroupId;
export const source = { instanceId: discoveredId('instance', 'SQL1') as InstanceId, serverName: 'SQL1' };
export const target = { instanceId: discoveredId('instance', 'SQL2') as InstanceId, serverName: 'SQL2' };
export const databases = ['BizTalkMgmtDb', 'BizTalkMsgBoxDb'].map(name => {
  return { databaseId: discoveredId('database', name) as DatabaseId, name };
});
export const fork = discoveredId('fork', 'first');

export const group: KnownGroup = {
  groupId,
  version: 1,
  name: 'Orders',
  site: 'Dublin',
  observedAt: '2026-11-21T10:00:00.000Z',
  managementDatabaseId: databases[0]!.databaseId,
  instances: [{ ...source, name: 'SQL1', productVersion: '15.0.4001.2' }],
  databases: databases.map(({ databaseId, name }) => ({
    databaseId,
    name,
    role: 'OTHER',
    instanceId: source.instanceId,
    inBackupJob: true,
    state: 'ONLINE',
    recoveryModel: 'FULL',
  })),
};

export type SetPayload = PayloadOf<typeof setQualified>;
type Range = readonly [first: number, last: number, mark?: number];

/** One set over both databases with these LSNs; a third number is the mark's. */
export function set(
  number: number,
  type: 'FULL' | 'LOG',
  [first, last, mark]: Range,
  changes: Partial<SetPayload> = {},
): SetPayload {
  const setId = discoveredId('set', String(number));
  const startedAt = new Date(Date.UTC(2026, 10, 21, 8) + number * 60_000).toISOString();
  return {
    setId,
    groupId,
    version: 1,
    number: String(number),
    type,
    markName: type === 'LOG' ? `M${String(number / 10)}` : null,
    startedAtRecorded: startedAt.slice(0, 19),
    timeBasis: 'UTC',
    startedAt,
    state: 'VERIFIED',
    reasons: [],
    files: databases.map(({ databaseId, name }) => ({
      fileId: discoveredId('file', setId, databaseId),
      databaseId,
      databaseName: name,
      sourceInstanceId: source.instanceId,
      sourceInstance: source.serverName,
      path: `D:\\Backup\\${type}\\${String(number)}_${name}.bak`,
      position: 1,
      state: 'VERIFIED',
      reasons: [],
      markLsn: mark === undefined ? null : String(mark),
      header: {
        backupSetUuid: discoveredId('uuid', String(number), name),
        familyGuid: discoveredId('family', name),
        firstForkGuid: fork,
        lastForkGuid: fork,
        firstLsn: String(first),
        lastLsn: String(last),
        checkpointLsn: String(first),
        databaseBackupLsn: '0',
        size: '1000',
        hasChecksums: false,
        copyOnly: false,
        finishedAtRecorded: startedAt.slice(0, 19),
      },
    })),
    ...changes,
  };
}

/** Set 1 is a full that ends at 20. */
export const full = (number = 1, end = 20, changes: Partial<SetPayload> = {}) =>
  set(number, 'FULL', [end - 10, end], changes);
/** Set 10·n: the log from 10·n to 10·n + 10 with its mark at 10·n + 5. */
export const log = (n: number, changes: Partial<SetPayload> = {}) =>
  set(n * 10, 'LOG', [n * 10, n * 10 + 10, n * 10 + 5], changes);

/** As the store gives it back. */
export function known({
  setId,
  number,
  type,
  markName,
  startedAt,
  startedAtRecorded,
  state,
  files,
}: SetPayload): KnownSet {
  return {
    setId: setId as BackupSetId,
    number,
    type,
    markName: markName === null ? null : requireMarkName(markName),
    startedAt,
    startedAtRecorded,
    state,
    files: files.map(({ sourceInstanceId: _instance, reasons: _reasons, ...file }) => {
      return { ...file, setId } as KnownSet['files'][number];
    }),
  };
}

export const standby: Standby = {
  id: discoveredId('standby', 'one') as StandbyId,
  groupId,
  groupName: 'Orders',
  site: 'Cork',
  restAtMark: false,
  state: 'SEEDING',
  reasons: [],
  version: 1,
  newestCommonMark: null,
  claim: null,
  pause: null,
  observedAt: null,
  instances: [
    {
      standbyId: discoveredId('standby', 'one') as StandbyId,
      instanceId: target.instanceId,
      instanceName: 'SQL2',
      sourceInstances: ['SQL1'],
      folders: [{ source: 'D:\\Backup', sourceInstance: 'SQL1', read: '/from', write: '/to', standby: 'E:\\Copies' }],
      observedAt: null,
      error: null,
    },
  ],
};

export const stream = (name: string, changes: Partial<Stream> = {}): Stream => ({
  id: discoveredId('stream', name) as StreamId,
  standbyId: standby.id,
  groupId,
  databaseId: discoveredId('database', name) as DatabaseId,
  databaseName: name,
  instanceId: target.instanceId,
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
  ...changes,
});

/** Whole and recognised copies of all files of these sets. */
export function copiesOf(...sets: readonly SetPayload[]): Copy[] {
  return sets.flatMap(({ setId, files }) =>
    files.map((file): Copy => {
      if (file.header === null) throw new Error('only a file with a header can be copied');
      const { firstLsn, lastLsn, ...header } = file.header;
      return {
        standbyId: standby.id,
        fileId: file.fileId as BackupFileId,
        setId: setId as BackupSetId,
        databaseId: file.databaseId as DatabaseId,
        instanceId: target.instanceId,
        backupSetUuid: file.header.backupSetUuid,
        state: 'VERIFIED',
        writePath: `/to/${file.fileId}`,
        standbyPath: file.path.replace('D:\\Backup', 'E:\\Copies'),
        position: 1,
        size: '1000',
        sourceModifiedMs: '1',
        prefix: null,
        sha256: 'a'.repeat(64),
        header: { ...header, firstLsn: requireLsn(firstLsn), lastLsn: requireLsn(lastLsn) },
        problem: null,
        copiedAt: '2026-11-21T10:30:00.000Z',
        damagedSha256: null,
        writer: 1,
      };
    }),
  );
}
