/** Lock modes, the queue of one lockable thing, and deadlock detection over all of them. */
import { fail } from '../messages.ts';
import { RequestAborted } from './request-aborted.ts';
import type { Session } from '../contract.ts';

export type LockMode = 'IS' | 'IX' | 'S' | 'U' | 'SIX' | 'X';
export type LockResourceType = 'DATABASE' | 'OBJECT' | 'KEY' | 'APPLICATION';

const conflicts: Readonly<Record<LockMode, readonly LockMode[]>> = {
  IS: ['X'],
  IX: ['S', 'U', 'SIX', 'X'],
  S: ['IX', 'SIX', 'X'],
  U: ['IX', 'U', 'SIX', 'X'],
  SIX: ['IX', 'S', 'U', 'SIX', 'X'],
  X: ['IS', 'IX', 'S', 'U', 'SIX', 'X'],
};

/** What a holder of the first mode needs when it asks for the second. */
function combine(held: LockMode, wanted: LockMode): LockMode {
  if (held === wanted) return held;
  const pair = [held, wanted];
  if (pair.includes('X')) return 'X';
  if (pair.includes('SIX')) return 'SIX';
  if (pair.includes('IX')) return pair.includes('S') ? 'SIX' : pair.includes('U') ? 'X' : 'IX';
  return pair.includes('U') ? 'U' : 'S';
}

/** Whoever holds locks: a transaction, or a session by itself (its database, its session application locks). */
export type LockOwner = {
  readonly session: Session;
  readonly held: Set<LockResource>;
  /** The cheapest to roll back becomes the victim of a deadlock. */
  readonly weight: () => number;
};

type Request = {
  readonly owner: LockOwner;
  readonly mode: LockMode;
  readonly conversion: boolean;
  readonly resource: LockResource;
  readonly settle: (failure: Error | undefined) => void;
};

/** What each session waits for: it runs one request at a time, so one entry is all. */
const waiting = new WeakMap<Session, Request>();

export class LockResource {
  readonly type: LockResourceType;
  readonly databaseId: number;
  readonly description: string;
  readonly granted = new Map<LockOwner, LockMode>();
  readonly queue: Request[] = [];
  readonly #onIdle: () => void;

  constructor(type: LockResourceType, databaseId: number, description: string, onIdle: () => void) {
    this.type = type;
    this.databaseId = databaseId;
    this.description = description;
    this.#onIdle = onIdle;
  }

  /** Whether `owner` would get `mode` at once. */
  free(owner: LockOwner, mode: LockMode): boolean {
    for (const [holder, held] of this.granted) if (holder !== owner && conflicts[mode].includes(held)) return false;
    return true;
  }

  tryAcquire(owner: LockOwner, mode: LockMode): boolean {
    const held = this.granted.get(owner);
    const wanted = held === undefined ? mode : combine(held, mode);
    if (wanted === held) return true;
    if (!this.free(owner, wanted) || (held === undefined && this.queue.length > 0)) return false;
    this.granted.set(owner, wanted);
    owner.held.add(this);
    return true;
  }

  /** Without asking: for locks that `owner` had before a crash, or takes over from its own session. */
  grant(owner: LockOwner, mode: LockMode): void {
    const held = this.granted.get(owner);
    this.granted.set(owner, held === undefined ? mode : combine(held, mode));
    owner.held.add(this);
  }

  /**
   * Resolves true when it had to wait. Throws 1222 after `timeoutMs` (-1: never), 1205 when chosen as deadlock victim, and the signal's reason
   * when the request is cancelled.
   */
  async acquire(owner: LockOwner, mode: LockMode, timeoutMs: number): Promise<boolean> {
    if (this.tryAcquire(owner, mode)) return false;
    if (timeoutMs === 0) throw fail(1222);
    const { session } = owner;
    const blocker = this.#blocker(owner, mode);
    if (session.request !== undefined) {
      session.request.blockedBy = blocker;
      session.request.waitType = `LCK_M_${mode}`;
    }
    let timer: NodeJS.Timeout | undefined;
    let abort: (() => void) | undefined;
    const { signal } = session;
    try {
      await new Promise<void>((resolve, reject) => {
        const settle = (failure: Error | undefined): void => (failure === undefined ? resolve() : reject(failure));
        const request = this.#enqueue(owner, mode, settle);
        if (timeoutMs > 0) timer = setTimeout(() => this.#giveUp(request, fail(1222)), timeoutMs);
        abort = () => this.#giveUp(request, new RequestAborted(signal.reason));
        if (signal.aborted) abort();
        else signal.addEventListener('abort', abort, { once: true });
        resolveDeadlock(session);
      });
    } finally {
      clearTimeout(timer);
      if (abort !== undefined) signal.removeEventListener('abort', abort);
      if (session.request !== undefined) {
        session.request.blockedBy = 0;
        session.request.waitType = undefined;
      }
    }
    return true;
  }

  #blocker(owner: LockOwner, mode: LockMode): number {
    for (const [holder, held] of this.granted) {
      if (holder !== owner && conflicts[mode].includes(held)) return holder.session.spid;
    }
    return this.queue[0]?.owner.session.spid ?? 0;
  }

  #enqueue(owner: LockOwner, mode: LockMode, settle: (failure: Error | undefined) => void): Request {
    const conversion = this.granted.has(owner);
    const request = { owner, mode, conversion, resource: this, settle };
    // A holder that wants more goes before newcomers, who could never be served before it anyway.
    if (conversion) this.queue.splice(this.queue.findLastIndex(each => each.conversion) + 1, 0, request);
    else this.queue.push(request);
    waiting.set(owner.session, request);
    return request;
  }

  #giveUp(request: Request, failure: Error): void {
    const place = this.queue.indexOf(request);
    if (place < 0) return;
    this.queue.splice(place, 1);
    waiting.delete(request.owner.session);
    request.settle(failure);
    this.#serve();
  }

  /** Ends the wait of `session` as a deadlock victim. */
  sacrifice(session: Session): void {
    const request = this.queue.find(each => each.owner.session === session);
    if (request !== undefined) this.#giveUp(request, fail(1205, session.spid, 'lock'));
  }

  release(owner: LockOwner): void {
    if (!this.granted.delete(owner)) return;
    owner.held.delete(this);
    this.#serve();
  }

  /** Gives back the difference between what `owner` holds and `mode`. */
  downgrade(owner: LockOwner, mode: LockMode): void {
    if (!this.granted.has(owner)) return;
    this.granted.set(owner, mode);
    this.#serve();
  }

  /** Serves the queue in order and stops at the first request that still has to wait. */
  #serve(): void {
    for (let next = this.queue[0]; next !== undefined; next = this.queue[0]) {
      const held = this.granted.get(next.owner);
      const wanted = held === undefined ? next.mode : combine(held, next.mode);
      if (!this.free(next.owner, wanted)) break;
      this.queue.shift();
      waiting.delete(next.owner.session);
      this.granted.set(next.owner, wanted);
      next.owner.held.add(this);
      next.settle(undefined);
    }
    if (this.granted.size === 0 && this.queue.length === 0) this.#onIdle();
  }

  /** Owners that keep `request` waiting. */
  blockers(request: Request): readonly LockOwner[] {
    const held = this.granted.get(request.owner);
    const wanted = held === undefined ? request.mode : combine(held, request.mode);
    const holders = [...this.granted].filter(
      ([owner, mode]) => owner !== request.owner && conflicts[wanted].includes(mode),
    );
    const ahead = this.queue.slice(0, this.queue.indexOf(request)).filter(each => each.owner !== request.owner);
    return [...holders.map(([owner]) => owner), ...ahead.map(each => each.owner)];
  }
}

/** Looks for a cycle of waits that begins at `start` and ends the wait of its cheapest member. */
function resolveDeadlock(start: Session): void {
  const path: LockOwner[] = [];
  const seen = new Set<Session>();

  function visit(session: Session): boolean {
    const request = waiting.get(session);
    if (request === undefined || seen.has(session)) return false;
    seen.add(session);
    path.push(request.owner);
    for (const owner of request.resource.blockers(request)) {
      if (owner.session === start || visit(owner.session)) return true;
    }
    path.pop();
    return false;
  }

  if (!visit(start)) return;
  const victim = path.reduce((least, owner) => (owner.weight() < least.weight() ? owner : least));
  waiting.get(victim.session)?.resource.sacrifice(victim.session);
}

export function releaseAll(owner: LockOwner): void {
  for (const resource of [...owner.held]) resource.release(owner);
}
