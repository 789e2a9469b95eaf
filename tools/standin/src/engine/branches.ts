/**
 * Parts here of transactions that other instances coordinate. A part that is prepared belongs to no session any more: it keeps its locks until the
 * coordinator's outcome arrives, through crashes too. Invariant: an outcome is acknowledged only when it is on disk in every database of the part.
 */
import { EngineTransaction } from './engine-transaction.ts';
import type { DistributedId } from './branch.ts';
import type { Instance } from './instance.ts';
import type { Outcome } from './outcomes.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';
import type { Session } from '../contract.ts';

type Part = {
  readonly id: DistributedId;
  readonly transaction: EngineTransaction;
  settling: Promise<void> | undefined;
};

export class Branches {
  readonly #instance: Instance;
  readonly #prepared = new Map<string, Part>();

  constructor(instance: Instance) {
    this.#instance = instance;
  }

  /** Begins the part in a session that another instance opened. Throws 8501 when distributed transactions are switched off. */
  enlist(session: Session, id: DistributedId): void {
    const transaction = this.#instance.begin(session, undefined);
    transaction.enlist(id);
    session.transaction = transaction;
    session.nesting = 1;
  }

  /** The vote of the session's part. A prepared part leaves the session; after a failure it is still the session's, to be rolled back. */
  async prepare(session: Session, id: DistributedId): Promise<'prepared' | 'read only'> {
    const { transaction } = session;
    if (!(transaction instanceof EngineTransaction))
      throw new Error(`session ${session.spid} has no part of ${id.decision}`);
    const vote = await transaction.prepare();
    session.transaction = undefined;
    session.nesting = 0;
    if (vote === 'prepared') {
      this.#prepared.set(id.decision, { id, transaction, settling: undefined });
      this.#instance.passed('branch prepared');
    }
    return vote;
  }

  /** Without effect when nothing of it is prepared here (any more). */
  async settle(decision: string, outcome: 'committed' | 'aborted'): Promise<void> {
    const part = this.#prepared.get(decision);
    if (part === undefined) return;
    part.settling ??= part.transaction.settle(outcome).then(() => {
      this.#prepared.delete(decision);
      this.#instance.passed(`branch ${outcome}`);
    });
    await part.settling;
  }

  /** Those whose outcome has not come. */
  inDoubt(): readonly DistributedId[] {
    return [...this.#prepared.values()].map(part => part.id);
  }

  /** Whether a "nothing of it is prepared here" can be believed: a database that could not be opened may hold a part. */
  get complete(): boolean {
    return [...this.#instance.databases.values()].every(database => database.failure === undefined);
  }

  outcome(decision: string): Outcome {
    return this.#instance.outcomes.of(decision);
  }

  acknowledged(decision: string, instance: string): void {
    this.#instance.outcomes.acknowledged(decision, instance);
  }

  unacknowledged(): ReturnType<Instance['outcomes']['unacknowledged']> {
    return this.#instance.outcomes.unacknowledged();
  }

  /** Another instance decides about it. */
  readonly decidedElsewhere = ({ decision, prepared }: OpenTransaction): boolean =>
    prepared !== undefined && decision !== undefined && !this.#instance.outcomes.mine(decision);

  /** Finds the parts that a crash left prepared in `databases`, once recovery has ended the others. */
  adopt(databases: readonly StoredDatabase[]): void {
    const found = new Map<bigint, OpenTransaction>();
    for (const database of databases) {
      for (const [transaction, open] of database.open) if (this.decidedElsewhere(open)) found.set(transaction, open);
    }
    for (const [transaction, { decision, prepared }] of found) {
      if (decision === undefined || prepared === undefined) continue;
      const id = { decision, coordinator: prepared.coordinator };
      const part = new EngineTransaction(this.#instance, orphan(this.#instance, databases), undefined, transaction);
      part.adopt(id, prepared.mark, databases);
      this.#prepared.set(decision, { id, transaction: part, settling: undefined });
    }
  }
}

/** Stands for the session that a crash took away. A real server shows -2 for such a transaction (unverified). */
function orphan(instance: Instance, [database]: readonly StoredDatabase[]): Session {
  if (database === undefined) throw new Error('a prepared transaction without a database');
  return {
    spid: -2,
    login: { name: '', sid: new Uint8Array(), serverRoles: new Set() },
    hostName: '',
    programName: '',
    loginTime: instance.clock(),
    database,
    options: { xactAbort: true, implicitTransactions: false, noCount: false, lockTimeoutMs: -1, dateFirst: 7 },
    transaction: undefined,
    nesting: 0,
    signal: new AbortController().signal,
    request: undefined,
    // Only the outcome ends it; whoever wants its locks waits.
    kill: () => undefined,
  };
}
