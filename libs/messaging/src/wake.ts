/** A bell: rung while nobody waits, it is heard by the next one who does, once. */
export class Wake {
  #rung = false;
  #hear: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#hear?.();
  }

  /** Resolves when rung, or after `limitMs`. One waits at a time. */
  async next(limitMs?: number): Promise<void> {
    if (!this.#rung) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const hear = (): void => resolve(undefined);
      this.#hear = hear;
      const timer = limitMs === undefined ? undefined : setTimeout(hear, limitMs);
      await promise;
      clearTimeout(timer);
      this.#hear = undefined;
    }
    this.#rung = false;
  }
}
