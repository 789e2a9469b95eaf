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
  readonly records: readonly DeliveredRecord[];
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
  /** Records of `topic` beyond `after`, in order, at most `limit`. */
  read(topic: string, after: string, limit: number): Promise<readonly DeliveredRecord[]>;
  count(topic: string, after: string): Promise<number>;
};

export type SubscribeOptions = {
  /** One group's members share the partitions; each group sees everything. */
  readonly group: string;
  readonly topics: readonly string[];
  /** The offset of the last record whose effect is committed, as the subscriber's own store has it; undefined: from the start. */
  readonly position: (topic: string, partition: string) => Promise<string | undefined>;
  /**
   * Resolves when effects and position of the whole batch are committed. A rejection means that the subscriber cannot work just now:
   * the bus asks for the position again and delivers from there, after a pause. One call at a time per partition.
   */
  readonly deliver: (batch: Batch) => Promise<void>;
};

export type Subscription = {
  /** Records not yet delivered and committed. */
  readonly lag: () => Promise<number>;
  /** Why nothing can be fetched or delivered now; undefined while all is well. */
  readonly problem: () => string | undefined;
  /** Resolves when no `deliver` is under way and none will be. */
  readonly stop: () => Promise<void>;
};

/**
 * At-least-once, in order per key, replay from the start. Repeats are the consumer's to recognise. A stored position that the bus does
 * not have (wiped, restored from a backup) means delivery from the start, never a jump to the end (kafka.md §4).
 */
export interface Bus {
  /** Tells one bus from another in stored positions. */
  readonly name: string;
  /** Makes the topics exist. Topics that nobody registered yet may be subscribed to: delivery begins when they appear. */
  register(producer: Producer): Promise<void>;
  /** Resolves when the bus is responsible for all of them, in this order. A rejected send may have arrived in part. */
  publish(topic: string, records: readonly BusRecord[]): Promise<void>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  close(): Promise<void>;
}
