/** Work that goes on until it is stopped. */
export type Repeating = {
  /** Rejects when it gives up; never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when nothing of it is under way any more. @throws what made it give up before. */
  stop(): Promise<void>;
};

/** Resolves at the end of the time, or at once when the signal is raised. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}

/** Rejects with what the work rejects with, and says nothing when it ends well. */
export function rejectionOf(work: Promise<unknown>): Promise<never> {
  const failed = work.then(() => new Promise<never>(() => undefined));
  // Not everybody waits for it.
  failed.catch(() => undefined);
  return failed;
}

/** `step` again and again, `everyMs` after it ended; a step that fails is told to `onFailure`, which throws to give up. */
export function repeat(
  step: () => Promise<void>,
  everyMs: number,
  onFailure: (error: unknown, stopping: boolean) => void,
): Repeating {
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await step();
      } catch (error) {
        onFailure(error, stop.signal.aborted);
      }
      await pause(everyMs, stop.signal);
    }
  };
  const done = loop();
  // Awaited at the stop; until then a failure must not end the process on its own.
  done.catch(() => undefined);
  return {
    failed: rejectionOf(done),
    async stop() {
      stop.abort();
      await done;
    },
  };
}
