/**
 * The list of databases with all that is not rows or log (what a real instance keeps in master and in file headers). `instance.json` is written as
 * a whole; what changes of a database after that is appended to `instance.journal`, because every backup saves its place in the chain.
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { frame, readFrames } from './frames.ts';
import type { Disk, DurableFile } from './durable-file.ts';
import type { DatabaseDescription } from './stored-database.ts';

export type InstanceState = {
  readonly instanceId: string;
  /** An upper bound of the transaction ids handed out before the last start. */
  readonly nextTransactionId: bigint;
  readonly databases: readonly DatabaseDescription[];
  /** Server paths of files that belong to no database: being made before theirs is in the list, or being removed after it left. */
  readonly strayFiles: readonly string[];
  /** Not in the files of earlier stand-ins. */
  readonly windowsLogins?: readonly string[];
  /** Of the whole file: the journal's entries of another one are of the past. Not in the files of earlier stand-ins. */
  readonly generation?: number;
};

/** What changed since the whole file: databases by their id, each as a whole. */
type JournalEntry = Pick<InstanceState, 'nextTransactionId' | 'databases'> & { readonly generation: number };

const bigintKeys = new Set(['lsn', 'endLsn', 'forkPointLsn', 'lastLogBackupLsn', 'sizeBytes', 'nextTransactionId']);

/** The list is written as a whole again when the journal has grown past this. */
const journalBytes = 1_048_576;

/** What is on disk, as far as it decides how the next state is written. */
type Written = {
  readonly generation: number;
  readonly rest: string;
  readonly ids: string;
  readonly texts: readonly string[];
  readonly journal: DurableFile;
  readonly end: number;
};

export class InstanceFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #current: () => InstanceState;
  readonly #saved: (state: InstanceState) => void;
  readonly #texts = new WeakMap<DatabaseDescription, { readonly sizes: readonly bigint[]; readonly text: string }>();
  #generation: number;
  /** Undefined before the first save and after a failed one: then all is written anew. */
  #written: Written | undefined;
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  /** `saved`: told each state once it is on disk, before those who wait for the save. `found`: what `load` found. */
  constructor(
    disk: Disk,
    path: string,
    found: InstanceState,
    current: () => InstanceState,
    saved: (state: InstanceState) => void,
  ) {
    this.#disk = disk;
    this.#path = path;
    this.#generation = found.generation ?? 0;
    this.#current = current;
    this.#saved = saved;
  }

  static async load(path: string): Promise<InstanceState | undefined> {
    const whole = await readIfThere(path);
    if (whole === undefined) return undefined;
    const { payloads } = readFrames((await readIfThere(journalPath(path))) ?? Buffer.alloc(0), 0);
    let state = parse(whole) as InstanceState;
    for (const payload of payloads) {
      const { generation, nextTransactionId, databases } = parse(payload) as JournalEntry;
      if (generation !== state.generation) continue;
      const changed = new Map(databases.map(database => [database.id, database]));
      state = {
        ...state,
        nextTransactionId,
        databases: state.databases.map(database => changed.get(database.id) ?? database),
      };
    }
    return state;
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

  async close(): Promise<void> {
    await this.#running;
    await this.#written?.journal.close();
    this.#written = undefined;
  }

  async #write(state: InstanceState): Promise<void> {
    const { databases, nextTransactionId, ...others } = state;
    const [texts, rest] = [databases.map(description => this.#textOf(description)), JSON.stringify(others)];
    const ids = databases.map(({ id }) => id).join();
    const before = this.#written;
    this.#written = undefined;
    try {
      const appendable = before?.rest === rest && before.ids === ids && before.end < journalBytes;
      const written = appendable
        ? await this.#append(before, nextTransactionId, texts)
        : await this.#replace({ rest, ids, texts }, nextTransactionId, before?.journal);
      this.#written = written;
    } finally {
      // What a failed write left behind in it is cut off when the list is written anew.
      if (this.#written === undefined) await before?.journal.close();
    }
    this.#saved(state);
  }

  async #append(before: Written, nextTransactionId: bigint, texts: readonly string[]): Promise<Written> {
    const changed = texts.filter((text, place) => text !== before.texts[place]);
    const entry = `{"generation":${before.generation},"nextTransactionId":"${nextTransactionId}","databases":[${changed.join()}]}`;
    const bytes = frame(Buffer.from(entry));
    await before.journal.write(bytes, before.end);
    await before.journal.sync();
    return { ...before, texts, end: before.end + bytes.length };
  }

  /** The journal is emptied after the whole file is there: its entries are of the generation before, until then they count. */
  async #replace(
    part: Pick<Written, 'rest' | 'ids' | 'texts'>,
    nextTransactionId: bigint,
    known: DurableFile | undefined,
  ): Promise<Written> {
    this.#generation += 1;
    const head = `${part.rest.slice(0, -1)},"generation":${this.#generation},"nextTransactionId":"${nextTransactionId}"`;
    const text = `${head},\n "databases":[\n${part.texts.map(each => `  ${each}`).join(',\n')}\n ]}`;
    await this.#disk.replace(this.#path, [Buffer.from(text)]);
    const journal = known ?? (await this.#disk.open(journalPath(this.#path), 'w'));
    if (known !== undefined) await known.truncate(0);
    await journal.sync();
    if (known === undefined) await this.#disk.syncFolder(dirname(this.#path));
    return { ...part, generation: this.#generation, journal, end: 0 };
  }

  /** Descriptions are replaced as a whole, but for the sizes of their files. */
  #textOf(description: DatabaseDescription): string {
    const { files } = description;
    const known = this.#texts.get(description);
    if (known !== undefined && files.every((file, at) => file.sizeBytes === known.sizes[at])) return known.text;
    const text = descriptionText(description);
    this.#texts.set(description, { sizes: files.map(file => file.sizeBytes), text });
    return text;
  }
}

function journalPath(path: string): string {
  return join(dirname(path), 'instance.journal');
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  });
}

function parse(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8'), (key, value: unknown) => {
    if (key === 'createdAt') return new Date(String(value));
    return bigintKeys.has(key) && typeof value === 'string' ? BigInt(value) : value;
  });
}

/** With text for each bigint. Every backup saves the place of its database: a replacer, asked for each value, would take longer than all the rest. */
function descriptionText(description: DatabaseDescription): string {
  const { files, forkPointLsn, lastLogBackupLsn, differentialBase, redoStart } = description;
  return JSON.stringify({
    ...description,
    files: files.map(file => ({ ...file, sizeBytes: String(file.sizeBytes) })),
    forkPointLsn: forkPointLsn?.toString(),
    lastLogBackupLsn: lastLogBackupLsn?.toString(),
    differentialBase: differentialBase && {
      ...differentialBase,
      lsn: String(differentialBase.lsn),
      endLsn: differentialBase.endLsn?.toString(),
    },
    redoStart: redoStart && { ...redoStart, lsn: String(redoStart.lsn) },
  });
}
