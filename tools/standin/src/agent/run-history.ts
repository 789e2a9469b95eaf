/**
 * What a run leaves in msdb. A step's history is written when the step ends; stop time, outcome row and what the next reader takes for the
 * job's last outcome come in one transaction at the end. So a run that died with the instance has a start without a stop in a session of
 * the Agent that is no longer the latest: not running (sqlserver.md §4.3).
 */
import { toDatetimePrecision } from '../engine/times.ts';
import type { Engine, Login, Message, Transaction } from '../contract.ts';
import type { AgentSessions } from './agent-sessions.ts';
import type { StepOutcome } from './history-text.ts';
import { change, insert, jobTable, numberOf, ofJob, select, textOf, type Values } from './job-store.ts';
import { outcomeLength } from './job-tables.ts';
import { dateNumber, durationNumber, timeNumber } from './schedule.ts';

export type HistoryHost = {
  readonly engine: Engine;
  readonly sessions: AgentSessions;
  /** Of syssessions. */
  readonly sessionId: bigint;
  readonly nextRun: (jobId: string) => Date | undefined;
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

export type Definition = { readonly job: Values; readonly steps: readonly Values[]; readonly owner: Login | undefined };

/** How one try of a step ended. `last`: what failed it. */
export type Ended = { readonly outcome: StepOutcome; readonly message: string; readonly last: Message | undefined };

const runStatus: Readonly<Record<StepOutcome, bigint>> = { failed: 0n, succeeded: 1n, cancelled: 3n };
const retryStatus = 2n;

type Try = { readonly startedAt: Date; readonly retry: number; readonly again: boolean };

export class RunHistory {
  readonly #host: HistoryHost;
  readonly #request: RunRequest;
  #jobName = '';

  constructor(host: HistoryHost, request: RunRequest) {
    this.#host = host;
    this.#request = request;
  }

  /** Empty until the job was read. */
  get jobName(): string {
    return this.#jobName;
  }

  /** Undefined: the job is gone. */
  async begin(startedAt: Date): Promise<Definition | undefined> {
    const { engine, sessions, sessionId } = this.#host;
    const { jobId, requestedAt, sourceCode } = this.#request;
    return sessions.transact(async transaction => {
      const [job] = await select(transaction, jobTable(engine, 'sysjobs'), ofJob(jobId));
      if (job === undefined) return undefined;
      this.#jobName = textOf(job, 'name');
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
      const lost = engine.faults.jobs.losesOwner(this.#jobName);
      return { job, steps, owner: lost ? undefined : owner };
    });
  }

  readonly #activityRow = (row: Values): boolean =>
    row['session_id'] === this.#host.sessionId && row['job_id'] === this.#request.jobId;

  #nextRun(): Values[string] {
    const next = this.#host.nextRun(this.#request.jobId);
    return next === undefined ? null : toDatetimePrecision(next);
  }

  /** `retry`: which of the tries it was, from 0; `again`: another one follows. */
  async stepEnded(step: Values, ended: Ended, { startedAt, retry, again }: Try): Promise<void> {
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
        retries_attempted: BigInt(retry),
      });
      const isStep = (row: Values): boolean =>
        row['job_id'] === this.#request.jobId && numberOf(row, 'step_id') === stepId;
      await change(transaction, jobTable(engine, 'sysjobsteps'), isStep, {
        last_run_outcome: status,
        last_run_duration: times.run_duration,
        last_run_retries: BigInt(retry),
        last_run_date: times.run_date,
        last_run_time: times.run_time,
      });
      await change(transaction, jobTable(engine, 'sysjobactivity'), this.#activityRow, {
        last_executed_step_id: BigInt(stepId),
        last_executed_step_date: toDatetimePrecision(startedAt),
      });
    });
  }

  async runEnded(startedAt: Date, outcome: StepOutcome, text: string): Promise<void> {
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
      await change(transaction, jobTable(engine, 'sysjobservers'), ofJob(this.#request.jobId), {
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
    if (engine.faults.jobs.losesHistory(this.#jobName)) return Promise.resolve({});
    return insert(transaction, jobTable(engine, 'sysjobhistory'), {
      job_id: this.#request.jobId,
      ...times,
      operator_id_emailed: 0n,
      operator_id_netsent: 0n,
      operator_id_paged: 0n,
      server: engine.serverName,
      ...values,
    });
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

export function sidOf(job: Values): Uint8Array {
  const sid = job['owner_sid'];
  return sid instanceof Uint8Array ? sid : new Uint8Array();
}
