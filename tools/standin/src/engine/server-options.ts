/** Server-wide options that products read or the recovery layer obeys: what is configured, on disk, and what is in use. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { foldText } from './compare.ts';
import type { Disk } from './durable-file.ts';
import type { ServerOption, ServerOptions } from '../contract.ts';

// Defaults of a new instance (sqlserver.md §1.1, §3.5). Which of the others are advanced, and their ranges: unverified.
const known: readonly ServerOption[] = [
  option('show advanced options', 0),
  option('backup compression default', 0),
  option('backup checksum default', 0),
  option('in-doubt xact resolution', 0, { maximum: 2, advanced: true }),
  option('remote access', 1),
  option('remote query timeout (s)', 600, { maximum: 2_147_483_647 }),
  option('xp_cmdshell', 0, { advanced: true }),
  option('Agent XPs', 0, { advanced: true }),
  option('Ad Hoc Distributed Queries', 0, { advanced: true }),
];

function option(
  name: string,
  initial: number,
  { maximum = 1, advanced = false }: { readonly maximum?: number; readonly advanced?: boolean } = {},
): ServerOption {
  return { name, initial, minimum: 0, maximum, advanced };
}

export class StoredServerOptions implements ServerOptions {
  readonly known = known;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #configured: Map<string, number>;
  readonly #inUse: Map<string, number>;
  #saving: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, path: string, saved: Readonly<Record<string, number>>) {
    this.#disk = disk;
    this.#path = path;
    this.#configured = new Map(known.map(({ name, initial }) => [name, saved[name] ?? initial]));
    // A start installs what was configured before (unverified for options that wait for RECONFIGURE).
    this.#inUse = new Map(this.#configured);
  }

  static async open(disk: Disk, dataFolder: string): Promise<StoredServerOptions> {
    const path = join(dataFolder, 'server-options.json');
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
      throw cause;
    });
    return new StoredServerOptions(disk, path, JSON.parse(text) as Record<string, number>);
  }

  find(name: string): ServerOption | undefined {
    return known.find(each => foldText(each.name) === foldText(name));
  }

  inUse(name: string): number {
    return valueIn(this.#inUse, name);
  }

  configured(name: string): number {
    return valueIn(this.#configured, name);
  }

  /** What is answered is on disk. */
  configure(name: string, value: number): Promise<void> {
    this.#configured.set(name, value);
    const saved = this.#saving.then(() =>
      this.#disk.replace(this.#path, [Buffer.from(JSON.stringify(Object.fromEntries(this.#configured), null, 1))]),
    );
    // Its failure belongs to who asked for it; the next one writes what is configured then.
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  reconfigure(): void {
    for (const [name, value] of this.#configured) this.#inUse.set(name, value);
  }
}

function valueIn(values: ReadonlyMap<string, number>, name: string): number {
  const value = values.get(name);
  if (value === undefined) throw new Error(`${name} is no server-wide option`);
  return value;
}
