/** The list of databases with all that is not rows or log (what a real instance keeps in master and in file headers). Saved as a whole. */
import { readFile } from 'node:fs/promises';
import { replaceFile } from './durable-file.ts';
import type { DatabaseDescription } from './stored-database.ts';

export type InstanceState = {
  readonly instanceId: string;
  readonly nextDatabaseId: number;
  /** An upper bound of the transaction ids handed out before the last start. */
  readonly nextTransactionId: bigint;
  readonly databases: readonly DatabaseDescription[];
};

const bigintKeys = new Set(['lsn', 'forkPointLsn', 'lastLogBackupLsn', 'sizeBytes', 'nextTransactionId']);

export class InstanceFile {
  readonly #path: string;
  readonly #current: () => InstanceState;
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(path: string, current: () => InstanceState) {
    this.#path = path;
    this.#current = current;
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
      this.#running = replaceFile(this.#path, [Buffer.from(this.#text())]);
      return this.#running;
    });
    return this.#next;
  }

  #text(): string {
    return JSON.stringify(
      this.#current(),
      (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
      1,
    );
  }
}
