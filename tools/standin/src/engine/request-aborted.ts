import type { Session } from '../contract.ts';

/** The running request was cancelled (attention, KILL, closed socket, shutdown): `session.signal.reason` tells which. Not an error for the client. */
export class RequestAborted extends Error {
  constructor(reason: unknown) {
    super(`the request was aborted: ${String(reason)}`);
    this.name = 'RequestAborted';
  }
}

export function throwIfAborted(session: Session): void {
  if (session.signal.aborted) throw new RequestAborted(session.signal.reason);
}
