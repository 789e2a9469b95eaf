import { renderExit, type RunningProcess } from './process.ts';

export type Supervision = {
  /** Starts it anew on what the last one left. Rejects with the reason when it could not. */
  readonly startAgain: () => Promise<RunningProcess>;
  /** Told of every end, every start and every failure to start. */
  readonly say: (line: string) => void;
  /** Before the first attempt, doubled with every further one up to the longest; the first one again after it was up for `steady`. */
  readonly pausesMs?: { readonly first: number; readonly longest: number; readonly steady: number };
  /** Milliseconds; only differences count. */
  readonly clock?: () => number;
};

export type Supervised = {
  readonly name: string;
  /** Ends the supervision, then the process as `RunningProcess.stop` does; one that is just starting is waited for. */
  stop(): Promise<void>;
};

const usualPausesMs = { first: 500, longest: 30_000, steady: 60_000 };

/** Starts a process again whenever it ends by itself, however it ended, until it is told to stop: it never gives up. */
export function supervise(first: RunningProcess, supervision: Supervision): Supervised {
  const { name } = first;
  const { startAgain, say, pausesMs = usualPausesMs, clock = () => performance.now() } = supervision;
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;
  let current = first;

  const restart = async (upSince: number, attemptsBefore: number): Promise<number> => {
    let attempts = clock() - upSince >= pausesMs.steady ? 0 : attemptsBefore;
    for (;;) {
      const pauseMs = Math.min(pausesMs.first * 2 ** attempts, pausesMs.longest);
      attempts += 1;
      say(`Starting ${name} again in ${pauseMs / 1_000} s …`);
      await pause(pauseMs, stopping.signal);
      if (isStopping()) return attempts;
      try {
        current = await startAgain();
        say(`${name} is ready again.`);
        return attempts;
      } catch (error) {
        say(error instanceof Error ? error.message : String(error));
      }
    }
  };
  const watch = async (): Promise<void> => {
    let attempts = 0;
    for (;;) {
      const upSince = clock();
      const exit = await current.exited;
      if (isStopping()) return;
      say(`${name} ended by itself (${renderExit(exit)}).`);
      attempts = await restart(upSince, attempts);
      if (isStopping()) return;
    }
  };
  const watched = watch();
  return {
    name,
    async stop() {
      stopping.abort();
      // One that runs ends now; one that was just being started is `current` only when the watch is over.
      await current.stop();
      await watched;
      await current.stop();
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
