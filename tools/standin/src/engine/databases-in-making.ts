/** Names and ids of databases that a statement makes and that may not be in the instance's list yet: another one would write into the same files. */
import { foldText } from './compare.ts';

/** The system databases have those below. */
const firstId = 5;

export class DatabasesInMaking {
  readonly #ends = new Map<string, Promise<unknown>>();
  readonly #ids = new Set<number>();

  has(name: string): boolean {
    return this.#ends.has(foldText(name));
  }

  /** After whoever has the name now; the caller gives it back with what this resolves to. */
  async take(name: string): Promise<() => void> {
    const key = foldText(name);
    for (let end = this.#ends.get(key); end !== undefined; end = this.#ends.get(key)) await end;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#ends.set(key, promise);
    return () => {
      this.#ends.delete(key);
      resolve(undefined);
    };
  }

  /** The lowest one that is free. It is given back by `listed`. */
  takeId(inList: Iterable<{ readonly id: number }>): number {
    const used = new Set([...inList].map(({ id }) => id));
    let id = firstId;
    while (used.has(id) || this.#ids.has(id)) id += 1;
    this.#ids.add(id);
    return id;
  }

  listed(id: number): void {
    this.#ids.delete(id);
  }
}
