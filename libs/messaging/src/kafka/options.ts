import { type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs';
import type { BackOff } from '../back-off.ts';

export type KafkaBusOptions = {
  /** `host:port`; each names the same cluster. */
  readonly brokers: readonly string[];
  /** Seen in the broker's logs and quotas: the service's name. */
  readonly clientId: string;
  /** Left out: no TLS. `ca`: PEM; left out: the CAs that Node knows. */
  readonly tls?: { readonly ca?: string };
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  };
  /** Of topics that are made: 3 partitions and the broker's default replication (-1) when left out. They keep events for ever. */
  readonly topics?: { readonly partitions?: number; readonly replication?: number };
  /** Between attempts at the broker, a topic or a subscriber; 100 ms to 5 s when left out. */
  readonly backOff?: BackOff;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly log?: BusLog;
  /** How long an answer may take; 5,000 when left out. */
  readonly requestTimeoutMs?: number;
  /** How long a member that is silent keeps its partitions; 6,000 when left out, the least that brokers allow by default. */
  readonly sessionTimeoutMs?: number;
};

/** A logger in the manner of pino. */
export type BusLog = {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
};

export type Settings = {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly ssl: { readonly ca?: string[] } | undefined;
  readonly sasl: SASLOptions | undefined;
  readonly partitions: number;
  readonly replication: number;
  readonly backOff: BackOff;
  readonly clock: () => number;
  readonly log: BusLog;
  readonly requestTimeoutMs: number;
  readonly sessionTimeoutMs: number;
};

/** Of one record batch. The largest event (outbox.ts) fits with its headers; what is sent together is cut well below. */
export const maxMessageBytes = 2_097_152;

/** @throws Error naming the option that makes no sense. */
export function settingsOf(options: KafkaBusOptions): Settings {
  const { brokers, clientId, tls, sasl, topics = {}, log = { info: () => undefined, warn: () => undefined } } = options;
  const { partitions = 3, replication = -1 } = topics;
  if (brokers.length === 0) throw new Error('brokers: name at least one host:port.');
  const wrong = brokers.find(broker => !/^[^\s:]+:\d{1,5}$/.test(broker));
  if (wrong !== undefined) throw new Error(`brokers: "${wrong}" is not host:port.`);
  if (!Number.isInteger(partitions) || partitions < 1) throw new Error('topics.partitions: a whole number from 1.');
  if (!Number.isInteger(replication) || replication === 0 || replication < -1)
    throw new Error('topics.replication: a whole number from 1, or -1 for the default of the broker.');
  return {
    brokers,
    clientId,
    ssl: tls === undefined ? undefined : tls.ca === undefined ? {} : { ca: [tls.ca] },
    // A copy: kafkajs writes into it what it made of the first password.
    sasl: sasl && { mechanism: sasl.mechanism, username: sasl.username, password: sasl.password },
    partitions,
    replication,
    backOff: options.backOff ?? { firstMs: 100, capMs: 5_000 },
    clock: options.clock ?? Date.now,
    log,
    requestTimeoutMs: options.requestTimeoutMs ?? 5_000,
    sessionTimeoutMs: options.sessionTimeoutMs ?? 6_000,
  };
}

export const connectionTimeoutMs = 2_000;

/** What every kafkajs client of one bus is made with; its own log is not ours, problems reach us as errors. */
export function clientConfig(settings: Settings, socketFactory: unknown, retries: number): KafkaConfig {
  return {
    brokers: [...settings.brokers],
    clientId: settings.clientId,
    ...(settings.ssl === undefined ? {} : { ssl: settings.ssl }),
    ...(settings.sasl === undefined ? {} : { sasl: { ...settings.sasl } }),
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    // Of finding a broker; above it are the loops of ours that say what is wrong.
    retry: { retries, initialRetryTime: 100, maxRetryTime: 1_000 },
    socketFactory: socketFactory as NonNullable<KafkaConfig['socketFactory']>,
    logLevel: logLevel.NOTHING,
    logCreator: () => () => undefined,
  };
}
