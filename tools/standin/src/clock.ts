/**
 * An instance's time. It runs at a rate (1: as this machine's) or, at rate 0, stands until it is moved by hand. It never goes back by itself: a
 * change of the rate goes on from what it shows. Who waits for a time of it is woken in the order of the times.
 */
import { RequestAborted } from './engine/request-aborted.ts';

/** `untilMs`: without the skew, which may be gone before. */
type Wait = { readonly untilMs: number; readonly sleeper: object; readonly wake: () => void };

export type ClockOptions = {
  /** undefined: this machine's time. */
  readonly startAt?: Date | undefined;
  /** How far its local time is ahead of the one it starts with. */
  readonly aheadMs?: number;
  /** Seconds of this clock in one of this machine's; 0: moved by hand. */
  readonly rate?: number;
  /** How far the clock is wrong, now: a fault. */
  readonly skewMs?: () => number;
  /** This machine's time in ms since 1970. */
  readonly wallMs?: () => number;
};

const longestTimerMs = 2 ** 31 - 1;

export class InstanceClock {
  readonly #wallMs: () => number;
  readonly #skewMs: () => number;
  readonly #waits = new Set<Wait>();
  #rate: number;
  #shownMs: number;
  #sinceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #came: { readonly promise: Promise<void>; readonly tell: () => void } | undefined;

  constructor({ startAt, aheadMs = 0, rate = 1, skewMs = () => 0, wallMs = Date.now }: ClockOptions = {}) {
    this.#wallMs = wallMs;
    this.#skewMs = skewMs;
    this.#rate = rate;
    this.#sinceMs = wallMs();
    // From one look at this machine's clock: one that lags by what a second look takes would date statements before what caused them.
    this.#shownMs = (startAt?.getTime() ?? this.#sinceMs) + aheadMs;
  }

  readonly now = (): Date => new Date(this.#nowMs());

  get rate(): number {
    return this.#rate;
  }

  setRate(rate: number): void {
    const shownMs = this.#nowMs();
    this.#rate = rate;
    this.set(new Date(shownMs));
  }

  set(moment: Date): void {
    this.#sinceMs = this.#wallMs();
    this.#shownMs = moment.getTime() - this.#skewMs();
    this.#wakeAndArm();
  }

  /** Resolves when the clock shows the moment; rejects with RequestAborted when the signal is aborted first. */
  waitUntil(moment: Date, signal: AbortSignal, sleeper: object): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (then: () => void) => () => {
        this.#waits.delete(wait);
        signal.removeEventListener('abort', aborted);
        then();
      };
      const aborted = end(() => reject(new RequestAborted(signal.reason)));
      const wait: Wait = { untilMs: moment.getTime() - this.#skewMs(), sleeper, wake: end(resolve) };
      if (signal.aborted) {
        reject(new RequestAborted(signal.reason));
        return;
      }
      signal.addEventListener('abort', aborted);
      this.#waits.add(wait);
      this.#came?.tell();
      this.#came = undefined;
      this.#wakeAndArm();
    });
  }

  /** Whether this one waits for the clock and nothing else. */
  sleeps(sleeper: object): boolean {
    return [...this.#waits].some(wait => wait.sleeper === sleeper);
  }

  /** Resolves when the next one begins to wait. */
  nextSleeper(): Promise<void> {
    if (this.#came === undefined) {
      let tell = (): void => undefined;
      const promise = new Promise<void>(resolve => {
        tell = resolve;
      });
      this.#came = { promise, tell };
    }
    return this.#came.promise;
  }

  /** The earliest time that somebody waits for. */
  nextWait(): Date | undefined {
    const [first] = this.#inOrder();
    return first && new Date(first.untilMs + this.#skewMs());
  }

  /** How long that is on this machine's clock, at most `mostMs`. */
  wallDelayMs(moment: Date | undefined, mostMs: number): number {
    if (moment === undefined || this.#rate === 0) return mostMs;
    return Math.min(mostMs, Math.max(0, Math.ceil((moment.getTime() - this.#nowMs()) / this.#rate)));
  }

  /** No timer keeps the process; who still waits is ended by its signal. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #nowMs(): number {
    return this.#rightMs() + this.#skewMs();
  }

  #rightMs(): number {
    return Math.floor(this.#shownMs + (this.#wallMs() - this.#sinceMs) * this.#rate);
  }

  #inOrder(): readonly Wait[] {
    return [...this.#waits].sort((left, right) => left.untilMs - right.untilMs);
  }

  #wakeAndArm(): void {
    clearTimeout(this.#timer);
    for (const wait of this.#inOrder()) if (wait.untilMs <= this.#rightMs()) wait.wake();
    const next = this.nextWait();
    if (next === undefined || this.#rate === 0) return;
    this.#timer = setTimeout(() => this.#wakeAndArm(), this.wallDelayMs(next, longestTimerMs));
  }
}
