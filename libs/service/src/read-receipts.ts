/** What is needed of a socket of `ws`. */
export type PingableSocket = {
  readonly readyState: number;
  readonly OPEN: number;
  ping(payload: string): void;
  on(event: 'pong', listener: (payload: Buffer) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
};

const ofSocket = new WeakMap<PingableSocket, Receipts>();

/**
 * A stream of results that is asked for its next one only when the reader at the socket's other end has read the one before. A write that
 * has finished says no more than that the system's buffers took it, and those hold thousands of small states: a reader that stopped would
 * go through all of them before it came to the newest. So each result is followed by a numbered ping; the answer, which every WebSocket
 * must give (RFC 6455 §5.5.2), shows that the reader came that far. Whoever never answers is cut off by graphql-ws's own pings.
 */
export function readAtSocketPace<Result>(
  source: AsyncIterator<Result, undefined>,
  socket: PingableSocket,
): AsyncGenerator<Result, undefined, undefined> {
  const receipts = ofSocket.get(socket) ?? new Receipts(socket);
  ofSocket.set(socket, receipts);
  const done = { done: true, value: undefined } as const;
  let isEnded = false;
  let hasGiven = false;
  let stopWaiting = (): void => undefined;
  const end = async (): Promise<typeof done> => {
    isEnded = true;
    stopWaiting();
    await source.return?.();
    return done;
  };
  return {
    async next() {
      if (hasGiven) {
        // No race of promises: one that lasts as long as the stream would gather a reaction for every state.
        await new Promise<void>(resolve => {
          stopWaiting = resolve;
          void receipts.next().then(resolve);
        });
      }
      if (isEnded) return done;
      hasGiven = true;
      return source.next();
    },
    return: end,
    throw: end,
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await end();
    },
  };
}

/** Pings are answered in order, and an answer may stand for earlier ones too (RFC 6455 §5.5.3). */
class Receipts {
  readonly #socket: PingableSocket;
  readonly #waiting = new Map<number, () => void>();
  #sent = 0;

  constructor(socket: PingableSocket) {
    this.#socket = socket;
    // graphql-ws's own pings carry nothing, which reads as 0.
    socket.on('pong', payload => this.#settle(Number(payload.toString())));
    socket.once('close', () => this.#settle(Infinity));
  }

  /** Resolves when all that was sent before has been read, or the socket is closed. */
  next(): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve();
    this.#sent += 1;
    const number = this.#sent;
    const read = new Promise<void>(resolve => this.#waiting.set(number, resolve));
    this.#socket.ping(String(number));
    return read;
  }

  #settle(upTo: number): void {
    for (const [number, resolve] of this.#waiting) {
      // In the order in which they were sent; and NaN, the answer to no ping of ours, is never reached.
      if (!(number <= upTo)) break;
      this.#waiting.delete(number);
      resolve();
    }
  }
}
