/**
 * One run of one job, from its first step to the row with step 0. A step's history is written when the step ends; stop time, outcome row and
 * what the next reader takes for the job's last outcome come in one transaction at the end. So a run that died with the instance has a start
 * without a stop in a session of the Agent that is no longer the latest: not running (sqlserver.md §4.3).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { toDatetimePrecision } from '../engine/times.ts';
import { message } from '../messages.ts';
import type { ServerSession } from '../session.ts';
import type { Engine, Executor, Login, Message, Transaction } from '../contract.ts';
import type { AgentSessions } from './agent-sessions.ts';
import {
  connectFailedMessage,
  outcomeMessage,
  ownerMissingMessage,
  stepMessage,
  stepProgramName,
  type Place,
  type StepOutcome,
} from './history-text.ts';
import { change, insert, jobTable, numberOf, ofJob, select, textOf, type Values } from './job-store.ts';
import { outcomeLength } from './job-tables.ts';
import { messageSink } from './message-sink.ts';
import { dateNumber, durationNumber, timeNumber } from './schedule.ts';

export type RunHost = {
  readonly engine: Engine;
  readonly executor: Executor;
  readonly sessions: AgentSessions;
  /** Of syssessions. */
  readonly sessionId: bigint;
  /** Resolves when the clock shows it. */
  readonly waitUntil: (moment: Date, run: JobRun) => { readonly reached: Promise<void>; readonly wake: () => void };
  readonly nextRun: (jobId: string) => Date | undefined;
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
};

export type RunRequest = {
  readonly jobId: string;
  /** `User sa`, `Schedule 3 (Nightly)`. */
  readonly source: string;
  /** As in sysjobactivity: 1 scheduler, 4 user. */
  readonly sourceCode: 1 | 4;
  readonly requestedAt: Date;
  /** undefined: the job's own. */
  readonly firstStepId: number | undefined;
};

type Definition = { readonly job: Values; readonly steps: readonly Values[]; readonly owner: Login | undefined };
type Ended = { readonly outcome: StepOutcome; readonly message: string; readonly last: Message | undefined };
type Next = StepOutcome | { readonly step: number };

const runStatus: Readonly<Record<StepOutcome, bigint>> = { failed: 0n, succeeded: 1n, cancelled: 3n };
const retryStatus = 2n;
/** How soon a step that hangs sees that it does no more. */
const hangSliceMs = 20;

export class JobRun {
  readonly request: RunRequest;
  readonly #host: RunHost;
  /** As current_execution_status says it: 1 executing, 3 between retries, 7 completion (sqlserver.md §4.3). */
  status: 1 | 3 | 7 = 1;
  step: Place | undefined;
  retry = 0;
  /** Of the step that is being tried. */
  session: ServerSession | undefined;
  /** The job's; empty until it was read. */
  name = '';
  #wake: (() => void) | undefined;
  #cancelledBy: string | undefined;
  #interrupted = false;

  constructor(host: RunHost, request: RunRequest) {
    this.#host = host;
    this.request = request;
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
    const definition = await this.#begin(startedAt);
    if (definition === undefined) return;
    const { job, owner } = definition;
    this.name = textOf(job, 'name');
    if (owner === undefined) {
      const text = ownerMissingMessage(Buffer.from(sidOf(job)).toString('hex'), textOf(job, 'name'));
      await this.#finish(startedAt, 'failed', text);
      return;
    }
    const outcome = await this.#steps(definition, owner);
    if (this.#isInterrupted()) return;
    const text = outcomeMessage(outcome, {
      source: this.request.source,
      lastStep: this.step,
      by: this.#cancelledBy,
    });
    await this.#finish(startedAt, outcome, text);
  }

  /** Undefined: the job is gone. */
  async #begin(startedAt: Date): Promise<Definition | undefined> {
    const { engine, sessions, sessionId } = this.#host;
    const { jobId, requestedAt, sourceCode } = this.request;
    return sessions.transact(async transaction => {
      const [job] = await select(transaction, jobTable(engine, 'sysjobs'), ofJob(jobId));
      if (job === undefined) return undefined;
      const steps = await select(transaction, jobTable(engine, 'sysjobsteps'), ofJob(jobId));
      const activity = jobTable(engine, 'sysjobactivity');
      const values = {
        run_requested_date: toDatetimePrecision(requestedAt),
        run_requested_source: String(sourceCode),
        queued_date: null,
        start_execution_date: toDatetimePrecision(startedAt),
        last_executed_step_id: null,
        last_executed_step_date: null,
        stop_execution_date: null,
        job_history_id: null,
        next_scheduled_run_date: this.#nextRun(),
      };
      if ((await change(transaction, activity, this.#activityRow, values)) === 0)
        await insert(transaction, activity, { ...values, session_id: sessionId, job_id: jobId });
      const owner = engine.logins().find(login => Buffer.compare(login.sid, sidOf(job)) === 0);
      const lost = engine.faults.jobs.losesOwner(textOf(job, 'name'));
      return { job, steps, owner: lost ? undefined : owner };
    });
  }

  readonly #activityRow = (row: Values): boolean =>
    row['session_id'] === this.#host.sessionId && row['job_id'] === this.request.jobId;

  #nextRun(): Values[string] {
    const next = this.#host.nextRun(this.request.jobId);
    return next === undefined ? null : toDatetimePrecision(next);
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
      await this.#recordStep(step, ended, startedAt, again);
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

  async #recordStep(step: Values, ended: Ended, startedAt: Date, again: boolean): Promise<void> {
    const { engine, sessions } = this.#host;
    const stepId = numberOf(step, 'step_id');
    const status = again ? retryStatus : runStatus[ended.outcome];
    const times = timesOf(startedAt, engine.clock());
    await sessions.transact(async transaction => {
      await this.#insertHistory(transaction, times, {
        step_id: BigInt(stepId),
        step_name: textOf(step, 'step_name'),
        sql_message_id: BigInt(ended.last?.number ?? 0),
        sql_severity: BigInt(ended.last?.severity ?? 0),
        message: ended.message,
        run_status: status,
        retries_attempted: BigInt(this.retry),
      });
      const isStep = (row: Values): boolean =>
        row['job_id'] === this.request.jobId && numberOf(row, 'step_id') === stepId;
      await change(transaction, jobTable(engine, 'sysjobsteps'), isStep, {
        last_run_outcome: status,
        last_run_duration: times.run_duration,
        last_run_retries: BigInt(this.retry),
        last_run_date: times.run_date,
        last_run_time: times.run_time,
      });
      await change(transaction, jobTable(engine, 'sysjobactivity'), this.#activityRow, {
        last_executed_step_id: BigInt(stepId),
        last_executed_step_date: toDatetimePrecision(startedAt),
      });
    });
  }

  async #finish(startedAt: Date, outcome: StepOutcome, text: string): Promise<void> {
    this.status = 7;
    const { engine, sessions } = this.#host;
    const stoppedAt = engine.clock();
    const times = timesOf(startedAt, stoppedAt);
    await sessions.transact(async transaction => {
      const history = await this.#insertHistory(transaction, times, {
        step_id: 0n,
        step_name: '(Job outcome)',
        sql_message_id: 0n,
        sql_severity: 0n,
        message: text,
        run_status: runStatus[outcome],
        retries_attempted: 0n,
      });
      await change(transaction, jobTable(engine, 'sysjobservers'), ofJob(this.request.jobId), {
        last_run_outcome: runStatus[outcome],
        last_outcome_message: text.slice(0, outcomeLength),
        last_run_date: times.run_date,
        last_run_time: times.run_time,
        last_run_duration: times.run_duration,
      });
      await change(transaction, jobTable(engine, 'sysjobactivity'), this.#activityRow, {
        stop_execution_date: toDatetimePrecision(stoppedAt),
        job_history_id: history['instance_id'] ?? null,
        next_scheduled_run_date: this.#nextRun(),
      });
    });
  }

  #insertHistory(transaction: Transaction, times: Values, values: Values): Promise<Values> {
    const { engine } = this.#host;
    if (engine.faults.jobs.losesHistory(this.name)) return Promise.resolve({});
    return insert(transaction, jobTable(engine, 'sysjobhistory'), {
      job_id: this.request.jobId,
      ...times,
      operator_id_emailed: 0n,
      operator_id_netsent: 0n,
      operator_id_paged: 0n,
      server: engine.serverName,
      ...values,
    });
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

function timesOf(
  startedAt: Date,
  endedAt: Date,
): { readonly run_date: bigint; readonly run_time: bigint; readonly run_duration: bigint } {
  return {
    run_date: BigInt(dateNumber(startedAt)),
    run_time: BigInt(timeNumber(startedAt)),
    run_duration: BigInt(durationNumber(endedAt.getTime() - startedAt.getTime())),
  };
}

function sidOf(job: Values): Uint8Array {
  const sid = job['owner_sid'];
  return sid instanceof Uint8Array ? sid : new Uint8Array();
}

/** What kept the step's session from being opened; anything but a refusal of the engine is a mistake of ours. */
function messagesOf(failure: unknown): readonly Message[] {
  if (failure instanceof Error && 'messages' in failure) return failure.messages as readonly Message[];
  throw failure;
}
