/**
 * The one place that decides a commit over several databases. A transaction is first prepared (flushed) in every database it changed; then one
 * record here, flushed, decides it; only then are the commit records appended, all in one step without waiting, so that two such transactions
 * commit in the same order everywhere. After a crash a prepared transaction without a commit record is committed when its id stands here, and
 * undone when it does not: never one database without the others.
 */
import { readFile } from 'node:fs/promises';
import type { Disk, DurableFile } from './durable-file.ts';
import { frame, readFrames } from './frames.ts';
import type { MarkRecord } from './log-records.ts';

export type Decision = {
  readonly id: string;
  readonly transaction: string;
  readonly timeMs: number;
  readonly mark?: MarkRecord;
  /** `databaseGuid` of each database in which the mark stands: a copy restored elsewhere holds the same record and was never marked. */
  readonly marked?: readonly string[];
  /** The other instances that prepared it: the decision must be kept until each has acknowledged it. */
  readonly participants?: readonly string[];
};

/** Settled decisions are dropped when the file has grown past this and none is unsettled. */
const compactBytes = 65_536;

export class CommitJournal {
  readonly #place: { readonly disk: Disk; readonly path: string };
  #file: DurableFile;
  #bytes: number;
  #pending: Buffer[] = [];
  #appended = 0;
  #durable = 0;
  #busy: Promise<void> | undefined;
  #broken: Error | undefined;
  readonly #unsettled = new Set<string>();
  /** What stood in the file when it was opened, for recovery. */
  readonly found: ReadonlyMap<string, Decision>;

  private constructor(
    place: { readonly disk: Disk; readonly path: string },
    file: DurableFile,
    bytes: number,
    found: ReadonlyMap<string, Decision>,
  ) {
    this.#place = place;
    this.#file = file;
    this.#bytes = bytes;
    this.found = found;
  }

  static async open(disk: Disk, path: string): Promise<CommitJournal> {
    const bytes = await readFile(path).catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw cause;
    });
    if (bytes === undefined) await disk.replace(path, []);
    const { payloads, end } = readFrames(bytes ?? Buffer.alloc(0), 0);
    const decisions = payloads.map(payload => JSON.parse(payload.toString('utf8')) as Decision);
    const file = await disk.open(path, 'r+');
    await file.truncate(end);
    return new CommitJournal({ disk, path }, file, end, new Map(decisions.map(decision => [decision.id, decision])));
  }

  /** Resolves when the decision is on disk; the transaction is committed from then on, whatever happens. */
  async decide(decision: Decision): Promise<void> {
    this.#unsettled.add(decision.id);
    this.#pending.push(frame(Buffer.from(JSON.stringify(decision))));
    this.#appended += 1;
    const target = this.#appended;
    while (this.#durable < target) {
      // What a failed write took with it never becomes durable: without this the loop would go on for ever, and so would the commit.
      if (this.#broken !== undefined) throw this.#broken;
      this.#busy ??= this.#write()
        .catch((cause: unknown) => {
          this.#broken = new Error('the commit journal cannot be written', { cause });
          throw this.#broken;
        })
        .finally(() => {
          this.#busy = undefined;
        });
      await this.#busy;
    }
  }

  /** Its commit records are on disk in every database. */
  settled(id: string): void {
    this.#unsettled.delete(id);
  }

  /** Recovery has written what was missing: the old decisions have no reader any more, but for those that other instances may ask about. */
  async forgetFound(): Promise<void> {
    const kept = [...this.found.values()].filter(decision => decision.participants !== undefined);
    if (kept.length === 0) {
      await this.#file.truncate(0);
      await this.#file.sync();
      this.#bytes = 0;
      return;
    }
    const frames = kept.map(decision => frame(Buffer.from(JSON.stringify(decision))));
    await this.#file.close();
    await this.#place.disk.replace(this.#place.path, frames);
    this.#file = await this.#place.disk.open(this.#place.path, 'r+');
    this.#bytes = frames.reduce((sum, each) => sum + each.length, 0);
    for (const decision of kept) this.#unsettled.add(decision.id);
  }

  /** Somebody may still have to read them: they stay in the file until the next start. */
  keepFound(): void {
    for (const id of this.found.keys()) this.#unsettled.add(id);
  }

  async #write(): Promise<void> {
    const batch = this.#pending;
    this.#pending = [];
    // Only decisions of this very batch are unsettled: everything in the file is done with.
    if (this.#bytes > compactBytes && this.#unsettled.size <= batch.length) {
      await this.#file.truncate(0);
      this.#bytes = 0;
    }
    const bytes = Buffer.concat(batch);
    await this.#file.write(bytes, this.#bytes);
    await this.#file.sync();
    this.#bytes += bytes.length;
    this.#durable += batch.length;
  }

  async close(): Promise<void> {
    await this.#busy;
    await this.#file.close();
  }
}
