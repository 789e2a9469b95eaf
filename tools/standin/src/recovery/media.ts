/**
 * The file behind a disk device: `HFSTBAK1`, then frames `type u8 · length u32 · crc32 u32 · payload`.
 *   M  media header (JSON), once
 *   S  a backup set begins (JSON header as far as known)
 *   D  content of data files: one chunk of a snapshot (engine/snapshot.ts)
 *   L  log: a run of framed log records (engine/log-records.ts)
 *   P  a block of padding (padding.ts), never compressed
 *   E  the set ends (the whole header, JSON): without it the set is incomplete
 * Several sets follow each other (NOINIT). Not the Microsoft Tape Format.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { fail, failWithState, SqlError } from '../messages.ts';
import { operatingSystemError, systemCode, translateSystemError } from './operating-system-errors.ts';
import { blocksOf, PaddingBlock, PaddingCheck, takeTurns, type PaddingPart } from './padding.ts';
import type { BackupSetHeader } from './backup-set.ts';
import type { Disk, DurableFile } from '../engine/durable-file.ts';
import type { MediaFaults } from '../faults/media-faults.ts';
import type { Instance } from '../engine/instance.ts';

const magic = Buffer.from('HFSTBAK1');
const frameHeaderBytes = 9;

export type MediaHeader = {
  readonly mediaSetId: string;
  readonly mediaFamilyId: string;
  readonly name: string | null;
  /** Not in the files of earlier stand-ins. */
  readonly description?: string | null;
  readonly createdMs: number;
  readonly compressed: boolean;
  /** BLOCKSIZE of the BACKUP that made the medium; without it 512. */
  readonly blockSize?: number;
};

type FramePlace = { readonly type: string; readonly at: number; readonly bytes: number };
export type MediaSet = {
  readonly header: BackupSetHeader;
  readonly complete: boolean;
  readonly chunks: readonly FramePlace[];
};
export type Media = {
  readonly path: string;
  readonly header: MediaHeader;
  readonly sets: readonly MediaSet[];
  /** Where the next set would begin. */
  readonly end: number;
  /** The file stops inside a frame. */
  readonly cut: boolean;
};

/** The host file of a device, or 3201 with OS error 3 when no map covers it. Relative names lie in the default backup folder. */
export function devicePath(instance: Instance, path: string, state: number, defaultFolder: string): string {
  const whole = wholePath(path, defaultFolder);
  const refused = instance.faults.media.openError(whole, state === 1 ? 'backup' : 'restore');
  if (refused !== undefined) throw failWithState(state, 3201, path, operatingSystemError(refused));
  const host = instance.hostPath(whole);
  if (host === undefined) throw failWithState(state, 3201, path, operatingSystemError(3));
  if (instance.devicesInUse.has(host)) throw failWithState(state, 3201, path, operatingSystemError(32));
  return host;
}

export function wholePath(path: string, defaultFolder: string): string {
  return /^([A-Za-z]:[\\/]|[\\/])/.test(path) ? path : `${defaultFolder}\\${path}`;
}

/** Reads the structure of a device. `path` is the name in messages. */
export async function readMedia(host: string, path: string): Promise<Media> {
  const file = await open(host, 'r').catch((failure: unknown) => {
    throw failWithState(2, 3201, path, translateSystemError(failure));
  });
  try {
    return await scan(file, path);
  } catch (failure) {
    if (failure instanceof SqlError) throw failure;
    throw new SqlError(fail(3203, path, translateSystemError(failure)).messages, 'statement', failure);
  } finally {
    await file.close();
  }
}

async function scan(file: FileHandle, path: string): Promise<Media> {
  const { size } = await file.stat();
  if (size === 0) throw fail(3254, path);
  const start = await bytesAt(file, 0, magic.length);
  if (!start.equals(magic)) throw fail(3241, path);
  let header: MediaHeader | undefined;
  const sets: MediaSet[] = [];
  let at = magic.length;
  let open: { header: BackupSetHeader; chunks: FramePlace[] } | undefined;
  while (at + frameHeaderBytes <= size) {
    const lead = await bytesAt(file, at, frameHeaderBytes);
    const type = String.fromCharCode(lead[0] ?? 0);
    const length = lead.readUInt32LE(1);
    const end = at + frameHeaderBytes + length;
    if (!'MSDLPE'.includes(type))
      throw header === undefined ? fail(3241, path) : fail(3203, path, operatingSystemError(13));
    if (end > size) break;
    if ('DLP'.includes(type)) open?.chunks.push({ type, at, bytes: length });
    else {
      const payload = await bytesAt(file, at + frameHeaderBytes, length);
      if (crc32(payload) !== lead.readUInt32LE(5)) throw fail(type === 'M' ? 3241 : 3242, path);
      const content = JSON.parse(payload.toString('utf8')) as unknown;
      if (type === 'M') header = content as MediaHeader;
      if (type === 'S') {
        if (open !== undefined) sets.push({ ...open, complete: false });
        open = { header: content as BackupSetHeader, chunks: [] };
      }
      if (type === 'E' && open !== undefined) {
        sets.push({ header: content as BackupSetHeader, chunks: open.chunks, complete: true });
        open = undefined;
      }
    }
    at = end;
  }
  if (header === undefined) throw fail(3241, path);
  if (open !== undefined) sets.push({ ...open, complete: false });
  return { path, header, sets, end: at, cut: at < size };
}

async function bytesAt(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}

/** The set of FILE = n (default 1, the oldest). 3287 beyond the last; 3203 or 3256 when it was never finished (cut off, or still being written). */
export function chooseSet(media: Media, position: number | undefined): MediaSet {
  const set = media.sets[(position ?? 1) - 1];
  if (set?.complete === true) return set;
  // A device on which no set was begun was left while its first one was being created.
  if (set === undefined && media.sets.length > 0) throw fail(3287, position ?? 1, media.path);
  throw media.cut ? fail(3203, media.path, operatingSystemError(38)) : fail(3256, media.path);
}

/**
 * Content of one set, decompressed, in order; that of padding is gone when the next chunk is asked for. A damaged chunk is 3183 when the set
 * carries checksums, 3203 when it does not.
 */
export async function* readChunks(
  host: string,
  media: Media,
  set: MediaSet,
  faults: MediaFaults,
): AsyncIterable<{ readonly type: string; readonly bytes: Buffer }> {
  const file = await open(host, 'r');
  const total = set.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  let done = 0;
  let padding: PaddingCheck | undefined;
  try {
    for (const chunk of set.chunks) {
      done += chunk.bytes;
      const broken = faults.readError({ path: media.path, percent: (done * 100) / total });
      if (broken !== undefined) throw fail(3203, media.path, operatingSystemError(broken));
      if (chunk.type === 'P') padding ??= paddingOf(set, media);
      const whole =
        chunk.type === 'P' && padding !== undefined
          ? await paddingAt(file, chunk, padding)
          : await bytesAt(file, chunk.at, frameHeaderBytes + chunk.bytes);
      const payload = whole.subarray(frameHeaderBytes);
      const intact = whole.length === frameHeaderBytes + chunk.bytes && crc32(payload) === whole.readUInt32LE(5);
      if (!intact || (chunk.type === 'P' && padding?.next(payload) !== true)) {
        throw set.header.hasBackupChecksums
          ? fail(3183, 1, Math.floor(chunk.at / 8192), set.header.databaseName)
          : fail(3203, media.path, operatingSystemError(13));
      }
      const packed = set.header.compressed && chunk.type !== 'P';
      yield { type: chunk.type, bytes: packed ? inflateRawSync(payload) : payload };
    }
  } finally {
    await file.close();
  }
}

function paddingOf(set: MediaSet, { path }: Media): PaddingCheck {
  const { padding } = set.header;
  if (padding === undefined) throw fail(3203, path, operatingSystemError(13));
  return new PaddingCheck(padding, frameHeaderBytes);
}

/** Frame and block, in the one buffer that all of them share. */
async function paddingAt(file: FileHandle, { at, bytes }: FramePlace, { found }: PaddingCheck): Promise<Buffer> {
  const length = Math.min(found.whole.length, frameHeaderBytes + bytes);
  const { bytesRead } = await file.read(found.whole, 0, length, at);
  return found.whole.subarray(0, bytesRead);
}

/** A file to be written to. `path`: its name in messages. `take`: throws when the disk has no room for so many bytes more. */
export type Device = {
  readonly disk: Disk;
  readonly host: string;
  readonly path: string;
  readonly take: (bytes: number) => void;
  /** DISK = 'NUL': what is written is gone. */
  readonly nowhere: boolean;
};

type Written = Pick<DurableFile, 'write' | 'truncate' | 'sync' | 'close'>;

const nothing = (): Promise<void> => Promise.resolve();
const nowhere: Written = { write: nothing, truncate: nothing, sync: nothing, close: nothing };

/** Writes one set to a device. What is written stays when the statement fails: a partial file, as on a real server. */
export class MediaWriter {
  readonly #file: Written;
  /** The folder that must be synced, too, because the file is new in it. */
  readonly #newIn: { readonly disk: Disk; readonly folder: string } | undefined;
  readonly #device: Device;
  #at: number;
  /** What a new medium begins with: written with its first set. */
  #lead: Buffer = Buffer.alloc(0);
  /** Content bytes as they lie in the file. */
  written = 0;

  private constructor(
    file: Written,
    newIn: { readonly disk: Disk; readonly folder: string } | undefined,
    device: Device,
    at: number,
  ) {
    this.#file = file;
    this.#newIn = newIn;
    this.#device = device;
    this.#at = at;
  }

  /** A new medium: the old content of the file is gone. */
  static format(device: Device, header: MediaHeader): Promise<MediaWriter> {
    return MediaWriter.#begun(device, header, 'w');
  }

  /** A new medium where no file is; undefined when there is one. */
  static create(device: Device, header: MediaHeader): Promise<MediaWriter | undefined> {
    return MediaWriter.#begun(device, header, 'wx').catch((failure: unknown) => {
      if (systemCode(failure) !== 'EEXIST') throw failure;
      return undefined;
    });
  }

  static async #begun(device: Device, header: MediaHeader, flags: 'w' | 'wx'): Promise<MediaWriter> {
    const file = await openDevice(device, flags);
    const newIn = device.nowhere ? undefined : { disk: device.disk, folder: dirname(device.host) };
    const writer = new MediaWriter(file, newIn, device, 0);
    writer.#lead = Buffer.concat([magic, frameOf('M', Buffer.from(JSON.stringify(header)))]);
    return writer;
  }

  static async append(device: Device, at: number): Promise<MediaWriter> {
    return new MediaWriter(await openDevice(device, 'r+'), undefined, device, at);
  }

  async begin(header: BackupSetHeader): Promise<void> {
    await this.#put(Buffer.concat([this.#lead, frameOf('S', Buffer.from(JSON.stringify(header)))]));
  }

  async content(type: 'D' | 'L', bytes: Buffer, compressed: boolean): Promise<void> {
    const payload = compressed ? deflateRawSync(bytes) : bytes;
    this.written += payload.length;
    await this.#frame(type, payload);
  }

  /** Block by block; `before` is told the bytes that lie before each of them and its content, and may refuse it. */
  async padding(part: PaddingPart, before: (done: number, payload: Buffer) => Promise<void>): Promise<void> {
    const block = new PaddingBlock(frameHeaderBytes);
    let done = 0;
    for (let number = 0; number < blocksOf(part); number += 1) {
      const payload = block.fill(part, number);
      await before(done, payload);
      writeLead(block.whole, 'P', payload);
      await this.#put(block.whole.subarray(0, frameHeaderBytes + payload.length));
      done += payload.length;
      this.written += payload.length;
      await takeTurns(number);
    }
  }

  /** A chunk of which only the first bytes reach the file. */
  async brokenContent(type: 'D' | 'L' | 'P', bytes: Buffer, length: number): Promise<void> {
    await this.#put(frameOf(type, bytes).subarray(0, frameHeaderBytes + length));
  }

  /** The set is complete when this resolves: on the disk, and its end not before its content. */
  async end(header: BackupSetHeader): Promise<void> {
    await this.#synced();
    await this.#frame('E', Buffer.from(JSON.stringify(header)));
    // A new file ends here already.
    if (this.#newIn === undefined) await this.#file.truncate(this.#at);
    await this.#synced();
    await this.#newIn?.disk.syncFolder(this.#newIn.folder);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #frame(type: string, payload: Buffer): Promise<void> {
    await this.#put(frameOf(type, payload));
  }

  async #put(bytes: Buffer): Promise<void> {
    await this.#writing(async () => {
      this.#device.take(bytes.length);
      await this.#file.write(bytes, this.#at);
    });
    this.#at += bytes.length;
  }

  #synced(): Promise<void> {
    return this.#writing(() => this.#file.sync());
  }

  async #writing(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (failure) {
      throw new SqlError(fail(3202, this.#device.path, translateSystemError(failure)).messages, 'statement', failure);
    }
  }
}

function frameOf(type: string, payload: Buffer): Buffer {
  const whole = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  writeLead(whole, type, payload);
  whole.set(payload, frameHeaderBytes);
  return whole;
}

function writeLead(lead: Buffer, type: string, payload: Buffer): void {
  lead.write(type, 0, 'latin1');
  lead.writeUInt32LE(payload.length, 1);
  lead.writeUInt32LE(crc32(payload), 5);
}

async function openDevice({ disk, host, path, nowhere: gone }: Device, flags: 'w' | 'wx' | 'r+'): Promise<Written> {
  if (gone) return nowhere;
  return disk.open(host, flags).catch((failure: unknown) => {
    if (systemCode(failure) === 'EEXIST') throw failure;
    const missing = systemCode(failure) === 'ENOENT';
    // The file itself is created: what is missing is its folder.
    throw failWithState(1, 3201, path, missing ? operatingSystemError(3) : translateSystemError(failure));
  });
}

/** A byte in the middle of the content of the newest set; undefined when it has none. */
export function contentPlace({ sets }: Media): number | undefined {
  const chunk = sets.at(-1)?.chunks.find(({ bytes }) => bytes > 0);
  return chunk && chunk.at + frameHeaderBytes + Math.floor(chunk.bytes / 2);
}
