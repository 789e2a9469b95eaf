/**
 * SQL Server Agent: looks at the schedules every second and when one is due, starts what is due or asked for, and keeps what runs now. All that must outlive it is
 * in msdb; what is in memory (requests, the next due times) is gone with the instance, as with the real service.
 */
import { RequestAborted } from '../engine/request-aborted.ts';
import { toDatetimePrecision } from '../engine/times.ts';
import { fail } from '../messages.ts';
import type { InstanceClock } from '../clock.ts';
import type { Engine, Executor } from '../contract.ts';
import { AgentSessions } from './agent-sessions.ts';
import { JobRun, type RunHost } from './job-run.ts';
import type { RunRequest } from './run-history.ts';
import { insert, jobTable, numberOf, select, textOf } from './job-store.ts';
import { installJobTables } from './job-tables.ts';
import { NextRuns } from './next-runs.ts';
import { nextRun, type Schedule } from './schedule.ts';
import { readSchedule } from './schedule-rows.ts';

const lookEveryMs = 1000;
/** On a clock that runs fast a second is short. */
const shortestLookMs = 50;

export type AgentOptions = {
  readonly engine: Engine;
  /** What `engine.clock` shows; undefined: whoever moves that looks himself. */
  readonly clock?: InstanceClock;
  /** False: the tables and procedures are there, but no service (sqlserver.md §4.3: 22022). */
  readonly running: boolean;
  /** A mistake of the stand-in itself. */
  readonly report: (error: unknown) => void;
};

type Due = { readonly schedule: Schedule; readonly scheduleId: number; readonly jobId: string; at: Date | undefined };
type Sleeper = { readonly run: JobRun; until: Date; readonly wake: () => void };
type Plan = {
  readonly jobId: string;
  readonly job: string;
  readonly scheduleId: number;
  readonly name: string;
  readonly schedule: Schedule;
};

export class Agent {
  readonly #options: AgentOptions;
  readonly #sessions: AgentSessions;
  readonly #runs = new Map<string, { readonly run: JobRun; readonly ended: Promise<void> }>();
  readonly #due = new Map<string, Due>();
  readonly #sleepers = new Set<Sleeper>();
  #host: RunHost | undefined;
  #nextRuns: NextRuns | undefined;
  #timer: NodeJS.Timeout | undefined;
  #starting: Promise<void> | undefined;
  #looking: Promise<void> | undefined;
  #closing = false;
  /** What the clock showed at the last look. */
  #lookedAt: Date | undefined;
  /** Told when a run begins to wait for the clock. */
  #sleeperCame = (): void => undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#sessions = new AgentSessions(options.engine);
  }

  /** Makes the tables; then, if it runs at all, opens a session of the Agent: runs of earlier ones do not count as running any more. */
  start(executor: Executor): Promise<void> {
    this.#starting = this.#start(executor).catch((failure: unknown) => {
      if (!this.#closing || !(failure instanceof RequestAborted)) throw failure;
    });
    return this.#starting;
  }

  async #start(executor: Executor): Promise<void> {
    const { engine, running, report } = this.#options;
    const row = await this.#sessions.transact(async transaction => {
      await installJobTables(engine, transaction);
      if (!running) return undefined;
      const started = { agent_start_date: toDatetimePrecision(engine.clock()) };
      return insert(transaction, jobTable(engine, 'syssessions'), started);
    });
    const sessionId = row?.['session_id'];
    if (typeof sessionId !== 'bigint' || this.#closing) return;
    const cut = (error: unknown): void => {
      if (!this.#closing) report(error);
    };
    const nextRuns = new NextRuns({ engine, sessions: this.#sessions, sessionId, report: cut });
    this.#nextRuns = nextRuns;
    this.#host = {
      engine,
      executor,
      sessions: this.#sessions,
      sessionId,
      waitUntil: (moment, run) => this.#waitUntil(moment, run),
      nextRun: jobId => {
        const at = this.nextRun(jobId)?.at;
        nextRuns.note(jobId, at);
        return at;
      },
      report,
    };
    this.#armLook();
  }

  get running(): boolean {
    return this.#host !== undefined && !this.#closing && !this.#options.engine.faults.jobs.agentIsDown();
  }

  /** The run of a job, if there is one. */
  runOf(jobId: string): JobRun | undefined {
    return this.#runs.get(jobId)?.run;
  }

  /** The earliest time one of the job's schedules is due, as of the last look. */
  nextRun(jobId: string): { readonly at: Date; readonly scheduleId: number } | undefined {
    let first: { at: Date; scheduleId: number } | undefined;
    for (const { jobId: owner, at, scheduleId } of this.#due.values()) {
      if (owner === jobId && at !== undefined && (first === undefined || at < first.at)) first = { at, scheduleId };
    }
    return first;
  }

  /** Returns at once. The caller has seen that the Agent runs and the job does not. */
  begin(request: RunRequest): void {
    const host = this.#host;
    if (host === undefined || this.#closing || this.#runs.has(request.jobId)) throw fail(22022, 'not to be started');
    const run = new JobRun(host, request);
    // Not in the caller's stack: its statement has not ended yet.
    const ended = Promise.resolve()
      .then(() => run.run())
      .catch((error: unknown) => {
        // What the end of the instance cut short is no mistake.
        if (!this.#closing) this.#options.report(error);
      })
      .finally(() => this.#runs.delete(request.jobId));
    this.#runs.set(request.jobId, { run, ended });
  }

  #armLook(): void {
    if (this.#closing) return;
    const { clock, report } = this.#options;
    const everyMs = clock === undefined ? lookEveryMs : Math.max(shortestLookMs, lookEveryMs / Math.max(1, clock.rate));
    const delayMs = clock?.wallDelayMs(this.nextDue(), everyMs) ?? everyMs;
    clearTimeout(this.#timer);
    const look = (): void =>
      void this.look()
        .catch(report)
        .finally(() => this.#armLook());
    this.#timer = setTimeout(look, delayMs).unref();
  }

  /** One look at clock and schedules. A look that is still under way is not doubled. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** A look that sees what was so before it was asked for; the next one by itself is counted from here. */
  async lookNow(): Promise<void> {
    await this.#looking;
    await this.look();
    this.#armLook();
  }

  async #look(): Promise<void> {
    if (!this.running) {
      // Who is down knows no due times: what fell due meanwhile is not made up for.
      this.#due.clear();
      return;
    }
    const { engine } = this.#options;
    const now = engine.clock();
    this.#noticeStepBack(now);
    for (const sleeper of [...this.#sleepers]) if (sleeper.until <= now) sleeper.wake();
    const plans = jobTable(engine, 'sysjobschedules').rowCount === 0 ? [] : await this.#plans();
    const keys = new Set(plans.map(keyOf));
    for (const key of this.#due.keys()) if (!keys.has(key)) this.#due.delete(key);
    for (const plan of plans) this.#follow(plan, now);
    const due = plans.flatMap(({ jobId }) => {
      const next = this.nextRun(jobId);
      return next === undefined ? [] : [[jobId, next.at] as const];
    });
    this.#nextRuns?.record(new Map(due), jobId => this.#runs.has(jobId));
  }

  /** Of a clock that has gone back (a fault): what was still to come is counted from now, or nothing would come before the clock is there again. */
  #noticeStepBack(now: Date): void {
    const backMs = (this.#lookedAt ?? now).getTime() - now.getTime();
    this.#lookedAt = now;
    if (backMs <= 0) return;
    this.#due.clear();
    for (const sleeper of this.#sleepers) sleeper.until = new Date(sleeper.until.getTime() - backMs);
  }

  #follow(plan: Plan, now: Date): void {
    const { engine } = this.#options;
    const { jobId, scheduleId, schedule } = plan;
    const known = this.#due.get(keyOf(plan));
    const unchanged = known !== undefined && JSON.stringify(known.schedule) === JSON.stringify(schedule);
    if (!unchanged) {
      this.#due.set(keyOf(plan), { schedule, scheduleId, jobId, at: nextRun(schedule, now) });
      return;
    }
    if (known.at === undefined || known.at > now) return;
    known.at = nextRun(schedule, now);
    // A job that still runs when it is due waits for its next time.
    if (!this.running || this.#runs.has(jobId) || engine.faults.jobs.skipsSchedule(plan.job)) return;
    const source = `Schedule ${scheduleId} (${plan.name})`;
    this.begin({ jobId, source, sourceCode: 1, requestedAt: now, firstStepId: undefined });
  }

  /**
   * Enabled jobs that have a server, with their enabled schedules. Read without locks: the Agent must neither wait for a forgotten transaction
   * nor pass over a row that is being changed when it is due. A run reads its job anew, and with locks.
   */
  async #plans(): Promise<readonly Plan[]> {
    const { engine } = this.#options;
    const [sysjobs, servers, sysschedules, links] = await this.#sessions.transact(transaction => {
      const rows = (name: Parameters<typeof jobTable>[1]): ReturnType<typeof select> =>
        select(transaction, jobTable(engine, name), () => true, true);
      return Promise.all([rows('sysjobs'), rows('sysjobservers'), rows('sysschedules'), rows('sysjobschedules')]);
    });
    const enabled = (row: Readonly<Record<string, unknown>>): boolean => row['enabled'] === 1n;
    const jobs = new Map(sysjobs.filter(enabled).map(row => [textOf(row, 'job_id'), textOf(row, 'name')]));
    const targeted = new Set(servers.map(row => textOf(row, 'job_id')));
    const schedules = new Map(sysschedules.filter(enabled).map(row => [numberOf(row, 'schedule_id'), row]));
    return links.flatMap(link => {
      const [jobId, scheduleId] = [textOf(link, 'job_id'), numberOf(link, 'schedule_id')];
      const row = schedules.get(scheduleId);
      const job = jobs.get(jobId);
      if (row === undefined || job === undefined || !targeted.has(jobId)) return [];
      return [{ jobId, job, scheduleId, name: textOf(row, 'name'), schedule: readSchedule(row) }];
    });
  }

  /** The earliest time at which a schedule is due or a run goes on, as of the last look. */
  nextDue(): Date | undefined {
    if (!this.running) return undefined;
    const times = [
      ...[...this.#due.values()].flatMap(({ at }) => (at === undefined ? [] : [at.getTime()])),
      ...[...this.#sleepers].map(({ until }) => until.getTime()),
    ];
    return times.length === 0 ? undefined : new Date(Math.min(...times));
  }

  /** Resolves when no run is at work: with an empty list, or after so long of this machine's time with the names of the jobs that are. */
  async settle(timeoutMs: number): Promise<readonly string[]> {
    let timer: NodeJS.Timeout | undefined;
    const expiry = new Promise<'expired'>(resolve => {
      timer = setTimeout(() => resolve('expired'), timeoutMs);
    });
    try {
      // It may wait for a lock that nobody gives back.
      let last = await Promise.race([expiry, this.#nextRuns?.idle()]);
      for (;;) {
        const atWork = [...this.#runs.values()].filter(({ run }) => !this.#sleeps(run));
        if (last === 'expired' || atWork.length === 0) return atWork.map(({ run }) => run.name);
        const came = new Promise<void>(resolve => {
          this.#sleeperCame = resolve;
        });
        const { clock } = this.#options;
        const woken = [
          came,
          ...atWork.map(({ ended }) => ended),
          ...(clock === undefined ? [] : [clock.nextSleeper()]),
        ];
        last = (await Promise.race([expiry, ...woken])) ?? undefined;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #sleeps(run: JobRun): boolean {
    if ([...this.#sleepers].some(sleeper => sleeper.run === run)) return true;
    return run.session !== undefined && this.#options.clock?.sleeps(run.session) === true;
  }

  #waitUntil(until: Date, run: JobRun): { readonly reached: Promise<void>; readonly wake: () => void } {
    let resolve = (): void => undefined;
    const reached = new Promise<void>(done => {
      resolve = done;
    });
    const sleeper = {
      run,
      until,
      wake: () => {
        this.#sleepers.delete(sleeper);
        resolve();
      },
    };
    this.#sleepers.add(sleeper);
    this.#sleeperCame();
    return { reached, wake: sleeper.wake };
  }

  /** Resolves when nothing runs. */
  async idle(): Promise<void> {
    await this.#nextRuns?.idle();
    await Promise.all([...this.#runs.values()].map(({ ended }) => ended));
  }

  /** Runs are cut short and leave what a crash would leave: the service's own way of stopping them is not sourced. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#timer);
    for (const { run } of this.#runs.values()) run.interrupt();
    this.#sessions.abortAll('shutdown');
    // A failure is told to whoever started it.
    await Promise.allSettled([this.#starting]);
    await this.#looking?.catch(this.#options.report);
    await this.idle();
  }
}

function keyOf({ jobId, scheduleId }: { readonly jobId: string; readonly scheduleId: number }): string {
  return `${jobId}/${scheduleId}`;
}
