import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export type Watch = {
  /** Tells whom to end when this process is gone; undefined: nobody any more, and the watch ends. */
  watch(pid: number | undefined): void;
};

const main = fileURLToPath(new URL('./watchdog/main.ts', import.meta.url));

/** Started before the broker, so that there is no moment in which nobody watches it. */
export function startWatch(): Watch {
  // In a group of its own: Ctrl-C at a terminal must not end it first.
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    windowsHide: true,
  });
  const { stdin } = child;
  // It is gone only if somebody ended it: the broker is then not watched, and nothing else is lost.
  stdin.on('error', () => undefined);
  child.unref();
  // It is a pipe, and so a socket, which the type of a child's streams does not say.
  if (stdin instanceof Socket) stdin.unref();
  return {
    watch(pid) {
      stdin.write(`${pid ?? ''}\n`);
      if (pid === undefined) stdin.end();
    },
  };
}
