/**
 * sysjobactivity.next_scheduled_run_date of jobs that do not run (a run writes its own row). Written beside the Agent's looks, never within one: a
 * mark in doubt or a forgotten transaction in msdb may hold the write up, and schedules must be followed all the same.
 */
import { toDatetimePrecision } from '../engine/times.ts';
import type { Engine, Transaction } from '../contract.ts';
import type { AgentSessions } from './agent-sessions.ts';
import { change, insert, jobTable, select, type Values } from './job-store.ts';

export type NextRunsHost = {
  readonly engine: Engine;
  readonly sessions: AgentSessions;
  /** Of syssessions. */
  readonly sessionId: bigint;
  readonly report: (error: unknown) => void;
};

export class NextRuns {
  readonly #host: NextRunsHost;
  /** As last written in this session of the Agent; undefined: NULL. */
  readonly #written = new Map<string, Date | undefined>();
  #writing: Promise<void> | undefined;

  constructor(host: NextRunsHost) {
    this.#host = host;
  }

  /** What a run is about to write into its row. */
  note(jobId: string, at: Date | undefined): void {
    this.#written.set(jobId, at);
  }

  /** `due`: the next run of each job that has one. A later look repeats what a write under way leaves out. */
  record(due: ReadonlyMap<string, Date>, runs: (jobId: string) => boolean): void {
    const different = [...new Set([...due.keys(), ...this.#written.keys()])].filter(
      jobId => !runs(jobId) && due.get(jobId)?.getTime() !== this.#written.get(jobId)?.getTime(),
    );
    if (different.length === 0 || this.#writing !== undefined) return;
    const { sessions, report } = this.#host;
    this.#writing = sessions
      .transact(async transaction => {
        for (const jobId of different) await this.#write(transaction, jobId, due.get(jobId));
      })
      .then(() => {
        for (const jobId of different) this.#written.set(jobId, due.get(jobId));
      })
      .catch(report)
      .finally(() => {
        this.#writing = undefined;
      });
  }

  async #write(transaction: Transaction, jobId: string, at: Date | undefined): Promise<void> {
    const { engine, sessionId } = this.#host;
    const ofJob = (row: Values): boolean => row['job_id'] === jobId;
    const activity = jobTable(engine, 'sysjobactivity');
    const values = { next_scheduled_run_date: at === undefined ? null : toDatetimePrecision(at) };
    const changed = await change(transaction, activity, row => ofJob(row) && row['session_id'] === sessionId, values);
    if (changed > 0 || at === undefined) return;
    // A job that was deleted since the look gets no row.
    if ((await select(transaction, jobTable(engine, 'sysjobs'), ofJob)).length === 0) return;
    await insert(transaction, activity, { ...values, session_id: sessionId, job_id: jobId });
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }
}
