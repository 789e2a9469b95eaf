import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Announcement, readAnnouncement } from './announcement.ts';
import { fromRoot } from './programs.ts';

export type ProcessDefinition = {
  /** Prefix of its lines. */
  readonly name: string;
  /** Its main module: a path of this machine, run by this very Node. */
  readonly main: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The address to ask, once it has announced itself, until it answers 200; undefined: the announcement is enough. */
  readonly readyUrl?: (announcement: Announcement) => string | undefined;
  readonly readyTimeoutMs?: number;
  /** Every line it prints, prefixed; the announcement is left out, because it may carry a token. */
  readonly log: (line: string) => void;
  /** Its own working folder; this process's when left out. */
  readonly folder?: string;
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type RunningProcess = {
  readonly name: string;
  readonly pid: number;
  readonly announcement: Announcement;
  /** Resolves when it has ended, however it ended. */
  readonly exited: Promise<Exit>;
  hasExited(): boolean;
  /** Asks it to end (SIGTERM) and ends it (SIGKILL) when it has not within the limit. */
  stop(limitMs?: number): Promise<Exit>;
  /** Ends it at once: SIGKILL. */
  kill(): Promise<Exit>;
};

/** What a program loads is compiled once on a machine: a third of the time that a start takes. Node forgets what has changed. */
const compileCache = fromRoot('node_modules/.cache/compile');
const lastLinesKept = 12;
/** Where `npm test` keeps the programs that it made into one file each, which are started with half the work. */
const madePrograms = process.env['HOLDFAST_PROGRAMS'];
/** Somebody else may hold its output open for longer than it lives. */
const lastWordsMs = 1_000;

function programOf(main: string): string {
  const [, place] = /[\\/](apps[\\/][\w-]+|tools[\\/]standin)[\\/]src[\\/]main\.ts$/.exec(main) ?? [];
  return madePrograms === undefined || place === undefined ? main : join(madePrograms, place, 'main.js');
}

/**
 * Starts a process and resolves when it is ready: it has printed its announcement and then answers a request. Rejects with its last lines
 * when it ends before. It is told this process's id under the names that our own programs and the stand-in know, and ends when we are gone.
 */
export async function startProcess(definition: ProcessDefinition): Promise<RunningProcess> {
  const { name, main, args = [], env = {}, readyUrl, readyTimeoutMs = 60_000, log, folder } = definition;
  const parent = String(process.pid);
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', programOf(main), ...args], {
    env: {
      NODE_COMPILE_CACHE: compileCache,
      ...process.env,
      HOLDFAST_PARENT_PID: parent,
      STANDIN_PARENT_PID: parent,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  const exited = exitOf(child);
  const closed = new Promise(resolve => child.once('close', resolve));
  const lastLines: string[] = [];
  const announced = watchOutput(child, line => {
    // Log lines are for the log: what a program says at its end, it says in plain text.
    if (!line.startsWith('{')) lastLines.push(line);
    if (lastLines.length > lastLinesKept) lastLines.shift();
    log(`[${name}] ${line}`);
  });
  const limit = AbortSignal.timeout(readyTimeoutMs);
  // Its last words may come after its end.
  const failed = exited.then(async exit => {
    await Promise.race([closed, once(AbortSignal.timeout(lastWordsMs), 'abort')]);
    throw new Error(`${name} ended (${renderExit(exit)}) before it was ready.\n${lastLines.join('\n')}`);
  });
  const late = once(limit, 'abort').then(() => {
    throw new Error(`${name} was not ready within ${readyTimeoutMs} ms.\n${lastLines.join('\n')}`);
  });
  // Whichever of them loses the race is no news.
  failed.catch(() => undefined);
  late.catch(() => undefined);
  try {
    const announcement = await Promise.race([announced, failed, late]);
    const url = readyUrl?.(announcement);
    if (url !== undefined) await Promise.race([untilAnswers(url, limit), failed, late]);
    return running(name, child, announcement, exited);
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    throw error;
  }
}

function running(name: string, child: ChildProcess, announcement: Announcement, exited: Promise<Exit>): RunningProcess {
  const hasExited = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const send = (signal: NodeJS.Signals): void => {
    if (!hasExited()) child.kill(signal);
  };
  return {
    name,
    pid: child.pid ?? 0,
    announcement,
    exited,
    hasExited,
    async stop(limitMs = 20_000) {
      const timer = setTimeout(() => send('SIGKILL'), limitMs);
      send('SIGTERM');
      const exit = await exited;
      clearTimeout(timer);
      return exit;
    },
    kill() {
      send('SIGKILL');
      return exited;
    },
  };
}

export function renderExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code ?? 'unknown'}` : signal;
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    // It could not even be started; there is no exit then.
    child.once('error', () => resolve({ code: null, signal: null }));
  });
}

/** The announcement; every other line goes to `onLine`, for as long as the process lives. */
function watchOutput(child: ChildProcess, onLine: (line: string) => void): Promise<Announcement> {
  return new Promise(resolve => {
    readLines(child.stdout, line => {
      const announcement = readAnnouncement(line);
      if (announcement === undefined) onLine(line);
      else resolve(announcement);
    });
    readLines(child.stderr, onLine);
    child.once('error', error => onLine(error.message));
  });
}

function readLines(stream: Readable | null, onLine: (line: string) => void): void {
  if (stream !== null) createInterface({ input: stream }).on('line', onLine);
}

async function untilAnswers(url: string, limit: AbortSignal): Promise<void> {
  while (!limit.aborted) {
    if (await answers(url)) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** Refused, cut or too slow is what an address does before somebody listens there; the limit tells who never does. */
async function answers(url: string): Promise<boolean> {
  const asked = fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(5_000) });
  const answer = await asked.catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.status === 200;
}
