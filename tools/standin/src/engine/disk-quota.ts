/**
 * The fault `disk-quota`: everything behind the instance's paths is one disk of so many bytes. Databases take the size of their files as the
 * catalogue shows it, other files (backups) what they hold; the system databases lie elsewhere. Measured anew whenever it matters, so that
 * deleting a file, dropping a database or a log backup makes room.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredDatabase } from './stored-database.ts';

export type QuotaOptions = {
  /** Asked each time: the fault may be changed while the instance runs. */
  readonly limitBytes: () => bigint;
  /** Of this machine. */
  readonly folders: readonly string[];
  readonly databases: () => Iterable<StoredDatabase>;
  readonly hostPath: (path: string) => string | undefined;
};

export class DiskQuota {
  readonly #options: QuotaOptions;
  /** What files being written may still take, as of the last measuring. */
  #left: bigint | undefined;

  constructor(options: QuotaOptions) {
    this.#options = options;
  }

  get limitBytes(): bigint {
    return this.#options.limitBytes();
  }

  availableBytes(): bigint {
    const { databases, folders, hostPath } = this.#options;
    const { limitBytes } = this;
    const owned = new Set<string>();
    let used = 0n;
    for (const database of databases()) {
      for (const file of database.files) {
        owned.add(hostPath(file.physicalName) ?? '');
        if (!database.system) used += file.sizeBytes;
      }
    }
    for (const [path, bytes] of filesIn(folders)) if (!owned.has(path)) used += bytes;
    return used < limitBytes ? limitBytes - used : 0n;
  }

  /** A device is about to be written: what was known before does not count. */
  forget(): void {
    this.#left = undefined;
  }

  /** For bytes about to be written to a device. Throws what a full disk of this machine would (ENOSPC). */
  take(bytes: number): void {
    const wanted = BigInt(bytes);
    if (this.#left === undefined || this.#left < wanted) this.#left = this.availableBytes();
    if (this.#left < wanted) throw Object.assign(new Error('the disk quota is used up'), { code: 'ENOSPC' });
    this.#left -= wanted;
  }
}

/** Each file once, also when folders lie within each other; without those of a replacement under way. A folder may be missing: a lost share. */
function filesIn(folders: readonly string[]): ReadonlyMap<string, bigint> {
  const files = new Map<string, bigint>();
  for (const folder of folders.filter(each => existsSync(each))) {
    for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || entry.name.endsWith('.new')) continue;
      // Gone since it was listed: another instance may use the folder too.
      const found = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (found !== undefined) files.set(path, found.size);
    }
  }
  return files;
}
