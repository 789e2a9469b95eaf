import { existsSync, readFileSync } from 'node:fs';
import { type Claim, claims, claimedTokens, claimToken, type Holder, newestClaim, type OwnClaim } from './claim.ts';
import { StoreError } from './errors.ts';
import { leaseTimes, type LeaseTimes } from './lease-times.ts';
import { pause } from './pause.ts';
import { acquireSqlServerLease, type SqlServerLeaseOptions } from './sql-server-lease.ts';
import { StallWatch } from './stall-watch.ts';

/**
 * Leadership over one service's store, among processes of one machine that share its state folder (claim.ts says which files).
 *
 * Invariants
 * 1. A token is claimed by at most one process: a claim is a file created under its number, whole or not at all. There is no lock around
 *    that, so a process frozen anywhere in it stops nobody. Tokens rise; the newest claim leads, every older one is superseded for ever.
 * 2. The next token may be claimed when the newest claim's process is dead (its lock is free: at once after kill -9) or when its heartbeat
 *    did not change for `replaceAfterMs` of time during which the one who waits was itself running. Whole machines may sleep, clocks may
 *    jump: no clock is compared between processes, and time that the waiter slept through counts for nothing.
 * 3. Of several who claim at once, one succeeds; the others find a newer claim with a living holder and wait for that one. An older claim
 *    is never looked at again for leading: a superseded process may live, wake or die as it likes.
 * 4. A leader that was frozen knows nothing when it wakes. So the lease alone protects nothing: the store does (fence.ts), in the very
 *    transaction, and on an estate's server the server itself (design.md §5, the last arbiter). The lease decides who may try.
 * 5. These files need not outlive a power cut: no holder does, and the store's fence keeps the greatest token that ever led (`floor`).
 */
export type Lease = {
  /** Raised by every acquisition; a target that has seen a higher one refuses this holder. */
  readonly fencingToken: number;
  /**
   * Right even for a process that has just woken. On files it looks anew each time, and false ends in `lost`; on a server false may also mean
   * that nobody has confirmed it for too long. @throws when it cannot look.
   */
  held(): boolean;
  /** Aborted once this holder knows that it was replaced; the reason is a StoreError `superseded`. Not by `release`. */
  readonly lost: AbortSignal;
  /** For those who hear of a newer leader before the lease does: the store's fence. */
  lose(reason: StoreError): void;
  /** Older leaders whose process still lives, frozen or about to end. */
  older(): Holder[];
  /** Why the heartbeat cannot be written or the claims not be read; undefined while it goes well. */
  problem(): string | undefined;
  release(): void;
};

export type LeaseOptions = {
  /** What the names of the lease's files begin with. */
  readonly file: string;
  /** The greatest token known to have led: the next is greater. 0 when left out. */
  readonly floor?: number;
};

export type WaitOptions = Partial<LeaseTimes> & {
  readonly signal?: AbortSignal;
  /** Called at each look while somebody else leads. */
  readonly waiting?: (holder: Holder | undefined) => void;
};

/** Undefined while another process leads, frozen or not. @throws StoreError or a system error when the files cannot be used. */
export function tryAcquireLease(options: LeaseOptions): Lease | undefined {
  const newest = newestClaim(options.file);
  return newest?.isAlive() === true ? undefined : takeLease({ ...options, ...leaseTimes({}) }, newest);
}

/** Waits until this process leads; rejects with the signal's reason when told to stop waiting. */
export async function acquireLease(options: (LeaseOptions | SqlServerLeaseOptions) & WaitOptions): Promise<Lease> {
  if ('sqlServer' in options) return acquireSqlServerLease(options);
  const { signal } = options;
  const times = leaseTimes(options);
  const { retryMs, replaceAfterMs } = times;
  // A look may come twice as late as it should on a busy machine; beyond that we stood still ourselves.
  const watch = new StallWatch(2 * retryMs);
  for (;;) {
    signal?.throwIfAborted();
    const newest = newestClaim(options.file);
    const stalledMs = watch.look(`${String(newest?.token)} ${String(newest?.beat)}`, performance.now());
    const isFree = newest?.isAlive() !== true || stalledMs >= replaceAfterMs;
    const lease = isFree ? takeLease({ ...options, ...times }, newest) : undefined;
    if (lease !== undefined) return lease;
    options.waiting?.(newest?.holder);
    await pause(retryMs, signal);
  }
}

function takeLease(
  { file, floor = 0, beatEveryMs }: LeaseOptions & Pick<LeaseTimes, 'beatEveryMs'>,
  newest: Claim | undefined,
): Lease | undefined {
  const claim = claimToken(file, Math.max(newest?.token ?? tokenBeforeClaims(file), floor) + 1);
  if (claim === undefined) return undefined;
  // Claims of the living stay: whoever cannot get at the store says by them which process is in its way.
  for (const old of claims(file)) if (old.token < claim.token && !old.isAlive()) old.remove();
  return new HeldLease(file, claim, beatEveryMs);
}

/** A data folder that has no claims yet may have the token in a file of its own: servers and rows know it, it must not be used again. */
function tokenBeforeClaims(file: string): number {
  const tokenFile = `${file}.db.token`;
  if (!existsSync(tokenFile)) return 0;
  const token = Number(readFileSync(tokenFile, 'utf8').trim());
  if (Number.isSafeInteger(token) && token >= 1) return token;
  throw new StoreError(
    'corrupt',
    `The fencing token in ${tokenFile} is unreadable; restore it or use a new data folder.`,
  );
}

class HeldLease implements Lease {
  readonly fencingToken: number;
  readonly #file: string;
  readonly #claim: OwnClaim;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #beats = 0;
  #released = false;
  #problem: string | undefined;

  constructor(file: string, claim: OwnClaim, beatEveryMs: number) {
    this.fencingToken = claim.token;
    this.#file = file;
    this.#claim = claim;
    this.#timer = setInterval(() => this.#beat(), beatEveryMs).unref();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  held(): boolean {
    if (this.#released || this.lost.aborted) return false;
    const [newest] = claimedTokens(this.#file);
    // No claim at all: somebody took the files away, and nothing says any more that we lead.
    if (newest === this.fencingToken) return true;
    const by = newest === undefined ? 'its claim is gone' : `token ${String(newest)} was claimed`;
    this.lose(new StoreError('superseded', `Token ${String(this.fencingToken)} leads no more: ${by}.`));
    return false;
  }

  lose(reason: StoreError): void {
    clearInterval(this.#timer);
    if (!this.#released) this.#lost.abort(reason);
  }

  older(): Holder[] {
    return claims(this.#file).flatMap(claim =>
      claim.token < this.fencingToken && claim.holder !== undefined && claim.isAlive() ? [claim.holder] : [],
    );
  }

  problem(): string | undefined {
    return this.#problem;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#timer);
    this.#claim.close();
  }

  /** A heartbeat that fails takes nothing away: should it go on, a waiting replica finds it still and leads instead. */
  #beat(): void {
    try {
      if (!this.held()) return;
      this.#beats += 1;
      this.#claim.writeBeat(this.#beats);
      this.#problem = undefined;
    } catch (error) {
      this.#problem = `the heartbeat of the lease fails: ${Error.isError(error) ? error.message : String(error)}`;
    }
  }
}
