/** The set a RESTORE reads, and what must be true of it before the database is looked at (sqlserver.md §9.1: device → header). */
import { frame, readFrames } from '../engine/frames.ts';
import { decodeRecord, type LogRecord } from '../engine/log-records.ts';
import { defaultPaths, type Instance } from '../engine/instance.ts';
import { fail, unsupported } from '../messages.ts';
import { databaseVersions, statementNames, type BackupSetHeader } from './backup-set.ts';
import { chooseSet, devicePath, readChunks, readMedia, wholePath, type Media, type MediaSet } from './media.ts';
import type { MediaFaults } from '../faults/media-faults.ts';
import type { EncodedRecord } from '../engine/database-log.ts';
import type { RestoreStatement } from '../contract.ts';

export type Source = {
  readonly host: string;
  readonly device: string;
  readonly media: Media;
  readonly set: MediaSet;
  readonly header: BackupSetHeader;
};

/**
 * 3201, 3254, 3241, 3242, 3203, 3256, 3287 for the device; 3169 for a newer server's set; 33111 (a fault); 3187 for CHECKSUM without checksums.
 * `set`: as it is to be read; `header`: as it lies in the file, for history.
 */
export async function openSource(
  instance: Instance,
  devices: RestoreStatement['devices'],
  options: { readonly file?: number; readonly checksum?: boolean },
): Promise<Source> {
  const [device] = devices;
  if (device === undefined) throw new Error('a RESTORE without a device');
  if (devices.length > 1) throw unsupported('RESTORE from several devices');
  if (device.type === 'url') throw unsupported('RESTORE FROM URL');
  const host = devicePath(instance, device.path, 2, defaultPaths.backup);
  const media = await readMedia(host, device.path);
  const set = chooseSet(media, options.file);
  const { header } = set;
  assertReadable(instance, device.path, header);
  if (options.checksum === true && !header.hasBackupChecksums) throw fail(3187);
  return { host, device: device.path, media, set: options.checksum === false ? unchecked(set) : set, header };
}

/** NO_CHECKSUM: read as if it had none (sqlserver.md §2.2). Damage that the format itself notices is then 3203. */
function unchecked(set: MediaSet): MediaSet {
  return { ...set, header: { ...set.header, hasBackupChecksums: false } };
}

/** 3169, 33111 (a fault): whatever looks behind the header. HEADERONLY and LABELONLY do not (sqlserver.md §2.4; FILELISTONLY as servers print it). */
export function assertReadable(instance: Instance, device: string, header: BackupSetHeader): void {
  const { databases } = instance.faults;
  const path = wholePath(device, defaultPaths.backup);
  const own = instance.options.majorVersion;
  const itsVersion = databases.comesFromNewerVersion(path) ? own + 1 : header.majorVersion;
  if (itsVersion > own) throw fail(3169, dotted(itsVersion), dotted(own));
  const thumbprint = databases.missingCertificate(path);
  if (thumbprint !== undefined) throw fail(33111, thumbprint);
}

function dotted(majorVersion: number): string {
  return databaseVersions[majorVersion] === undefined ? String(majorVersion) : `${majorVersion}.00.1000`;
}

/** 3135 when the set was made by another kind of BACKUP than the statement restores. */
export function assertKind(source: Source, kind: RestoreStatement['kind']): void {
  const isLog = source.header.kind === 'log';
  if (isLog !== (kind === 'log')) throw fail(3135, source.device, statementNames[source.header.kind]);
}

/** The log records of a set. All are read and decoded before anything is applied: a damaged file must not leave half a step behind. */
export async function readLog(
  source: Source,
  faults: MediaFaults,
): Promise<readonly (EncodedRecord & { readonly record: LogRecord })[]> {
  const records: (EncodedRecord & { readonly record: LogRecord })[] = [];
  for await (const { type, bytes } of readChunks(source.host, source.media, source.set, faults)) {
    if (type !== 'L') continue;
    records.push(...decodeLog(bytes));
  }
  return records;
}

export function decodeLog(bytes: Buffer): readonly (EncodedRecord & { readonly record: LogRecord })[] {
  const { payloads, end } = readFrames(bytes, 0);
  if (end !== bytes.length) throw new Error('log records of a backup set are damaged although its chunk is not');
  return payloads.map(payload => {
    const record = decodeRecord(payload);
    return { lsn: record.lsn, framed: frame(payload), record };
  });
}
