import { fileURLToPath } from 'node:url';
import {
  brokersOf,
  existingBrokers,
  type RunningProcess,
  startBroker,
  startCluster,
  startProcess,
} from '@holdfast/run';
import type { StoreKind } from './config.ts';
import { createGatewayClient, type GatewayClient } from './gateway-client.ts';
import { startStateServer } from './state-server.ts';

/** Holdfast itself, on the data folder: one process with all services in it, or with `cluster` one for each over Kafka. */
export type Holdfast = {
  /** Of the processes that run now. */
  client(): GatewayClient;
  /** Once every step that was to be held stands at its place: only the end of the process goes on from there. */
  held(): Promise<undefined>;
  /** Kills every process with -9 and starts it again on what it left. Resolves with the seconds in between. */
  restart(options?: HoldOptions): Promise<number>;
  /** Ends it in order: not while it holds a step. */
  stop(): Promise<void>;
  /** With -9, for good. */
  kill(): Promise<void>;
};

export type HoldOptions = {
  /** Checkpoints at which the next process holds a step (`HOLDFAST_TEST_HOLD_AT`). */
  readonly holdAt?: readonly string[];
};

export type HoldfastOptions = HoldOptions & {
  /** A process per service, over a Kafka that is started for it, or the one that KAFKA_BROKERS names. */
  readonly cluster?: boolean;
  /** Where the services keep their state: in files, or on a SQL Server that is started for it. Files when left out. */
  readonly store?: StoreKind;
  /** How often source and standby are looked at; 1 when left out. */
  readonly observeEverySeconds?: number;
};

const allInOneMain = fileURLToPath(new URL('../../../apps/all-in-one/src/main.ts', import.meta.url));
// The sets of a real group come every 15 minutes, those of the sample group every few seconds.
const fastObservation = (everySeconds: number) => ({
  HOLDFAST_INVENTORY__OBSERVE_EVERY_SECONDS: '5',
  HOLDFAST_BACKUP__OBSERVE_EVERY_SECONDS: String(everySeconds),
  HOLDFAST_SHIPPING__OBSERVE_EVERY_SECONDS: String(everySeconds),
});

type Processes = { readonly client: GatewayClient; readonly running: readonly RunningProcess[] };
/** How the processes of one life are started; `env`: what each of them is told beside its own settings. */
type Start = (env: Readonly<Record<string, string>>, log: (line: string) => void) => Promise<Processes>;

export async function startHoldfast(
  dataFolder: string,
  log: (line: string) => void,
  { holdAt, cluster = false, store = 'sqlite', observeEverySeconds = 1 }: HoldfastOptions = {},
): Promise<Holdfast> {
  // What Holdfast stands on outlives it.
  const below: RunningProcess[] = [];
  const endBelow = async (how: 'stop' | 'kill'): Promise<void> => {
    for (const each of below.toReversed()) await each[how]();
  };
  const begin = async (): Promise<{ readonly start: Start; readonly first: Life }> => {
    const state = store === 'sqlserver' ? await startStateServer(dataFolder, log) : undefined;
    if (state !== undefined) below.push(state.process);
    const broker =
      cluster && existingBrokers(process.env) === undefined ? await startBroker({ dataFolder, log }) : undefined;
    if (broker !== undefined) below.push(broker);
    const shape = cluster ? inProcesses(dataFolder, broker) : inOneProcess(dataFolder);
    const settings = { ...fastObservation(observeEverySeconds), ...state?.env };
    const start: Start = (env, tell) => shape({ ...settings, ...env }, tell);
    return { start, first: await live(start, log, { ...(holdAt && { holdAt }) }) };
  };
  const { start, first } = await begin().catch(async (error: unknown) => {
    await endBelow('stop');
    throw error;
  });
  let life = first;
  const end = async (how: 'stop' | 'kill'): Promise<void> => {
    // The gateway first, and what it asks only then.
    for (const each of life.running.toReversed()) await each[how]();
    await endBelow(how);
  };
  return {
    client: () => life.client,
    held: () => life.held,
    async restart(next = {}) {
      const killedAt = performance.now();
      await Promise.all(life.running.map(each => each.kill()));
      life = await live(start, log, next);
      return (performance.now() - killedAt) / 1_000;
    },
    stop: () => end('stop'),
    kill: () => end('kill'),
  };
}

type Life = Processes & { readonly held: Promise<undefined> };

async function live(start: Start, log: (line: string) => void, { holdAt = [] }: HoldOptions): Promise<Life> {
  const held = Promise.withResolvers<undefined>();
  const waited = new Set(holdAt);
  const env = holdAt.length === 0 ? {} : { HOLDFAST_TEST_HOLD_AT: holdAt.join(',') };
  const processes = await start(env, line => {
    const [, place = ''] = /\{"heldAt":"([^"]+)"\}/.exec(line) ?? [];
    if (waited.delete(place) && waited.size === 0) held.resolve(undefined);
    log(line);
  });
  return { ...processes, held: held.promise };
}

function inOneProcess(dataFolder: string): Start {
  return async (env, log) => {
    const process = await startProcess({
      name: 'all-in-one',
      main: allInOneMain,
      args: ['--data', dataFolder],
      env,
      readyUrl: ({ url }) => new URL('/readyz', String(url)).href,
      log,
    });
    const { url, token } = process.announcement;
    return { running: [process], client: createGatewayClient(String(url), String(token)) };
  };
}

/** Every life has ports and a token of its own; the broker outlives them. */
function inProcesses(dataFolder: string, broker: RunningProcess | undefined): Start {
  const brokers = broker === undefined ? existingBrokers(process.env) : brokersOf(broker);
  return async (env, log) => {
    const { url, token, members } = await startCluster({ dataFolder, brokers: String(brokers), env, log });
    return { running: members.map(({ first }) => first), client: createGatewayClient(url, String(token)) };
  };
}
