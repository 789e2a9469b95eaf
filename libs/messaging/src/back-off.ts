export type BackOff = { readonly firstMs: number; readonly capMs: number };

/** Doubles with every attempt (1, 2, …) up to the cap. */
export function backOffMs({ firstMs, capMs }: BackOff, attempt: number): number {
  return Math.min(capMs, firstMs * 2 ** Math.min(attempt - 1, 30));
}

/** Resolves after `ms`, or at once when told to stop. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const done = (): void => {
    clearTimeout(timer);
    signal.removeEventListener('abort', done);
    resolve(undefined);
  };
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', done);
  return promise;
}

/** The message with those of its causes: the cause is mostly what helps. */
export function reasonOf(error: unknown): string {
  const messages: string[] = [];
  for (let at = error; at !== undefined && messages.length < 5; at = at instanceof Error ? at.cause : undefined)
    messages.push(at instanceof Error ? `${at.name}: ${at.message}` : typeof at === 'string' ? at : `a ${typeof at}`);
  return messages.join('; because ').slice(0, 2_000);
}
