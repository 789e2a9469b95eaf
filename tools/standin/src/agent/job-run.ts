/** One run of one job: its steps in their order, tried again, cancelled or interrupted; what it leaves is its history's. */
import { setTimeout as delay } from 'node:timers/promises';
import { message } from '../messages.ts';
import type { ServerSession } from '../session.ts';
import type { Executor, Login, Message } from '../contract.ts';
import {
  connectFailedMessage,
  outcomeMessage,
  ownerMissingMessage,
  stepMessage,
  stepProgramName,
  type Place,
  type StepOutcome,
} from './history-text.ts';
import { numberOf, textOf, type Values } from './job-store.ts';
import { messageSink } from './message-sink.ts';
import { type Definition, type Ended, type HistoryHost, RunHistory, type RunRequest, sidOf } from './run-history.ts';

export type RunHost = HistoryHost & {
  readonly executor: Executor;
  /** Resolves when the clock shows it. */
  readonly waitUntil: (moment: Date, run: JobRun) => { readonly reached: Promise<void>; readonly wake: () => void };
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
};

type Next = StepOutcome | { readonly step: number };

/** How soon a step that hangs sees that it does no more. */
const hangSliceMs = 20;

export class JobRun {
  readonly request: RunRequest;
  readonly #host: RunHost;
  readonly #history: RunHistory;
  /** As current_execution_status says it: 1 executing, 3 between retries, 7 completion (sqlserver.md §4.3). */
  status: 1 | 3 | 7 = 1;
  step: Place | undefined;
  retry = 0;
  /** Of the step that is being tried. */
  session: ServerSession | undefined;
  #wake: (() => void) | undefined;
  #cancelledBy: string | undefined;
  #interrupted = false;

  constructor(host: RunHost, request: RunRequest) {
    this.#host = host;
    this.request = request;
    this.#history = new RunHistory(host, request);
  }

  /** The job's; empty until it was read. */
  get name(): string {
    return this.#history.jobName;
  }

  /** The step that runs is cancelled; no other starts. */
  cancel(by: string): void {
    this.#cancelledBy ??= by;
    this.session?.abort('attention');
    this.#wake?.();
  }

  /** The instance stops: whatever is not written yet never will be, as after a crash. */
  interrupt(): void {
    this.#interrupted = true;
    this.#wake?.();
  }

  #isCancelled(): boolean {
    return this.#cancelledBy !== undefined;
  }

  #isInterrupted(): boolean {
    return this.#interrupted;
  }

  async run(): Promise<void> {
    const startedAt = this.#host.engine.clock();
    const definition = await this.#history.begin(startedAt);
    if (definition === undefined) return;
    const { job, owner } = definition;
    const outcome = owner === undefined ? 'failed' : await this.#steps(definition, owner);
    if (this.#isInterrupted()) return;
    this.status = 7;
    const text =
      owner === undefined
        ? ownerMissingMessage(Buffer.from(sidOf(job)).toString('hex'), this.name)
        : outcomeMessage(outcome, { source: this.request.source, lastStep: this.step, by: this.#cancelledBy });
    await this.#history.runEnded(startedAt, outcome, text);
  }

  /** A step that does not exist ends the run: as a failure, and after the last one as what that one was (unverified). */
  async #steps({ job, steps }: Definition, owner: Login): Promise<StepOutcome> {
    let next: Next = { step: this.request.firstStepId ?? numberOf(job, 'start_step_id') };
    let before: StepOutcome = 'failed';
    while (typeof next === 'object') {
      const wanted: number = next.step;
      const step = steps.find(each => numberOf(each, 'step_id') === wanted);
      if (step === undefined) return before;
      this.step = { id: wanted, name: textOf(step, 'step_name') };
      before = await this.#step(step, owner);
      if (this.#isInterrupted() || this.#isCancelled() || before === 'cancelled') return 'cancelled';
      next = following(step, before);
    }
    return next;
  }

  async #step(step: Values, owner: Login): Promise<StepOutcome> {
    const attempts = numberOf(step, 'retry_attempts');
    for (this.retry = 0; ; this.retry += 1) {
      this.status = 1;
      const startedAt = this.#host.engine.clock();
      const ended = await this.#attempt(step, owner);
      if (this.#isInterrupted()) return ended.outcome;
      const again = ended.outcome === 'failed' && this.retry < attempts && !this.#isCancelled();
      await this.#history.stepEnded(step, ended, { startedAt, retry: this.retry, again });
      if (!again) return ended.outcome;
      await this.#pause(numberOf(step, 'retry_interval'));
      if (this.#isInterrupted() || this.#isCancelled()) return 'cancelled';
    }
  }

  async #pause(minutes: number): Promise<void> {
    if (minutes <= 0 || this.#isInterrupted() || this.#isCancelled()) return;
    this.status = 3;
    const until = new Date(this.#host.engine.clock().getTime() + minutes * 60_000);
    const { reached, wake } = this.#host.waitUntil(until, this);
    this.#wake = wake;
    await reached;
    this.#wake = undefined;
  }

  async #attempt(step: Values, owner: Login): Promise<Ended> {
    const { engine, executor, sessions } = this.#host;
    const [command, database] = [textOf(step, 'command'), textOf(step, 'database_name')];
    const { jobs } = engine.faults;
    const place = textOf(step, 'step_name');
    if (jobs.skipsStep(this.name, place))
      return { outcome: 'succeeded', message: stepMessage(owner.name, [], 'succeeded'), last: undefined };
    if (jobs.refusesStep(this.name, place))
      return { outcome: 'failed', message: connectFailedMessage(engine.serverName), last: message(18456, owner.name) };
    const program = stepProgramName(this.request.jobId, numberOf(step, 'step_id'));
    let session: ServerSession;
    try {
      session = sessions.open(owner, program, database === '' ? 'master' : database, command);
    } catch (failure) {
      const messages = messagesOf(failure);
      return { outcome: 'failed', message: connectFailedMessage(engine.serverName), last: messages.at(-1) };
    }
    await this.#hang(session, place);
    const messages = session.signal.aborted ? [] : await this.#batch(session, command);
    const cancelled = session.signal.aborted && this.#isCancelled();
    await sessions.close(session, executor);
    const last = messages.filter(each => each.severity > 10).at(-1);
    const outcome = cancelled ? 'cancelled' : last === undefined ? 'succeeded' : 'failed';
    return { outcome, message: stepMessage(owner.name, messages, outcome), last };
  }

  /** The fault `job-hangs`. */
  async #hang(session: ServerSession, place: string): Promise<void> {
    const { jobs } = this.#host.engine.faults;
    this.session = session;
    while (jobs.hangs(this.name, place) && !session.signal.aborted) await delay(hangSliceMs);
    this.session = undefined;
  }

  /** Everything the step was told; a step that our own mistake ended has failed too, or the job would look as if it ran for ever. */
  async #batch(session: ServerSession, command: string): Promise<readonly Message[]> {
    const messages: Message[] = [];
    this.session = session;
    try {
      await this.#host.executor.batch(session, command, messageSink(messages));
    } catch (mistake) {
      this.#host.report(mistake);
      messages.push({ number: 50_000, severity: 20, state: 254, text: `STANDIN-BROKEN: ${String(mistake)}` });
    } finally {
      this.session = undefined;
    }
    if (session.killed) messages.push(message(596));
    return messages;
  }
}

/** on_success_action and on_fail_action: 1 quit with success, 2 quit with failure, 3 next step, 4 the step named beside it. */
function following(step: Values, outcome: 'succeeded' | 'failed'): Next {
  const prefix = outcome === 'succeeded' ? 'on_success' : 'on_fail';
  switch (numberOf(step, `${prefix}_action`)) {
    case 1:
      return 'succeeded';
    case 3:
      return { step: numberOf(step, 'step_id') + 1 };
    case 4:
      return { step: numberOf(step, `${prefix}_step_id`) };
    default:
      return 'failed';
  }
}

/** What kept the step's session from being opened; anything but a refusal of the engine is a mistake of ours. */
function messagesOf(failure: unknown): readonly Message[] {
  if (failure instanceof Error && 'messages' in failure) return failure.messages as readonly Message[];
  throw failure;
}
