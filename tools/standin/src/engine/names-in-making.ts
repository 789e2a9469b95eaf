/** Names of databases that a statement makes and that may not be in the instance's list yet: another one would write into the same files. */
import { foldText } from './compare.ts';

export class NamesInMaking {
  readonly #ends = new Map<string, Promise<unknown>>();

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
}
