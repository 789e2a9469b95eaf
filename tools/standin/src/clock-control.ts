/**
 * What the control port does with the clock. One moved by hand goes through all that falls due on its way, in the order of the times, and stops at
 * each until the Agent's runs have ended or wait for the clock themselves: who asked finds all of it done.
 */
import type { InstanceClock } from './clock.ts';

/** The Agent, as far as time goes. */
export type Schedules = {
  /** A look at schedules and sleepers that sees what was committed and what the clock shows before it was asked for. */
  lookNow(): Promise<void>;
  /** The earliest time something of it falls due. */
  nextDue(): Date | undefined;
  /** Resolves when no run is at work, with an empty list, or after so long of this machine's time with the names of the jobs that are. */
  settle(timeoutMs: number): Promise<readonly string[]>;
};

export type ClockState = { readonly now: string; readonly rate: number };

export type ClockRefusal = {
  readonly code: 'BAD_REQUEST' | 'CLOCK_RUNS' | 'CLOCK_GOES_BACK' | 'CLOCK_IS_MOVED' | 'RUN_HANGS';
  readonly message: string;
  /** Where it stands. */
  readonly clock: ClockState;
};

export type ClockControlOptions = {
  /** Shows local time. */
  readonly clock: InstanceClock;
  /** East of UTC: requests and answers of the control port are in UTC. Default 0. */
  readonly offsetMinutes?: number;
  readonly schedules: Schedules;
  /** The fault that lets the clock be set back. */
  readonly mayGoBack: () => boolean;
};

type Wish =
  { readonly advanceMs: number; readonly timeoutMs: number } | { readonly to: Date } | { readonly rate: number };

/** A day in a second. */
export const fastestRate = 86_400;
export const usualTimeoutMs = 30_000;
/** What datetime can hold. */
const firstMs = Date.UTC(1753, 0, 1);
const lastMs = Date.UTC(9999, 11, 31);

type Fields = Readonly<Record<string, unknown>>;

/** What POST /clock takes: `body` as a refusal and the help show it, `effect` as the help tells it. */
export const clockBodies: readonly {
  readonly body: string;
  readonly effect: string;
  readonly read: (fields: Fields) => Wish | undefined;
}[] = [
  {
    body: '{"advanceMs": whole number from 1, "timeoutMs": whole number from 1}',
    effect:
      'a clock that stands goes on; all that falls due is done at its own time, in order; timeoutMs need not be given',
    read: ({ advanceMs, timeoutMs = usualTimeoutMs }) =>
      isCount(advanceMs) && isCount(timeoutMs) && timeoutMs <= 3_600_000 ? { advanceMs, timeoutMs } : undefined,
  },
  {
    body: '{"setTo": time such as "2026-03-01T12:00:00Z"}',
    effect: "a jump, as when somebody sets the machine's clock; what was due on the way runs once",
    read: ({ setTo }) => readTime(setTo),
  },
  {
    body: `{"rate": 0 to ${fastestRate}}`,
    effect: "seconds of its clock in one of this machine's, from here on; 0: it stands",
    read: ({ rate }) => (typeof rate === 'number' && rate >= 0 && rate <= fastestRate ? { rate } : undefined),
  },
];
const forms = `The body is ${clockBodies.map(({ body }) => body).join(', or ')}; without "timeoutMs" ${usualTimeoutMs}.`;

export class ClockControl {
  readonly #options: ClockControlOptions;
  #moving = false;

  constructor(options: ClockControlOptions) {
    this.#options = options;
  }

  get #offsetMs(): number {
    return (this.#options.offsetMinutes ?? 0) * 60_000;
  }

  state(): ClockState {
    const { clock } = this.#options;
    return { now: new Date(clock.now().getTime() - this.#offsetMs).toISOString(), rate: clock.rate };
  }

  /** `request`: see `forms`. Resolves when all that fell due has been done. */
  async change(request: unknown): Promise<ClockState | ClockRefusal> {
    const wish = readWish(request);
    if (wish === undefined) return this.#refuse('BAD_REQUEST', forms);
    if (this.#moving) return this.#refuse('CLOCK_IS_MOVED', 'Another request moves the clock.');
    this.#moving = true;
    try {
      return await this.#change(wish);
    } finally {
      this.#moving = false;
    }
  }

  async #change(wish: Wish): Promise<ClockState | ClockRefusal> {
    const { clock, schedules, mayGoBack } = this.#options;
    if ('advanceMs' in wish) return this.#advance(wish.advanceMs, wish.timeoutMs);
    if ('rate' in wish) clock.setRate(wish.rate);
    else if (wish.to < new Date(clock.now().getTime() - this.#offsetMs) && !mayGoBack()) {
      const message = `The clock shows a later time than ${wish.to.toISOString()} and does not go back.`;
      return this.#refuse('CLOCK_GOES_BACK', message);
    } else clock.set(new Date(wish.to.getTime() + this.#offsetMs));
    await schedules.lookNow();
    return this.state();
  }

  async #advance(advanceMs: number, timeoutMs: number): Promise<ClockState | ClockRefusal> {
    const { clock, schedules } = this.#options;
    if (clock.rate !== 0)
      return this.#refuse('CLOCK_RUNS', 'Only a clock that stands ({"rate": 0}, --clock-mode manual) is moved so.');
    const end = clock.now().getTime() + advanceMs;
    if (end > lastMs) return this.#refuse('BAD_REQUEST', forms);
    // What runs already goes first, and schedules that were changed since the last look are seen.
    for (let at = clock.now().getTime(); ;) {
      clock.set(new Date(at));
      const hanging = await this.#doWhatIsDue(timeoutMs);
      if (hanging.length > 0) {
        const message = `${hanging.join(', ')} did not end within ${timeoutMs} ms: the clock stays where it was started.`;
        return this.#refuse('RUN_HANGS', message);
      }
      if (at >= end) return this.state();
      const next = [clock.nextWait(), schedules.nextDue()].flatMap(each =>
        each === undefined ? [] : [each.getTime()],
      );
      // What is overdue and was not done now (a job whose last run goes on) must not hold the clock.
      at = Math.min(end, ...next.filter(each => each > at));
    }
  }

  async #doWhatIsDue(timeoutMs: number): Promise<readonly string[]> {
    const { schedules } = this.#options;
    await schedules.lookNow();
    const hanging = await schedules.settle(timeoutMs);
    // A run may have changed schedules.
    if (hanging.length === 0) await schedules.lookNow();
    return hanging;
  }

  #refuse(code: ClockRefusal['code'], message: string): ClockRefusal {
    return { code, message, clock: this.state() };
  }
}

function readWish(request: unknown): Wish | undefined {
  if (typeof request !== 'object' || request === null) return undefined;
  const keys = Object.keys(request).filter(key => !('advanceMs' in request && key === 'timeoutMs'));
  if (keys.length !== 1) return undefined;
  for (const { read } of clockBodies) {
    const wish = read(request as Fields);
    if (wish !== undefined) return wish;
  }
  return undefined;
}

function readTime(text: unknown): Wish | undefined {
  // Without a zone it would be this machine's local time, which the instance has not.
  if (typeof text !== 'string' || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?Z$/.test(text))
    return undefined;
  const to = new Date(text);
  return to.getTime() >= firstMs && to.getTime() <= lastMs ? { to } : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}
