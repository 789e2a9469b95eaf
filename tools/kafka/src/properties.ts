/** How clients reach the broker: in the clear · SCRAM-SHA-256 with user and password · the same inside TLS. */
export type Security = 'plaintext' | 'sasl' | 'sasl-tls';

export const securities: readonly Security[] = ['plaintext', 'sasl', 'sasl-tls'];

export type ServerSettings = {
  readonly security: Security;
  /** Only users with rights may do anything; without it everybody may do all. */
  readonly acl: boolean;
  /** Clients'. */
  readonly port: number;
  readonly controllerPort: number;
  /** The broker's own way to itself; only `sasl-tls` has one apart from the clients'. */
  readonly innerPort: number;
  readonly dataFolder: string;
  /** Of the user `broker`. */
  readonly brokerPassword: string | undefined;
  /** PEM: key and certificate in one file. */
  readonly keystore: string;
};

const oneNode = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'num.partitions': '3',
  'default.replication.factor': '1',
  'min.insync.replicas': '1',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'group.initial.rebalance.delay.ms': '0',
  // Topics are made with their partitions and retention, or not at all.
  'auto.create.topics.enable': 'false',
  'log.cleaner.dedupe.buffer.size': '4194304',
  // After kill -9 the old registration holds the new broker off for this long (kafka.md §2; 9000 by default).
  'broker.session.timeout.ms': '1000',
  'broker.heartbeat.interval.ms': '200',
};

/** kafka.md §2, §8. */
export function renderServerProperties(settings: ServerSettings): string {
  const { security, acl, controllerPort, dataFolder } = settings;
  const listeners = clientListeners(settings);
  const controller = `CONTROLLER://127.0.0.1:${controllerPort}`;
  return renderProperties({
    ...oneNode,
    listeners: `${listeners},${controller}`,
    'advertised.listeners': listeners,
    'listener.security.protocol.map': `${protocols[security]},CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name': security === 'plaintext' ? 'PLAINTEXT' : 'SASL',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    // Kafka reads slashes on Windows too.
    'log.dirs': dataFolder.replaceAll('\\', '/'),
    ...(security === 'plaintext' ? {} : saslProperties(settings)),
    ...(acl ? aclProperties : {}),
  });
}

const protocols: Readonly<Record<Security, string>> = {
  plaintext: 'PLAINTEXT:PLAINTEXT',
  sasl: 'SASL:SASL_PLAINTEXT',
  'sasl-tls': 'SASL:SASL_PLAINTEXT,TLS:SASL_SSL',
};

function clientListeners({ security, port, innerPort }: ServerSettings): string {
  if (security === 'plaintext') return `PLAINTEXT://127.0.0.1:${port}`;
  if (security === 'sasl') return `SASL://127.0.0.1:${port}`;
  return `SASL://127.0.0.1:${innerPort},TLS://127.0.0.1:${port}`;
}

function saslProperties({ security, brokerPassword = '', keystore }: ServerSettings): Record<string, string> {
  const login = `org.apache.kafka.common.security.scram.ScramLoginModule required username="broker" password="${brokerPassword}";`;
  const sasl = {
    'sasl.enabled.mechanisms': 'SCRAM-SHA-256',
    'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-256',
    'listener.name.sasl.scram-sha-256.sasl.jaas.config': login,
  };
  if (security === 'sasl') return sasl;
  return {
    ...sasl,
    'listener.name.tls.scram-sha-256.sasl.jaas.config': login,
    'listener.name.tls.ssl.keystore.type': 'PEM',
    'listener.name.tls.ssl.keystore.location': keystore.replaceAll('\\', '/'),
  };
}

const aclProperties = {
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // ANONYMOUS comes by the controller's listener only, which speaks in the clear.
  'super.users': 'User:broker;User:app;User:ANONYMOUS',
};

/** Java reads these files as Latin-1. */
function renderProperties(properties: Readonly<Record<string, string>>): string {
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${escape(value)}\n`);
  return lines.join('');
}

function escape(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll(/[^\x20-\x7e]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
