/**
 * What this instance knows, as coordinator, of the distributed transactions that began here. Presumed abort: a commit is decided by a record of
 * the commit journal that is on disk before the first commit is sent; of an id that is neither under way nor in the journal, the answer is
 * "aborted". A decision is forgotten when every participant has acknowledged it, never before: one that did not hear of it will ask.
 */
import type { CommitJournal } from './commit-journal.ts';

export type Outcome = 'committed' | 'aborted' | 'undecided' | 'not mine';

/** Stands for this instance itself among those that a decision waits for. */
const here = '';

export class Outcomes {
  readonly #journal: CommitJournal;
  readonly #instanceId: string;
  readonly #undecided = new Set<string>();
  readonly #waitingFor = new Map<string, Set<string>>();

  constructor(journal: CommitJournal, instanceId: string) {
    this.#journal = journal;
    this.#instanceId = instanceId;
    for (const { id, participants } of journal.found.values()) {
      if (participants !== undefined) this.#waitingFor.set(id, new Set(participants));
    }
  }

  mine(decision: string): boolean {
    return decision.startsWith(`${this.#instanceId}:`);
  }

  idOf(transaction: bigint): string {
    return `${this.#instanceId}:${transaction}`;
  }

  begin(decision: string): void {
    this.#undecided.add(decision);
  }

  decided(decision: string, participants: readonly string[]): void {
    this.#waitingFor.set(decision, new Set([here, ...participants]));
    this.#undecided.delete(decision);
  }

  aborted(decision: string): void {
    this.#undecided.delete(decision);
  }

  /** Its commit is on disk at `instance`; without a name: here. */
  acknowledged(decision: string, instance = here): void {
    const waiting = this.#waitingFor.get(decision);
    waiting?.delete(instance);
    if (waiting?.size !== 0) return;
    this.#waitingFor.delete(decision);
    this.#journal.settled(decision);
  }

  of(decision: string): Outcome {
    // Another instance may have come under the old one's name: it knows nothing, and must not say "aborted".
    if (!this.mine(decision)) return 'not mine';
    if (this.#undecided.has(decision)) return 'undecided';
    return this.#waitingFor.has(decision) ? 'committed' : 'aborted';
  }

  /** Other instances that have not acknowledged a commit yet. */
  unacknowledged(): readonly { readonly decision: string; readonly instance: string }[] {
    return [...this.#waitingFor].flatMap(([decision, instances]) =>
      [...instances].filter(instance => instance !== here).map(instance => ({ decision, instance })),
    );
  }
}
