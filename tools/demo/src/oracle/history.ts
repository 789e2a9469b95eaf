/** What a run leaves behind for the oracle: who wrote what, what was seen of the marks, and what came back after the failover. */

export type Outcome =
  /** The server said that it committed. */
  | 'acknowledged'
  /** The server answered with an error: nothing of it may ever appear. */
  | 'refused'
  /** No answer: it may have committed or not. */
  | 'unknown';

/**
 * One transaction. Moments are places in the run's one order of events (`Moments`), not times: two of them compare only because the same
 * process saw both.
 */
export type Transaction = {
  /** Unique in the run. */
  readonly id: string;
  /** Which connection sent it; a connection has one transaction under way at a time. */
  readonly connection: number;
  /** 1, 2, 3 … within the connection. */
  readonly sequence: number;
  /** Databases that it writes its id into. */
  readonly databases: readonly string[];
  readonly outcome: Outcome;
  /** Before its first byte was sent. */
  readonly began: number;
  /** After its answer, or its loss, was seen. */
  readonly ended: number;
};

/** One look at `MarkLog` of every database, one after the other. */
export type WatchRound = {
  /** Before the first database was asked. */
  readonly began: number;
  /** After the last one answered. */
  readonly ended: number;
  /** Database → the marks in its `MarkLog`. */
  readonly marks: ReadonlyMap<string, ReadonlySet<string>>;
};

/** One database after the failover, read to its end. */
export type RecoveredDatabase = {
  readonly name: string;
  readonly ids: ReadonlySet<string>;
  readonly marks: readonly string[];
  /** Sum of all balances in it. */
  readonly balance: bigint;
};

export type History = {
  /** Database → the source instance where it lay: every database of the group. */
  readonly places: ReadonlyMap<string, string>;
  readonly transactions: readonly Transaction[];
  readonly rounds: readonly WatchRound[];
  readonly recovered: readonly RecoveredDatabase[];
  /** Where the failover says that it landed. */
  readonly mark: string;
  /** Sum of all balances of all databases before the first transaction: transactions move amounts, none makes any. */
  readonly totalBalance: bigint;
};
