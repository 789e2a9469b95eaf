import type { Outcome, Transaction, WatchRound } from '../oracle/history.ts';
import type { TransactionPlan } from './transaction-plan.ts';

/** A transaction and when its answer came, for the length of the loss; the oracle looks at moments only. */
export type JournalEntry = Transaction & { readonly endedAtMs: number };

export type OpenEntry = {
  /** To be called once, as soon as the outcome is seen. */
  end(outcome: Outcome): void;
};

/** What the load tells of each transaction. */
export type Recorder = {
  begin(plan: TransactionPlan, connection: number, sequence: number): OpenEntry;
};

/** For a load that nobody judges. */
export const noRecorder: Recorder = { begin: () => ({ end: () => undefined }) };

export type JournalCounts = { readonly committed: number; readonly refused: number; readonly unknown: number };

/**
 * The one order of all that this process sent and saw. A moment is taken before a request leaves and after its answer is in, so that what
 * the journal puts in order really was in that order, whatever the servers' clocks say.
 */
export class Journal implements Recorder {
  readonly rounds: WatchRound[] = [];
  readonly #entries: JournalEntry[] = [];
  readonly #clock: () => number;
  #moment = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  moment(): number {
    this.#moment += 1;
    return this.#moment;
  }

  begin(plan: TransactionPlan, connection: number, sequence: number): OpenEntry {
    const databases = plan.writes.map(({ database }) => database);
    const began = this.moment();
    return {
      end: outcome =>
        void this.#entries.push({
          id: plan.id,
          connection,
          sequence,
          databases,
          outcome,
          began,
          ended: this.moment(),
          endedAtMs: this.#clock(),
        }),
    };
  }

  entries(): readonly JournalEntry[] {
    return this.#entries;
  }

  counts(): JournalCounts {
    const count = (outcome: Outcome): number => this.#entries.filter(entry => entry.outcome === outcome).length;
    return { committed: count('acknowledged'), refused: count('refused'), unknown: count('unknown') };
  }
}
