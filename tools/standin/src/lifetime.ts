const checkEveryMs = 500;
const stopTimeoutMs = 10_000;

/** On SIGINT, SIGTERM, or when the parent is gone: closes the service, then calls `exit` with the exit code. */
export function stopInOrder(
  service: { close(): Promise<void>; closing(): string },
  parentPid: number | undefined,
  exit: (code: number) => void,
  timeoutMs = stopTimeoutMs,
): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    // What does not end would keep the harness that stops us waiting; the next start recovers as after a crash.
    setTimeout(() => {
      console.error(`not stopped after ${timeoutMs} ms: still closing ${service.closing()}`);
      exit(1);
    }, timeoutMs).unref();
    service.close().then(
      () => exit(0),
      (error: unknown) => {
        console.error(error);
        exit(1);
      },
    );
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  if (parentPid !== undefined) whenGone(parentPid, stop);
}

/** Calls `then` once when the process is gone. Without it a harness killed with -9 would leave its instances behind. */
export function whenGone(pid: number, then: () => void): void {
  const timer = setInterval(() => {
    if (isRunning(pid)) return;
    clearInterval(timer);
    then();
  }, checkEveryMs);
  timer.unref();
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, but not ours.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
