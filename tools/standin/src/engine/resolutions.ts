/**
 * Prepared parts of distributed transactions that somebody ended without their coordinator (KILL of a unit of work), and what the coordinator had
 * decided, once that is heard. A line is on disk before the part's locks go: after a crash the part ends the same way, and no later word of the
 * coordinator brings it back. Both sides keep a line; none is ever forgotten, because they are few and tell where two instances may differ.
 */
import { readFile } from 'node:fs/promises';
import type { Disk } from './durable-file.ts';

export type Ending = 'committed' | 'aborted';

export type Resolution = {
  readonly at: string;
  /** UOW of the transaction. */
  readonly unit: string;
  readonly decision: string;
  readonly coordinator: string;
  /** @@SERVERNAME of where the part was ended. */
  readonly instance: string;
  readonly outcome: Ending;
  /** undefined: the coordinator has not been heard. */
  readonly decided?: Ending;
};

export class Resolutions {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #list: Resolution[];
  #saving: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, path: string, list: readonly Resolution[]) {
    this.#disk = disk;
    this.#path = path;
    this.#list = [...list];
  }

  static async open(disk: Disk, path: string): Promise<Resolutions> {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw cause;
    });
    const lines = text.split('\n').filter(line => line !== '');
    return new Resolutions(
      disk,
      path,
      lines.map(line => JSON.parse(line) as Resolution),
    );
  }

  of(decision: string, instance: string): Resolution | undefined {
    return this.#list.find(each => each.decision === decision && each.instance === instance);
  }

  /** Those at `instance` whose coordinator has not been heard. */
  unheard(instance: string): readonly Resolution[] {
    return this.#list.filter(each => each.instance === instance && each.decided === undefined);
  }

  /** Resolves when it is on disk. What stands there of the same part is replaced. */
  async put(resolution: Resolution): Promise<void> {
    const { decision, instance } = resolution;
    const place = this.#list.findIndex(each => each.decision === decision && each.instance === instance);
    if (place < 0) this.#list.push(resolution);
    else this.#list[place] = resolution;
    const save = (): Promise<void> =>
      this.#disk.replace(
        this.#path,
        this.#list.map(each => Buffer.from(`${JSON.stringify(each)}\n`)),
      );
    const saved = this.#saving.then(save);
    // A failed save is its own caller's; the next one writes the whole list anew.
    this.#saving = saved.catch(() => undefined);
    await saved;
  }
}
