import type { Session } from '../contract.ts';

/** The running request was cancelled (attention, KILL, closed socket, shutdown): `session.signal.reason` tells which. Not an error for the client. */
export class RequestAborted extends Error {
  constructor(reason: unknown) {
    super(`the request was aborted: ${String(reason)}`);
    this.name = 'RequestAborted';
  }
}

/** Waits for `work`, but not longer than the request lives. */
export async function untilAborted(session: Session, work: Promise<unknown>): Promise<void> {
  throwIfAborted(session);
  const { signal } = session;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new RequestAborted(signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  await Promise.race([work, promise]).finally(() => signal.removeEventListener('abort', abort));
}

export function throwIfAborted(session: Session): void {
  if (session.signal.aborted) throw new RequestAborted(session.signal.reason);
}
