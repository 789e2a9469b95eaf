/**
 * Steps of several databases done side by side in one pass. Invariants: what has failed is shown at its own step at once and stops nobody
 * else, unless the execution cannot go on; then no further step is begun, and what was sent is awaited: a standby that is given back while a
 * statement of ours still runs there would have two writers.
 */
import { safeMessage } from '@holdfast/service';
import type { StepContext } from '@holdfast/service/runner';
import { SqlServerError } from '@holdfast/sqlserver';
import { troubled } from './change.ts';
import { type ExecutionCommands, Superseded } from './execution-commands.ts';
import type { Journal } from './journal.ts';
import type { Step, StepId, StepReason } from './step.ts';

export type Stuck = { readonly kind: 'STUCK'; readonly stepId: StepId; readonly reason: StepReason };

/** OVERTAKEN: somebody else has moved the execution. */
export type StepsEnd = { readonly kind: 'DONE' } | { readonly kind: 'OVERTAKEN' } | Stuck;

/** What was done is in the record already; what is left is to look again, or to end the execution. */
export type BatchOutcome = { readonly kind: 'LOOK_AGAIN' } | Stuck;

export type BatchMeans = { readonly commands: ExecutionCommands; readonly journal: Journal };

export type Batch = {
  /** Whether no further step may be begun. */
  over(): boolean;
  /** The steps of one database, beginning with `first`. */
  attempt(first: Step, work: () => Promise<StepsEnd>): Promise<void>;
  /** @throws what failed: the one that ends the execution before any other. */
  outcome(): BatchOutcome;
};

/** `mayGiveUp`: nothing is open yet, so what cannot succeed ends the execution, and with it the batch. */
export function openBatch(mayGiveUp: boolean, { signal }: StepContext, { journal }: BatchMeans): Batch {
  const failures: unknown[] = [];
  let stuck: Stuck | undefined;
  let isOver = false;
  const failed = async (first: Step, error: unknown) => {
    const { step, cause } = error instanceof StepFailed ? error : { step: first, cause: error };
    failures.push(cause instanceof Superseded ? cause : new StepFailed(step, cause));
    isOver ||= signal.aborted || cause instanceof Superseded || (mayGiveUp && isHopeless(cause));
    // Who was replaced, or is being stopped, has nothing to complain about.
    if (signal.aborted || cause instanceof Superseded) return;
    await journal.note(troubled(step.stepId, failureReason(cause)));
  };
  return {
    over: () => isOver,
    attempt: async (first, work) => {
      try {
        const end = await work();
        if (end.kind === 'STUCK') stuck ??= end;
        isOver ||= end.kind !== 'DONE';
      } catch (error) {
        await failed(first, error);
      }
    },
    outcome: () => {
      const worst =
        failures.find(failure => failure instanceof Superseded) ??
        failures.find(failure => failure instanceof StepFailed && isHopeless(failure.cause));
      // A stuck step ends the execution; what failed beside it would have been tried again.
      if (worst === undefined && stuck !== undefined) return stuck;
      if (failures.length > 0) throw worst ?? failures[0];
      return { kind: 'LOOK_AGAIN' };
    },
  };
}

/** What went wrong at one of several steps that are done side by side. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
  readonly step: Step;

  constructor(step: Step, cause: unknown) {
    super(`${step.name}: ${safeMessage(cause)}`, { cause });
    this.step = step;
  }
}

/** What cannot succeed by repeating it. */
export function isHopeless(error: unknown): boolean {
  return error instanceof SqlServerError && ['media', 'chain', 'fatal'].includes(error.errorClass);
}

/** The file is missing, cut or damaged. */
export function isRotten(error: unknown): boolean {
  return error instanceof SqlServerError && error.errorClass === 'media';
}

export function failureReason(error: unknown): StepReason {
  const known = error instanceof SqlServerError;
  return {
    code: known ? `SQL_${error.errorClass.toUpperCase()}` : 'STEP_FAILED',
    message: safeMessage(error),
    fix: known ? error.hint : 'It is tried again by itself; if this stays, look at the log of the restore service.',
    evidence: known && error.number !== null ? `error ${String(error.number)}` : null,
    since: null,
  };
}
