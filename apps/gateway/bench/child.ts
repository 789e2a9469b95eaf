import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** What a server tells once it listens: anything that its clients need. */
export type Announced = Readonly<Record<string, string>>;

export type Usage = { readonly cpuMs: number; readonly rssMebibytes: number };

export type Child = {
  readonly announced: Announced;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
};

/** The server's side: it tells where it listens, answers what it has used so far, and calls `end` when its parent lets go of it or is gone. */
export async function serveChild(start: () => Promise<Announced>, end: () => void): Promise<void> {
  process.once('disconnect', end);
  const announced = await start();
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1_000, rssMebibytes: process.memoryUsage.rss() / 1_048_576 });
  });
  process.send?.(announced);
}

/** Starts one in this environment. @throws Error when it ends before it has told where it listens. */
export async function startChild(main: string, args: readonly string[]): Promise<Child> {
  const child = fork(main, [...args], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const announced = (await nextMessage(child, args[0] ?? main)) as Announced;
  return {
    announced,
    async usage() {
      const answer = nextMessage(child, args[0] ?? main);
      child.send('usage');
      return (await answer) as Usage;
    },
    async stop() {
      const ended = once(child, 'exit');
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}

async function nextMessage(child: ChildProcess, name: string): Promise<unknown> {
  const ended = new AbortController();
  const failed = once(child, 'exit', { signal: ended.signal }).then(() => {
    throw new Error(`${name} ended before it answered`);
  });
  failed.catch(() => undefined);
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal: ended.signal }), failed])) as [unknown];
    return message;
  } finally {
    ended.abort();
  }
}
