import { readFileSync } from 'node:fs';

/**
 * When a process started, in the system's own words: with the pid it names one process, where a pid alone may name another one by now.
 * Null where the system does not tell (only Linux does, through /proc) or no such process lives.
 */
export function startOfProcess(pid: number): string | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  } catch {
    // No /proc, or no such process: either way nobody may be ended by this number.
    return null;
  }
  // proc(5): field 22. The second one is the command's name in brackets, which may hold blanks and brackets itself.
  const fromThird = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fromThird[19] ?? null;
}

/** Sends SIGKILL only to the very process that was recorded. False when it is gone, or when the system does not tell who it is. */
export function endProcess({ pid, started }: { readonly pid: number; readonly started: string | null }): boolean {
  if (started === null || pid === process.pid || startOfProcess(pid) !== started) return false;
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch (error) {
    // Gone meanwhile, or another account's: then it stays, and who waits for it goes on saying so.
    if (Error.isError(error) && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM')) return false;
    throw error;
  }
}
