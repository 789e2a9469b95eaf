/** The list of databases with all that is not rows or log (what a real instance keeps in master and in file headers). Saved as a whole. */
import { readFile } from 'node:fs/promises';
import type { Disk } from './durable-file.ts';
import type { DatabaseDescription } from './stored-database.ts';

export type InstanceState = {
  readonly instanceId: string;
  readonly nextDatabaseId: number;
  /** An upper bound of the transaction ids handed out before the last start. */
  readonly nextTransactionId: bigint;
  readonly databases: readonly DatabaseDescription[];
  /** Server paths of files that belong to no database: being made before theirs is in the list, or being removed after it left. */
  readonly strayFiles: readonly string[];
  /** Not in the files of earlier stand-ins. */
  readonly windowsLogins?: readonly string[];
};

const bigintKeys = new Set(['lsn', 'forkPointLsn', 'lastLogBackupLsn', 'sizeBytes', 'nextTransactionId']);

export class InstanceFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #current: () => InstanceState;
  readonly #saved: (state: InstanceState) => void;
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `saved`: told each state once it is on disk, before those who wait for the save. */
  constructor(disk: Disk, path: string, current: () => InstanceState, saved: (state: InstanceState) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#current = current;
    this.#saved = saved;
  }

  static async load(path: string): Promise<InstanceState | undefined> {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw cause;
    });
    if (text === undefined) return undefined;
    return JSON.parse(text, (key, value: unknown) => {
      if (key === 'createdAt') return new Date(String(value));
      return bigintKeys.has(key) && typeof value === 'string' ? BigInt(value) : value;
    }) as InstanceState;
  }

  /** Resolves when the state as of now (or later) is on disk. Calls that come while a save waits share it. */
  save(): Promise<void> {
    // A failed save was reported to those who waited for it; the next one starts from the state as it is then.
    const settled = this.#running.then(
      () => undefined,
      () => undefined,
    );
    this.#next ??= settled.then(() => {
      this.#next = undefined;
      this.#running = this.#write(this.#current());
      return this.#running;
    });
    return this.#next;
  }

  async #write(state: InstanceState): Promise<void> {
    const text = JSON.stringify(
      state,
      (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
      1,
    );
    await this.#disk.replace(this.#path, [Buffer.from(text)]);
    this.#saved(state);
  }
}
