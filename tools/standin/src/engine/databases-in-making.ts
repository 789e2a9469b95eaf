/** Databases that a statement makes and that may not be in the instance's list yet: another one would write into the same files. */
import { foldText } from './compare.ts';

/** The system databases have those below. */
const firstId = 5;

type Making = {
  readonly ended: Promise<unknown>;
  readonly name: string;
  id: number | undefined;
  files: readonly string[];
};

export class DatabasesInMaking {
  readonly #byName = new Map<string, Making>();

  has(name: string): boolean {
    return this.#byName.has(foldText(name));
  }

  /** After whoever has the name now; the caller gives it back, and the id if it got one, with what this resolves to. */
  async take(name: string): Promise<() => void> {
    const key = foldText(name);
    for (let made = this.#byName.get(key); made !== undefined; made = this.#byName.get(key)) await made.ended;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#byName.set(key, { ended: promise, name, id: undefined, files: [] });
    return () => {
      this.#byName.delete(key);
      resolve(undefined);
    };
  }

  /** Its files are nobody else's from now on. */
  claimFiles(name: string, files: readonly string[]): void {
    this.#making(name).files = files;
  }

  /** The name of another one that makes this file. */
  makerOf(path: string, except: string): string | undefined {
    const others = [...this.#byName.values()].filter(({ name }) => foldText(name) !== foldText(except));
    return others.find(({ files }) => files.some(file => foldText(file) === foldText(path)))?.name;
  }

  #making(name: string): Making {
    const making = this.#byName.get(foldText(name));
    if (making === undefined) throw new Error(`the name ${name} is not taken`);
    return making;
  }

  /** The lowest one that is free, for a name that is taken. */
  takeId(name: string, inList: Iterable<{ readonly id: number }>): number {
    const making = this.#making(name);
    const used = new Set([...inList, ...this.#byName.values()].map(({ id }) => id));
    let id = firstId;
    while (used.has(id)) id += 1;
    making.id = id;
    return id;
  }
}
