import type { Holder } from './claim.ts';
import { StoreError } from './errors.ts';
import type { Lease, WaitOptions } from './lease.ts';
import { leaseTimes, type LeaseTimes } from './lease-times.ts';
import { pause } from './pause.ts';
import { type SqlServerLocation, SqlSession } from './sql-server.ts';
import {
  claimServerToken,
  clearDeadClaims,
  isConnected,
  newestServerClaim,
  openClaims,
  readServerFence,
} from './sql-server-claim.ts';
import { sqlServerStoreError } from './sql-server-errors.ts';
import { StallWatch } from './stall-watch.ts';

/**
 * Leadership over a store on SQL Server. The invariants are those of lease.ts, with a row in the place of a file, an application lock in the
 * place of a locked one, and the store's own fence as the floor. Replicas may be on different machines; no clock is compared.
 */
export type SqlServerLeaseOptions = {
  readonly sqlServer: SqlServerLocation;
  /** The service that the database belongs to; another one is refused. */
  readonly owner: string;
};

export async function acquireSqlServerLease(options: SqlServerLeaseOptions & WaitOptions): Promise<Lease> {
  const { sqlServer, owner, signal } = options;
  const times = leaseTimes(options);
  const { retryMs, replaceAfterMs } = times;
  const watch = new StallWatch(2 * retryMs);
  let session = await openClaims(sqlServer, owner);
  try {
    for (;;) {
      signal?.throwIfAborted();
      // The server was away: who waits goes on waiting, and counts nothing as seen meanwhile.
      if (session.broken) session = await openClaims(sqlServer, owner);
      const newest = await newestServerClaim(session);
      const stalledMs = watch.look(`${String(newest?.token)} ${String(newest?.beat)}`, performance.now());
      const isStalled = stalledMs >= Math.max(replaceAfterMs, newest?.replaceAfterMs ?? 0);
      const isFree = newest === undefined || isStalled || !(await isConnected(session, newest.token));
      const token = isFree ? Math.max(newest?.token ?? 0, await readServerFence(session)) + 1 : 0;
      if (isFree && (await claimServerToken(session, token, replaceAfterMs))) {
        await clearDeadClaims(session, token);
        return new ServerLease(session, token, times);
      }
      options.waiting?.(newest?.holder);
      await pause(retryMs, signal);
    }
  } catch (error) {
    session.close();
    if (signal?.aborted === true) throw error;
    throw sqlServerStoreError(error, 'The lease could not be taken');
  }
}

class ServerLease implements Lease {
  readonly fencingToken: number;
  readonly #session: SqlSession;
  readonly #staleMs: number;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #confirmedAt = performance.now();
  #beating = false;
  #released = false;
  #problem: string | undefined;

  constructor(session: SqlSession, token: number, { beatEveryMs, replaceAfterMs }: LeaseTimes) {
    this.#session = session;
    this.fencingToken = token;
    this.#staleMs = replaceAfterMs;
    this.#timer = setInterval(() => void this.#beat(), beatEveryMs).unref();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * The server cannot be asked between two instructions: true while its last answer is younger than the time after which a waiting replica may
   * lead. A process that has just woken is told false until the server has said that it leads still.
   */
  held(): boolean {
    if (this.#released || this.lost.aborted) return false;
    if (this.#session.broken) {
      this.lose(this.#superseded('its connection to the server has ended'));
      return false;
    }
    if (performance.now() - this.#confirmedAt < this.#staleMs) return true;
    void this.#beat();
    return false;
  }

  lose(reason: StoreError): void {
    clearInterval(this.#timer);
    if (this.#released || this.lost.aborted) return;
    this.#lost.abort(reason);
    // Its lock would keep up the claim of a leader that is none.
    this.#session.close();
  }

  /** Sessions are what stands in a successor's way, and the server knows them: see sql-server-fence.ts. */
  older(): Holder[] {
    return [];
  }

  problem(): string | undefined {
    return this.#problem;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#timer);
    this.#session.close();
  }

  async #beat(): Promise<void> {
    if (this.#beating || this.#released || this.lost.aborted) return;
    this.#beating = true;
    // Of the question: whatever time the answer took is not counted as confirmed.
    const askedAt = performance.now();
    try {
      const token = String(this.fencingToken);
      const { rows } = await this.#session.batch(
        `set lock_timeout 5000; update leader_claim set beat = beat + 1 where token = ${token}; select max(token) as newest from leader_claim;`,
      );
      const newest = rows[0]?.['newest'] ?? null;
      if (newest === this.fencingToken) {
        this.#confirmedAt = askedAt;
        this.#problem = undefined;
      } else {
        this.lose(this.#superseded(newest === null ? 'its claim is gone' : `token ${String(newest)} was claimed`));
      }
    } catch (error) {
      this.#problem = sqlServerStoreError(error, 'the heartbeat of the lease fails').message;
      // `lose` does nothing for one that was given back.
      if (this.#session.broken) this.lose(this.#superseded('its connection to the server has ended'));
    } finally {
      this.#beating = false;
    }
  }

  #superseded(by: string): StoreError {
    return new StoreError('superseded', `Token ${String(this.fencingToken)} leads no more: ${by}.`);
  }
}
