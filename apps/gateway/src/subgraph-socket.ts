import { type DocumentNode, type ExecutionResult, GraphQLError, print } from 'graphql';
import { type Client, createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { iteratorOf, type ResultStream } from './streams.ts';
import { notLeader } from './subgraph-answers.ts';

export type SocketOperation = {
  readonly document: DocumentNode;
  readonly variables?: unknown;
  readonly operationName?: string | undefined;
  readonly extensions?: unknown;
  /** W3C: of the operation that it is part of. */
  readonly traceparent?: string | undefined;
};

/** `isConnected`: the subgraph took the connection, at least for a while. */
export type SubgraphSubscription = { readonly stream: ResultStream; readonly isConnected: () => boolean };

const connectLimitMs = 5_000;
/**
 * One subscription at a subgraph, over a socket of its own. `@graphql-mesh/transport-ws` fixes graphql-ws's five silent retries: a
 * subgraph that is down would be reported after half a minute, and a retry would send a signature that has run out. Here a lost
 * connection ends the stream with an error at once; who subscribed decides to come back.
 *
 * Nothing is queued: the subgraph sends the next state when its ping is answered (libs/service, read-receipts), and it is answered when
 * the reader asks for the next state. With one socket for several subscriptions a slow reader would hold up the others.
 *
 * A process that is frozen keeps its connections: it is given up when a whole `lifeSignEveryMs` passed without an answer.
 */
export function subscribeAt(url: string, operation: SocketOperation, lifeSignEveryMs: number): SubgraphSubscription {
  const subscription = new SocketSubscription(url, operation, lifeSignEveryMs);
  return {
    stream: iteratorOf({ next: () => subscription.next(), return: () => subscription.return() }),
    isConnected: () => subscription.isConnected,
  };
}

type Next = IteratorResult<ExecutionResult, undefined>;

class SocketSubscription {
  isConnected = false;
  readonly #client: Client;
  readonly #stop: () => void;
  readonly #arrived: ExecutionResult[] = [];
  /** Pings that the subgraph waits for. */
  readonly #unread: Buffer[] = [];
  #socket: WebSocket | undefined;
  #ending: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(url: string, operation: SocketOperation, lifeSignEveryMs: number) {
    this.#client = createClient({
      url: url.replace(/^http/, 'ws'),
      webSocketImpl: socketWith(operation.traceparent),
      retryAttempts: 0,
      connectionAckWaitTimeout: connectLimitMs,
      on: {
        opened: socket => this.#opened(socket as WebSocket, lifeSignEveryMs),
        connected: () => void (this.isConnected = true),
      },
    });
    this.#stop = this.#client.subscribe(messageOf(operation), {
      next: result => {
        this.#arrived.push(result as ExecutionResult);
        this.#changed();
      },
      error: error => this.#end({ error }),
      complete: () => this.#end({}),
    });
  }

  async next(): Promise<Next> {
    for (;;) {
      const result = this.#arrived.shift();
      if (result !== undefined) return { done: false, value: revived(result) };
      if (this.#ending !== undefined) {
        const how = this.#ending;
        this.#ending = {};
        return endOf(how);
      }
      for (const payload of this.#unread.splice(0)) this.#socket?.pong(payload);
      await new Promise<void>(resolve => (this.#wake = resolve));
    }
  }

  async return(): Promise<Next> {
    this.#arrived.length = 0;
    this.#end({});
    this.#stop();
    // It rejects with what a connection still being made fails with; then there is nothing to close.
    await Promise.allSettled([this.#client.dispose()]);
    return { done: true, value: undefined };
  }

  #opened(socket: WebSocket, lifeSignEveryMs: number): void {
    this.#socket = socket;
    watch(socket, lifeSignEveryMs);
    socket.on('ping', payload => {
      // graphql-ws asks for a sign of life with an empty one.
      if (payload.length === 0 || this.#wake !== undefined) socket.pong(payload);
      else this.#unread.push(payload);
    });
  }

  #end(how: { readonly error?: unknown }): void {
    this.#ending ??= how;
    this.#changed();
  }

  /** Nobody waits any more from here on, whenever the reader itself gets to run. */
  #changed(): void {
    const run = this.#wake;
    this.#wake = undefined;
    run?.();
  }
}

function socketWith(traceparent: string | undefined) {
  const headers = traceparent === undefined ? {} : { traceparent };
  return class extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols, {
        autoPong: false,
        handshakeTimeout: connectLimitMs,
        perMessageDeflate: false,
        headers,
      });
    }
  };
}

function watch(socket: WebSocket, lifeSignEveryMs: number): void {
  let isAlive = true;
  const timer = setInterval(() => {
    if (!isAlive) socket.terminate();
    else socket.ping();
    isAlive = false;
  }, lifeSignEveryMs).unref();
  socket.on('pong', () => (isAlive = true));
  socket.once('close', () => clearInterval(timer));
}

function messageOf({ document, variables, operationName, extensions }: SocketOperation) {
  return {
    query: print(document),
    variables: (variables ?? null) as Record<string, unknown> | null,
    operationName: operationName ?? null,
    extensions: (extensions ?? null) as Record<string, unknown> | null,
  };
}

/** How `ws` words that a WebSocket was answered with status 503, which is what a replica does that only waits. */
const refusedUpgrade = 'Unexpected server response: 503';

/** A subgraph that refuses an operation has answered: graphql-ws gives the errors of that message. Anything else is no answer. */
function endOf({ error }: { readonly error?: unknown }): IteratorResult<ExecutionResult, undefined> {
  if (error === undefined) return { done: true, value: undefined };
  if (Array.isArray(error)) return { done: false, value: revived({ errors: error as GraphQLError[] }) };
  const lost = new Error('the connection was lost', { cause: error });
  if (typeof error === 'object' && error !== null && 'message' in error && error.message === refusedUpgrade)
    return { done: false, value: { errors: [notLeader(lost)] } };
  throw lost;
}

/** Errors come off the wire as plain objects; made GraphQL errors again they can be told from a failure of the transport. */
function revived({ errors, ...result }: ExecutionResult): ExecutionResult {
  if (errors === undefined) return result;
  return {
    ...result,
    errors: errors.map(
      ({ message, path, extensions }) => new GraphQLError(message, { path: path ?? null, extensions }),
    ),
  };
}
