import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Prefix } from './copy.ts';

export type TransferRequest = {
  readonly sourcePath: string;
  readonly writePath: string;
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
  /** Whole and on disk, not yet under its name. */
  readonly onHashed: (sha256: string) => Promise<void>;
};

export type Transferred =
  | { readonly kind: 'WRITTEN'; readonly size: string; readonly sha256: string }
  | { readonly kind: 'FAILED'; readonly error: string };

const chunkBytes = 1_048_576;

/**
 * Brings one file to its place: written beside it as `.part`, hashed on the way, forced to disk, then renamed, so that under its name there
 * is always a whole file. Killed anywhere it resumes: at the recorded prefix if the part still hashes to it, behind the rename if the file
 * has the recorded hash, else from the start. A source that changed meanwhile is a failure. System errors are values, with their code.
 */
export async function transferFile(request: TransferRequest): Promise<Transferred> {
  try {
    return await transfer(request);
  } catch (error) {
    request.signal.throwIfAborted();
    const text = systemError(error);
    if (text === undefined) throw error;
    return { kind: 'FAILED', error: text };
  }
}

async function transfer(request: TransferRequest): Promise<Transferred> {
  const { sourcePath, writePath, before, onStart, onHashed } = request;
  const source = await describe(sourcePath);
  const unchanged = before.size === source.size && before.sourceModifiedMs === source.sourceModifiedMs;
  if (unchanged && before.sha256 !== null && (await hashOf(writePath)) === before.sha256)
    return { kind: 'WRITTEN', size: source.size, sha256: before.sha256 };
  await mkdir(dirname(writePath), { recursive: true });
  const part = `${writePath}.part`;
  const resumed = unchanged && before.prefix !== null ? await resume(part, before.prefix) : undefined;
  await onStart({ ...source, prefix: resumed === undefined ? null : before.prefix });
  const sha256 = await writePart(request, part, resumed ?? { hash: createHash('sha256'), bytes: 0 });
  const now = await describe(sourcePath);
  if (now.size !== source.size || now.sourceModifiedMs !== source.sourceModifiedMs)
    return { kind: 'FAILED', error: 'the source changed while it was copied' };
  const written = (await stat(part, { bigint: true })).size;
  if (String(written) !== source.size)
    return { kind: 'FAILED', error: `${String(written)} bytes were written of ${source.size}` };
  await onHashed(sha256);
  await rename(part, writePath);
  await syncFolder(dirname(writePath));
  return { kind: 'WRITTEN', size: source.size, sha256 };
}

async function describe(path: string): Promise<{ size: string; sourceModifiedMs: string }> {
  const { size, mtimeMs } = await stat(path, { bigint: true });
  return { size: String(size), sourceModifiedMs: String(mtimeMs) };
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
  { sourcePath, flushEveryBytes, signal, onPrefix }: TransferRequest,
  part: string,
  start: { readonly hash: Hash; readonly bytes: number },
): Promise<string> {
  const { hash } = start;
  const handle = await open(part, start.bytes > 0 ? 'r+' : 'w');
  try {
    // What lies behind the recorded prefix was never forced to disk.
    await handle.truncate(start.bytes);
    let done = start.bytes;
    let flushed = done;
    for await (const chunk of createReadStream(sourcePath, { start: done, highWaterMark: chunkBytes, signal })) {
      const buffer = chunk as Buffer;
      await writeAll(handle, buffer, done);
      hash.update(buffer);
      done += buffer.length;
      if (done - flushed < flushEveryBytes) continue;
      await handle.sync();
      await onPrefix({ bytes: String(done), sha256: hash.copy().digest('hex') });
      flushed = done;
    }
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

async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: chunkBytes })) hash.update(chunk as Buffer);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  return hash.digest('hex');
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

function isMissing(error: unknown): boolean {
  return Error.isError(error) && 'code' in error && error.code === 'ENOENT';
}

function systemError(error: unknown): string | undefined {
  return Error.isError(error) && 'syscall' in error ? error.message : undefined;
}
