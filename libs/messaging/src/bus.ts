/** One event as it travels. `value` is the whole CloudEvent as JSON text. */
export type BusRecord = {
  /** Records of one key stay in order. */
  readonly key: string;
  readonly eventId: string;
  readonly value: string;
};

/** `offset`: decimal text (Kafka's are 64-bit), rising inside one partition, not always by one. */
export type DeliveredRecord = BusRecord & { readonly offset: string };

export type Batch = {
  readonly topic: string;
  /** What order and offsets belong to: a Kafka partition, or in the embedded bus one producer's log. */
  readonly partition: string;
  /**
   * The offset that the subscriber's store had when these records were chosen; undefined: none. The subscriber commits them only while its
   * store still says so: another member of the group may have gone on meanwhile.
   */
  readonly follows: string | undefined;
  readonly records: readonly DeliveredRecord[];
};

/** Of the last record whose effect is committed. With the event's id a bus can tell whether its log is still the one of then. */
export type StoredPosition = { readonly offset: string; readonly eventId: string | undefined };

/** What one partition of a topic was given: from the first record of this publication of the log to the last one acknowledged. */
export type LogPlace = {
  readonly partition: string;
  readonly firstOffset: string;
  readonly offset: string;
  /** Of the record at `offset`. */
  readonly eventId: string;
};

export type Producer = {
  /** The publishing service. */
  readonly name: string;
  readonly topics: readonly string[];
  /** Its outbox; the embedded bus delivers from it, Kafka has its own log. */
  readonly log: EventLog;
};

/** A service's outbox, read as a log. */
export type EventLog = {
  /** Another value means another log: its offsets have nothing to do with those of the log before. */
  identity(): Promise<string>;
  /** The offset of the newest record of any topic; '0' when there is none. */
  head(): Promise<string>;
  /** The id of the event at this offset; undefined when there is none. */
  eventIdAt(offset: string): Promise<string | undefined>;
  /** Records of `topic` beyond `after`, in order, at most `limit`. */
  read(topic: string, after: string, limit: number): Promise<readonly DeliveredRecord[]>;
  count(topic: string, after: string): Promise<number>;
};

export type SubscribeOptions = {
  /** One group's members share the partitions; each group sees everything. */
  readonly group: string;
  /**
   * Whoever else is counted as a member of the group does not work any more, which the caller knows (the lease of its store): it is put out
   * at once instead of when its session ends.
   */
  readonly isAlone?: boolean;
  readonly topics: readonly string[];
  /** Of the last record whose effect is committed, as the subscriber's own store has it; undefined: from the start. */
  readonly position: (topic: string, partition: string) => Promise<StoredPosition | undefined>;
  /**
   * Resolves when effects and position of the whole batch are committed. A rejection means that the subscriber cannot work just now:
   * the bus asks for the position again and delivers from there, after a pause. One call at a time per partition. `signal` fires when the
   * partition goes to another member or the subscription stops: what is not committed by then is better left.
   */
  readonly deliver: (batch: Batch, signal: AbortSignal) => Promise<void>;
};

export type Subscription = {
  /** Records not yet delivered and committed; undefined when the bus does not answer. */
  readonly lag: () => Promise<number | undefined>;
  /** Why nothing can be fetched or delivered now; undefined while all is well. */
  readonly problem: () => string | undefined;
  /** Resolves when no `deliver` is under way and none will be. */
  readonly stop: () => Promise<void>;
};

export type BusStats = {
  /** RFC 3339 UTC; undefined while the bus does not answer. */
  readonly connectedSince: string | undefined;
  /** Attempts to reach it since it last answered. */
  readonly attempts: number;
  readonly reconnectsTotal: number;
  /** Logs that were found lost, truncated or made anew and are read from their start since. */
  readonly lostLogsTotal: number;
  /** Fetched and not delivered yet. */
  readonly heldBytes: number;
};

/**
 * At-least-once, in order per key, replay from the start. Repeats are the consumer's to recognise. A stored position that the bus does
 * not have (wiped, restored from a backup) means delivery from the start, never a jump to the end (kafka.md §4).
 */
export interface Bus {
  /** Tells one bus from another in stored positions. */
  readonly name: string;
  /**
   * Makes the topics exist, when the bus can be reached: it does not wait for that. Topics that nobody registered yet may be subscribed to:
   * delivery begins when they appear.
   */
  register(producer: Producer): Promise<void>;
  /**
   * Resolves when the bus is responsible for all of them, in this order per key, with the places of the last ones. A rejected send may have
   * arrived in part. A bus that has no log of its own answers no places; one that has refuses until `lost` was asked in this epoch.
   */
  publish(topic: string, records: readonly BusRecord[]): Promise<readonly LogPlace[]>;
  /**
   * Whether the topic still holds what was acknowledged: undefined, or what is lost. Rejects while that cannot be known; a topic that is
   * not there is made first.
   */
  lost(topic: string, places: readonly LogPlace[]): Promise<string | undefined>;
  /** Another number means that the bus was reached anew or changed under us: what was acknowledged may be lost, ask. */
  epoch(): number;
  /** Called at another epoch. Returns the way to stop listening. */
  onEpoch(listener: () => void): () => void;
  /** A health check: whether the bus answers, and what is wrong with its topics. */
  readonly check: () => { readonly ok: boolean; readonly detail: string };
  readonly stats: () => BusStats;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  close(): Promise<void>;
}
