import type { MarkRecord } from './log-records.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';

/** The part of a distributed transaction at another instance, as its coordinator drives it. */
export type RemoteBranch = {
  /** @@SERVERNAME over there: its place in the order of prepares. */
  readonly instance: string;
  /** Its vote. Throws what makes it a no. */
  prepare(decision: string): Promise<'prepared' | 'read only'>;
  /** Resolves false when the other instance could not be told: it will ask. */
  commit(decision: string): Promise<boolean>;
  /** Without complaint when the other instance is gone: what nobody decided is aborted. */
  abort(decision: string): Promise<void>;
};

/** The part of a transaction in the databases of this instance. */
export type LocalPart = {
  readonly id: bigint;
  readonly spid: number;
  /** What the session runs, to show there what it waits for; undefined: it has none. */
  readonly request: { waitType: string | undefined } | undefined;
  readonly participants: ReadonlyMap<StoredDatabase, OpenTransaction>;
  readonly mark: MarkRecord | undefined;
};

/** What names a distributed transaction everywhere: `instanceId:transaction` of its coordinator, and who to ask about it. */
export type DistributedId = { readonly decision: string; readonly coordinator: string };
