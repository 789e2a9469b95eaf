/** What a backup writes into its set: chunks of rows, log and padding, and where a fault lets the device break within them (sqlserver.md §9.4). */
import { defaultPaths, type Instance } from '../engine/instance.ts';
import { bytesOf, type EncodedRecord } from '../engine/database-log.ts';
import { message, SqlError } from '../messages.ts';
import { wholePath } from './media.ts';
import { operatingSystemError } from './operating-system-errors.ts';
import type { BackupSetHeader } from './backup-set.ts';
import type { Target } from './backup-target.ts';
import type { Progress } from './progress.ts';
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { BackupStatement, ResultSink, Session } from '../contract.ts';

const logChunkBytes = 65_536;

/** One BACKUP under way. */
export type Run = {
  readonly instance: Instance;
  readonly session: Session;
  readonly database: StoredDatabase;
  readonly statement: BackupStatement;
  readonly sink: ResultSink;
  /** The BACKUP stands, its history could not be written. */
  unwritten: boolean;
};

/** The log of a data backup, without `watched`, is no part of its percentage; `padded`: bytes that follow and are. */
export async function writeLog(
  run: Run,
  target: Target,
  records: readonly EncodedRecord[],
  watched?: { readonly progress: Progress; readonly padded: number },
): Promise<number> {
  const recordBytes = records.reduce((sum, record) => sum + bytesOf(record), 0);
  const total = recordBytes + (watched?.padded ?? 0);
  let done = 0;
  let chunk: Buffer[] = [];
  let chunkBytes = 0;
  const send = (): Promise<void> => {
    const bytes = Buffer.concat(chunk);
    if (watched === undefined) return target.writer.content('L', bytes, target.compressed);
    return write(run, target, 'L', bytes, { done: done - chunkBytes, total });
  };
  for (const record of records) {
    chunk.push(record.framed);
    chunkBytes += bytesOf(record);
    done += bytesOf(record);
    if (chunkBytes < logChunkBytes) continue;
    await send();
    [chunk, chunkBytes] = [[], 0];
    await watched?.progress.reached(done, total);
  }
  if (chunk.length > 0) await send();
  return recordBytes;
}

/** A chunk of the content; `done` of `total` bytes lie before it. */
export async function write(
  run: Run,
  target: Target,
  type: 'D' | 'L',
  chunk: Buffer,
  { done, total }: { readonly done: number; readonly total: number },
): Promise<void> {
  await breakAt(run, target, type, chunk, { done, total });
  await target.writer.content(type, chunk, target.compressed);
}

/** Throws, with a part of the chunk written, when a fault lets the device end within it. */
async function breakAt(
  run: Run,
  target: Target,
  type: 'D' | 'L' | 'P',
  chunk: Buffer,
  { done, total }: { readonly done: number; readonly total: number },
): Promise<void> {
  const failing = writeErrorOf(run, target, (Math.min(total, done + chunk.length) * 100) / total);
  if (failing === undefined) return;
  const through = Math.floor((failing.percent * total) / 100) - done;
  await target.writer.brokenContent(type, chunk, Math.max(0, Math.min(through, chunk.length)));
  throw failing.failure;
}

/** 3202, as a fault wants it for what is written now. */
export function writeErrorOf(
  { instance, database }: Run,
  { device }: Target,
  percent: number,
): { readonly percent: number; readonly failure: SqlError } | undefined {
  const path = wholePath(device, defaultPaths.backup);
  const failing = instance.faults.media.writeError({ path, database: database.name, percent });
  if (failing === undefined) return undefined;
  const error = operatingSystemError(failing.error);
  const messages = [message(3202, device, error), ...(failing.also3271 ? [message(3271, device, error)] : [])];
  return { percent: failing.percent, failure: new SqlError(messages, 'statement') };
}

export async function writePadding(
  run: Run,
  target: Target,
  { padding }: BackupSetHeader,
  { done, total }: { readonly done: number; readonly total: number },
  progress: Progress,
): Promise<number> {
  if (padding === undefined) return 0;
  await target.writer.padding(padding, async (before, payload) => {
    await progress.reached(done + before, total);
    await breakAt(run, target, 'P', payload, { done: done + before, total });
  });
  return padding.bytes;
}
