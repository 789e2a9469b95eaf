import { certificateFiles } from './certificate.ts';
import { KafkaError } from './errors.ts';
import { type BrokerFolder, brokerFolder, type StartedAs } from './folder.ts';
import { install } from './installation.ts';
import type { Environment } from './java.ts';
import { type BrokerEnd, launch } from './launch.ts';
import type { Security } from './properties.ts';
import { passwordFile } from './users.ts';

export type BrokerOptions = {
  /** All that the broker keeps; the same folder is the same cluster, with its topics. */
  readonly dataFolder: string;
  /** Of 127.0.0.1; a free one when left out. */
  readonly port?: number;
  /** Plain text when left out. */
  readonly security?: Security;
  /** Only with users: `app` may do everything, `guest` nothing. */
  readonly acl?: boolean;
  /** What we do; what the broker prints is in `logFile`. */
  readonly log: (line: string) => void;
  readonly env?: Environment;
};

/** What a client needs to know. */
export type BrokerFacts = {
  /** `127.0.0.1:P`. */
  readonly brokers: string;
  readonly security: Security;
  readonly logFile: string;
  readonly username?: string;
  readonly passwordFile?: string;
  /** PEM. */
  readonly caFile?: string;
  /** A user without any right; only with `acl`. */
  readonly guest?: { readonly username: string; readonly passwordFile: string };
};

export type Broker = BrokerFacts & {
  readonly dataFolder: string;
  readonly port: number;
  /** Of Java. */
  readonly pid: number;
  /** Resolves when it has ended, however it ended: a broker that nobody stopped has died, of a full disk for one. */
  readonly exited: Promise<BrokerEnd>;
  hasExited(): boolean;
  /** Asks it to end (SIGTERM), and ends it (SIGKILL) when it has not within the limit, 30 s when left out. */
  stop(limitMs?: number): Promise<BrokerEnd>;
  /** SIGKILL. The same folder and port start it again on its log. */
  kill(): Promise<BrokerEnd>;
};

/**
 * Starts an Apache Kafka of one node and resolves when it answers a request. It ends with this process, a kill -9 of this process included.
 * @throws KafkaError.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { dataFolder, port, security = 'plaintext', acl = false, log, env = process.env } = options;
  const as = startedAs(security, acl);
  const folder = brokerFolder(dataFolder);
  const installation = await install({ env, log });
  const {
    child,
    pid,
    port: actualPort,
    ended,
    hasEnded,
    stop,
  } = await launch({
    installation,
    folder,
    port,
    as,
    attached: true,
  });
  return {
    ...factsOf(folder, as, actualPort),
    dataFolder: folder.root,
    port: actualPort,
    pid,
    exited: ended,
    hasExited: hasEnded,
    stop,
    kill() {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

/** @throws KafkaError UNFIT_FOLDER for rights without users. */
export function startedAs(security: Security, acl: boolean): StartedAs {
  if (acl && security === 'plaintext')
    throw new KafkaError('UNFIT_FOLDER', 'Rights are of users: acl goes with the security sasl or sasl-tls.');
  return { security, acl };
}

export function factsOf(folder: BrokerFolder, { security, acl }: StartedAs, port: number): BrokerFacts {
  const user = (name: 'app' | 'guest'): { username: string; passwordFile: string } => ({
    username: name,
    passwordFile: passwordFile(folder.users, name),
  });
  return {
    brokers: `127.0.0.1:${port}`,
    security,
    logFile: folder.log,
    ...(security === 'plaintext' ? {} : user('app')),
    ...(security === 'sasl-tls' ? { caFile: certificateFiles(folder.tls).ca } : {}),
    ...(acl ? { guest: user('guest') } : {}),
  };
}
