/**
 * Who is at work at which standby inside this process. A claim is committed before `drain` is called, and whoever enters reads the claim
 * first: so after `drain` nobody is inside who could still send something (design.md §5, "Who touches which server").
 */
export class StandbyGate {
  readonly #inside = new Map<string, { readonly work: Set<Promise<unknown>>; readonly aborting: AbortController }>();

  /** `signal` is for work that may be cut short; work that must end by itself ignores it. */
  async inside<T>(standbyId: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const room = this.#inside.get(standbyId) ?? { work: new Set(), aborting: new AbortController() };
    this.#inside.set(standbyId, room);
    const running = work(room.aborting.signal);
    room.work.add(running);
    try {
      return await running;
    } finally {
      room.work.delete(running);
      if (room.work.size === 0 && this.#inside.get(standbyId) === room) this.#inside.delete(standbyId);
    }
  }

  /** Resolves when everybody who was inside has left. */
  async drain(standbyId: string): Promise<void> {
    const room = this.#inside.get(standbyId);
    if (room === undefined) return;
    // Who comes from now on gets a room of their own, so that their work is not cut short by this.
    this.#inside.delete(standbyId);
    room.aborting.abort(new Error('the standby is being yielded'));
    await Promise.allSettled(room.work);
  }
}
