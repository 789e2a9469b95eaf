/** The end of a transaction: which protocol its commit needs, and the marks it leaves (sqlserver.md §3.1, §3.2). */
import { fail } from '../messages.ts';
import { holdOpen } from './held-open.ts';
import type { MarkFaults } from '../faults/mark-faults.ts';
import type { DistributedId, LocalPart } from './branch.ts';
import type { CommitJournal } from './commit-journal.ts';
import type { MarkRecord } from './log-records.ts';
import type { MarkGate } from './mark-gate.ts';
import type { Outcomes } from './outcomes.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { Database, Lsn } from '../contract.ts';

export type CommittedMark = {
  readonly database: StoredDatabase;
  readonly mark: MarkRecord;
  readonly lsn: Lsn;
  readonly timeMs: number;
};

/** What a transaction needs of the engine. */
export type CommitHost = {
  readonly clock: () => Date;
  readonly journal: CommitJournal;
  readonly gate: MarkGate;
  readonly outcomes: Outcomes;
  /** @@SERVERNAME: this instance's place in the order of prepares. */
  readonly serverName: string;
  /** Tells this instance's decisions from those of another whose backup was restored here. */
  readonly instanceId: string;
  readonly faults: { readonly marks: MarkFaults };
  /** Tells a place where a crash leaves another state of a distributed transaction behind. */
  passed(place: string): void;
  nextTransactionId(): bigint;
  stored(database: Database): StoredDatabase;
  /** Throws 9002 or 1105 when the disk has no room for a change; `object`: the table that grows, if one does. */
  assertRoom(database: StoredDatabase, object: string | undefined): Promise<void>;
  /** Told after each commit, to start a checkpoint when the log has grown. */
  committed(database: StoredDatabase): void;
  /** Appends the rows of msdb.dbo.logmarkhistory; the caller flushes the returned log's database. */
  writeMarkHistory(marks: readonly CommittedMark[]): StoredDatabase;
};

/** What a session waits for at the gate, and while a prepare hangs (learn.microsoft.com: sys.dm_os_wait_stats; when a hanging prepare shows the last one: unverified). */
const waits = {
  forMark: 'TRAN_MARKLATCH_SH',
  markForPrepared: 'TRAN_MARKLATCH_EX',
  prepare: 'PREEMPTIVE_DTC_PREPAREREQUESTDONE',
} as const;

async function waiting(part: LocalPart, waitType: string, work: Promise<void>): Promise<void> {
  if (part.request !== undefined) part.request.waitType = waitType;
  try {
    await work;
  } finally {
    if (part.request !== undefined) part.request.waitType = undefined;
  }
}

/** Held back while a mark is being placed; a marked transaction does the holding. Throws when aborted or out of time: nothing has happened then. */
export async function enterGate(host: CommitHost, part: LocalPart, signal: AbortSignal): Promise<void> {
  if (durableOf(part).length === 0) return;
  if (part.mark === undefined) {
    await waiting(part, waits.forMark, host.gate.enter(part.id, signal));
    return;
  }
  const refusal = host.faults.marks.refusalOf(part.mark.name);
  if (refusal === 1205) throw fail(1205, part.spid, 'lock');
  if (refusal === 3928) throw fail(3928, part.mark.name);
  await waiting(part, waits.markForPrepared, host.gate.hold(part.id, part.mark.name, part.spid, signal));
}

/** The same for the prepare of a distributed transaction, which may hang before (the fault `prepare-hangs`). */
export async function beginPrepare(host: CommitHost, part: LocalPart, signal: AbortSignal): Promise<void> {
  const hangs = (): number => (host.faults.marks.prepareHangs() ? Infinity : 0);
  await waiting(part, waits.prepare, holdOpen(hangs, signal));
  await enterGate(host, part, signal);
}

/** The commit of a transaction that knows only this instance, inside the gate. */
export async function commitParticipants(host: CommitHost, part: LocalPart): Promise<void> {
  const durable = durableOf(part);
  const only = durable.length === 1 && part.mark === undefined ? durable[0] : undefined;
  try {
    if (only !== undefined) {
      only.log.append({ kind: 'commit', transaction: part.id, timeMs: host.clock().getTime() });
      only.open.delete(part.id);
      host.gate.leave(part.id);
      await only.log.flush();
    } else if (durable.length > 0) {
      const decision = host.outcomes.idOf(part.id);
      await appendPrepare(part, { kind: 'prepare', transaction: part.id, decision });
      await decide(host, part, decision);
      await commitDecided(host, part, decision);
      host.journal.settled(decision);
    }
  } finally {
    host.gate.leave(part.id);
  }
  ended(host, part);
}

function durableOf(part: LocalPart): readonly StoredDatabase[] {
  return [...part.participants.keys()].filter(database => !database.volatile);
}

/** Databases in which a mark can be found again. */
function keeping(part: LocalPart): readonly StoredDatabase[] {
  return part.mark === undefined ? [] : durableOf(part).filter(database => database.recoveryModel !== 'SIMPLE');
}

async function appendPrepare(
  part: LocalPart,
  entry: Extract<Parameters<StoredDatabase['log']['append']>[0], { kind: 'prepare' }>,
): Promise<void> {
  const databases = durableOf(part);
  for (const database of databases) {
    database.log.append(entry);
    const open = database.open.get(part.id);
    if (open === undefined) continue;
    open.decision = entry.decision;
    if (entry.coordinator !== undefined) open.prepared = { coordinator: entry.coordinator, mark: entry.mark };
  }
  await Promise.all(databases.map(database => database.log.flush()));
}

/**
 * First phase of a distributed transaction here, inside the gate: on disk in every database it changed, its locks stay. False: it changed nothing
 * and has no part in the second phase.
 */
export async function prepareHere(part: LocalPart, id: DistributedId): Promise<boolean> {
  if (durableOf(part).length === 0) return false;
  const { mark } = part;
  const marked = mark === undefined ? {} : { mark };
  await appendPrepare(part, { kind: 'prepare', transaction: part.id, ...id, ...marked });
  return true;
}

/** Resolves when the commit is decided on disk. `remote`: the other instances that prepared it. */
export function decide(
  host: CommitHost,
  part: LocalPart,
  decision: string,
  remote: readonly string[] = [],
): Promise<void> {
  const { mark } = part;
  const marked = keeping(part).map(database => database.databaseGuid);
  return host.journal.decide({
    id: decision,
    transaction: String(part.id),
    timeMs: host.clock().getTime(),
    ...(mark === undefined ? {} : { mark, marked }),
    ...(remote.length === 0 ? {} : { participants: remote }),
  });
}

/** Prepared everywhere → decided once → commit records in one step (commit-journal.ts tells why). */
export async function commitDecided(host: CommitHost, part: LocalPart, decision: string): Promise<void> {
  const databases = durableOf(part);
  const { mark } = part;
  // No await from here to the flush: marks and commits take the same order in every database.
  const timeMs = host.clock().getTime();
  const marks: CommittedMark[] = [];
  for (const database of databases) {
    const left = mark === undefined ? undefined : host.faults.marks.leaves(database.name);
    const marked = mark !== undefined && left?.mark === true ? { mark } : {};
    const lsn = database.log.append({ kind: 'commit', transaction: part.id, timeMs, decision, ...marked });
    database.open.delete(part.id);
    if (mark === undefined || left?.history !== true || !keeping(part).includes(database)) continue;
    marks.push({ database, mark, lsn, timeMs: timeMs + host.faults.marks.historySkewMs(database.name) });
  }
  // The order of all that follows is settled: whoever was held back may go on.
  host.gate.leave(part.id);
  await Promise.all(databases.map(database => database.log.flush()));
  // Only now: a history row that reached the disk before its commit record would, after a crash, name an LSN that recovery gives anew.
  if (marks.length > 0) await host.writeMarkHistory(marks).log.flush();
}

/** Nothing of it is open here any more. */
export function ended(host: CommitHost, part: LocalPart): void {
  for (const database of part.participants.keys()) {
    database.open.delete(part.id);
    host.committed(database);
  }
}
