import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { addressOf } from './address.ts';
import { type BrokerFacts, factsOf, startedAs } from './broker.ts';
import { KafkaError } from './errors.ts';
import { brokerFolder, brokerOn, readStartedAs } from './folder.ts';
import { install } from './installation.ts';
import type { Environment } from './java.ts';
import { launch } from './launch.ts';
import { answersRequests } from './probe.ts';
import type { Security } from './properties.ts';

/**
 * `RUNNING`: its process is there, is Kafka's, and answers. `SILENT`: it does not answer, because it still starts, is frozen or hangs.
 * `STOPPED`: no broker runs on the folder.
 */
export type BrokerStatus =
  | { readonly state: 'STOPPED'; readonly dataFolder: string }
  | ({ readonly state: 'RUNNING' | 'SILENT'; readonly dataFolder: string; readonly pid: number } & BrokerFacts);

export type DetachedOptions = {
  readonly dataFolder: string;
  readonly port: number | undefined;
  readonly security: Security;
  readonly acl: boolean;
  readonly env: Environment;
  readonly log: (line: string) => void;
};

const stopLimitMs = 30_000;
const answerLimitMs = 10_000;
const lookEveryMs = 50;

/**
 * Starts a broker that outlives this process. Where one runs as it is asked for, nothing is done but to wait until it answers, within bounds:
 * `started` is false then. @throws KafkaError, ALREADY_RUNNING when one runs otherwise.
 */
export async function startDetached(
  options: DetachedOptions,
): Promise<{ readonly started: boolean; readonly status: BrokerStatus }> {
  const { dataFolder, port, env, log } = options;
  const as = startedAs(options.security, options.acl);
  const folder = brokerFolder(dataFolder);
  const installation = await install({ env, log });
  try {
    const { child } = await launch({ installation, folder, port, as, attached: false });
    child.unref();
  } catch (error) {
    if (!(error instanceof KafkaError) || error.code !== 'ALREADY_RUNNING') throw error;
    const running = await brokerOn(folder);
    if (!isDeepStrictEqual(as, await readStartedAs(folder)) || (port ?? running?.port) !== running?.port)
      throw new KafkaError(error.code, `${error.message} It was started with other settings: stop it first.`);
    return { started: false, status: await untilAnswers(dataFolder) };
  }
  return { started: true, status: await readStatus(dataFolder) };
}

/** Somebody else may be just starting it. */
async function untilAnswers(dataFolder: string): Promise<BrokerStatus> {
  const limit = AbortSignal.timeout(answerLimitMs);
  for (;;) {
    const status = await readStatus(dataFolder);
    if (status.state !== 'SILENT' || limit.aborted) return status;
    await pause(lookEveryMs);
  }
}

export async function readStatus(dataFolder: string): Promise<BrokerStatus> {
  const folder = brokerFolder(dataFolder);
  const run = await brokerOn(folder);
  const as = await readStartedAs(folder);
  if (run === undefined || as === undefined) return { state: 'STOPPED', dataFolder: folder.root };
  const answers = await answersRequests(await addressOf(folder, as, run.port));
  return {
    state: answers ? 'RUNNING' : 'SILENT',
    dataFolder: folder.root,
    pid: run.pid,
    ...factsOf(folder, as, run.port),
  };
}

/** Ends the broker on the folder, whoever started it. Returns whether there was one. */
export async function stopDetached(dataFolder: string, limitMs = stopLimitMs): Promise<boolean> {
  const folder = brokerFolder(dataFolder);
  const run = await brokerOn(folder);
  if (run === undefined) return false;
  process.kill(run.pid, 'SIGTERM');
  const limit = AbortSignal.timeout(limitMs);
  let killed = false;
  // The broker's own command line goes with it: a process that nobody has waited for yet has none.
  while ((await brokerOn(folder))?.pid === run.pid) {
    if (limit.aborted && !killed) {
      process.kill(run.pid, 'SIGKILL');
      killed = true;
    }
    await pause(lookEveryMs);
  }
  return true;
}
