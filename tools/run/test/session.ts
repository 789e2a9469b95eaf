import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from '../src/end.ts';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** One start, as somebody at a terminal meets it. */
export type Session = {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  /** Once it has said where the gateway is. Rejects with what it said when it ends before. */
  ready(): Promise<void>;
  /** Once all that it said has been read as well. */
  exitCode(): Promise<number | null>;
};

const limitMs = 120_000;

export function startSession(
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Session {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, '--data', folder, ...args], {
    // What a newcomer starts is the sources.
    env: { ...process.env, HOLDFAST_PROGRAMS: undefined, HOLDFAST_PARENT_PID: String(process.pid), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let [output, errors] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const said = (): string => `${output}\n${errors}`;
  return {
    child,
    output: () => output,
    errors: () => errors,
    async ready() {
      await until(() => output.includes('Ctrl-C stops everything.') || child.exitCode !== null, said);
      if (child.exitCode !== null) throw new Error(said());
    },
    async exitCode() {
      await closed;
      return child.exitCode;
    },
  };
}

export async function until(condition: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const limit = AbortSignal.timeout(limitMs);
  while (!(await condition())) {
    if (limit.aborted) throw new Error(what());
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** Everybody who runs on the folder: they leave their ids there. */
export function pidsIn(folder: string): number[] {
  return globSync('run/*.json', { cwd: folder }).map(file => pidOf(folder, basename(file, '.json')));
}

export function pidOf(folder: string, name: string): number {
  return (JSON.parse(readFileSync(join(folder, 'run', `${name}.json`), 'utf8')) as { pid: number }).pid;
}

/** Kills what a failed test has left, and waits until nobody of them is there any more. */
export async function endSessions(folder: string, sessions: readonly Session[]): Promise<void> {
  for (const { child } of sessions) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  const left = (): number[] => pidsIn(folder).filter(isAlive);
  await until(
    () => left().length === 0,
    () => `still alive: ${left().join(', ')}`,
  );
}
