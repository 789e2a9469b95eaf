/** The end of a transaction: which protocol its commit needs, and the marks it leaves (sqlserver.md §3.1, §3.2). */
import type { CommitJournal } from './commit-journal.ts';
import type { MarkRecord } from './log-records.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';
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
  /** Tells this instance's decisions from those of another whose backup was restored here. */
  readonly instanceId: string;
  nextTransactionId(): bigint;
  stored(database: Database): StoredDatabase;
  /** Told after each commit, to start a checkpoint when the log has grown. */
  committed(database: StoredDatabase): void;
  /** Appends the rows of msdb.dbo.logmarkhistory; the caller flushes the returned log's database. */
  writeMarkHistory(marks: readonly CommittedMark[]): StoredDatabase;
};

export async function commitParticipants(
  host: CommitHost,
  transaction: {
    readonly id: bigint;
    readonly participants: ReadonlyMap<StoredDatabase, OpenTransaction>;
    readonly mark: MarkRecord | undefined;
  },
): Promise<void> {
  const databases = [...transaction.participants.keys()];
  const durable = databases.filter(database => !database.volatile);
  const only = durable.length === 1 && transaction.mark === undefined ? durable[0] : undefined;
  if (only !== undefined) {
    only.log.append({ kind: 'commit', transaction: transaction.id, timeMs: host.clock().getTime() });
    only.open.delete(transaction.id);
    await only.log.flush();
  } else if (durable.length > 0) {
    await commitByDecision(host, transaction.id, durable, transaction.mark);
  }
  for (const database of databases) {
    database.open.delete(transaction.id);
    host.committed(database);
  }
}

/** Prepared everywhere → decided once → commit records in one step (commit-journal.ts tells why). */
async function commitByDecision(
  host: CommitHost,
  id: bigint,
  databases: readonly StoredDatabase[],
  mark: MarkRecord | undefined,
): Promise<void> {
  const decision = `${host.instanceId}:${id}`;
  for (const database of databases) {
    database.log.append({ kind: 'prepare', transaction: id, decision });
    const open = database.open.get(id);
    if (open !== undefined) open.decision = decision;
  }
  await Promise.all(databases.map(database => database.log.flush()));
  const preparedMs = host.clock().getTime();
  const marked = mark === undefined ? {} : { mark };
  const keeping = databases.filter(database => mark !== undefined && database.recoveryModel !== 'SIMPLE');
  await host.journal.decide({
    id: decision,
    transaction: String(id),
    timeMs: preparedMs,
    ...marked,
    ...(mark === undefined ? {} : { marked: keeping.map(database => database.databaseGuid) }),
  });

  // No await from here to the flush: marks and commits take the same order in every database.
  const timeMs = host.clock().getTime();
  const marks: CommittedMark[] = [];
  for (const database of databases) {
    const lsn = database.log.append({ kind: 'commit', transaction: id, timeMs, decision, ...marked });
    database.open.delete(id);
    if (mark !== undefined && keeping.includes(database)) marks.push({ database, mark, lsn, timeMs });
  }
  await Promise.all(databases.map(database => database.log.flush()));
  // Only now: a history row that reached the disk before its commit record would, after a crash, name an LSN that recovery gives anew.
  if (marks.length > 0) await host.writeMarkHistory(marks).log.flush();
  host.journal.settled(decision);
}
