import { writeSync } from 'node:fs';
import { type Logger } from './logger.ts';
import { isError, safeMessage } from './safe-message.ts';

/** Where a service answers; `token` when it gives out one to the person who started it. */
export type Answering = { readonly url: string; readonly token?: string };

/**
 * What every app's `service.ts` exports: `createInventory(config, overrides): Service`. `listening` resolves when it can be asked for its
 * health, which in a replica that waits is long before `start` does. `ended` is aborted when it cannot go on and begins to stop by itself,
 * with an Error as reason that says why; `stop` is to be called all the same.
 */
export type Service = {
  readonly name: string;
  readonly listening?: Promise<Answering>;
  readonly ended?: AbortSignal;
  /** Resolves when there is nothing more to do: a process of one task then stops. */
  readonly done?: Promise<unknown>;
  start(): Promise<Answering>;
  stop(): Promise<void>;
};

/** One thing that a service starts and stops. `stopLimitMs`: beyond it the part counts as hung and the next one is stopped. */
export type Part = {
  readonly name: string;
  start(): void | Promise<void>;
  stop(): void | Promise<void>;
  readonly stopLimitMs?: number;
};

export type StopReport = {
  readonly stopped: readonly string[];
  readonly hung: readonly string[];
  readonly failed: readonly { readonly part: string; readonly problem: string }[];
};

export type Lifecycle = { start(): Promise<void>; stop(): Promise<StopReport> };

const defaultStopLimitMs = 10_000;

/**
 * Starts parts in order and stops those that started in reverse: a part may use the ones before it until it has stopped. When one fails
 * to start, the ones before it are stopped and its error is the `cause` of the one thrown. `stop` may be called at any time and again;
 * everybody gets the one report. Parts that hang or fail at stopping are logged when a logger is given and do not keep the others running.
 */
export function createLifecycle(
  parts: readonly Part[],
  options: { logger?: Logger; stopLimitMs?: number } = {},
): Lifecycle {
  const { logger, stopLimitMs = defaultStopLimitMs } = options;
  const started: Part[] = [];
  let starting: Promise<void> | undefined;
  let stopping: Promise<StopReport> | undefined;

  const startParts = async (): Promise<void> => {
    for (const part of parts) {
      if (stopping !== undefined) throw new Error(`Stopped before ${part.name} had started.`);
      try {
        await part.start();
      } catch (cause) {
        throw new Error(`${part.name} did not start`, { cause });
      }
      started.push(part);
    }
  };

  const stopParts = async (): Promise<StopReport> => {
    const stopped: string[] = [];
    const hung: string[] = [];
    const failed: { part: string; problem: string }[] = [];
    for (const part of started.reverse()) {
      const outcome = await stopPart(part, part.stopLimitMs ?? stopLimitMs);
      if (outcome === 'stopped') stopped.push(part.name);
      else if (outcome === 'hung') hung.push(part.name);
      else failed.push({ part: part.name, problem: outcome.problem });
    }
    if (hung.length > 0 || failed.length > 0) logger?.error({ hung, failed }, 'not everything stopped');
    return { stopped, hung, failed };
  };

  const stop = (): Promise<StopReport> => {
    // A start under way is let finish its current part: half a part cannot be stopped.
    stopping ??= (starting ?? Promise.resolve()).then(stopParts, stopParts);
    return stopping;
  };

  return {
    stop,
    start: async () => {
      if (stopping !== undefined) throw new Error('This lifecycle has been stopped; create a new one.');
      starting ??= startParts();
      try {
        await starting;
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

async function stopPart(part: Part, limitMs: number): Promise<'stopped' | 'hung' | { problem: string }> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<'hung'>(resolve => {
    timer = setTimeout(() => resolve('hung'), limitMs);
  });
  try {
    return await Promise.race([Promise.resolve(part.stop()).then(() => 'stopped' as const), limit]);
  } catch (error) {
    return { problem: safeMessage(error) };
  } finally {
    clearTimeout(timer);
  }
}

export type MainOptions = {
  /** Only `HOLDFAST_PARENT_PID` is read here; `process.env` when left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The whole stop; 30,000 when left out. */
  readonly stopLimitMs?: number;
};

/**
 * The life of a process, for main.ts: starts, announces on standard output where it answers, waits for SIGTERM, SIGINT, the parent's end or the service's own, stops, sets the exit code (1
 * when starting or stopping failed or when the service ended by itself). The parent's end is seen by IPC where there is a channel and by `HOLDFAST_PARENT_PID`: after a kill -9 of the
 * parent no child may stay. The process is ended here only after the stop had its time: a forgotten timer must not keep it alive.
 */
export async function runMain(create: () => Service | Promise<Service>, options: MainOptions = {}): Promise<void> {
  const { env = process.env, stopLimitMs = 30_000 } = options;
  let stopWatching = (): void => undefined;
  try {
    const end = untilAskedToEnd(parentPid(env['HOLDFAST_PARENT_PID']));
    stopWatching = end.stopWatching;
    await runService(create, end.asked, stopLimitMs);
    process.exitCode ??= 0;
  } catch (error) {
    process.stderr.write(`${safeMessage(error)}\n`);
    process.exitCode = 1;
  } finally {
    stopWatching();
  }
  // Unreferenced: a clean process ends by itself at once.
  setTimeout(() => process.exit(), 1_000).unref();
  if (process.connected) process.disconnect();
}

async function runService(
  create: () => Service | Promise<Service>,
  asked: Promise<string>,
  stopLimitMs: number,
): Promise<void> {
  const service = await create();
  const start = service.start();
  // A signal during a long start does not wait for it; the start then fails because it was stopped, which is no news.
  start.catch(() => undefined);
  // One line for whoever started the process: by `ready` it is told from the lines of the log.
  void (service.listening ?? start).then(
    answering => writeSync(1, `${JSON.stringify({ ready: true, ...answering, pid: process.pid })}\n`),
    () => undefined,
  );
  const end = Promise.race([asked, endOf(service), ...(service.done === undefined ? [] : [service.done])]);
  const first = await Promise.race([start.then(() => 'started' as const), end.then(() => 'ended' as const)]);
  if (first === 'started') await end;
  const outcome = await stopPart(
    { name: service.name, start: () => undefined, stop: () => service.stop() },
    stopLimitMs,
  );
  if (outcome === 'hung') throw new Error(`${service.name} did not stop within ${stopLimitMs} ms.`);
  if (outcome !== 'stopped') throw new Error(`${service.name} did not stop cleanly: ${outcome.problem}`);
  service.ended?.throwIfAborted();
}

function endOf({ ended }: Service): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  if (ended?.aborted === true) resolve(undefined);
  ended?.addEventListener('abort', () => resolve(undefined), { once: true });
  return promise;
}

function parentPid(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  const pid = Number(text);
  if (!Number.isInteger(pid) || pid < 1) throw new Error('HOLDFAST_PARENT_PID is not a process id.');
  return pid;
}

function untilAskedToEnd(parent: number | undefined): { asked: Promise<string>; stopWatching: () => void } {
  const { promise: asked, resolve } = Promise.withResolvers<string>();
  const signals = ['SIGTERM', 'SIGINT'] as const;
  let signalled = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    // The second Ctrl-C of somebody who does not want to wait.
    if (signalled) process.exit(1);
    signalled = true;
    resolve(signal);
  };
  const onDisconnect = (): void => resolve('parent disconnected');
  for (const signal of signals) process.on(signal, onSignal);
  if (process.connected) process.once('disconnect', onDisconnect);
  const watch =
    parent === undefined
      ? undefined
      : setInterval(() => {
          if (!isAlive(parent)) resolve('parent is gone');
        }, 500);
  return {
    asked,
    stopWatching: () => {
      clearInterval(watch);
      process.off('disconnect', onDisconnect);
      // The signal listeners stay until the process ends: without them a second Ctrl-C would cut the last log lines off.
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives under another account.
    return isError(error) && 'code' in error && error.code === 'EPERM';
  }
}
