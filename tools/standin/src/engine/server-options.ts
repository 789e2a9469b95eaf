/** Server-wide options that products read or the recovery layer obeys: what is configured, on disk, and what is in use. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Disk } from './durable-file.ts';
import type { ServerOption, ServerOptions } from '../contract.ts';

// Defaults of a new instance, ranges, and what a change waits for (sqlserver.md §1.1, §3.5; learn.microsoft.com: server configuration options).
const known: readonly ServerOption[] = [
  option('show advanced options', 0),
  option('backup compression default', 0),
  option('backup checksum default', 0),
  option('in-doubt xact resolution', 0, { maximum: 2, advanced: true }),
  option('remote access', 1, { restart: true }),
  option('remote query timeout (s)', 600, { maximum: 2_147_483_647 }),
  option('xp_cmdshell', 0, { advanced: true }),
  option('Agent XPs', 0, { advanced: true }),
  option('Ad Hoc Distributed Queries', 0, { advanced: true }),
];

function option(
  name: string,
  initial: number,
  {
    maximum = 1,
    advanced = false,
    restart = false,
  }: Partial<Pick<ServerOption, 'maximum' | 'advanced' | 'restart'>> = {},
): ServerOption {
  return { name, initial, minimum: 0, maximum, advanced, restart };
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
    // A start installs what was configured before (documented for what RECONFIGURE was run for, unverified without).
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
    for (const { name, restart } of known) if (!restart) this.#inUse.set(name, this.configured(name));
  }
}

function valueIn(values: ReadonlyMap<string, number>, name: string): number {
  const value = values.get(name);
  if (value === undefined) throw new Error(`${name} is no server-wide option`);
  return value;
}
