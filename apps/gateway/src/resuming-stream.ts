import type { ExecutionResult } from 'graphql';
import type { Replicas } from './replicas.ts';
import {
  keyOf,
  type Operation,
  type Place,
  resumableField,
  resumedAfter,
  type ResumePoint,
  type ResumePoints,
  showingPlace,
} from './resume-points.ts';
import { iteratorOf, type ResultStream } from './streams.ts';
import { isNotLeader } from './subgraph-answers.ts';
import type { SubgraphSubscription } from './subgraph-socket.ts';

export type ResumingParts = {
  readonly service: string;
  readonly replicas: Replicas;
  readonly points: ResumePoints;
  /** One subscription at one replica, signed for this moment. */
  readonly subscribe: (url: string, operation: Operation) => SubgraphSubscription;
  /** How long a subscription may be without its service before it ends with an error. */
  readonly resumeWithinMs: number;
  /** How long one that never ran waits while replicas answer that they do not lead yet. */
  readonly takeOverWithinMs: number;
  readonly onInterrupted: () => void;
};

/** Where the place of each state travels; taken out again before the result goes on. */
const placeKey = 'holdfastPlace';
const firstPauseMs = 100;
const longestPauseMs = 1_000;
/** A connection that lasted this long was no part of the trouble before it. */
const steadyAfterMs = 5_000;

/** A live subscription whose service stayed away; `fix` tells the client how to go on. */
export class SubscriptionLost extends Error {
  readonly fix: string;
  constructor(fix: string, cause: unknown) {
    super('the service of a subscription stayed away', { cause });
    this.fix = fix;
  }
}

type Trouble = { readonly sinceMs: number; failures: number; pauseMs: number; isTakeOver: boolean };
type Attempt = SubgraphSubscription & { readonly url: string; readonly sinceMs: number };
type Next = IteratorResult<ExecutionResult, undefined>;

const done: Next = { done: true, value: undefined };

/**
 * One subscription that outlives its connections: when the service behind it ends, is replaced or freezes, it is begun again at whichever
 * replica answers, after the last state that was passed on. So what a reader sees rises strictly: the service is asked for what is newer,
 * and what is not (a replica that lags, a repeat) is dropped here. Fields without a resume point are not begun again once they ran: events
 * might be missing, and only an end tells.
 */
export function resumingStream(operation: Operation, parts: ResumingParts): ResultStream {
  const states = new ResumingStream(operation, parts);
  return iteratorOf({ next: () => states.next(), return: () => states.return() });
}

class ResumingStream {
  readonly #parts: ResumingParts;
  readonly #operation: Operation;
  readonly #point: ResumePoint | undefined;
  /** Under which a result holds the state; undefined where nothing is resumed. */
  readonly #key: string | undefined;
  #place: Place | undefined;
  #current: Attempt | undefined;
  #trouble: Trouble | undefined;
  #hasRun = false;
  #isEnded = false;
  #stopPause = (): void => undefined;

  constructor(operation: Operation, parts: ResumingParts) {
    const { document } = operation;
    const found = resumableField(document, parts.points);
    this.#parts = parts;
    this.#point = found?.point;
    this.#key = found && keyOf(found.field);
    this.#operation = found ? { ...operation, document: showingPlace(document, parts.points, placeKey) } : operation;
  }

  async next(): Promise<Next> {
    while (!this.#isEnded) {
      this.#current ??= this.#begin();
      const attempt = this.#current;
      try {
        const given = await attempt.stream.next();
        if (given.done === true) return done;
        const state = this.#newState(given.value, attempt);
        if (state !== undefined) return { done: false, value: state };
      } catch (error) {
        this.#current = undefined;
        if (!this.#hasEnded()) await this.#lost(attempt, error);
      }
    }
    return done;
  }

  async return(): Promise<Next> {
    this.#isEnded = true;
    this.#stopPause();
    await this.#current?.stream.return?.();
    return done;
  }

  // It may have ended while something was waited for.
  #hasEnded(): boolean {
    return this.#isEnded;
  }

  #begin(): Attempt {
    const { service, replicas, points, subscribe } = this.#parts;
    const [url] = replicas.of(service);
    if (url === undefined) throw new Error(`no address is known for the service "${service}"`);
    const from = this.#place === undefined ? this.#operation : resumedAfter(this.#operation, points, this.#place);
    return { ...subscribe(url, from), url, sinceMs: performance.now() };
  }

  /** What is to be passed on; undefined for what is not newer. */
  #newState(given: ExecutionResult, { url }: Attempt): ExecutionResult | undefined {
    if (given.errors?.some(isNotLeader) === true) throw new WaitsToLead();
    const { service, replicas } = this.#parts;
    replicas.answered(service, url);
    this.#hasRun = true;
    const { result, place } = withoutPlace(given, this.#key);
    if (place === undefined) return result;
    this.#trouble = undefined;
    if (this.#place !== undefined && !isNewer(place, this.#place)) return undefined;
    this.#place = place;
    return result;
  }

  /** Resolves when the next try may be made; throws when it is not worth going on. */
  async #lost(attempt: Attempt, error: unknown): Promise<void> {
    const { service, replicas, resumeWithinMs, takeOverWithinMs } = this.#parts;
    const now = performance.now();
    const ran = attempt.isConnected() && !(error instanceof WaitsToLead);
    void attempt.stream.return?.();
    replicas.failed(service, attempt.url);
    if (ran && now - attempt.sinceMs > steadyAfterMs) this.#trouble = undefined;
    if (ran && this.#trouble === undefined) this.#parts.onInterrupted();
    this.#hasRun ||= ran;
    if (this.#hasRun && this.#point === undefined) throw error;
    this.#trouble ??= { sinceMs: now, failures: 0, pauseMs: firstPauseMs, isTakeOver: false };
    const trouble = this.#trouble;
    trouble.failures += 1;
    trouble.isTakeOver ||= error instanceof WaitsToLead;
    // The other replicas first, without a pause.
    if (trouble.failures % replicas.of(service).length !== 0) return;
    const limitMs = this.#hasRun ? resumeWithinMs : trouble.isTakeOver ? takeOverWithinMs : 0;
    if (now - trouble.sinceMs >= limitMs)
      throw this.#hasRun ? new SubscriptionLost(fixFor(this.#point, this.#place), error) : error;
    await this.#pause(trouble.pauseMs);
    trouble.pauseMs = Math.min(2 * trouble.pauseMs, longestPauseMs);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms);
      this.#stopPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

class WaitsToLead extends Error {
  constructor() {
    super('the replica does not lead');
  }
}

function isNewer(place: Place, than: Place): boolean {
  return typeof place === 'number' && typeof than === 'number' ? place > than : place !== than;
}

function withoutPlace(result: ExecutionResult, key: string | undefined): { result: ExecutionResult; place?: Place } {
  const state = key === undefined ? undefined : result.data?.[key];
  if (key === undefined || typeof state !== 'object' || state === null || !(placeKey in state)) return { result };
  const { [placeKey]: place, ...rest } = state;
  const clean = { ...result, data: { ...result.data, [key]: rest } };
  return typeof place === 'number' || typeof place === 'string' ? { result: clean, place } : { result: clean };
}

function fixFor(point: ResumePoint | undefined, place: Place | undefined): string {
  if (point === undefined || place === undefined) return 'Subscribe again.';
  return `Subscribe again with ${point.argument}: ${JSON.stringify(place)}.`;
}
