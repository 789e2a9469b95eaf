import { lastingPorts } from '../lasting-ports.ts';
import { type RunningProcess, startProcess } from '../process.ts';
import { programs } from '../programs.ts';
import { writeRunFile } from '../run-file.ts';
import {
  type Addresses,
  type MemberName,
  portOf,
  type Prepared,
  preparedOf,
  services,
  settingsOf,
} from './settings.ts';

export type ClusterOptions = {
  readonly dataFolder: string;
  /** `host:port`, several with commas between. */
  readonly brokers: string;
  /** Of the gateway; a free one when left out. */
  readonly port?: number | undefined;
  /** Further settings of every process, as its environment names them. */
  readonly env?: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
};

export type Member = {
  readonly name: MemberName;
  /** Starts it where it listened before, on what it left. The one before must have ended. */
  startAgain(env?: Readonly<Record<string, string>>): Promise<RunningProcess>;
};

export type Cluster = {
  /** Of the gateway. */
  readonly url: string;
  /** Undefined when the configuration names an identity provider. */
  readonly token: string | undefined;
  /** In the order in which they were started. */
  readonly members: readonly (Member & { readonly first: RunningProcess })[];
};

/** The four services and the gateway on one data folder, each a process of its own, over Kafka. Resolves when all are ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { dataFolder, brokers, port, log, env = {} } = options;
  const prepared = await prepare(dataFolder, log);
  const names: readonly MemberName[] = [...services, 'gateway'];
  const free = await lastingPorts(names.length);
  const ports = new Map(names.map((name, index) => [name, free[index] ?? 0]));
  if (port !== undefined && port !== 0) ports.set('gateway', port);
  const addresses: Addresses = { ports, brokers };
  const member = (name: MemberName): Member => ({
    name,
    async startAgain(further = env) {
      const running = await startMember(name, { ...settingsOf(name, prepared, addresses), ...further }, log);
      await writeRunFile(dataFolder, name, { pid: running.pid, port: portOf(ports, name) });
      return running;
    },
  });
  const started: (Member & { readonly first: RunningProcess })[] = [];
  const start = async (name: MemberName): Promise<void> => {
    const each = member(name);
    started.push({ ...each, first: await each.startAgain() });
  };
  try {
    await settled(services.map(start));
    await start('gateway');
  } catch (error) {
    await Promise.all(started.map(({ first }) => first.stop()));
    throw error;
  }
  return { url: `http://127.0.0.1:${portOf(ports, 'gateway')}/graphql`, token: prepared.token, members: started };
}

/** Makes what the members share, and a token: keys that are there stay. */
async function prepare(dataFolder: string, log: (line: string) => void): Promise<Prepared> {
  const preparing = await startProcess({ name: 'prepare', main: programs.prepare, args: ['--data', dataFolder], log });
  const { code } = await preparing.exited;
  if (code !== 0) throw new Error('The data folder could not be prepared.');
  return preparedOf(preparing.announcement);
}

function startMember(
  name: MemberName,
  env: Readonly<Record<string, string>>,
  log: (line: string) => void,
): Promise<RunningProcess> {
  return startProcess({
    name,
    main: programs[name],
    env,
    readyUrl: ({ url }) => new URL('/readyz', String(url)).href,
    log,
  });
}

/** When one fails, the others are waited for: a process that is just being started would otherwise be nobody's. */
async function settled(starts: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(starts)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
