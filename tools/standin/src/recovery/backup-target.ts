/** Opens the device of a BACKUP: a new medium, an overwritten one, or one that gets another set (sqlserver.md §1.1). */
import { defaultPaths, type Instance } from '../engine/instance.ts';
import { fail, failWithState, unsupported } from '../messages.ts';
import { devicePath, MediaWriter, readMedia, wholePath, type Media, type MediaHeader } from './media.ts';
import { operatingSystemError } from './operating-system-errors.ts';
import type { BackupStatement } from '../contract.ts';

export type Target = {
  readonly writer: MediaWriter;
  readonly media: MediaHeader;
  /** The device's name as the statement wrote it. */
  readonly device: string;
  readonly position: number;
  readonly compressed: boolean;
  close(): Promise<void>;
};

export async function openTarget(instance: Instance, statement: BackupStatement): Promise<Target> {
  const [device] = statement.devices;
  if (device === undefined) throw new Error('a BACKUP without a device');
  if (device.type === 'url') throw unsupported('BACKUP TO URL');
  // sqlserver.md §1.1: it writes nowhere, and counts as a backup.
  const isNowhere = /^nul:?$/i.test(device.path);
  const host = isNowhere ? '' : devicePath(instance, device.path, 1, defaultPaths.backup);
  if (!isNowhere) instance.devicesInUse.add(host);
  try {
    const opened = await openWriter(instance, statement, host, device.path);
    return {
      ...opened,
      device: device.path,
      compressed: opened.media.compressed,
      close: async () => {
        instance.devicesInUse.delete(host);
        await opened.writer.close();
      },
    };
  } catch (failure) {
    instance.devicesInUse.delete(host);
    throw failure;
  }
}

async function openWriter(
  instance: Instance,
  statement: BackupStatement,
  host: string,
  path: string,
): Promise<{ readonly writer: MediaWriter; readonly media: MediaHeader; readonly position: number }> {
  const { options } = statement;
  const { disk, quota } = instance;
  quota?.forget();
  const nowhere = host === '';
  const device = { disk, host, path, nowhere, take: (bytes: number) => (nowhere ? undefined : quota?.take(bytes)) };
  const compression = options.compression ?? instance.serverOptions.inUse('backup compression default') === 1;
  const fresh: MediaHeader = {
    mediaSetId: instance.newGuid(),
    mediaFamilyId: instance.newGuid(),
    name: options.mediaName ?? null,
    description: options.mediaDescription ?? null,
    createdMs: instance.clock().getTime(),
    compressed: compression,
    ...(options.blockSize === undefined ? {} : { blockSize: options.blockSize }),
  };
  // Any other way of writing reads first what is there, and a database's file is no medium.
  if (options.format === true && instance.ownerOfFile(wholePath(path, defaultPaths.backup), '') !== undefined)
    throw failWithState(1, 3201, path, operatingSystemError(32));
  // Most have a file of their own: to make it tells whether it is there.
  const created =
    options.format === true || nowhere
      ? await MediaWriter.format(device, fresh)
      : await MediaWriter.create(device, fresh);
  if (created !== undefined) return { writer: created, media: fresh, position: 1 };
  const found = await readMedia(host, path);
  const { header } = found;
  if (options.skip !== true && options.mediaName !== undefined && options.mediaName !== header.name) {
    throw fail(4037, options.mediaName, header.name ?? '', path);
  }
  // A medium is compressed or it is not: sets appended to it follow (sqlserver.md §1.1).
  if (options.compression !== undefined && options.compression !== header.compressed) {
    const option = options.compression ? 'COMPRESSION' : 'NO_COMPRESSION';
    throw fail(3098, option, option, options.compression ? 'NO_COMPRESSION' : 'COMPRESSION');
  }
  if (options.init === true) {
    if (options.skip !== true) assertExpired(found, instance.clock().getTime());
    return { writer: await MediaWriter.format(device, header), media: header, position: 1 };
  }
  if (found.cut || found.sets.some(set => !set.complete)) throw fail(3266, path);
  return {
    writer: await MediaWriter.append(device, found.end),
    media: header,
    position: found.sets.length + 1,
  };
}

function assertExpired({ sets, path }: Media, nowMs: number): void {
  for (const { header } of sets) {
    const expires = header.expirationMs ?? null;
    if (expires !== null && expires > nowMs) throw fail(4030, path, dateText(expires));
  }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Jan  1 2030 12:00:00:000AM`, as CONVERT's style 9 (that 4030 uses it: unverified). */
function dateText(ms: number): string {
  const date = new Date(ms);
  const hour = date.getUTCHours();
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = String(date.getUTCDate()).padStart(2);
  const time = `${String(hour % 12 === 0 ? 12 : hour % 12).padStart(2)}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  const thousandths = String(date.getUTCMilliseconds()).padStart(3, '0');
  return `${months[date.getUTCMonth()]} ${day} ${date.getUTCFullYear()} ${time}:${thousandths}${hour < 12 ? 'AM' : 'PM'}`;
}
