import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess } from '@holdfast/run';
import { createGatewayClient, type GatewayClient } from './gateway-client.ts';

/** Holdfast in one process on one data folder, as its users meet it: over the gateway, and over `kill -9`. */
export type Holdfast = {
  /** Of the process that runs now. */
  client(): GatewayClient;
  /** Once every step that was to be held stands at its place: only the end of the process goes on from there. */
  held(): Promise<undefined>;
  /** Kills the process with -9 and starts it again on what it left. Resolves with the seconds in between. */
  restart(options?: HoldOptions): Promise<number>;
  /** Ends it in order: not while it holds a step. */
  stop(): Promise<void>;
  /** With -9, for good. */
  kill(): Promise<void>;
};

export type HoldOptions = {
  /** Checkpoints at which the next process holds a step (`HOLDFAST_TEST_HOLD_AT` of apps/all-in-one). */
  readonly holdAt?: readonly string[];
};

const allInOneMain = fileURLToPath(new URL('../../../apps/all-in-one/src/main.ts', import.meta.url));
// The sets of a real group come every 15 minutes, those of the sample group every few seconds.
const fastObservation = {
  HOLDFAST_INVENTORY__OBSERVE_EVERY_SECONDS: '5',
  HOLDFAST_BACKUP__OBSERVE_EVERY_SECONDS: '1',
  HOLDFAST_SHIPPING__OBSERVE_EVERY_SECONDS: '1',
};

type Life = { readonly process: RunningProcess; readonly client: GatewayClient; readonly held: Promise<undefined> };

export async function startHoldfast(
  dataFolder: string,
  log: (line: string) => void,
  options: HoldOptions = {},
): Promise<Holdfast> {
  let life = await live(dataFolder, log, options);
  return {
    client: () => life.client,
    held: () => life.held,
    async restart(next = {}) {
      const killedAt = performance.now();
      await life.process.kill();
      life = await live(dataFolder, log, next);
      return (performance.now() - killedAt) / 1_000;
    },
    async stop() {
      await life.process.stop();
    },
    async kill() {
      await life.process.kill();
    },
  };
}

async function live(dataFolder: string, log: (line: string) => void, { holdAt = [] }: HoldOptions): Promise<Life> {
  const held = Promise.withResolvers<undefined>();
  const waited = new Set(holdAt);
  const process = await startProcess({
    name: 'all-in-one',
    main: allInOneMain,
    args: ['--data', dataFolder],
    env: { ...fastObservation, ...(holdAt.length === 0 ? {} : { HOLDFAST_TEST_HOLD_AT: holdAt.join(',') }) },
    readyUrl: ({ url }) => new URL('/readyz', String(url)).href,
    log: line => {
      const [, place = ''] = /\{"heldAt":"([^"]+)"\}/.exec(line) ?? [];
      if (waited.delete(place) && waited.size === 0) held.resolve(undefined);
      log(line);
    },
  });
  const { url, token } = process.announcement;
  return { process, client: createGatewayClient(String(url), String(token)), held: held.promise };
}
