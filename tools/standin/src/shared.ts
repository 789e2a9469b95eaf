/** What is asked for again and again is made once and there once. Bounded: of a thousand and more the next ones are made anew. */
export class Shared<K, V> {
  readonly #made = new Map<K, V>();
  readonly #make: (from: K) => V;

  constructor(make: (from: K) => V) {
    this.#make = make;
  }

  of(from: K): V {
    const known = this.#made.get(from);
    if (known !== undefined) return known;
    if (this.#made.size >= 1000) this.#made.clear();
    const made = this.#make(from);
    this.#made.set(from, made);
    return made;
  }
}
