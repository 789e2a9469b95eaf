import { type Broker, brokerOpener, type FetchedMessage, metadataOf, type MetadataAnswer } from './internals.ts';
import { connectionTimeoutMs, type Settings } from './options.ts';
import { KafkaError } from './problem.ts';
import { Sockets } from './sockets.ts';
import type { PartitionState, TopicState } from './topics.ts';

const earliest = -2;
const latest = -1;

type Address = { readonly host: string; readonly port: number };
type Opener = (at?: Address) => Promise<Broker>;

/** Opens one after the other; at most one is open. */
export class Sessions {
  readonly #settings: Settings;
  readonly #broken: () => void;
  /** Kept over attempts: it goes round the configured addresses. */
  #opener: Opener | undefined;
  #sockets: Sockets;

  /** `broken`: a connection of the session that is open broke. */
  constructor(settings: Settings, broken: () => void) {
    this.#settings = settings;
    this.#broken = broken;
    this.#sockets = new Sockets(broken);
  }

  /** @throws KafkaError when the broker is too old, and what kafkajs throws. */
  async open(): Promise<Session> {
    this.#sockets = new Sockets(this.#broken);
    const open = (this.#opener ??= brokerOpener({
      brokers: this.#settings.brokers,
      clientId: this.#settings.clientId,
      ssl: this.#settings.ssl,
      sasl: this.#settings.sasl,
      connectionTimeout: connectionTimeoutMs,
      requestTimeout: this.#settings.requestTimeoutMs,
      socketFactory: options => this.#sockets.factory(options),
    }));
    const seed = await open();
    refuseOldBroker(seed);
    return new Session(seed, open);
  }

  end(): void {
    this.#sockets.end();
  }
}

/** Connections to the cluster that are opened and ended together: to the broker that answered, and to the leaders as they are asked. */
export class Session {
  readonly seed: Broker;
  readonly #open: Opener;
  readonly #leaders = new Map<string, Broker>();
  readonly #addresses = new Map<number, Address>();

  constructor(seed: Broker, open: Opener) {
    this.seed = seed;
    this.#open = open;
  }

  metadata(topics: readonly string[]): Promise<MetadataAnswer> {
    return metadataOf(this.seed, topics);
  }

  controller({ brokers, controllerId }: MetadataAnswer): Promise<Broker> {
    for (const { nodeId, host, port } of brokers) this.#addresses.set(nodeId, { host, port });
    return this.#leader(controllerId);
  }

  /** Of all topics that are whole. */
  async statesOf({ brokers, topicMetadata }: MetadataAnswer): Promise<Map<string, TopicState>> {
    for (const { nodeId, host, port } of brokers) this.#addresses.set(nodeId, { host, port });
    const whole = topicMetadata.filter(
      ({ topicErrorCode, partitionMetadata }) =>
        topicErrorCode === 0 && partitionMetadata.every(({ partitionErrorCode }) => partitionErrorCode === 0),
    );
    const states = new Map<string, PartitionState[]>(whole.map(({ topic }) => [topic, []]));
    const leaders = new Set(whole.flatMap(({ partitionMetadata }) => partitionMetadata.map(({ leader }) => leader)));
    for (const leader of leaders) {
      const broker = await this.#leader(leader);
      const [low, high] = await Promise.all(
        [earliest, latest].map(timestamp => offsetsOf(broker, leader, whole, timestamp)),
      );
      for (const [place, from] of low ?? []) {
        const [topic, partition] = JSON.parse(place) as [string, number];
        states.get(topic)?.push({ partition, leader, low: from, high: high?.get(place) ?? from });
      }
    }
    for (const partitions of states.values()) partitions.sort((a, b) => a.partition - b.partition);
    return states;
  }

  /** The record at exactly this offset; undefined: not in the log. */
  async recordAt(
    topic: string,
    { partition, leader }: PartitionState,
    offset: string,
  ): Promise<FetchedMessage | undefined> {
    const broker = await this.#leader(leader);
    const fetched = await broker
      .fetch({
        maxWaitTime: 0,
        minBytes: 0,
        maxBytes: 1,
        isolationLevel: 0,
        topics: [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes: 1 }] }],
      })
      .catch((error: unknown) => {
        if (error instanceof Error && error.name === 'KafkaJSOffsetOutOfRange') return { responses: [] };
        throw error;
      });
    return fetched.responses[0]?.partitions[0]?.messages.find(message => message.offset === offset);
  }

  async leaveGroup(groupId: string, member: string): Promise<void> {
    const { coordinator } = await this.seed.findGroupCoordinator({ groupId, coordinatorType: 0 });
    const broker = await this.#leader(coordinator.nodeId);
    const members =
      member === 'all'
        ? (await broker.describeGroups({ groupIds: [groupId] })).groups.flatMap(group => group.members)
        : [{ memberId: member }];
    for (const { memberId } of members) await broker.leaveGroup({ groupId, memberId });
  }

  async #leader(nodeId: number): Promise<Broker> {
    const at = this.#addresses.get(nodeId);
    if (at === undefined) throw new Error(`Broker ${nodeId} has no address.`);
    const { host, port } = this.seed.connectionPool;
    if (at.host === host && at.port === port) return this.seed;
    const name = `${at.host}:${at.port}`;
    const known = this.#leaders.get(name);
    if (known?.isConnected() === true) return known;
    const broker = await this.#open(at);
    this.#leaders.set(name, broker);
    return broker;
  }
}

/** Record batches with headers came with Kafka 0.11: Produce 3 and Fetch 4. */
function refuseOldBroker({ versions }: Broker): void {
  const [produce, fetch] = [versions?.['0']?.maxVersion ?? 0, versions?.['1']?.maxVersion ?? 0];
  if (produce < 3 || fetch < 4)
    throw new KafkaError({
      name: 'KAFKA_VERSION',
      seen: `the broker is older than supported (Produce ${produce}, Fetch ${fetch}; 3 and 4 are needed)`,
      fix: 'Use an Apache Kafka from 0.11 to 4.x',
    });
}

async function offsetsOf(
  broker: Broker,
  leader: number,
  topics: MetadataAnswer['topicMetadata'],
  timestamp: number,
): Promise<Map<string, bigint>> {
  const asked = topics
    .map(({ topic, partitionMetadata }) => ({
      topic,
      partitions: partitionMetadata
        .filter(partition => partition.leader === leader)
        .map(({ partitionId }) => ({ partition: partitionId, timestamp })),
    }))
    .filter(({ partitions }) => partitions.length > 0);
  const { responses } = await broker.listOffsets({ replicaId: -1, isolationLevel: 0, topics: asked });
  return new Map(
    responses.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }): [string, bigint] => [JSON.stringify([topic, partition]), BigInt(offset)]),
    ),
  );
}
