/** Checkpoints that nobody asked for, because a log has grown; nobody waits for them either, until the instance closes. */
import type { StoredDatabase } from './stored-database.ts';

/** One follows when this much log has been written since the last … */
const logBytes = 8_388_608;
/** … but no less than this part of the data file: it is written whole each time, and a history that grows would be written over and over. */
const shareOfData = 0.5;

export class BackgroundCheckpoints {
  readonly #checkpoint: (database: StoredDatabase) => Promise<void>;
  readonly #running = new Set<Promise<void>>();
  /** Of the log, when the last one began. */
  readonly #bytesAt = new WeakMap<StoredDatabase, number>();
  #failure: Error | undefined;

  constructor(checkpoint: (database: StoredDatabase) => Promise<void>) {
    this.#checkpoint = checkpoint;
  }

  /** Told after each commit. */
  committed(database: StoredDatabase): void {
    if (database.volatile || this.#failure !== undefined) return;
    const { appendedBytes } = database.log;
    const written = appendedBytes - (this.#bytesAt.get(database) ?? 0);
    if (written <= Math.max(logBytes, database.dataBytes * shareOfData)) return;
    this.#bytesAt.set(database, appendedBytes);
    const running = this.#checkpoint(database)
      .catch((cause: unknown) => {
        this.#failure = new Error('a checkpoint failed', { cause });
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when none is under way. */
  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Throws what one of them failed with. */
  assertNoneFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
