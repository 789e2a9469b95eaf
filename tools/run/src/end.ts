import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const checkEveryMs = 500;

export type EndOptions = { readonly env: Readonly<Record<string, string | undefined>> };

/**
 * Resolves with the reason when this process should end: Ctrl-C, SIGTERM, or its parent is gone. A second Ctrl-C ends it at once.
 * The parent is the one that HOLDFAST_PARENT_PID names, and npm when npm started it: a kill -9 of either tells nobody.
 */
export function untilAskedToEnd({ env }: EndOptions): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const named = Number(env['HOLDFAST_PARENT_PID'] ?? 0);
  const leftByNpm = env['npm_lifecycle_event'] === undefined ? () => false : watchAncestors();
  let asked = false;
  const ask = (reason: string): void => {
    if (asked && reason.startsWith('SIG')) process.exit(1);
    asked = true;
    resolve(reason);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ask(signal));
  const watch = setInterval(() => {
    if (!leftByNpm() && (named === 0 || isAlive(named))) return;
    clearInterval(watch);
    ask('the parent process is gone');
  }, checkEveryMs);
  watch.unref();
  return promise;
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, but not ours.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** npm starts a script through a shell, which stays when npm is killed: so the shell's parent is watched, too. */
function watchAncestors(): () => boolean {
  const shell = process.ppid;
  const npm = parentOf(shell);
  return () => {
    // POSIX gives an orphan another parent at once; Windows leaves it the id of the one that is gone.
    if (process.ppid !== shell || !isAlive(shell)) return true;
    if (npm === undefined) return false;
    return process.platform === 'linux' ? parentOf(shell) !== npm : !isAlive(npm);
  };
}

/** Undefined where this system does not tell (Windows), or when the process is gone. */
function parentOf(pid: number): number | undefined {
  const text =
    process.platform === 'linux' ? statusOf(pid) : spawnSync('ps', ['-o', 'ppid=', '-p', String(pid)]).stdout;
  const parent = Number(String(text ?? '').trim());
  return parent > 0 ? parent : undefined;
}

function statusOf(pid: number): string | undefined {
  try {
    return /^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ESRCH: it went while it was read.
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
