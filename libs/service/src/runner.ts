import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import { safeMessage } from './safe-message.ts';
import { currentTrace, opaque, runTraced, type Tracing, untraced } from './tracing.ts';

/**
 * The one loop behind every runner: observe → decide → act → record, for each subject, until there is nothing to do. A runner takes no
 * input: a wake-up only means "look again". It may be killed between any two instructions, so `act` is one step that may be repeated, and
 * what is true is observed anew before the next one, never remembered.
 */
export type RunnerDefinition<Subject, Observation, Decision, Outcome> = {
  readonly name: string;
  /** What there is to look after now. Subjects run side by side, each one step at a time. */
  subjects(): Promise<readonly Subject[]>;
  /** Names a subject in logs, checkpoints and back-off. */
  key(subject: Subject): string;
  observe(subject: Subject, step: StepContext): Promise<Observation>;
  /** Pure: what to do about it, or undefined when it is as intended. */
  decide(observation: Observation, now: number): Decision | undefined;
  /** The step's name in checkpoints, logs and metrics; from a small fixed set. */
  step(decision: Decision): string;
  act(decision: Decision, step: StepContext): Promise<Outcome>;
  record(decision: Decision, outcome: Outcome): Promise<void>;
  /** The traceparent stored with what started the work on a subject: its steps go on in that trace. Without one each pass is a trace. */
  trace?(subject: Subject): Promise<string | undefined>;
  /** Tells the outside that a subject's step failed; the loop itself backs off and tries again. */
  failed?(subject: Subject, error: unknown): Promise<void>;
};

export type StepContext = {
  readonly signal: AbortSignal;
  /** A named place inside `act` where the process may die, for example between sending a statement and its answer. */
  checkpoint(name: string): Promise<void>;
};

/**
 * Called at every checkpoint with `runner/step/place` and the subject's key; tests fail or kill there. Answering `repeat` at `acted` or
 * `recorded` has the same decision acted on, or the same outcome recorded, once more: what a runner must bear from a leader that did not
 * know it was replaced.
 */
export type CheckpointHook = (name: string, subject?: string) => CheckpointAnswer | Promise<CheckpointAnswer>;

// What most hooks answer is nothing at all.
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type
export type CheckpointAnswer = void | 'repeat';

const noCheckpoint: CheckpointHook = () => undefined;

/** What becomes of each step: `observe` is one too. */
export type StepMeter = (runner: string, step: string, outcome: 'ok' | 'failed', seconds: number) => void;

export type PassOptions = {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly hook?: CheckpointHook | undefined;
  readonly tracing?: Tracing | undefined;
  readonly meter?: StepMeter | undefined;
};

/** One pass of the loop for one subject; false when there was nothing to do. */
export async function runOneStep<Subject, Observation, Decision, Outcome>(
  runner: RunnerDefinition<Subject, Observation, Decision, Outcome>,
  subject: Subject,
  options: PassOptions,
): Promise<boolean> {
  const { signal, clock, hook = noCheckpoint } = options;
  const key = runner.key(subject);
  const at = async (step: string, place: string) => (await hook(`${runner.name}/${step}/${place}`, key)) === 'repeat';
  const context = (step: string): StepContext => ({
    signal,
    checkpoint: async place => {
      await at(step, place);
    },
  });
  signal.throwIfAborted();
  const spanned = <T>(step: string, cause: string | undefined, work: () => Promise<T>) =>
    inStep({ runner: runner.name, step, key }, cause, options, work);
  const { observation, ownTrace } = await spanned('observe', await runner.trace?.(subject), async () => ({
    observation: await runner.observe(subject, context('observe')),
    ownTrace: currentTrace(),
  }));
  const decision = runner.decide(observation, clock());
  if (decision === undefined) return false;
  const step = runner.step(decision);
  // Asked again: what there is to do may have come up while it was looked.
  const trace = await runner.trace?.(subject);
  await spanned(step, trace ?? ownTrace, async () => {
    await at(step, 'decided');
    signal.throwIfAborted();
    let outcome = await runner.act(decision, context(step));
    if (await at(step, 'acted')) outcome = await runner.act(decision, context(step));
    await runner.record(decision, outcome);
    if (await at(step, 'recorded')) await runner.record(decision, outcome);
  });
  return true;
}

type StepPlace = { readonly runner: string; readonly step: string; readonly key: string };

async function inStep<T>(
  { runner, step, key }: StepPlace,
  parent: string | undefined,
  { tracing = untraced, meter }: Pick<PassOptions, 'tracing' | 'meter'>,
  work: () => Promise<T>,
): Promise<T> {
  const attributes = { 'holdfast.runner': runner, 'holdfast.step': step, 'holdfast.subject': opaque(key) };
  const began = performance.now();
  let outcome: 'ok' | 'failed' = 'failed';
  try {
    return await runTraced(tracing, `${runner}/${step}`, { parent, attributes }, async span => {
      try {
        const result = await work();
        outcome = 'ok';
        return result;
      } finally {
        span.setAttribute('holdfast.outcome', outcome);
      }
    });
  } finally {
    meter?.(runner, step, outcome, (performance.now() - began) / 1_000);
  }
}

export type RunnerLoopOptions = {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Looks again after this long without a wake-up. */
  readonly intervalMs: number;
  /** Subjects at work at the same time. */
  readonly parallel?: number;
  /** Registers a listener for "something changed"; returns the way to stop listening. */
  readonly wakeOn?: (listener: () => void) => () => void;
  readonly hook?: CheckpointHook;
  readonly tracing?: Tracing;
  readonly meter?: StepMeter;
  /** First and longest pause of a failing subject. */
  readonly backOffMs?: { readonly first: number; readonly longest: number };
};

export type RunnerLoop = {
  wake(): void;
  /** Subjects whose last step failed, with the message. */
  failing(): ReadonlyMap<string, string>;
  /** Once no step is under way. It says nothing about what is left to do. */
  idle(): Promise<void>;
  /** Aborts the steps under way through their signal and waits for them. */
  stop(): Promise<void>;
};

/** Starts the loop; it runs until stopped. */
export function startRunner<Subject, Observation, Decision, Outcome>(
  runner: RunnerDefinition<Subject, Observation, Decision, Outcome>,
  options: RunnerLoopOptions,
): RunnerLoop {
  return new Loop(runner, options);
}

const defaults = { parallel: 8, backOffMs: { first: 200, longest: 30_000 } };

class Loop<Subject, Observation, Decision, Outcome> implements RunnerLoop {
  readonly #runner: RunnerDefinition<Subject, Observation, Decision, Outcome>;
  readonly #options: typeof defaults & RunnerLoopOptions;
  readonly #stopping = new AbortController();
  readonly #busy = new Map<string, Promise<void>>();
  /** Due and without a place yet, the longest waiting first. */
  #waiting = new Map<string, Subject>();
  /** Woken while at work: look again before going idle, the change may have come after the observation. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, { message: string; count: number; notBefore: number }>();
  readonly #stopListening: (() => void) | undefined;
  readonly #ended: Promise<void>;
  #woken = true;
  #endPause: () => void = () => undefined;

  constructor(runner: RunnerDefinition<Subject, Observation, Decision, Outcome>, options: RunnerLoopOptions) {
    this.#runner = runner;
    this.#options = { ...defaults, ...options };
    this.#stopListening = options.wakeOn?.(() => this.wake());
    this.#ended = this.#run();
  }

  wake(): void {
    this.#woken = true;
    for (const key of this.#busy.keys()) this.#again.add(key);
    this.#endPause();
  }

  failing(): ReadonlyMap<string, string> {
    return new Map([...this.#failures].map(([key, { message }]) => [key, message]));
  }

  async idle(): Promise<void> {
    while (this.#busy.size > 0) await Promise.all(this.#busy.values());
  }

  async stop(): Promise<void> {
    this.#stopListening?.();
    this.#stopping.abort(new Error(`${this.#runner.name} is stopping`));
    this.#endPause();
    await this.#ended;
    await Promise.all(this.#busy.values());
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#woken = false;
      await this.#startDueSubjects().catch((error: unknown) => {
        this.#options.logger.error(
          { runner: this.#runner.name, cause: safeMessage(error) },
          'the runner could not list its subjects',
        );
      });
      await this.#pause();
    }
  }

  async #startDueSubjects(): Promise<void> {
    const subjects = new Map((await this.#runner.subjects()).map(subject => [this.#runner.key(subject), subject]));
    for (const key of this.#failures.keys()) if (!subjects.has(key)) this.#failures.delete(key);
    const now = this.#options.clock();
    const isDue = (key: string): boolean => !this.#busy.has(key) && (this.#failures.get(key)?.notBefore ?? 0) <= now;
    // Who has waited longest stays first, or frequent wakes would keep the last of many from ever having a turn.
    const order = new Set([...this.#waiting.keys(), ...subjects.keys()]);
    this.#waiting = new Map(
      [...order].flatMap(key => {
        const subject = subjects.get(key);
        return subject !== undefined && isDue(key) ? [[key, subject] as const] : [];
      }),
    );
    this.#fillPlaces();
  }

  /** A place that becomes free goes to one that waits, not to a new look at all: with more subjects than places that would never end. */
  #fillPlaces(): void {
    for (const [key, subject] of this.#waiting) {
      if (this.#stopping.signal.aborted || this.#busy.size >= this.#options.parallel) return;
      this.#waiting.delete(key);
      const work = this.#workOn(subject, key).then(isLeft => {
        this.#busy.delete(key);
        if (isLeft) this.#waiting.set(key, subject);
        this.#fillPlaces();
      });
      this.#busy.set(key, work);
    }
  }

  /**
   * True when it gave up its place with something left to do: to those that wait, or a subject whose work never ends, such as copies of a
   * database whose backups come faster than they are copied, would keep its place for ever.
   */
  async #workOn(subject: Subject, key: string): Promise<boolean> {
    const { signal } = this.#stopping;
    const { clock, hook, tracing, meter } = this.#options;
    try {
      do {
        this.#again.delete(key);
        // A step that never leaves the microtask queue must not starve the process.
        while (await runOneStep(this.#runner, subject, { signal, clock, hook, tracing, meter })) {
          await nextTurn();
          if (this.#waiting.size === 0) continue;
          this.#failures.delete(key);
          return true;
        }
      } while (this.#again.has(key));
      this.#failures.delete(key);
    } catch (error) {
      if (!signal.aborted) await this.#noteFailure(subject, key, error);
    }
    return false;
  }

  async #noteFailure(subject: Subject, key: string, error: unknown): Promise<void> {
    const { backOffMs, clock, logger } = this.#options;
    const where = { runner: this.#runner.name, subject: key };
    const message = safeMessage(error);
    const before = this.#failures.get(key);
    const count = (before?.count ?? 0) + 1;
    const pause = Math.min(backOffMs.first * 2 ** (count - 1), backOffMs.longest);
    this.#failures.set(key, { message, count, notBefore: clock() + pause });
    // The loop may be pausing for longer than this subject has to wait.
    this.#endPause();
    // The same message again is no news.
    if (before?.message !== message)
      logger.error({ ...where, cause: message }, 'a step failed; it will be tried again');
    try {
      await this.#recordFailure(subject, key, error);
    } catch (recording) {
      logger.error({ ...where, cause: safeMessage(recording) }, 'the failure could not be recorded');
    }
  }

  /** What a failure ends is part of what its cause had started. */
  async #recordFailure(subject: Subject, key: string, error: unknown): Promise<void> {
    const { name } = this.#runner;
    if (this.#runner.failed === undefined) return;
    const { tracing } = this.#options;
    const parent = await this.#runner.trace?.(subject);
    await inStep({ runner: name, step: 'failed', key }, parent, { tracing }, async () =>
      this.#runner.failed?.(subject, error),
    );
  }

  /** Until woken, stopped, the interval is over or a failed subject is due. */
  #pause(): Promise<undefined> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const now = this.#options.clock();
    const due = [...this.#failures.values()].map(({ notBefore }) => Math.max(notBefore - now, 1));
    const timer = setTimeout(() => resolve(undefined), Math.min(this.#options.intervalMs, ...due));
    this.#endPause = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
    if (this.#woken || this.#stopping.signal.aborted) this.#endPause();
    return promise;
  }
}
