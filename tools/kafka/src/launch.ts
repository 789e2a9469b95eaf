import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, open, rename, stat, statfs } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { lastingPorts, writeRunFile } from '@holdfast/run';
import { addressOf } from './address.ts';
import { certificateFiles } from './certificate.ts';
import { KafkaError } from './errors.ts';
import { exclusively } from './exclusive.ts';
import { type BrokerFolder, brokerOn, runName, type StartedAs } from './folder.ts';
import { ensureFormatted } from './format.ts';
import type { Installation } from './installation.ts';
import { javaArguments } from './java-arguments.ts';
import { refuseTakenPort } from './ports.ts';
import { answersRequests } from './probe.ts';
import { renderServerProperties } from './properties.ts';
import { startWatch } from './watch.ts';
import { writeWhole } from './write-whole.ts';

export type LaunchOptions = {
  readonly installation: Installation;
  readonly folder: BrokerFolder;
  /** Undefined: a free one. */
  readonly port: number | undefined;
  readonly as: StartedAs;
  /** It ends with this process; otherwise it outlives it. */
  readonly attached: boolean;
  /** A file for Java's archive of the classes that it has loaded by its end. */
  readonly archiveAtExit?: string;
};

export type BrokerEnd = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What it printed last, stacks left out; a full disk may have kept it from printing why, and is said here too. */
  readonly lastLines: readonly string[];
};

export type Launched = {
  readonly pid: number;
  readonly port: number;
  readonly child: ChildProcess;
  /** Resolves when the process has ended, however it ended. */
  readonly ended: Promise<BrokerEnd>;
  readonly hasEnded: () => boolean;
  /** Asks it to end, and ends it when it has not within the limit. */
  readonly stop: (limitMs?: number) => Promise<BrokerEnd>;
};

const readyLimitMs = 60_000;
const stopLimitMs = 30_000;
const probeEveryMs = 25;
const linesKept = 15;
const lineLength = 300;
const fullDiskBytes = 1024 * 1024;
const tailBytes = 64 * 1024;
/** Of a stack: the reason stands before it, and would be pushed out by it. */
const stackFrame = /^\s+(?:at |\.\.\. \d+ more)/;
const largestLogBytes = 10 * 1024 * 1024;
const portAttempts = 3;

/** Starts a broker and resolves when it answers. @throws KafkaError, all but those of the installation. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await launchOnce(options);
    } catch (error) {
      // Somebody took the free port between our look and the broker's.
      const isRace =
        error instanceof KafkaError && error.code === 'BROKER_DIED' && /already in use/.test(error.message);
      if (!isRace || options.port !== undefined || attempt === portAttempts) throw error;
    }
}

async function launchOnce(options: LaunchOptions): Promise<Launched> {
  const { folder, as } = options;
  await mkdir(folder.root, { recursive: true, mode: 0o700 });
  const launched = await exclusively(folder.startLock, async () => {
    const running = await brokerOn(folder);
    if (running !== undefined)
      throw new KafkaError(
        'ALREADY_RUNNING',
        `A broker runs on ${folder.root} already (process ${running.pid}, port ${running.port}).`,
      );
    return spawnBroker(options);
  });
  try {
    await untilReady(launched, await addressOf(folder, as, launched.port));
    return launched;
  } catch (error) {
    await launched.stop(0);
    throw error;
  }
}

/** All files are written and the process id is known before anybody else may look at the folder (kafka.md §9.5). */
async function spawnBroker(options: LaunchOptions): Promise<Launched> {
  const { installation, folder, as, attached } = options;
  if (options.port !== undefined) await refuseTakenPort(options.port);
  const users = await ensureFormatted(installation, folder, as);
  const [controllerPort = 0, innerPort = 0, freePort = 0] = await lastingPorts(3);
  const port = options.port ?? freePort;
  const properties = renderServerProperties({
    ...as,
    port,
    controllerPort,
    innerPort,
    dataFolder: folder.data,
    brokerPassword: users?.broker,
    keystore: certificateFiles(folder.tls).keystore,
  });
  await writeWhole(folder.properties, properties);
  await writeWhole(folder.started, `${JSON.stringify(as)}\n`);
  const logFrom = await rotateLog(folder);
  const watch = attached ? startWatch() : undefined;
  const child = spawnJava(options);
  watch?.watch(child.pid);
  const launched = watchEnd(child, folder, port, logFrom);
  void launched.ended.then(() => watch?.watch(undefined));
  try {
    // It could not even be started: there is an error then, and no process.
    if (child.pid === undefined) await once(child, 'spawn');
    await writeRunFile(folder.root, runName, { pid: launched.pid, port });
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return launched;
}

function spawnJava({ installation, folder, archiveAtExit }: LaunchOptions): ChildProcess {
  const { java, env } = installation;
  const log = openSync(folder.log, 'a', 0o600);
  try {
    return spawn(
      java.file,
      [
        '-Xms64m',
        '-Xmx128m',
        // Dead and said to be, rather than alive and half broken.
        '-XX:+ExitOnOutOfMemoryError',
        ...javaArguments(installation),
        ...(archiveAtExit === undefined ? [] : [`-XX:ArchiveClassesAtExit=${archiveAtExit}`]),
        'kafka.Kafka',
        folder.properties,
      ],
      // In a group of its own: Ctrl-C at a terminal ends it in order, through whoever started it.
      { cwd: folder.root, env: { ...env }, stdio: ['ignore', log, log], detached: true, windowsHide: true },
    );
  } finally {
    closeSync(log);
  }
}

function watchEnd(child: ChildProcess, folder: BrokerFolder, port: number, logFrom: number): Launched {
  const exit = new Promise<Omit<BrokerEnd, 'lastLines'>>(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', () => resolve({ code: null, signal: null }));
  });
  const ended = exit.then(async end => ({
    ...end,
    lastLines: [...(await tailOf(folder.log, logFrom)), ...(await fullDiskLine(folder))],
  }));
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid ?? 0,
    port,
    child,
    ended,
    hasEnded,
    stop: async (limitMs = stopLimitMs) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
      if (!hasEnded()) child.kill('SIGTERM');
      const end = await ended;
      clearTimeout(timer);
      return end;
    },
  };
}

async function untilReady(
  { ended, hasEnded }: Launched,
  address: Parameters<typeof answersRequests>[0],
): Promise<void> {
  const limit = AbortSignal.timeout(readyLimitMs);
  while (!hasEnded()) {
    if (await answersRequests(address)) return;
    if (limit.aborted) throw new KafkaError('NOT_READY', `The broker did not answer within ${readyLimitMs / 1_000} s.`);
    await Promise.race([pause(probeEveryMs), ended]);
  }
  throw diedError(await ended, 'before it was ready');
}

export function diedError(end: BrokerEnd, when: string): KafkaError {
  const how = end.signal ?? `exit code ${end.code ?? 'unknown'}`;
  return new KafkaError('BROKER_DIED', `The broker ended by itself ${when} (${how}).\n${end.lastLines.join('\n')}`);
}

/** One older log is kept. Returns where this start's lines will begin. */
async function rotateLog({ log }: BrokerFolder): Promise<number> {
  const size = await sizeOf(log);
  if (size < largestLogBytes) return size;
  await rename(log, `${log}.1`);
  return 0;
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function tailOf(file: string, from: number): Promise<readonly string[]> {
  const size = await sizeOf(file);
  const start = Math.max(from, size - tailBytes);
  if (size <= start) return [];
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(size - start), 0, size - start, start);
    const lines = buffer.toString('utf8').trimEnd().split(/\r?\n/);
    const said = lines.filter(line => !stackFrame.test(line)).slice(-linesKept);
    return said.map(line => line.slice(0, lineLength));
  } finally {
    await handle.close();
  }
}

async function fullDiskLine({ root }: BrokerFolder): Promise<readonly string[]> {
  try {
    const { bavail, bsize } = await statfs(root);
    return bavail * bsize < fullDiskBytes ? [`The disk of ${root} is full.`] : [];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
