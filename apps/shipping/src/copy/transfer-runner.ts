import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Prefix } from './copy.ts';

export type TransferRequest = {
  readonly sourcePath: string;
  readonly writePath: string;
  readonly owner: PartOwner;
  /** What an earlier attempt left, as it was recorded. */
  readonly before: {
    readonly size: string | null;
    readonly sourceModifiedMs: string | null;
    readonly prefix: Prefix | null;
    readonly sha256: string | null;
  };
  /** After so many bytes the part is forced to disk and recorded. */
  readonly flushEveryBytes: number;
  readonly signal: AbortSignal;
  /** The source as it is now and what of the part is built upon: earlier records are void, before anything is written. */
  readonly onStart: (start: {
    readonly size: string;
    readonly sourceModifiedMs: string;
    readonly prefix: Prefix | null;
  }) => Promise<void>;
  readonly onPrefix: (prefix: Prefix) => Promise<void>;
  /** Bytes of the part, on disk or not. */
  readonly onWritten?: (bytes: number) => void;
  /** Whole and on disk, not yet under its name. */
  readonly onHashed: (sha256: string) => Promise<void>;
};

/** Whose part it is: `name` of letters and digits for who copies there, `token` greater with every process that does it for them. */
export type PartOwner = { readonly name: string; readonly token: number };

export type Transferred =
  | { readonly kind: 'WRITTEN'; readonly size: string; readonly sha256: string }
  | { readonly kind: 'FAILED'; readonly why: 'SOURCE_MISSING' | 'NO_ROOM' | 'OTHER'; readonly error: string };

const chunkBytes = 1_048_576;

/** Where a file is written until it is whole: beside its place, under a name that no other process uses. */
export function partOf(writePath: string, { name, token }: PartOwner): string {
  return `${writePath}.${name}-${String(token)}.part`;
}

/**
 * Brings one file to its place: written beside it as a part, hashed on the way, forced to disk, then renamed, so that under its name there
 * is always a whole file. Killed anywhere it resumes: at the recorded prefix if the part still hashes to it, behind the rename if the file
 * has the recorded hash, else from the start. A source that changed meanwhile is a failure. System errors are values, with their code.
 *
 * A process that was replaced and wakes up may still hold its part open: the next one renames that part to a name of its own, so that only it
 * can put the file under its final name, and nothing is ever cut off at the beginning, so that what the old one goes on writing into it is
 * the same bytes at the same place.
 */
export async function transferFile(request: TransferRequest): Promise<Transferred> {
  try {
    return await transfer(request);
  } catch (error) {
    request.signal.throwIfAborted();
    const text = systemError(error);
    if (text === undefined) throw error;
    return { kind: 'FAILED', why: whyFailed(error, request.sourcePath), error: text };
  }
}

async function transfer(request: TransferRequest): Promise<Transferred> {
  const { sourcePath, writePath, owner, before, onStart, onHashed } = request;
  const source = await describe(sourcePath);
  const unchanged = before.size === source.size && before.sourceModifiedMs === source.sourceModifiedMs;
  const folder = dirname(writePath);
  const made = await mkdir(folder, { recursive: true });
  if (made !== undefined) await syncFolders(dirname(folder), dirname(made));
  const part = await takeOver(writePath, owner);
  if (unchanged && before.sha256 !== null && (await hashOf(writePath)) === before.sha256) {
    await rm(part, { force: true });
    return { kind: 'WRITTEN', size: source.size, sha256: before.sha256 };
  }
  const resumed = unchanged && before.prefix !== null ? await resume(part, before.prefix) : undefined;
  await onStart({ ...source, prefix: resumed === undefined ? null : before.prefix });
  const sha256 = await writePart(request, part, resumed ?? { hash: createHash('sha256'), bytes: 0 });
  const now = await describe(sourcePath);
  if (now.size !== source.size || now.sourceModifiedMs !== source.sourceModifiedMs)
    return { kind: 'FAILED', why: 'OTHER', error: 'the source changed while it was copied' };
  const written = (await stat(part, { bigint: true })).size;
  if (String(written) !== source.size)
    return { kind: 'FAILED', why: 'OTHER', error: `${String(written)} bytes were written of ${source.size}` };
  await onHashed(sha256);
  await rename(part, writePath);
  await syncFolder(folder);
  return { kind: 'WRITTEN', size: source.size, sha256 };
}

async function describe(path: string): Promise<{ size: string; sourceModifiedMs: string }> {
  const { size, mtimeMs } = await stat(path, { bigint: true });
  return { size: String(size), sourceModifiedMs: String(mtimeMs) };
}

/**
 * The part is ours from here on: the newest that an earlier process left gets our name, older ones go. So does what earlier processes left beside
 * files that are whole: one that was replaced, woke up and died.
 */
async function takeOver(writePath: string, owner: PartOwner): Promise<string> {
  const folder = dirname(writePath);
  const files = new Set(await readdir(folder));
  const tokens: number[] = [];
  for (const file of files) {
    const [, of, name, token] = /^(.*)\.([^.]*)-(\d+)\.part$/.exec(file) ?? [];
    if (of === undefined || name !== owner.name || Number(token) > owner.token) continue;
    if (of === basename(writePath)) tokens.push(Number(token));
    else if (files.has(of) && Number(token) < owner.token) await rm(join(folder, file), { force: true });
  }
  const [newest, ...older] = tokens.toSorted((a, b) => b - a);
  for (const token of older) await rm(partOf(writePath, { ...owner, token }), { force: true });
  const own = partOf(writePath, owner);
  if (newest !== undefined && newest !== owner.token)
    await rename(partOf(writePath, { ...owner, token: newest }), own).catch((error: unknown) => {
      // Whoever wrote it saw that it was replaced, and removed it.
      if (!isMissing(error)) throw error;
    });
  return own;
}

/** The hash so far, or undefined when the part is not what was recorded. */
async function resume(part: string, prefix: Prefix): Promise<{ hash: Hash; bytes: number } | undefined> {
  const bytes = Number(prefix.bytes);
  const hash = createHash('sha256');
  try {
    if (bytes > 0) for await (const chunk of createReadStream(part, { end: bytes - 1 })) hash.update(chunk as Buffer);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return hash.copy().digest('hex') === prefix.sha256 ? { hash, bytes } : undefined;
}

/** Appends the rest of the source to the part and forces it to disk; answers the hash of the whole. */
async function writePart(
  { sourcePath, flushEveryBytes, signal, onPrefix, onWritten }: TransferRequest,
  part: string,
  start: { readonly hash: Hash; readonly bytes: number },
): Promise<string> {
  const { hash } = start;
  // From the start means another file: an older process may still write into the one that was there.
  if (start.bytes === 0) await rm(part, { force: true });
  const handle = await open(part, start.bytes > 0 ? 'r+' : 'wx');
  try {
    let done = start.bytes;
    let flushed = done;
    const highWaterMark = Math.min(chunkBytes, flushEveryBytes);
    for await (const chunk of createReadStream(sourcePath, { start: done, highWaterMark, signal })) {
      const buffer = chunk as Buffer;
      const writing = writeAll(handle, buffer, done);
      // Meanwhile: a thread of its own writes.
      hash.update(buffer);
      await writing;
      done += buffer.length;
      onWritten?.(done);
      if (done - flushed < flushEveryBytes) continue;
      await handle.sync();
      await onPrefix({ bytes: String(done), sha256: hash.copy().digest('hex') });
      flushed = done;
    }
    // An earlier attempt may have written further than the source is long.
    await handle.truncate(done);
    await handle.sync();
    return hash.digest('hex');
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let offset = 0; offset < buffer.length;) {
    const { bytesWritten } = await handle.write(buffer, offset, buffer.length - offset, position + offset);
    offset += bytesWritten;
  }
}

/** SHA-256 of a whole file, lower-case hex; undefined when it is not there. */
export async function hashOf(path: string, signal?: AbortSignal): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    const options = { highWaterMark: chunkBytes, ...(signal === undefined ? {} : { signal }) };
    for await (const chunk of createReadStream(path, options)) hash.update(chunk as Buffer);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return hash.digest('hex');
}

/** A folder that was just made is itself a name in the one above it. */
async function syncFolders(from: string, to: string): Promise<void> {
  for (let folder = from; ; folder = dirname(folder)) {
    await syncFolder(folder);
    if (folder === to || folder === dirname(folder)) return;
  }
}

/** Makes the new name itself durable. Windows does not open folders, and keeps names with the journal of its file system (unverified). */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// The disk, a quota or a limit on the size of files.
const noRoom = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Pure: what a system error means for who copies. */
export function whyFailed(error: unknown, sourcePath: string): Extract<Transferred, { kind: 'FAILED' }>['why'] {
  if (!Error.isError(error) || !('code' in error)) return 'OTHER';
  if (typeof error.code === 'string' && noRoom.has(error.code)) return 'NO_ROOM';
  return error.code === 'ENOENT' && 'path' in error && error.path === sourcePath ? 'SOURCE_MISSING' : 'OTHER';
}

function isMissing(error: unknown): boolean {
  return Error.isError(error) && 'code' in error && error.code === 'ENOENT';
}

function systemError(error: unknown): string | undefined {
  return Error.isError(error) && 'syscall' in error ? error.message : undefined;
}
