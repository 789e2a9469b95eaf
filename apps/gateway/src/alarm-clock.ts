/** Time as a parameter: tokens run out by this clock, in tests as in production. */
export type AlarmClock = {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs once when `now()` has reached `atMs`; the answer takes the appointment back. */
  at(atMs: number, run: () => void): () => void;
};

// Node fires a longer timer at once.
const longestTimerMs = 2_147_483_647;

export const systemClock: AlarmClock = {
  now: () => Date.now(),
  at(atMs, run) {
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = atMs - Date.now();
      timer = setTimeout(
        () => (leftMs > longestTimerMs ? arm() : run()),
        Math.min(Math.max(leftMs, 0), longestTimerMs),
      );
      timer.unref();
    };
    arm();
    return () => clearTimeout(timer);
  },
};
