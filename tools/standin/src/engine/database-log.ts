/**
 * The write-ahead log of one database: records in memory (for log backups and undo) and in its .ldf file.
 * `append` only assigns the LSN; `flush` makes everything appended so far durable. Callers that flush while a write is under way share the next
 * one, so a batch of commits costs one fsync. Records of one flush share a block; the next flush begins a new block.
 */
import { readFile } from 'node:fs/promises';
import type { Disk, DurableFile } from './durable-file.ts';
import { frame, frameHeaderBytes, payloadOf, readFrames } from './frames.ts';
import { decodeRecord, frameRecord, type LogEntry, type LogRecord } from './log-records.ts';
import { blockOf, later, nextBlock, nextSlot, slotsUsedUp } from './lsn.ts';
import type { Lsn } from '../contract.ts';

const magic = Buffer.from('HFSTLOG1');
/** Truncation rewrites the file; not worth it for less than this. */
const rewriteBytes = 262_144;

/** `framed`: as it lies in the file and in backups, made once. */
export type EncodedRecord = { readonly lsn: Lsn; readonly framed: Buffer };

/** Of the record alone: its frame is nothing of SQL Server's. */
export function bytesOf({ framed }: EncodedRecord): number {
  return framed.length - frameHeaderBytes;
}

export class DatabaseLog {
  /** undefined: a log that keeps nothing. */
  readonly #place: { readonly disk: Disk; readonly path: string } | undefined;
  #file: DurableFile | undefined;
  #fileBytes = magic.length;
  #records: EncodedRecord[] = [];
  #pending: EncodedRecord[] = [];
  #nextLsn: Lsn;
  #blockBytes = 0;
  #appended = 0;
  #durable = 0;
  #busy: Promise<void> | undefined;
  #broken: Error | undefined;
  #keptBytes = 0;
  /** Bytes appended since the log was opened: what a checkpoint waits for. */
  appendedBytes = 0;
  /** Of the records appended since then; 0: none has a time. */
  newestTimeMs = 0;

  private constructor(
    place: { readonly disk: Disk; readonly path: string } | undefined,
    file: DurableFile | undefined,
    nextLsn: Lsn,
  ) {
    this.#place = place;
    this.#file = file;
    this.#nextLsn = nextLsn;
  }

  /** A log that keeps nothing: tempdb is made anew at every start. */
  static volatile(nextLsn: Lsn): DatabaseLog {
    return new DatabaseLog(undefined, undefined, nextLsn);
  }

  static async create(disk: Disk, path: string, nextLsn: Lsn): Promise<DatabaseLog> {
    await disk.replace(path, [magic]);
    return new DatabaseLog({ disk, path }, await disk.open(path, 'r+'), nextLsn);
  }

  /** Reads the file back and cuts a torn end off. The log goes on at `nextLsn`, or behind its last block when that is later. */
  static async open(disk: Disk, path: string, nextLsn: Lsn): Promise<DatabaseLog> {
    const bytes = await readFile(path);
    if (!bytes.subarray(0, magic.length).equals(magic)) throw new Error('the log file is not one of the stand-in');
    const { payloads, end } = readFrames(bytes, magic.length);
    const file = await disk.open(path, 'r+');
    if (end < bytes.length) await file.truncate(end);
    const log = new DatabaseLog({ disk, path }, file, nextLsn);
    log.#fileBytes = end;
    for (const payload of payloads) log.#keep({ lsn: decodeRecord(payload).lsn, framed: frame(payload) });
    log.#nextLsn = later(nextLsn, log.#behindLastBlock());
    return log;
  }

  /**
   * Exactly where the log went on before it was closed or killed: a backup may have named that LSN as its end, and a record that got a lower one
   * would be in no backup. (LSNs inside a block that never reached the disk whole were shown to nobody.)
   */
  #behindLastBlock(): Lsn | undefined {
    const last = this.#records.at(-1);
    if (last === undefined) return undefined;
    const block = this.#records.slice(this.#position(blockOf(last.lsn)));
    return nextBlock(
      last.lsn,
      block.reduce((sum, record) => sum + bytesOf(record), 0),
    );
  }

  get nextLsn(): Lsn {
    return this.#nextLsn;
  }

  /** Bytes of the records kept: what a log backup of everything would hold. */
  get bytes(): number {
    return this.#keptBytes;
  }

  /** LSN of the oldest record kept. */
  get oldestLsn(): Lsn | undefined {
    return this.#records[0]?.lsn;
  }

  append(entry: LogEntry): Lsn {
    if (this.#broken !== undefined) throw this.#broken;
    const lsn = this.#nextLsn;
    if ('timeMs' in entry) this.newestTimeMs = Math.max(this.newestTimeMs, entry.timeMs);
    if (this.#place === undefined) {
      this.#advance(lsn, 64);
      return lsn;
    }
    const record = { lsn, framed: frameRecord({ lsn, entry }) };
    this.#keep(record);
    this.#pending.push(record);
    this.#appended += 1;
    this.#advance(lsn, bytesOf(record));
    return lsn;
  }

  /** Records of a backup being restored: they keep their LSNs. The log then goes on at `nextLsn`. */
  appendRestored(records: readonly EncodedRecord[], nextLsn: Lsn): void {
    if (this.#broken !== undefined) throw this.#broken;
    for (const record of records) {
      this.#keep(record);
      this.#pending.push(record);
      this.#appended += 1;
    }
    this.#nextLsn = nextLsn;
    this.#blockBytes = 0;
  }

  #keep(record: EncodedRecord): void {
    this.#records.push(record);
    this.#keptBytes += record.framed.length;
  }

  #advance(lsn: Lsn, bytes: number): void {
    this.#blockBytes += bytes;
    this.appendedBytes += bytes;
    this.#nextLsn = slotsUsedUp(lsn) ? this.#closeBlock(lsn) : nextSlot(lsn);
  }

  #closeBlock(lsn: Lsn): Lsn {
    const next = nextBlock(lsn, this.#blockBytes);
    this.#blockBytes = 0;
    return next;
  }

  /** Resolves when every record appended before the call is on disk. */
  async flush(): Promise<void> {
    if (this.#place === undefined) return;
    const target = this.#appended;
    while (this.#durable < target) {
      if (this.#broken !== undefined) throw this.#broken;
      await (this.#busy ?? this.#exclusively(() => this.#writeBatch()));
    }
  }

  /** One writer at a time; `#busy` is set before anybody else has a turn. */
  #exclusively(work: () => Promise<void>): Promise<void> {
    this.#busy = this.#guarded(work);
    return this.#busy;
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#broken = new Error('the log cannot be written', { cause });
      throw this.#broken;
    } finally {
      this.#busy = undefined;
    }
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#pending;
    this.#pending = [];
    if (this.#blockBytes > 0) this.#nextLsn = this.#closeBlock(this.#nextLsn);
    const bytes = Buffer.concat(batch.map(record => record.framed));
    if (this.#file === undefined) throw new Error('the log is closed');
    await this.#file.write(bytes, this.#fileBytes);
    await this.#file.sync();
    this.#fileBytes += bytes.length;
    this.#durable += batch.length;
  }

  /** Encoded records with from ≤ LSN < to. */
  slice(from: Lsn, to: Lsn): readonly EncodedRecord[] {
    const start = this.#position(from);
    return this.#records.slice(start, Math.max(start, this.#position(to)));
  }

  records(from: Lsn, to: Lsn): readonly LogRecord[] {
    return this.slice(from, to).map(record => decodeRecord(payloadOf(record.framed)));
  }

  #position(lsn: Lsn): number {
    let low = 0;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#records[middle]?.lsn ?? lsn) < lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets records before `lsn`; gives the file's space back when it pays. The newest block stays whole: `open` counts its bytes. */
  async truncateBefore(lsn: Lsn): Promise<void> {
    const newest = this.#records.at(-1);
    const until = newest === undefined || lsn < blockOf(newest.lsn) ? lsn : blockOf(newest.lsn);
    const dropped = this.#records.splice(0, this.#position(until));
    for (const record of dropped) this.#keptBytes -= record.framed.length;
    if (this.#file !== undefined && this.#fileBytes - this.#keptBytes > rewriteBytes) await this.#rewrite();
  }

  /** Forgets records from `lsn` on: what a restore had written but not yet declared applied. */
  async discardFrom(lsn: Lsn): Promise<void> {
    for (const record of this.#records.splice(this.#position(lsn))) {
      this.#keptBytes -= record.framed.length;
    }
    this.#nextLsn = lsn;
    this.#blockBytes = 0;
    await this.#rewrite();
  }

  async #rewrite(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
    await this.#exclusively(() => this.#replace());
  }

  async #replace(): Promise<void> {
    if (this.#place === undefined) return;
    const { disk, path } = this.#place;
    const kept = this.#records.slice();
    const appended = this.#appended;
    this.#pending = [];
    if (this.#blockBytes > 0) this.#nextLsn = this.#closeBlock(this.#nextLsn);
    await this.#file?.close();
    await disk.replace(path, [Buffer.concat([magic, ...kept.map(record => record.framed)])]);
    this.#file = await disk.open(path, 'r+');
    this.#fileBytes = kept.reduce((sum, record) => sum + record.framed.length, magic.length);
    this.#durable = appended;
  }

  async close(): Promise<void> {
    await this.flush();
    while (this.#busy !== undefined) await this.#busy;
    await this.#file?.close();
    this.#file = undefined;
  }
}
