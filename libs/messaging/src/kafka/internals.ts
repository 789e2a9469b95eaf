import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { SASLOptions } from 'kafkajs';

// What is used of kafkajs beside its public interface, in one place: reading one record by its offset (no consumer can do that without
// joining a group), asking for some topics without failing because of others, and three places where its behaviour is mended. All of it was
// written for one version.
const version = '2.2.4';
const load = createRequire(import.meta.url);
const { version: found } = load('kafkajs/package.json') as { version: string };
if (found !== version)
  throw new Error(
    `The Kafka adapter was written for kafkajs ${version} and changes three of its inner parts; ${found} is installed. Check kafka/internals.ts against it first.`,
  );

export type SocketFactory = (options: {
  host: string;
  port: number;
  ssl?: object | false;
  onConnect: () => void;
}) => Socket;

export type ClusterOptions = {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl: object | undefined;
  readonly sasl: SASLOptions | undefined;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly socketFactory: SocketFactory;
};

export type TopicAnswer = {
  readonly topicErrorCode: number;
  readonly topic: string;
  readonly partitionMetadata: readonly {
    readonly partitionErrorCode: number;
    readonly partitionId: number;
    readonly leader: number;
  }[];
};
export type MetadataAnswer = {
  readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
  readonly clusterId: string | null;
  readonly controllerId: number;
  readonly topicMetadata: readonly TopicAnswer[];
};
export type FetchedMessage = {
  readonly offset: string;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | undefined>>;
  readonly isControlRecord?: boolean;
};

type ProtocolRequest = { readonly request: object; readonly response: { readonly decode: unknown } };
type ConnectionPool = {
  readonly host: string;
  readonly port: number;
  send(request: object): Promise<unknown>;
};
export type Broker = {
  readonly versions: Readonly<Record<string, { readonly minVersion: number; readonly maxVersion: number }>> | null;
  readonly connectionPool: ConnectionPool;
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  lookupRequest(apiKey: number, definition: unknown): (payload: object) => ProtocolRequest;
  fetch(options: object): Promise<{
    readonly responses: readonly {
      readonly partitions: readonly { readonly messages: readonly FetchedMessage[] }[];
    }[];
  }>;
  listOffsets(options: object): Promise<{
    readonly responses: readonly {
      readonly topic: string;
      readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
    }[];
  }>;
  createTopics(options: object): Promise<unknown>;
  findGroupCoordinator(options: object): Promise<{ readonly coordinator: { readonly nodeId: number } }>;
  describeGroups(options: object): Promise<{
    readonly groups: readonly { readonly members: readonly { readonly memberId: string }[] }[];
  }>;
  leaveGroup(options: object): Promise<unknown>;
  describeConfigs(options: object): Promise<{
    readonly resources: readonly {
      readonly resourceName: string;
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    }[];
  }>;
};

const BrokerClass = load('kafkajs/src/broker') as new (options: object) => Broker;
const connectionPoolBuilder = load('kafkajs/src/cluster/connectionPoolBuilder') as (options: object) => {
  build(at?: { host: string; port: number }): Promise<ConnectionPool>;
};
const { createLogger } = load('kafkajs/src/loggers') as {
  createLogger: (options: { level: number; logCreator: () => () => void }) => object;
};
const { requests } = load('kafkajs/src/protocol/requests') as { requests: { Metadata: unknown } };
const apiKeys = load('kafkajs/src/protocol/requests/apiKeys') as { Metadata: number };
const protocolErrors = load('kafkajs/src/protocol/error') as { createErrorFromCode: (code: number) => Error };

/** Opens brokers one by one: without an address the next of the configured ones. */
export function brokerOpener(options: ClusterOptions): (at?: { host: string; port: number }) => Promise<Broker> {
  const logger = createLogger({ level: 0, logCreator: () => () => undefined });
  const builder = connectionPoolBuilder({ ...options, logger, enforceRequestTimeout: true });
  return async at => {
    const connectionPool = await builder.build(at);
    const broker = new BrokerClass({ connectionPool, logger, allowAutoTopicCreation: false });
    await broker.connect();
    return broker;
  };
}

/** Unlike kafkajs' own this does not reject when one topic of many is missing or has no leader. */
export async function metadataOf(broker: Broker, topics: readonly string[]): Promise<MetadataAnswer> {
  const { request, response } = broker.lookupRequest(
    apiKeys.Metadata,
    requests.Metadata,
  )({ topics, allowAutoTopicCreation: false });
  const lenient = { request, response: { ...response, parse: async (answer: unknown) => answer } };
  return (await broker.connectionPool.send(lenient)) as MetadataAnswer;
}

export function protocolError(code: number): Error {
  return protocolErrors.createErrorFromCode(code);
}

/**
 * An idle connection polls every millisecond for ever: the time until throttling ends is negative, and a timer with a negative time fires at
 * once (kafka.md §3). Nothing has to be looked at again while nothing is pending and nothing is throttled.
 */
function stopIdlePolling(): void {
  type Queue = { pending: readonly unknown[]; throttledUntil: number };
  const { prototype } = load('kafkajs/src/network/requestQueue') as {
    prototype: { scheduleCheckPendingRequests: (this: Queue) => void };
  };
  const { scheduleCheckPendingRequests: schedule } = prototype;
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}

/**
 * A member that joins again has given its partitions away. kafkajs has no place where a consumer could finish what it delivers before
 * that: `beforeJoin` of a partition assigner becomes this place.
 */
function waitBeforeJoining(): void {
  type Group = { assigners: readonly { beforeJoin?: () => Promise<void> }[] };
  const { prototype } = load('kafkajs/src/consumer/consumerGroup') as {
    prototype: Group & { joinAndSync: (this: Group) => Promise<void> };
  };
  const { joinAndSync } = prototype;
  prototype.joinAndSync = async function () {
    for (const assigner of this.assigners) await assigner.beforeJoin?.();
    await joinAndSync.call(this);
  };
}

/** Of the length that stands before each answer. */
const lengthBytes = 4;

/**
 * One that is opened again keeps what the socket before had received of a half answer, and goes on hearing that socket; two who ask for it at
 * the same time open two. Answers are then cut in the wrong places: given to other requests, or a RangeError that nobody can catch (seen when
 * a frozen broker went on; github.com/tulios/kafkajs/issues/715).
 */
function beginConnectionsAnew(): void {
  type Connection = {
    socket?: Socket;
    chunks: Buffer[];
    bytesBuffered: number;
    bytesNeeded: number;
    isConnected(): boolean;
  };
  const { prototype } = load('kafkajs/src/network/connection') as {
    prototype: { connect: (this: Connection) => Promise<boolean> };
  };
  const { connect } = prototype;
  const underWay = new WeakMap<Connection, Promise<boolean>>();
  prototype.connect = async function () {
    if (this.isConnected()) return true;
    const known = underWay.get(this);
    if (known !== undefined) return known;
    this.socket?.destroy();
    [this.chunks, this.bytesBuffered, this.bytesNeeded] = [[], 0, lengthBytes];
    const opening = connect.call(this).finally(() => underWay.delete(this));
    underWay.set(this, opening);
    return opening;
  };
}

stopIdlePolling();
waitBeforeJoining();
beginConnectionsAnew();
