/**
 * How long a value has not changed, counted only while the watcher itself demonstrably ran. A look that comes late says that the watcher, or
 * the whole machine, stood still: it counts for `longestLookMs` at most, so that nobody is found stalled merely because time jumped.
 */
export class StallWatch {
  readonly #longestLookMs: number;
  #value: string | undefined;
  #lookedAtMs: number | undefined;
  #stalledMs = 0;

  constructor(longestLookMs: number) {
    this.#longestLookMs = longestLookMs;
  }

  /** `nowMs`: a monotonic clock. Answers for how many milliseconds `value` has been the same. */
  look(value: string, nowMs: number): number {
    const sinceLastMs = this.#lookedAtMs === undefined ? 0 : Math.max(0, nowMs - this.#lookedAtMs);
    this.#lookedAtMs = nowMs;
    if (value === this.#value) this.#stalledMs += Math.min(sinceLastMs, this.#longestLookMs);
    else this.#stalledMs = 0;
    this.#value = value;
    return this.#stalledMs;
  }
}
