/**
 * The stall that makes a mark consistent over several instances (sqlserver.md §3.4). When a marked transaction prepares here (a local one: when it
 * commits), transactions that are prepared already may finish, and new prepares and commits, local ones too, are held back until the mark
 * is committed: so no transaction stands before the mark in one log and behind it in another. One gate per instance, never one for all: nothing
 * could straddle a mark then.
 */
import { fail } from '../messages.ts';
import { RequestAborted } from './request-aborted.ts';

export type GateOptions = {
  /** False: marks hold nobody back (the fault `no-mark-stall`). */
  readonly stall: () => boolean;
  /** How long a mark waits for the transactions that are prepared already, or for another mark. */
  readonly drainTimeoutMs: number;
};

export class MarkGate {
  readonly #options: GateOptions;
  /** Transactions between their prepare (or commit) here and their end. */
  readonly #inside = new Set<bigint>();
  #holder: bigint | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** For whoever is not marked: resolves once inside. Throws when the request is aborted while it is held back. */
  async enter(transaction: bigint, signal: AbortSignal): Promise<void> {
    while (this.#holder !== undefined) await this.#change(signal, undefined);
    this.#inside.add(transaction);
  }

  /**
   * For a marked transaction: resolves when nobody is inside any more and nobody can enter. Throws 1205 when another mark holds the gate for too
   * long (sqlserver.md §3.4: two marks at once), and 3928 when the prepared transactions do not end in time.
   */
  async hold(transaction: bigint, mark: string, spid: number, signal: AbortSignal): Promise<void> {
    if (!this.#options.stall()) {
      this.#inside.add(transaction);
      return;
    }
    const deadline = performance.now() + this.#options.drainTimeoutMs;
    while (this.#holder !== undefined) {
      if (!(await this.#change(signal, deadline))) throw fail(1205, spid, 'lock');
    }
    this.#holder = transaction;
    try {
      while (this.#inside.size > 0) {
        if (!(await this.#change(signal, deadline))) throw fail(3928, mark);
      }
    } catch (failure) {
      this.leave(transaction);
      throw failure;
    }
  }

  /** A transaction that a crash left prepared: it is inside, or holds the gate, from the start. */
  adopt(transaction: bigint, marked: boolean): void {
    if (marked && this.#options.stall() && this.#holder === undefined) this.#holder = transaction;
    else this.#inside.add(transaction);
  }

  /** Its end is in the log. */
  leave(transaction: bigint): void {
    this.#inside.delete(transaction);
    if (this.#holder === transaction) this.#holder = undefined;
    for (const wake of [...this.#waiters]) wake();
  }

  /** Resolves false at the deadline (of performance.now()). */
  #change(signal: AbortSignal, deadline: number | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', abort);
        clearTimeout(timer);
        settle();
      };
      const wake = (): void => end(() => resolve(true));
      const abort = (): void => end(() => reject(new RequestAborted(signal.reason)));
      const leftMs = deadline === undefined ? undefined : Math.max(0, deadline - performance.now());
      const timer = leftMs === undefined ? undefined : setTimeout(() => end(() => resolve(false)), leftMs);
      this.#waiters.add(wake);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    });
  }
}
