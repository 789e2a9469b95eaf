/**
 * Parts here of transactions that other instances coordinate. A part that is prepared belongs to no session any more: it keeps its locks until the
 * coordinator's outcome arrives, through crashes too, or somebody ends it without the coordinator (KILL of its unit of work, resolutions.ts).
 * Invariant: an outcome is acknowledged only when it is on disk in every database of the part.
 */
import { EngineTransaction } from './engine-transaction.ts';
import { guidOf } from './guid.ts';
import { fail, unsupported } from '../messages.ts';
import type { DistributedId } from './branch.ts';
import type { Instance } from './instance.ts';
import type { LockOwner } from './lock-resource.ts';
import type { Ending, Resolution } from './resolutions.ts';
import type { Outcome } from './outcomes.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';
import type { Session } from '../contract.ts';

/** What a server shows in place of a session for a distributed transaction that belongs to none (documentation page of KILL). */
export const orphanSpid = -2;

type Part = {
  readonly id: DistributedId;
  /** Its name for people, the same at every instance with a part of it and after a restart. */
  readonly unit: string;
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
      this.#prepared.set(id.decision, partOf(id, transaction));
      this.#instance.passed('branch prepared');
    }
    return vote;
  }

  /**
   * The coordinator's outcome. Without effect when nothing of it is prepared here (any more). Resolves with how the part ended when that was not the
   * coordinator's to say.
   */
  async settle(decision: string, outcome: Ending): Promise<Ending | undefined> {
    const part = this.#prepared.get(decision);
    if (part !== undefined) {
      part.settling ??= this.#end(part, outcome);
      await part.settling;
    }
    return this.#resolution(decision)?.outcome;
  }

  #resolution(decision: string): Resolution | undefined {
    return this.#instance.resolutions.of(decision, this.#instance.serverName);
  }

  /** What the coordinator decided about a part that was ended here without it. */
  async heard(decision: string, decided: Ending): Promise<void> {
    const resolution = this.#resolution(decision);
    if (resolution !== undefined && resolution.decided === undefined)
      await this.#instance.resolutions.put({ ...resolution, decided });
  }

  async #end(part: Part, outcome: Ending): Promise<void> {
    await part.transaction.settle(outcome);
    this.#prepared.delete(part.id.decision);
    this.#instance.passed(`branch ${outcome}`);
  }

  /**
   * Ends a part that belongs to no session any more, whatever its coordinator decides or has decided. Resolves when that is on disk. Throws 6110 when
   * no part of that unit waits here, 6113 without an outcome: what is prepared is not rolled back for want of a word.
   */
  async resolve(unit: string, outcome: Ending | undefined): Promise<void> {
    const part = [...this.#prepared.values()].find(each => each.unit === unit);
    // Its outcome has come already: it is all but gone.
    await part?.settling;
    if (part === undefined || part.settling !== undefined) throw fail(6110, unit);
    if (outcome === undefined) throw fail(6113, unit);
    if (!this.#orphaned(part)) throw unsupported('KILL of a unit of work whose coordinator is connected');
    part.settling = this.#resolve(part, outcome);
    await part.settling;
  }

  async #resolve(part: Part, outcome: Ending): Promise<void> {
    const { resolutions, serverName } = this.#instance;
    const at = this.#instance.clock().toISOString();
    await resolutions.put({ at, unit: part.unit, ...part.id, instance: serverName, outcome });
    this.#instance.passed('branch resolved');
    await this.#end(part, outcome);
  }

  #orphaned(part: Part): boolean {
    return !this.#instance.sessions.has(part.transaction.owner.session);
  }

  /** Units of work by who holds their locks: of the parts whose session is gone. */
  orphans(): ReadonlyMap<LockOwner, string> {
    const parts = [...this.#prepared.values()].filter(part => this.#orphaned(part));
    return new Map(parts.map(({ transaction, unit }) => [transaction.owner, unit]));
  }

  /** Parts that were ended here and whose coordinator has not said what it decided. */
  unheard(): readonly Resolution[] {
    return this.#instance.resolutions.unheard(this.#instance.serverName);
  }

  /** At the coordinator: `instance` ended its part by itself. */
  async resolvedElsewhere(decision: string, instance: string, outcome: Ending): Promise<void> {
    const { resolutions, serverName, clock } = this.#instance;
    const decided = this.outcome(decision);
    if (resolutions.of(decision, instance) !== undefined || decided === 'undecided' || decided === 'not mine') return;
    const at = clock().toISOString();
    const unit = guidOf(decision);
    await resolutions.put({ at, unit, decision, coordinator: serverName, instance, outcome, decided });
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

  /** Finds the parts that a crash left prepared in `databases`, once recovery has ended the others; ends those that somebody had ended before. */
  async adopt(databases: readonly StoredDatabase[]): Promise<void> {
    const found = new Map<bigint, OpenTransaction>();
    for (const database of databases) {
      for (const [transaction, open] of database.open) if (this.decidedElsewhere(open)) found.set(transaction, open);
    }
    for (const [transaction, { decision, prepared }] of found) {
      if (decision === undefined || prepared === undefined) continue;
      const id = { decision, coordinator: prepared.coordinator };
      const part = new EngineTransaction(this.#instance, orphan(this.#instance, databases), undefined, transaction);
      part.adopt(id, prepared.mark, databases);
      const adopted = partOf(id, part);
      this.#prepared.set(decision, adopted);
      const resolution = this.#resolution(decision);
      if (resolution !== undefined) await this.#end(adopted, resolution.outcome);
    }
  }
}

function partOf(id: DistributedId, transaction: EngineTransaction): Part {
  return { id, unit: guidOf(id.decision), transaction, settling: undefined };
}

/** Stands for the session that a crash took away. */
function orphan(instance: Instance, [database]: readonly StoredDatabase[]): Session {
  if (database === undefined) throw new Error('a prepared transaction without a database');
  return {
    spid: orphanSpid,
    login: { name: '', sid: new Uint8Array(), serverRoles: new Set() },
    hostName: '',
    programName: '',
    loginTime: instance.clock(),
    encrypted: false,
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
